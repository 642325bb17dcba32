// The list of prompts: filtered by words, ordered by a difference, drawn some rows at a time.
"use strict";

(function () {
  const list = Page.byId("list");
  if (!Page.data || !list) { return; }
  const { data, choice, choose, byId, element } = Page;
  const MANY = 40;
  const texts = data.prompts.map(function (prompt) { return prompt.join(" ").toLowerCase(); });
  const more = byId("more");
  let order = [], drawn = 0, most = 1;

  function value(prompt) {
    return Page.gain(choice.of, choice.by, prompt);
  }

  function sorted() {
    const words = choice.words.toLowerCase().split(/\s+/).filter(Boolean);
    const kept = texts.map(function (_, index) { return index; }).filter(function (index) {
      return words.every(function (word) { return texts[index].includes(word); });
    });
    if (choice.order === "id") { return kept; }
    const sign = choice.order === "worst" ? 1 : -1;
    return kept.sort(function (one, other) {
      const a = value(one), b = value(other);
      if (a === null || b === null) { return (a === null) - (b === null) || one - other; }
      return sign * (a - b) || one - other;
    });
  }

  function row(prompt) {
    const item = element("li");
    const button = element("button", "row");
    button.type = "button";
    button.dataset.prompt = String(prompt);
    const words = element("span", "words", data.prompts[prompt][1]);
    const missing = data.models.some(function (_, model) { return data.takes.every(function (_, take) { return !Page.video(model, prompt, take); }); });
    words.append(element("small", "", data.prompts[prompt][0] + (missing ? " · no video in this folder" : "")));
    button.append(words, bar(prompt), number(prompt));
    button.addEventListener("click", function () { choose({ prompt, frame: 0 }); byId("watch").scrollIntoView({ block: "start" }); });
    item.append(button);
    return item;
  }

  function bar(prompt) {
    const outer = element("span", "bar");
    const inner = element("i", value(prompt) < 0 ? "less" : "");
    inner.style.setProperty("--part", String((value(prompt) || 0) / most));
    outer.append(inner);
    return outer;
  }

  function number(prompt) {
    const found = value(prompt);
    return element("span", "number", found === null ? "" : Page.signed(found));
  }

  function drawMore() {
    const upTo = Math.min(order.length, drawn + (choice.layout === "grid" ? 10 : MANY));
    const make = choice.layout === "grid" && window.GridRow ? window.GridRow : row;
    list.append(...order.slice(drawn, upTo).map(make));
    drawn = upTo;
    more.hidden = drawn >= order.length;
    mark();
  }

  function draw() {
    order = sorted();
    const sizes = order.map(function (prompt) { return Math.abs(value(prompt) || 0); });
    most = Math.max(1e-9, ...sizes);
    drawn = 0;
    list.replaceChildren();
    list.dataset.layout = choice.layout;
    drawMore();
    byId("shown").value = order.length + " of " + data.prompts.length + " prompts";
  }

  function mark() {
    list.querySelectorAll("[data-prompt]").forEach(function (button) {
      if (Number(button.dataset.prompt) === choice.prompt) { button.setAttribute("aria-current", "true"); } else { button.removeAttribute("aria-current"); }
    });
  }

  function showChoice() {
    byId("by").value = String(choice.by);
    byId("of").value = String(choice.of);
    byId("order").value = choice.order;
    byId("filter").value = choice.words;
    document.querySelectorAll("input[name=layout]").forEach(function (input) { input.checked = input.value === choice.layout; });
  }

  byId("by").append(new Option(data.mean, "-1"), ...data.dimensions.map(function (name, index) { return new Option(name, String(index)); }));
  byId("of").append(...data.models.map(function (name, index) { return new Option(name, String(index)); }).slice(1));
  byId("by").addEventListener("change", function (event) { choose({ by: Number(event.target.value) }); });
  byId("of").addEventListener("change", function (event) { choose({ of: Number(event.target.value) }); });
  byId("order").addEventListener("change", function (event) { choose({ order: event.target.value }); });
  byId("filter").addEventListener("input", function (event) { choose({ words: event.target.value }); });
  document.querySelectorAll("input[name=layout]").forEach(function (input) {
    input.addEventListener("change", function () { choose({ layout: input.value }); });
  });
  more.addEventListener("click", drawMore);
  new IntersectionObserver(function (entries) {
    if (entries.some(function (entry) { return entry.isIntersecting; }) && !more.hidden) { drawMore(); }
  }, { rootMargin: "600px 0px" }).observe(more);
  window.PromptOrder = function () { return order.length ? order : [choice.prompt]; };
  Page.onChange(function (changed) {
    if (["by", "of", "order", "layout", "words"].some(function (name) { return changed.includes(name); })) { showChoice(); draw(); } else { mark(); }
  });
  window.addEventListener("DOMContentLoaded", draw);
  showChoice();
})();
