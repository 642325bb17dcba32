// Curves by second of the two videos on the stage; the line of now moves with them, and moves them.
"use strict";

(function () {
  const svg = Page.byId("curve");
  if (Page.data && svg && Page.data.curves && Stage) { setUp(); }
  document.documentElement.dataset.ready = "true";

  function setUp() {
    const { data, choice, byId } = Page;
    const { units, videos } = data.curves;
    const WIDTH = 720, HEIGHT = 220, LEFT = 52, BOTTOM = 26, TOP = 10, RIGHT = 10;
    const quantity = byId("quantity");
    units.forEach(function ([, name, unit], index) { quantity.append(new Option(name + " (" + unit + ")", String(index))); });
    const pieces = {};
    let seconds = 1;

    function make(name, attributes, text) {
      const made = document.createElementNS(svg.namespaceURI, name);
      Object.entries(attributes).forEach(function ([key, value]) { made.setAttribute(key, String(value)); });
      if (text !== undefined) { made.textContent = text; }
      svg.append(made);
      return made;
    }

    function own(model) {
      const of = videos[data.models[model]] || {};
      const take = data.takes[choice.take] || [0, 0];
      const found = of[data.prompts[choice.prompt][0] + "/" + take[0]];
      return found ? found[units[quantity.value][0]] || [] : [];
    }

    function mean(model) {
      const all = Object.values(videos[data.models[model]] || {}).map(function (one) { return one[units[quantity.value][0]] || []; });
      const length = Math.min(...all.map(function (one) { return one.length; }));
      if (!all.length || !Number.isFinite(length)) { return []; }
      return Array.from({ length }, function (_, at) { return all.reduce(function (sum, one) { return sum + one[at]; }, 0) / all.length; });
    }

    function draw() {
      svg.replaceChildren();
      const shown = [choice.left, choice.right];
      const lines = shown.map(own), means = shown.map(mean);
      const values = [...lines, ...means].flat();
      byId("curve-text").textContent = values.length ? "Strong: this prompt. Dashed: mean over videos. " + data.models[choice.left] + " first colour, " + data.models[choice.right] + " second." : "No curve of this prompt and sample.";
      if (!values.length) { return; }
      const low = Math.min(...values), high = Math.max(...values), span = high - low || 1;
      seconds = Math.max(1, ...[...lines, ...means].map(function (line) { return line.length; }));
      const x = function (second) { return LEFT + (WIDTH - LEFT - RIGHT) * second / seconds; };
      const y = function (value) { return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - low) / span); };
      [low, (low + high) / 2, high].forEach(function (value) {
        make("path", { class: "axis", d: "M" + LEFT + " " + y(value) + "H" + (WIDTH - RIGHT) });
        make("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, Number(value.toPrecision(3)));
      });
      for (let second = 0; second <= seconds; second += Math.max(1, Math.ceil(seconds / 10))) {
        make("text", { x: x(second), y: HEIGHT - 8, "text-anchor": "middle" }, second + " s");
      }
      [["line", lines], ["mean", means]].forEach(function ([kind, all]) {
        all.forEach(function (line, index) {
          const points = line.map(function (value, second) { return x(second + 0.5) + " " + y(value); });
          if (points.length) { make("path", { class: kind + " " + "ab"[index], d: "M" + points.join("L") }); }
        });
      });
      pieces.now = make("path", { class: "now", d: "" });
      pieces.x = x;
      now(Stage.frame() / Stage.facts().fps);
    }

    function now(second) {
      if (pieces.now) { pieces.now.setAttribute("d", "M" + pieces.x(second) + " " + TOP + "V" + (HEIGHT - BOTTOM)); }
    }

    function scrub(event) {
      const box = svg.getBoundingClientRect();
      const share = ((event.clientX - box.left) * WIDTH / box.width - LEFT) / (WIDTH - LEFT - RIGHT);
      Stage.show(Math.round(Math.max(0, Math.min(1, share)) * seconds * Stage.facts().fps));
    }

    svg.addEventListener("pointerdown", function (event) { svg.setPointerCapture(event.pointerId); scrub(event); });
    svg.addEventListener("pointermove", function (event) { if (event.buttons) { scrub(event); } });
    quantity.addEventListener("change", draw);
    Stage.follow(now);
    Page.onChange(function (changed) {
      if (["prompt", "take", "left", "right"].some(function (name) { return changed.includes(name); })) { draw(); }
    });
    draw();
  }
})();
