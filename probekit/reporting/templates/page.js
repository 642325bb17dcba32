// What all parts of the page share: the data, the choice that the address holds, and small helpers.
"use strict";

const Page = (function () {
  const data = window.PROBEKIT_PAGE || null;
  const listeners = [];
  const choice = { prompt: 0, take: 0, left: 0, right: 1, view: "side", frame: 0, by: -1, of: 1, order: "best", layout: "list", words: "" };
  const numbers = ["frame", "take", "left", "right", "by", "of"];

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) { made.className = className; }
    if (text !== undefined) { made.textContent = text; }
    return made;
  }

  function byId(id) {
    return document.getElementById(id);
  }

  // Change the choice, tell every part what changed, and keep it in the address.
  function choose(changes) {
    const changed = Object.keys(changes).filter(function (name) { return choice[name] !== changes[name]; });
    if (changed.length === 0) { return; }
    Object.assign(choice, changes);
    listeners.forEach(function (listener) { listener(changed); });
    remember();
  }

  function remember() {
    const parts = new URLSearchParams();
    parts.set("prompt", data.prompts[choice.prompt][0]);
    Object.entries(choice).forEach(function ([name, value]) {
      if (name !== "prompt" && value !== usual[name]) { parts.set(name, String(value)); }
    });
    const address = "#" + parts.toString();
    if (location.hash !== address) { history.replaceState(null, "", address); }
  }

  // The choice that an address holds; what it does not name keeps its usual value.
  function read() {
    const parts = new URLSearchParams(location.hash.slice(1));
    if (!parts.has("prompt")) { return {}; }
    const found = Object.assign({}, usual);
    parts.forEach(function (value, name) {
      if (name === "prompt") {
        const index = data.prompts.findIndex(function (prompt) { return prompt[0] === value; });
        found.prompt = Math.max(0, index);
      } else if (numbers.includes(name)) {
        found[name] = Number.isFinite(Number(value)) ? Number(value) : usual[name];
      } else if (name in usual) {
        found[name] = value;
      }
    });
    found.take = bounded(found.take, data.takes.length);
    found.left = bounded(found.left, data.models.length);
    found.right = bounded(found.right, data.models.length);
    found.of = bounded(found.of, data.models.length);
    return found;
  }

  function bounded(value, count) {
    return Math.min(Math.max(0, Math.round(value)), Math.max(0, count - 1));
  }

  function onChange(listener) {
    listeners.push(listener);
  }

  // The copy of one video: its place and facts, or null.
  function video(model, prompt, take) {
    const found = data.videos[model] && data.videos[model][prompt][take];
    return found ? { place: found[0], facts: data.facts[found[1]] } : null;
  }

  // A score by model, prompt, take and dimension; -1 is the mean over dimensions.
  function score(model, prompt, take, dimension) {
    const cells = data.scores[model] && data.scores[model][prompt][take];
    if (!cells) { return null; }
    const values = (dimension < 0 ? cells : [cells[dimension]]).filter(function (value) { return typeof value === "number"; });
    return values.length ? values.reduce(function (sum, value) { return sum + value; }, 0) / values.length : null;
  }

  function gain(model, dimension, prompt) {
    const rows = data.gains[model] || [];
    const row = rows[dimension < 0 ? rows.length - 1 : dimension];
    return row ? row[prompt] : null;
  }

  function signed(value) {
    const text = Math.abs(value).toFixed(2);
    return (text === "0.00" ? "" : value < 0 ? "\u2212" : "+") + text;
  }

  function address(place, suffix) {
    const base = document.querySelector("script[src$='data.js']").getAttribute("src").slice(0, -"data.js".length);
    return base + place.split("/").map(encodeURIComponent).join("/") + suffix;
  }

  const right = data && data.models.length > 1 ? 1 : 0;
  choice.right = right;
  choice.of = right;
  choice.order = data && data.dimensions.length && right ? "best" : "id";
  choice.prompt = data ? firstWithVideo() : 0;
  const usual = Object.assign({}, choice);
  if (data) { Object.assign(choice, read()); }

  if (data) { window.addEventListener("hashchange", function () { choose(read()); }); }

  function firstWithVideo() {
    const index = data.prompts.findIndex(function (_, prompt) {
      return data.models.every(function (_, model) { return video(model, prompt, 0); });
    });
    return Math.max(0, index);
  }

  return { data, choice, choose, read, onChange, element, byId, video, score, gain, signed, address };
})();
