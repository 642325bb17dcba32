// Players of one prompt move together; a row holds decoded video only while it is near the screen.
"use strict";

(function () {
  const DRIFT_SECONDS = 0.08;
  const rows = Array.from(document.querySelectorAll(".prompt"));
  const speed = document.getElementById("speed");
  const playAll = document.getElementById("play-all");
  const filter = document.getElementById("filter");
  const shown = document.getElementById("shown");

  function clipsOf(row) {
    return Array.from(row.querySelectorAll("video"));
  }

  function setUp(row) {
    const clips = clipsOf(row);
    if (clips.length === 0) {
      return { row, near: false, play() {}, pause() {}, enter() {}, leave() {}, playing: () => false };
    }
    const lead = clips[0];
    const button = row.querySelector("button");
    const slider = row.querySelector("input[type=range]");
    const clock = row.querySelector(".player output");
    let wanted = false;

    clips.forEach(function (clip) {
      clip.removeAttribute("controls");
      clip.muted = true;
      clip.tabIndex = -1;
      clip.addEventListener("click", toggle);
    });
    row.querySelector(".player").hidden = false;

    function show() {
      button.textContent = wanted ? "Pause" : "Play";
      button.setAttribute("aria-pressed", String(wanted));
    }

    function showTime() {
      if (lead.duration > 0) {
        slider.value = String(Math.round(1000 * lead.currentTime / lead.duration));
        clock.value = lead.currentTime.toFixed(2) + " / " + lead.duration.toFixed(2) + " s";
      }
    }

    function align(tolerance) {
      clips.slice(1).forEach(function (clip) {
        if (!(clip.duration > 0)) {
          return;
        }
        const target = Math.min(lead.currentTime, Math.max(0, clip.duration - 0.001));
        if (Math.abs(clip.currentTime - target) > tolerance) {
          clip.currentTime = target;
        }
      });
    }

    function play() {
      wanted = true;
      show();
      clips.forEach(function (clip) {
        clip.preload = "auto";
        clip.playbackRate = Number(speed.value);
        clip.play().catch(function (error) {
          if (error.name !== "AbortError") {
            clip.title = "This browser cannot play the file: " + error.message;
          }
        });
      });
    }

    function pause() {
      wanted = false;
      show();
      clips.forEach(function (clip) { clip.pause(); });
      align(0);
    }

    function toggle() {
      if (wanted) { pause(); } else { play(); }
    }

    function enter() {
      clips.forEach(function (clip) {
        if (clip.dataset.src) {
          clip.src = clip.dataset.src;
          delete clip.dataset.src;
        }
      });
    }

    // A browser keeps few decoders: give them back for rows that left the screen.
    function leave() {
      pause();
      clips.forEach(function (clip) {
        if (clip.hasAttribute("src")) {
          clip.dataset.src = clip.getAttribute("src");
          clip.removeAttribute("src");
          clip.load();
        }
      });
      slider.value = "0";
      clock.value = "";
    }

    lead.addEventListener("timeupdate", function () { showTime(); align(DRIFT_SECONDS); });
    lead.addEventListener("loadedmetadata", showTime);
    lead.addEventListener("seeked", function () { align(0); });
    slider.addEventListener("input", function () {
      const fraction = Number(slider.value) / 1000;
      pause();
      if (lead.duration > 0) {
        lead.currentTime = fraction * Math.max(0, lead.duration - 0.001);
        return;
      }
      lead.addEventListener("loadedmetadata", function () {
        lead.currentTime = fraction * Math.max(0, lead.duration - 0.001);
      }, { once: true });
      clips.forEach(function (clip) { clip.preload = "auto"; clip.load(); });
    });
    button.addEventListener("click", toggle);
    show();
    return { row, near: true, play, pause, enter, leave, playing: () => wanted };
  }

  const players = rows.map(setUp);
  const byRow = new Map(players.map(function (player) { return [player.row, player]; }));

  const observer = new IntersectionObserver(function (entries) {
    entries.forEach(function (entry) {
      const player = byRow.get(entry.target);
      player.near = entry.isIntersecting;
      if (entry.isIntersecting) { player.enter(); } else { player.leave(); }
    });
  }, { rootMargin: "400px 0px" });
  rows.forEach(function (row) { observer.observe(row); });

  function applyFilter() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    players.forEach(function (player) {
      const text = player.row.dataset.prompt.toLowerCase();
      const keep = words.every(function (word) { return text.includes(word); });
      player.row.hidden = !keep;
      if (keep) { count += 1; } else { player.pause(); }
    });
    shown.value = count + " of " + players.length + " prompts shown";
  }

  if (filter) {
    document.querySelector(".tools").hidden = false;
    filter.addEventListener("input", applyFilter);
    playAll.addEventListener("click", function () {
      const near = players.filter(function (player) { return player.near && !player.row.hidden; });
      const start = !near.some(function (player) { return player.playing(); });
      near.forEach(function (player) { if (start) { player.play(); } else { player.pause(); } });
    });
    speed.addEventListener("change", function () {
      rows.forEach(function (row) {
        clipsOf(row).forEach(function (clip) { clip.playbackRate = Number(speed.value); });
      });
    });
    applyFilter();
  }
  document.documentElement.dataset.ready = "true";
})();
