// The page that watches: panels of pictures, changes from the next chunk on, forks, saving.
"use strict";

(function () {
  const panels = Array.from(document.querySelectorAll(".panel"));
  const asking = ["use-prompt", "use-seed", "fork", "join", "again"].map(Live.byId);
  const state = { script: null, chunks: 0, held: null, closed: false };
  const plays = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  const clock = Clock(render, function (chunk) { send({ kind: "shown", chunk }); });
  clock.playing = plays;

  const send = Live.connect({
    started: function (message) {
      state.script = message.script;
      state.chunks = message.chunks;
      state.held = null;
      clock.reset();
      clock.playing = plays;
      fill();
    },
    step: function (step) {
      if (state.held) { state.held.push(step); } else { clock.add(step); }
      render();
    },
    changed: function (message) {
      state.script = message.script;
      state.held = null;
      fill();
      tell("Changed from chunk " + (message.chunk + 1) + " on.");
    },
    file: function (message) {
      Live.offer(message.name, message.content);
      Live.byId("command").textContent = message.command;
      Live.byId("command").hidden = false;
      tell("Saved " + message.name + ". The command below makes it again.");
    },
    error: function (message) {
      if (state.held) { state.held.forEach(clock.add); }
      state.held = null;
      render();
      tell(message.problem + " " + message.fix);
    },
    closed: function () {
      state.closed = true;
      tell("The connection has ended. Start the command again, or load the page again.");
      render();
    },
  });

  function tell(text) {
    Live.byId("said").value = text;
  }

  function fill() {
    const last = state.script.changes.reduce(function (found, change) {
      return { prompt: change.prompt === null ? found.prompt : change.prompt, seed: change.seed === null ? found.seed : change.seed };
    }, { prompt: state.script.prompt, seed: state.script.seed });
    Live.byId("prompt").value = last.prompt;
    Live.byId("seed").value = last.seed;
    render();
  }

  // Ask for a change from the first chunk on of which nothing has been shown.
  function change(what) {
    if (state.held || state.closed) { return; }
    const chunk = clock.furthest < 0 ? 0 : clock.at(clock.furthest).chunk + 1;
    state.held = clock.cut(chunk);
    send(Object.assign({ kind: "change", chunk }, what));
    render();
  }

  function seed() {
    return Math.max(0, Math.round(Number(Live.byId("seed").value) || 0));
  }

  function setText(element, text) {
    if (element.textContent !== text) { element.textContent = text; }
  }

  function lanesOf(step, model) {
    return step ? step.lanes.filter(function (lane) { return lane.model === model; }) : [];
  }

  function number(value) {
    return value === undefined ? "–" : value.toFixed(4);
  }

  function renderPanel(panel, model, place) {
    const step = clock.steps[place.chunk];
    const [own, ...forks] = lanesOf(step, model);
    panel.querySelectorAll("canvas[data-role]").forEach(function (canvas) {
      const horizon = Number(canvas.dataset.horizon);
      const [earlier] = lanesOf(clock.steps[place.chunk - horizon], model);
      const role = canvas.dataset.role;
      if (role === "present") { Live.draw(canvas, own.pictures[place.frame]); }
      if (role === "truth") { Live.draw(canvas, own.pictures[own.frames - 1]); }
      if (role === "read") { Live.draw(canvas, own.readouts.get(horizon)); }
      if (role === "before") {
        Live.draw(canvas, earlier && earlier.readouts.get(horizon));
        const text = earlier ? "error " + number(own.errors[horizon]) + "\ncopy " + number(own.copies[horizon]) : "";
        setText(canvas.parentElement.querySelector(".errors"), text);
      }
    });
    renderForks(panel, model, place, [own, ...forks]);
    panel.querySelectorAll(".means tbody tr").forEach(function (row) { renderMeans(row, model, place.chunk); });
  }

  function forkStart(chunk) {
    const starts = state.script.changes.filter(function (one) { return one.forks !== null && one.chunk <= chunk; });
    return starts.length ? starts[starts.length - 1].chunk : 0;
  }

  function renderForks(panel, model, place, lanes) {
    const box = panel.querySelector(".forks");
    box.hidden = lanes.length < 2;
    if (box.hidden) { return; }
    const start = forkStart(place.chunk);
    const ahead = place.chunk - start + 1;
    const [before] = lanesOf(clock.steps[start - 1], model);
    const read = before && before.readouts.get(ahead);
    const pictures = lanes.map(function (lane) { return lane.pictures[place.frame]; });
    const shown = lanes.map(function (lane, index) { return ["Seed " + lane.seed, pictures[index], index === 0]; });
    shown.push(["Mean of " + lanes.length, Live.mean(pictures), false]);
    if (read) { shown.push(["Read at the fork: +" + ahead, read, false]); }
    const cells = box.querySelector(".cells");
    while (cells.children.length > shown.length) { cells.lastElementChild.remove(); }
    shown.forEach(function ([caption, picture, isOwn], index) {
      const cell = cells.children[index] || cells.appendChild(newCell());
      cell.classList.toggle("own", isOwn);
      cell.firstElementChild.setAttribute("aria-label", caption);
      setText(cell.lastElementChild, caption);
      Live.draw(cell.firstElementChild, picture);
    });
  }

  function newCell() {
    const cell = document.createElement("figure");
    cell.className = "cell";
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    cell.append(canvas, document.createElement("figcaption"));
    return cell;
  }

  // Means over the chunks up to the one that is shown.
  function renderMeans(row, model, chunk) {
    const horizon = row.dataset.horizon;
    const arrived = clock.steps.slice(0, chunk + 1).map(function (step) { return lanesOf(step, model)[0]; })
      .filter(function (lane) { return lane.errors[horizon] !== undefined; });
    function mean(name) {
      return arrived.reduce(function (sum, lane) { return sum + lane[name][horizon]; }, 0) / arrived.length;
    }
    const texts = arrived.length ? [number(mean("errors")), number(mean("copies"))] : ["–", "–"];
    [...texts, String(arrived.length)].forEach(function (text, index) { setText(row.cells[index + 1], text); });
  }

  function renderState() {
    const generated = clock.steps.length + (state.held ? state.held.length : 0);
    const lag = generated - clock.told() - 1;
    const ended = generated >= state.chunks && state.chunks > 0;
    setText(Live.byId("lag"), "Lag: " + lag + (lag === 1 ? " chunk" : " chunks") + " generated and not shown yet" +
      (ended ? "; the rollout has ended." : clock.playing && clock.waiting ? "; waiting for the generator." : "."));
    const step = clock.steps[clock.steps.length - 1];
    if (step) {
      const seconds = step.lanes.reduce(function (sum, lane) { return sum + lane.seconds; }, 0);
      const rate = step.lanes[0].frames / seconds;
      setText(Live.byId("pace"), "Generator: " + rate.toFixed(0) + " frames per second; the video has " + Live.facts.fps + ".");
    }
    const play = Live.byId("play");
    play.setAttribute("aria-pressed", String(clock.playing));
    setText(play, clock.playing ? "Pause" : "Play");
    asking.forEach(function (button) { button.disabled = state.held !== null || state.closed; });
  }

  function render() {
    if (!state.script) { return; }
    const frames = clock.frames();
    if (frames > 0) {
      const place = clock.at(clock.position);
      panels.forEach(function (panel) { renderPanel(panel, Number(panel.dataset.model), place); });
      const lane = clock.steps[place.chunk].lanes[0];
      const time = Live.byId("time");
      time.max = String(frames - 1);
      time.value = String(clock.position);
      setText(Live.byId("clock"), "chunk " + (place.chunk + 1) + "/" + state.chunks + " · " + (clock.position / Live.facts.fps).toFixed(2) + " s");
      setText(Live.byId("asked"), lane.prompt + " · seed " + lane.seed);
      document.documentElement.dataset.ready = "true";
    }
    renderState();
  }

  function on(id, act) {
    Live.byId(id).addEventListener("click", act);
  }

  function pauseAt(frame) {
    clock.playing = false;
    clock.stopAt = Infinity;
    clock.go(frame);
  }

  on("play", function () { clock.playing = !clock.playing; clock.stopAt = Infinity; render(); });
  on("back", function () { pauseAt(clock.position - 1); });
  on("forth", function () { pauseAt(clock.position + 1); });
  on("step", function () {
    const place = clock.at(clock.position);
    const within = clock.steps.length && clock.position < clock.endOf(place.chunk);
    const chunk = within ? place.chunk : place.chunk + 1;
    if (chunk < clock.steps.length) {
      clock.stopAt = clock.endOf(chunk);
      clock.playing = true;
    } else {
      tell("The next chunk is still being generated.");
    }
    render();
  });
  on("use-prompt", function () { change({ prompt: Live.byId("prompt").value }); });
  on("use-seed", function () { change({ seed: seed() }); });
  on("fork", function () {
    const first = seed() + 1;
    change({ forks: Array.from({ length: Number(Live.byId("count").value) }, function (_, index) { return first + index; }) });
  });
  on("join", function () { change({ forks: [] }); });
  on("again", function () {
    if (state.held || state.closed) { return; }
    state.held = clock.cut(0);
    send({ kind: "start", prompt: Live.byId("prompt").value, seed: seed() });
    render();
  });
  on("film", function () { send({ kind: "export", suffix: ".mp4" }); });
  on("still", function () { send({ kind: "export", suffix: ".png", frame: clock.position }); });
  Live.byId("time").addEventListener("input", function (event) { pauseAt(Number(event.target.value)); });
  Live.byId("speed").addEventListener("change", function (event) { clock.speed = Number(event.target.value); });
  Live.keys({ " ": "play", ",": "back", ".": "forth", n: "step", f: "fork" });
})();
