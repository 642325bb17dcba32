// Both frames as PNG, in the size of the originals. A page from disk may not read the pixels of a file beside it,
// so a script beside the video brings the same bytes.
"use strict";

(function () {
  if (!Stage) { return; }
  const waiting = new Map();

  window.PROBEKIT_BYTES = function (place, text) {
    const bytes = Uint8Array.from(atob(text), function (letter) { return letter.charCodeAt(0); });
    const done = waiting.get(place);
    if (done) { done(URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }))); }
  };

  function bytesOf(one) {
    return new Promise(function (resolve, reject) {
      if (!one.facts.embedded) {
        reject(new Error("the video is too large to be read by a page from disk; use the browser's own menu on it"));
        return;
      }
      const script = document.createElement("script");
      waiting.set(one.place, function (address) { script.remove(); waiting.delete(one.place); resolve(address); });
      script.onerror = function () { reject(new Error("the script beside the video is not there")); };
      script.src = Page.address(one.place, ".mp4.js");
      document.head.append(script);
    });
  }

  function event(target, name) {
    return new Promise(function (resolve, reject) {
      target.addEventListener(name, resolve, { once: true });
      target.addEventListener("error", function () { reject(new Error("the video cannot be read")); }, { once: true });
    });
  }

  /* "seeked" says that the position is reached, which can be before its picture can be drawn: a busy machine drew
     nothing then. This waits for the picture itself. */
  function pictureAt(video, time, tolerance) {
    return new Promise(function (resolve, reject) {
      function look(_, metadata) {
        if (Math.abs(metadata.mediaTime - time) <= tolerance) resolve();
        else video.requestVideoFrameCallback(look);
      }
      video.requestVideoFrameCallback(look);
      video.addEventListener("error", function () { reject(new Error("the video cannot be read")); }, { once: true });
    });
  }

  async function picture(one, frame) {
    const video = document.createElement("video");
    const length = 1 / one.facts.fps;
    video.muted = true;
    video.src = await bytesOf(one);
    await event(video, "loadeddata");
    const time = Math.min((frame + 0.5) * length, Math.max(0, video.duration - 0.5 * length));
    const there = pictureAt(video, time, 0.75 * length);
    video.currentTime = time;
    await there;
    const canvas = document.createElement("canvas");
    canvas.width = one.facts.width;
    canvas.height = one.facts.height;
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    URL.revokeObjectURL(video.src);
    return new Promise(function (resolve) { canvas.toBlob(resolve, "image/png"); });
  }

  function offer(blob, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 10000);
  }

  async function save() {
    const said = Page.byId("said");
    const frame = Stage.frame();
    try {
      for (const one of Stage.pair().filter(Boolean)) {
        const [folder, stem] = one.place.split("/").slice(-2);
        offer(await picture(one, frame), folder.replace(/^\d+-/, "") + "_" + stem + "_frame" + (frame + 1) + ".png");
      }
      said.value = "Frame " + (frame + 1) + " saved.";
    } catch (error) {
      said.value = "Not saved: " + error.message + ".";
    }
  }

  Page.byId("save").addEventListener("click", save);
})();
