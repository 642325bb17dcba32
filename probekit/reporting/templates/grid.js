// One prompt as a grid: a row for each model, a column for each sample; a still until the pointer rests on it.
"use strict";

(function () {
  if (!Page.data) { return; }
  const { data, choice, choose, byId, element } = Page;

  function tile(model, prompt, take) {
    const found = Page.video(model, prompt, take);
    const value = Page.score(model, prompt, take, choice.by);
    if (!found) { return element("span", "tile none", "no video here"); }
    const button = element("button", found.facts.crisp ? "tile crisp" : "tile");
    button.type = "button";
    button.setAttribute("aria-label", data.models[model] + ", sample " + data.takes[take][0] + (value === null ? "" : ", " + value.toFixed(2)));
    const still = element("img");
    still.loading = "lazy";
    still.alt = "";
    still.src = Page.address(found.place, found.facts.poster);
    button.append(still, element("span", "value", value === null ? "" : value.toFixed(2)));
    button.addEventListener("click", function () {
      choose(Object.assign({ prompt, take, frame: 0 }, model === choice.left ? {} : { right: model }));
      byId("watch").scrollIntoView({ block: "start" });
    });
    button.addEventListener("pointerenter", function () { move(button, still, found); });
    button.addEventListener("pointerleave", function () { stand(button, still); });
    return button;
  }

  function move(button, still, found) {
    const video = element("video");
    video.muted = true;
    video.loop = true;
    video.playsInline = true;
    video.poster = still.src;
    video.src = Page.address(found.place, ".mp4");
    still.replaceWith(video);
    video.play().catch(function () { stand(button, still); });
  }

  function stand(button, still) {
    const video = button.querySelector("video");
    if (video) { video.removeAttribute("src"); video.load(); video.replaceWith(still); }
  }

  window.GridRow = function (prompt) {
    const item = element("li");
    const found = Page.gain(choice.of, choice.by, prompt);
    const head = element("h3", "", data.prompts[prompt][1]);
    if (found !== null && choice.of > 0) { head.append(element("small", "", "  " + Page.signed(found))); }
    const scroll = element("div", "scroll");
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "Samples of " + data.prompts[prompt][0]);
    const table = element("table", "tile-table");
    const top = table.createTHead().insertRow();
    top.append(element("td"), ...data.takes.map(function (take) {
      const cell = element("th", "", "sample " + take[0] + (take[1] ? ", clip " + take[1] : ""));
      cell.scope = "col";
      return cell;
    }));
    const body = table.createTBody();
    data.models.forEach(function (name, model) {
      const line = body.insertRow();
      const label = element("th", "", name);
      label.scope = "row";
      line.append(label);
      data.takes.forEach(function (_, take) { line.insertCell().append(tile(model, prompt, take)); });
    });
    scroll.append(table);
    item.append(head, scroll);
    return item;
  };
})();
