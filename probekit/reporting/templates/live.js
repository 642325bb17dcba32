// What both live pages share: the connection, chunks of pictures from its messages, and drawing them.
"use strict";

const Live = (function () {
  const facts = JSON.parse(document.getElementById("facts").textContent);

  function byId(id) {
    return document.getElementById(id);
  }

  // A step from its bytes: length of the head, head, pictures in the order of the head.
  function unpacked(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    const step = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    const [height, width] = step.size;
    const bytes = height * width * 3;
    let place = 4 + length;
    function picture() {
      const rgb = new Uint8Array(buffer, place, bytes);
      place += bytes;
      return { rgb, width, height };
    }
    step.lanes.forEach(function (lane) {
      lane.pictures = Array.from({ length: lane.frames }, picture);
      lane.readouts = new Map(lane.readouts.map(function (horizon) { return [horizon, picture()]; }));
    });
    return step;
  }

  function draw(canvas, picture) {
    if (canvas.shown === picture) { return; }
    canvas.shown = picture;
    const context = canvas.getContext("2d", { willReadFrequently: true }); // every frame comes from memory
    if (!picture) {
      context.clearRect(0, 0, canvas.width, canvas.height);
      return;
    }
    if (canvas.width !== picture.width || canvas.height !== picture.height) {
      canvas.width = picture.width;
      canvas.height = picture.height;
    }
    const image = context.createImageData(picture.width, picture.height);
    for (let from = 0, to = 0; from < picture.rgb.length; from += 3, to += 4) {
      image.data[to] = picture.rgb[from];
      image.data[to + 1] = picture.rgb[from + 1];
      image.data[to + 2] = picture.rgb[from + 2];
      image.data[to + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  }

  // Mean of pictures, to the nearest level, halves up; as the film on the server has it.
  function mean(pictures) {
    const count = pictures.length;
    const rgb = new Uint8Array(pictures[0].rgb.length);
    for (let index = 0; index < rgb.length; index += 1) {
      let total = 0;
      for (const picture of pictures) { total += picture.rgb[index]; }
      rgb[index] = Math.floor((2 * total + count) / (2 * count));
    }
    return { rgb, width: pictures[0].width, height: pictures[0].height };
  }

  // Calls handlers by kind of message; a step is unpacked first. Returns the function that sends.
  function connect(handlers) {
    const socket = new WebSocket(location.href.replace(/^http/, "ws").replace(/[?#].*$/, "") + "socket");
    socket.binaryType = "arraybuffer";
    socket.onmessage = function (event) {
      const message = typeof event.data === "string" ? JSON.parse(event.data) : unpacked(event.data);
      handlers[message.kind](message);
    };
    socket.onclose = function () { handlers.closed(); };
    return function (message) {
      if (socket.readyState === WebSocket.OPEN) { socket.send(JSON.stringify(message)); }
    };
  }

  // Keys that do what a button does, but not while somebody writes.
  function keys(buttons) {
    document.addEventListener("keydown", function (event) {
      const busy = event.target.closest("input, select, textarea, button, summary, a");
      if (event.ctrlKey || event.metaKey || event.altKey) { return; }
      if (busy && (event.key === " " || event.key === "Enter" || busy.matches("input, select, textarea"))) { return; }
      const button = buttons[event.key];
      if (button && !byId(button).disabled) {
        event.preventDefault();
        byId(button).click();
      }
    });
  }

  function offer(name, content) {
    const bytes = Uint8Array.from(atob(content), function (letter) { return letter.charCodeAt(0); });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([bytes]));
    link.download = name;
    link.click();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 10000);
  }

  return { facts, byId, draw, mean, connect, keys, offer };
})();

// Frames in the order of time: which one is shown, and how the picture goes on. A chunk is told as shown once its last
// frame was.
const Clock = function (onFrame, onShown) {
  const steps = [];
  const clock = { steps, position: 0, furthest: -1, playing: true, speed: 1, stopAt: Infinity, waiting: true };
  let due = 0;
  let before = 0;
  let told = -1;

  function starts() {
    let total = 0;
    return steps.map(function (step) { const start = total; total += step.lanes[0].frames; return start; });
  }

  clock.frames = function () {
    return steps.reduce(function (sum, step) { return sum + step.lanes[0].frames; }, 0);
  };

  // The chunk of a frame, and the frame's place in it.
  clock.at = function (frame) {
    const all = starts();
    let chunk = all.length - 1;
    while (chunk > 0 && all[chunk] > frame) { chunk -= 1; }
    return { chunk, frame: frame - (all[chunk] || 0) };
  };

  clock.endOf = function (chunk) {
    return starts()[chunk] + steps[chunk].lanes[0].frames - 1;
  };

  clock.go = function (frame) {
    const last = clock.frames() - 1;
    if (last < 0) { return; }
    clock.position = Math.min(Math.max(0, frame), last);
    clock.furthest = Math.max(clock.furthest, clock.position);
    while (told + 1 < steps.length && clock.endOf(told + 1) <= clock.furthest) {
      told += 1;
      onShown(told);
    }
    onFrame();
  };

  clock.add = function (step) {
    steps[step.chunk] = step;
    if (clock.furthest < 0) { clock.go(0); }
  };

  // Takes chunks from one on away and returns them.
  clock.cut = function (chunk) {
    return steps.splice(chunk);
  };

  clock.reset = function () {
    steps.length = 0;
    told = -1;
    Object.assign(clock, { position: 0, furthest: -1, stopAt: Infinity, waiting: true });
  };

  clock.told = function () { return told; };

  function tick(now) {
    const passed = Math.min(now - before, 250);
    before = now;
    const last = clock.frames() - 1;
    clock.waiting = clock.position >= last;
    if (clock.playing && !clock.waiting) {
      due += passed / 1000 * Live.facts.fps * clock.speed;
      const whole = Math.floor(due);
      due -= whole;
      if (whole > 0) { clock.go(Math.min(clock.position + whole, clock.stopAt)); }
      if (clock.position >= clock.stopAt) { clock.stopAt = Infinity; clock.playing = false; onFrame(); }
    } else {
      due = 0;
    }
    requestAnimationFrame(tick);
  }

  requestAnimationFrame(tick);
  return clock;
};
