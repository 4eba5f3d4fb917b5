// The page: load the runtime and the model that lie beside it, and play what model.json says.
import { $, say } from "./common.js";
import * as ort from "./ort.wasm.bundle.min.mjs";

const fetched = async (name) => {
  const reply = await fetch(name);
  if (!reply.ok) throw new Error(`${name} is missing (HTTP ${reply.status})`);
  return reply;
};

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

function save({ target }) {
  const link = document.createElement("a");
  link.download = `${$(target.dataset.save).dataset.name}.png`;
  link.href = $(target.dataset.save).toDataURL("image/png");
  link.click();
}

try {
  const model = await (await fetched("model.json")).json();
  document.title = `${model.name} · Ganvas`;
  $("name").textContent = model.name;
  if (model.link) Object.assign($("link"), { href: model.link, hidden: false });
  for (const button of document.querySelectorAll("[data-save]")) button.onclick = save;
  ort.env.wasm.numThreads = 1; // more take headers that a static host does not send
  const [runtime, weights, { play }] = await Promise.all([
    unpacked("ort-wasm-simd-threaded.wasm.gz"),
    fetched("model.onnx").then((reply) => reply.arrayBuffer()),
    import(`./${{ generate: "generate", translate: "translate" }[model.pipeline]}.js`),
  ]);
  ort.env.wasm.wasmBinary = runtime;
  const session = await ort.InferenceSession.create(new Uint8Array(weights), { executionProviders: ["wasm"] });
  $(model.pipeline).hidden = false;
  await play(model, runner(session));
  say("");
} catch (error) {
  say(`The model cannot be played here: ${error.message}`, true);
  console.error(error);
}
