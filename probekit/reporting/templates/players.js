// Two videos that stay on the same frame, while they play and when they stand.
"use strict";

const Players = (function () {
  const NEAR_SECONDS = 0.012, FAR_SECONDS = 0.25, MOST_HURRY = 0.25;

  // videos: video elements, the first of which leads. onFrame is called with the frame that is shown.
  function together(videos, onFrame) {
    let facts = { frames: 1, fps: 1 };
    let speed = 1, playing = false, wanted = 0, ticket = 0;

    function live() {
      return videos.filter(function (video) { return video.hasAttribute("src"); });
    }

    function seconds(frame) {
      return (frame + 0.5) / facts.fps;  // the middle of a frame, so that rounding never shows the one before
    }

    function shown() {
      const lead = live()[0];
      if (!lead || !playing) { return wanted; }
      return Math.min(facts.frames - 1, Math.max(0, Math.floor(lead.currentTime * facts.fps + 1e-3)));
    }

    function show(frame) {
      wanted = Math.min(Math.max(0, frame), facts.frames - 1);
      live().forEach(function (video) {
        const last = Number.isFinite(video.duration) ? Math.max(0, video.duration - 0.5 / facts.fps) : Infinity;
        video.currentTime = Math.min(seconds(wanted), last);
      });
      onFrame(wanted, playing);
    }

    function keepUp() {
      const clips = live();
      clips.slice(1).forEach(function (video) {
        const behind = clips[0].currentTime - video.currentTime;
        if (Math.abs(behind) > FAR_SECONDS) {
          video.currentTime = clips[0].currentTime;
        } else if (!video.ended) {
          const hurry = Math.abs(behind) > NEAR_SECONDS ? Math.max(-MOST_HURRY, Math.min(MOST_HURRY, 4 * behind)) : 0;
          video.playbackRate = speed * (1 + hurry);
        }
      });
    }

    function tick(mine) {
      if (!playing || mine !== ticket) { return; }
      keepUp();
      wanted = shown();
      onFrame(wanted, true);
      if (live()[0] && live()[0].ended) {
        show(0);
        live().forEach(start);
      }
      requestAnimationFrame(function () { tick(mine); });
    }

    function start(video) {
      video.playbackRate = speed;
      video.play().catch(function (error) {
        if (error.name !== "AbortError") { video.title = "This browser cannot play the file: " + error.message; }
      });
    }

    function play() {
      if (playing || live().length === 0) { return; }
      if (wanted >= facts.frames - 1) { show(0); }
      playing = true;
      ticket += 1;
      live().forEach(start);
      tick(ticket);
    }

    function pause() {
      const frame = shown();
      playing = false;
      live().forEach(function (video) { video.pause(); });
      show(frame);
    }

    // Load other videos; addresses may be null. The frame stays where it was, as far as there are frames.
    function load(addresses, newFacts, frame) {
      const again = playing;
      if (playing) { pause(); }
      facts = newFacts;
      videos.forEach(function (video, index) {
        if (addresses[index] === null) {
          video.removeAttribute("src");
        } else {
          video.src = addresses[index];
        }
        video.load();
      });
      show(frame);
      if (again) { play(); }
    }

    videos.forEach(function (video) {
      video.addEventListener("loadedmetadata", function () { if (!playing) { show(wanted); } });
    });
    return {
      load, play, pause, show, frame: shown,
      playing: function () { return playing; },
      hurry: function (rate) { speed = rate; live().forEach(function (video) { video.playbackRate = rate; }); },
    };
  }

  return { together };
})();
