// The page: load the runtime and the model that lie beside it, and play what model.json says.
import { $, download, say } from "./common.js";
import { digest, markPng } from "./mark.js";
import * as ort from "./ort.wasm.bundle.min.mjs";

const SAVED = 512; // px of the longer side of a saved picture, at least

const fetched = async (name) => {
  const reply = await fetch(name);
  if (!reply.ok) throw new Error(`${name} is missing (HTTP ${reply.status})`);
  return reply;
};

// The bytes of a file, while the page shows how many are here; a host that packs on the way does not say of how many.
async function counted(name) {
  const reply = await fetched(name);
  const whole = Number(reply.headers.get("Content-Length"));
  const parts = [];
  let here = 0;
  for (const reader = reply.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    here += value.length;
    if (whole) $("loading").value = here / whole;
    say(`Loading the model: ${(here / 1e6).toFixed(1)} MB`);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

// A gzip file, unpacked here: a static host sends it as it is. One that unpacks on the way is fine as well.
const unpacked = async (name) => {
  const packed = new Uint8Array(await (await fetched(name)).arrayBuffer());
  if (packed[0] !== 0x1f || packed[1] !== 0x8b) return packed;
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
};

// What calls the network, one call after the other: {name: [array, sides]} -> {data, dims}.
function runner(session) {
  let last = Promise.resolve();
  return (inputs) => {
    const feeds = Object.entries(inputs).map(([name, [data, dims]]) => {
      const type = data instanceof BigInt64Array ? "int64" : "float32";
      return [name, new ort.Tensor(type, data, dims)];
    });
    const made = last.then(() => session.run(Object.fromEntries(feeds))).then(({ output }) => output);
    last = made.catch(() => {});
    return made;
  };
}

async function save({ target }, isPixelArt) {
  const small = $(target.dataset.save);
  const scale = Math.max(1, Math.ceil(SAVED / Math.max(small.width, small.height)));
  const large = document.createElement("canvas");
  [large.width, large.height] = [scale * small.width, scale * small.height];
  const context = large.getContext("2d");
  context.imageSmoothingEnabled = !isPixelArt;
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, large.width, large.height);
  const enlarged = scale > 1 ? { enlarged: { side: SAVED, smooth: isPixelArt ? false : "by a browser" } } : {};
  const recipe = { ...JSON.parse(small.dataset.recipe), ...enlarged };
  const pixels = await digest(large);
  const png = await new Promise((done) => large.toBlob(done, "image/png"));
  const marked = markPng(new Uint8Array(await png.arrayBuffer()), pixels ? { ...recipe, pixels } : recipe);
  download(new Blob([marked], { type: "image/png" }), `${small.dataset.name}.png`);
}

async function copyLink({ target }) {
  try {
    await navigator.clipboard.writeText(location.href);
    target.textContent = "Copied";
    setTimeout(() => (target.textContent = "Copy link"), 1500);
  } catch {
    prompt("The link of this page:", location.href);
  }
}

try {
  const model = await (await fetched("model.json")).json();
  document.title = `${model.title} · Ganvas`;
  $("name").textContent = model.title;
  $("said").textContent = model.caption;
  $("said").hidden = !model.caption;
  if (model.link) Object.assign($("link"), { href: model.link, hidden: false });
  for (const button of document.querySelectorAll("[data-save]")) button.onclick = (event) => save(event, model.pixel_art);
  for (const button of document.querySelectorAll("[data-link]")) button.onclick = copyLink;
  ort.env.wasm.numThreads = 1; // more take headers that a static host does not send
  const [runtime, weights, { play }] = await Promise.all([
    unpacked("ort-wasm-simd-threaded.wasm.gz"),
    counted("model.onnx"),
    import(`./${{ generate: "generate", translate: "translate" }[model.pipeline]}.js`),
  ]);
  ort.env.wasm.wasmBinary = runtime;
  say("Starting the model…");
  const session = await ort.InferenceSession.create(weights, { executionProviders: ["wasm"] });
  $(model.pipeline).hidden = false;
  await play(model, runner(session));
  $("loading").hidden = true;
  say("");
} catch (error) {
  $("loading").hidden = true;
  say(`The model cannot be played here: ${error.message}`, true);
  console.error(error);
}
