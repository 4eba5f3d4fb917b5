// A picture in, a picture out: drawn here, or chosen; with a hole to fill, a second picture or a strength if need be.
import drawOn from "./canvas.js";
import { $, newest, paint } from "./common.js";
import { live } from "./live.js";

const MAX_SIDE = 512; // of a picture that is chosen, there
const LIVE = 128; // of what a camera sees, for a network that takes any size

// An image drawn on a canvas of these sides, its middle cut out where the shapes differ.
function fitted(image, width, height) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white"; // below what is transparent
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  const factor = Math.max(width / image.width, height / image.height);
  const [w, h] = [image.width * factor, image.height * factor];
  context.drawImage(image, (width - w) / 2, (height - h) / 2, w, h);
  return canvas;
}

// The pixels of a canvas as (1, channels, height, width) in [-1, 1]; one channel is their luma, as in Pillow.
function tensor(canvas, channels) {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const plane = canvas.width * canvas.height;
  const numbers = new Float32Array(channels * plane);
  for (let i = 0; i < plane; i++) {
    const [red, green, blue] = data.subarray(4 * i, 4 * i + 3);
    const levels = channels === 1 ? [Math.round(0.299 * red + 0.587 * green + 0.114 * blue)] : [red, green, blue];
    levels.forEach((level, channel) => (numbers[channel * plane + i] = level / 127.5 - 1));
  }
  return [numbers, [1, channels, canvas.height, canvas.width]];
}

export async function play({ name, recipe, about, frame, multiple, channels, second, mask, strength, pen, example, drawn: isDrawn }, run) {
  const drawn = isDrawn ? example : null; // on the canvas at first
  const inputs = {};
  let source = null; // the picture that was chosen last, which a mask belongs to

  async function translateNow() {
    if (!inputs.picture || (mask && !inputs.mask) || (second && !inputs.second)) return;
    if (strength) inputs.strength = [Float32Array.of(Number($("strength").value)), [1]];
    const output = await run({ ...inputs });
    paint($("made"), output);
    $("made").classList.toggle("small", output.dims[3] < 200);
    $("made").dataset.recipe = JSON.stringify({ ...recipe, verb: "translate in a browser" });
    $("made").dataset.name = name.replace(/[^\p{L}\p{N}_.-]+/gu, "-");
    $("made").dataset.count = Number($("made").dataset.count ?? 0) + 1;
    $("made").ariaLabel = "What the model makes of it";
    document.querySelector('[data-save="made"]').disabled = false;
  }
  const show = newest(translateNow);

  // What is drawn is the picture; over one with a hole to fill, the hole.
  async function take(url) {
    const drawing = new Image();
    drawing.src = url;
    await drawing.decode();
    if (mask) {
      const [numbers, dims] = tensor(fitted(drawing, source.width, source.height), 1);
      inputs.mask = [numbers.map((value) => Number(value > 0)), dims];
    } else {
      inputs.picture = tensor(fitted(drawing, drawing.width, drawing.height), channels);
      $("source").replaceChildren();
    }
    show();
  }

  function layPaper(width, height, inks, background, backdrop, brush) {
    const label = mask ? "Paint over what is to be filled" : "Draw here";
    const beginning = mask ? {} : { start: drawn, store: `ganvas ${name}` };
    const data = { label, width, height, palette: Object.entries(inks), background, backdrop, brush, ...beginning };
    drawOn({ data, parentElement: $("paper").parentElement, setStateValue: (_, { url }) => take(url) });
  }

  // The sides that a chosen picture is brought to: those of the network, or near its own.
  function sidesOf({ width, height }) {
    if (frame) return frame;
    const factor = Math.min(1, MAX_SIDE / Math.max(width, height));
    return [width, height].map((side) => Math.max(2, Math.round((side * factor) / multiple)) * multiple);
  }

  async function choose(file, into) {
    const image = await createImageBitmap(file);
    const sides = into === "second" ? inputs.picture?.[1].slice(2).reverse() ?? sidesOf(image) : sidesOf(image);
    const canvas = fitted(image, ...sides);
    inputs[into] = tensor(canvas, into === "second" ? second : channels);
    if (into === "picture") {
      source = canvas;
      delete inputs.mask;
      if (mask) layPaper(...sides, { hole: "#ffffff" }, "#000000", canvas.toDataURL("image/png"), Math.ceil(sides[0] / 10));
      else $("source").replaceChildren(canvas);
    }
    show();
  }

  $("about").textContent = about;
  $("second").parentElement.hidden = !second;
  $("strength").parentElement.hidden = !strength;
  for (const [id, into] of [["file", "picture"], ["second", "second"]]) {
    $(id).onchange = newest(async () => {
      if ($(id).files.length) await choose($(id).files[0], into);
    });
  }
  $("strength").oninput = () => {
    $("share").textContent = $("strength").value;
    show();
  };
  const canLive = !second && !mask;
  for (const id of ["camera", "screen"]) $(id).hidden = !canLive;
  if (canLive) {
    const side = Math.ceil(LIVE / multiple) * multiple;
    const sides = frame ?? [side, side];
    live((seen) => {
      inputs.picture = tensor(fitted(seen, ...sides), channels);
      return translateNow();
    });
  }
  if (example) {
    const image = new Image();
    image.src = example;
    await image.decode();
    const canvas = fitted(image, ...sidesOf(image));
    if (!inputs.picture) inputs.picture = tensor(canvas, channels);
    if (!drawn && !mask) $("source").replaceChildren(canvas);
    show();
  }
  if (pen) layPaper(pen.width, pen.height, pen.palette, pen.paper, null, pen.brush);
}
