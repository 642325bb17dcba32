// The page that asks: two videos in step, an answer once both were shown to their end.
"use strict";

(function () {
  const canvases = ["left-video", "right-video"].map(Live.byId);
  const answers = ["left", "tie", "right"];
  const state = { chunks: 0, asking: false };
  const clock = Clock(render, function (chunk) { send({ kind: "shown", chunk }); });

  const send = Live.connect({
    trial: function (message) {
      clock.reset();
      clock.playing = true;
      state.chunks = message.chunks;
      state.asking = true;
      Live.byId("asked").textContent = message.prompt;
      Live.byId("said").value = message.answered + (message.answered === 1 ? " answer is kept." : " answers are kept.");
      render();
    },
    step: function (step) { clock.add(step); render(); },
    error: function (message) {
      state.asking = true;
      Live.byId("said").value = message.problem + " " + message.fix;
      render();
    },
    closed: function () {
      state.asking = false;
      Live.byId("said").value = "The connection has ended. Load the page again; your answers are kept.";
      render();
    },
  });

  function render() {
    const shown = state.chunks > 0 && clock.told() + 1 >= state.chunks;
    if (clock.steps.length) {
      const place = clock.at(clock.position);
      clock.steps[place.chunk].lanes.forEach(function (lane, index) { Live.draw(canvases[index], lane.pictures[place.frame]); });
      document.documentElement.dataset.ready = "true";
    }
    answers.concat("replay").forEach(function (id) { Live.byId(id).disabled = !(shown && state.asking); });
    const lag = clock.steps.length - clock.told() - 1;
    Live.byId("lag").textContent = shown ? "" : "Lag: " + lag + (lag === 1 ? " chunk." : " chunks.");
  }

  answers.forEach(function (choice) {
    Live.byId(choice).addEventListener("click", function () {
      state.asking = false;
      render();
      send({ kind: "choice", choice });
    });
  });
  Live.byId("replay").addEventListener("click", function () { clock.playing = true; clock.go(0); });
  Live.keys({ "1": "left", "0": "tie", "2": "right", " ": "replay" });
})();
