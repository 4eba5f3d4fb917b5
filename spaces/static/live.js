// Camera or screen through the network, frame by frame, and a video of what comes out.
import { $, download, say } from "./common.js";
import { markVideo } from "./mark.js";

const SOURCES = {
  camera: () => navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } }),
  screen: () => navigator.mediaDevices.getDisplayMedia({ video: true }),
};
const MEMORY = 0.9; // of the rate that is shown, for what was measured before
const RECORDED_AT = 30; // frames per second, at most
const TYPES = ["video/webm;codecs=vp9", "video/webm", "video/mp4"];

// `draw` is given a video, and shows what the network makes of its present frame.
export function live(draw) {
  const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
  let running = null, recorder = null;

  async function start(id) {
    const stream = await SOURCES[id]();
    video.srcObject = stream;
    await video.play();
    [video.width, video.height] = [video.videoWidth, video.videoHeight];
    running = id;
    $(id).ariaPressed = true;
    $("record").hidden = false;
    stream.getVideoTracks()[0].onended = stop; // the browser's own button
    let rate = 0, before = performance.now();
    while (running === id) {
      await draw(video);
      await new Promise(requestAnimationFrame); // the page stays awake for presses
      const now = performance.now();
      rate = rate ? MEMORY * rate + ((1 - MEMORY) * 1000) / (now - before) : 1000 / (now - before);
      before = now;
      $("rate").textContent = `${rate.toFixed(0)} frames per second`;
      $("rate").dataset.rate = rate;
    }
  }

  function stop() {
    recorder?.stop();
    recorder = null;
    for (const track of video.srcObject?.getTracks() ?? []) track.stop();
    video.srcObject = running = null;
    for (const id of Object.keys(SOURCES)) $(id).ariaPressed = false;
    $("record").hidden = true;
    $("record").ariaPressed = false;
    $("rate").textContent = "";
  }

  function record() {
    if (recorder) {
      recorder.stop();
      recorder = null;
      $("record").ariaPressed = false;
      return;
    }
    const parts = [];
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    const made = new MediaRecorder($("made").captureStream(RECORDED_AT), { mimeType });
    made.ondataavailable = ({ data }) => parts.push(data);
    made.onstop = async () => {
      const { name, recipe } = $("made").dataset;
      const data = new Uint8Array(await new Blob(parts).arrayBuffer());
      const marked = new Blob([markVideo(data, JSON.parse(recipe))], { type: mimeType });
      download(marked, `${name}.${mimeType.slice(6).split(";")[0]}`);
    };
    made.start();
    recorder = made;
    $("record").ariaPressed = true;
  }

  for (const id of Object.keys(SOURCES)) {
    $(id).onclick = async () => {
      const was = running;
      stop();
      if (was === id) return;
      try {
        await start(id);
      } catch (error) {
        stop();
        say(`The ${id} cannot be used: ${error.message}`, true);
      }
    };
  }
  $("record").onclick = record;
}
