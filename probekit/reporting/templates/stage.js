// The viewer: two models' videos of one prompt, side by side, under a wipe, or as their difference.
"use strict";

const Stage = (function () {
  if (!Page.data || !Page.byId("watch")) { return null; }
  const { data, choice, choose, byId } = Page;
  const views = byId("views"), time = byId("time"), clock = byId("clock"), play = byId("play");
  const frames = Array.from(views.querySelectorAll(".frame"));
  const videos = frames.map(function (frame) { return frame.querySelector("video"); });
  const names = Array.from(document.querySelectorAll(".names p"));
  const followers = [];
  let facts = { frames: 1, fps: 1 };
  let rest = 0;

  const players = Players.together(videos, function (frame, playing) {
    time.value = String(frame);
    time.setAttribute("aria-valuetext", "frame " + (frame + 1) + " of " + facts.frames);
    clock.value = "frame " + (frame + 1) + "/" + facts.frames + " · " + (frame / facts.fps).toFixed(2) + " s";
    followers.forEach(function (follower) { follower(frame / facts.fps); });
    if (!playing) {
      clearTimeout(rest);
      rest = setTimeout(function () { choose({ frame: players.frame() }); }, 150);
    }
  });

  function pair() {
    return [choice.left, choice.right].map(function (model) { return Page.video(model, choice.prompt, choice.take); });
  }

  function showVideos() {
    const found = pair();
    const known = found.find(Boolean);
    facts = known ? known.facts : { frames: 1, fps: 1, width: 1, height: 1 };
    time.max = String(facts.frames - 1);
    views.style.setProperty("--shape", String(facts.width / facts.height));
    views.classList.toggle("crisp", Boolean(facts.crisp));
    frames.forEach(function (frame, index) {
      const model = data.models[index ? choice.right : choice.left];
      frame.querySelector(".absent").hidden = found[index] !== null;
      videos[index].hidden = found[index] === null;
      videos[index].setAttribute("aria-label", model + ": " + data.prompts[choice.prompt][1]);
      videos[index].poster = found[index] ? Page.address(found[index].place, found[index].facts.poster) : "";
    });
    const places = found.map(function (one) { return one && Page.address(one.place, ".mp4"); });
    players.load(places, facts, choice.frame);
  }

  function showNames() {
    names.forEach(function (name, index) {
      const model = index ? choice.right : choice.left;
      const value = Page.score(model, choice.prompt, choice.take, choice.by);
      name.querySelector(".name").textContent = data.models[model];
      name.querySelector(".score").textContent = value === null ? "" : value.toFixed(2);
      name.title = value === null ? "" : (choice.by < 0 ? data.mean : data.dimensions[choice.by]) + " of this video, in percent";
    });
    const [id, text] = data.prompts[choice.prompt];
    const [sample, clip] = data.takes[choice.take] || [0, 0];
    byId("asked").textContent = text;
    byId("asked-key").textContent = id + " · sample " + sample + (clip ? " · clip " + clip : "");
  }

  function showView() {
    views.dataset.view = choice.view;
    document.querySelectorAll("input[name=view]").forEach(function (input) { input.checked = input.value === choice.view; });
    document.querySelector(".only-wipe").hidden = choice.view !== "wipe";
    document.querySelector(".only-difference").hidden = choice.view !== "difference";
  }

  function showPlaying() {
    play.textContent = players.playing() ? "Pause" : "Play";
    play.setAttribute("aria-pressed", String(players.playing()));
  }

  function toggle() {
    if (players.playing()) { players.pause(); } else { players.play(); }
    showPlaying();
  }

  function stand(frame) {
    players.pause();
    players.show(frame);
    showPlaying();
  }

  function step(by) {
    stand(players.frame() + by);
  }

  function turn(by) {
    const order = window.PromptOrder ? window.PromptOrder() : data.prompts.map(function (_, index) { return index; });
    const at = order.indexOf(choice.prompt);
    choose({ prompt: order[(at + by + order.length) % order.length], frame: 0 });
  }

  function fill(select, texts, name) {
    texts.forEach(function (text, index) { select.append(new Option(text, String(index))); });
    select.addEventListener("change", function () { choose({ [name]: Number(select.value) }); });
  }

  // Zoom shows the pixels; drag moves what is shown, alike in both videos.
  function setUpZoom() {
    let x = 0, y = 0, from = null;
    function place() {
      const zoom = Number(byId("zoom").value);
      const most = 50 * (1 - 1 / zoom) * zoom;
      x = Math.max(-most, Math.min(most, x));
      y = Math.max(-most, Math.min(most, y));
      views.classList.toggle("zoomed", zoom > 1);
      views.style.setProperty("--zoom", String(zoom));
      views.style.setProperty("--x", x + "%");
      views.style.setProperty("--y", y + "%");
    }
    byId("zoom").addEventListener("change", place);
    views.addEventListener("pointerdown", function (event) {
      from = { x: event.clientX, y: event.clientY, moved: false };
      if (choice.view === "wipe" && !views.classList.contains("zoomed")) { wipeTo(event); }
    });
    window.addEventListener("pointermove", function (event) {
      if (!from) { return; }
      if (Math.hypot(event.clientX - from.x, event.clientY - from.y) > 4) { from.moved = true; }
      if (views.classList.contains("zoomed")) {
        x += 100 * (event.clientX - from.x) / frames[0].clientWidth;
        y += 100 * (event.clientY - from.y) / frames[0].clientHeight;
        from = { x: event.clientX, y: event.clientY, moved: from.moved };
        place();
      } else if (choice.view === "wipe") {
        wipeTo(event);
      }
    });
    window.addEventListener("pointerup", function (event) {
      const clicked = from && !from.moved && views.contains(event.target) && choice.view !== "wipe";
      from = null;
      if (clicked) { toggle(); }
    });
  }

  function wipeTo(event) {
    const box = views.getBoundingClientRect();
    const share = Math.max(0, Math.min(100, 100 * (event.clientX - box.left) / box.width));
    byId("wipe").value = String(Math.round(share));
    views.style.setProperty("--wipe", share + "%");
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=radio]), select, textarea")) { return; }
    const onButton = event.target.closest("button, a, summary, input");
    const actions = {
      " ": onButton ? null : toggle,
      ",": function () { step(-1); }, ".": function () { step(1); },
      n: function () { turn(1); }, p: function () { turn(-1); },
      s: function () { choose({ view: "side" }); }, w: function () { choose({ view: "wipe" }); },
      d: function () { choose({ view: "difference" }); },
    };
    if (actions[event.key]) { event.preventDefault(); actions[event.key](); }
  }

  byId("back").addEventListener("click", function () { step(-1); });
  byId("forth").addEventListener("click", function () { step(1); });
  byId("previous").addEventListener("click", function () { turn(-1); });
  byId("next").addEventListener("click", function () { turn(1); });
  play.addEventListener("click", toggle);
  time.addEventListener("input", function () { stand(Number(time.value)); });
  byId("speed").addEventListener("change", function (event) { players.hurry(Number(event.target.value)); });
  byId("wipe").addEventListener("input", function (event) { views.style.setProperty("--wipe", event.target.value + "%"); });
  byId("gain").addEventListener("change", function (event) { views.style.setProperty("--gain", event.target.value); });
  document.querySelectorAll("input[name=view]").forEach(function (input) {
    input.addEventListener("change", function () { choose({ view: input.value }); });
  });
  document.addEventListener("keydown", onKey);
  setUpZoom();
  fill(byId("take"), data.takes.map(function (take) { return String(take[0]) + (take[1] ? ", clip " + take[1] : ""); }), "take");
  fill(byId("left"), data.models, "left");
  fill(byId("right"), data.models, "right");
  document.querySelector(".only-takes").hidden = data.takes.length < 2;
  document.querySelectorAll(".only-models").forEach(function (label) { label.hidden = data.models.length < 3; });

  function showChoice() {
    byId("take").value = String(choice.take);
    byId("left").value = String(choice.left);
    byId("right").value = String(choice.right);
  }

  Page.onChange(function (changed) {
    const has = function (...keys) { return keys.some(function (key) { return changed.includes(key); }); };
    if (has("view")) { showView(); }
    if (has("prompt", "take", "left", "right")) { showVideos(); showChoice(); }
    if (has("prompt", "take", "left", "right", "by")) { showNames(); }
    if (has("frame") && !players.playing() && players.frame() !== choice.frame) { players.show(choice.frame); }
  });
  showChoice();
  showView();
  showVideos();
  showNames();
  showPlaying();
  return {
    pair, videos,
    facts: function () { return facts; },
    frame: players.frame,
    show: stand,
    follow: function (follower) { followers.push(follower); },
  };
})();
