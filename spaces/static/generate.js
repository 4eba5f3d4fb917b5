// Seeds in, pictures out: one large, those that follow as a gallery, and a walk from seed to seed.
import { between, latent } from "./latents.js";
import { $, newest, paint } from "./common.js";

const NUM_FOLLOWING = 12;
const LEGS = 4; // seeds of a walk, which then begins again
const SECONDS = 1.5; // from one seed to the next
const NUM_SEEDS = 2 ** 32;

// The known words of a sentence as 1 + their places in the vocabulary, filled up with 0, as in pretrained/text.py.
function encode(sentence, { vocabulary, num_words }) {
  const known = new Map(vocabulary.map((word, place) => [word, place + 1]));
  const words = sentence.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];
  const row = words.filter((word) => known.has(word)).map((word) => known.get(word)).slice(0, num_words);
  if (!row.length) throw new Error(`No word of this text is known: try ${vocabulary.slice(0, 12).join(", ")}`);
  return [...row, ...Array(num_words - row.length).fill(0)];
}

export async function play({ name, recipe, noise, z_dim: width, classes, text }, run) {
  let walking = null, place = 0, keys = [];
  const seed = () => Math.min(NUM_SEEDS - 1, Math.max(0, Math.floor(Number($("seed").value)) || 0));
  const labelOf = (ofSeed) => ($("label").value === "" ? ofSeed % classes.length : Number($("label").value));
  const sentenceOf = (ofSeed) => $("text").value || text.examples[ofSeed % text.examples.length];
  const large = $("picture");
  const FIELDS = { seed: "0", label: "", text: "", truncation: "1" }; // what the link says, and what it need not say

  function read() {
    const link = new URLSearchParams(location.search);
    for (const [name, usual] of Object.entries(FIELDS)) {
      const said = link.get(name) ?? usual;
      if (name === "label") {
        const found = classes.indexOf(said);
        $("label").value = found < 0 ? "" : found;
      } else $(name).value = said;
    }
    $("psi").textContent = $("truncation").value;
  }

  function write() {
    const link = new URL(location.href);
    for (const [name, usual] of Object.entries(FIELDS)) {
      const value = name === "label" ? classes[$("label").value] ?? "" : $(name).value;
      if (value === usual || value === "") link.searchParams.delete(name);
      else link.searchParams.set(name, value);
    }
    history.replaceState(null, "", link);
  }

  // Latents, each with the seed that it takes its class or text from -> pictures.
  function draw(zs, seeds) {
    const count = zs.length;
    const inputs = {
      z: [Float32Array.from(zs.flatMap((z) => [...z])), [count, width]],
      truncation: [new Float32Array(count).fill(Number($("truncation").value)), [count]],
    };
    if (classes.length) inputs.label = [BigInt64Array.from(seeds, (one) => BigInt(labelOf(one))), [count]];
    if (text) {
      const words = seeds.flatMap((one) => encode(sentenceOf(one), text)).map(BigInt);
      inputs.text = [BigInt64Array.from(words), [count, text.num_words]];
    }
    return run(inputs);
  }

  const told = (ofSeed) =>
    classes.length ? `, class ${classes[labelOf(ofSeed)]}` : text ? `, “${sentenceOf(ofSeed)}”` : "";

  function describe(shown) {
    const class_ = told(shown);
    $("caption").textContent = `Seed ${shown}${class_}`;
    large.ariaLabel = `Picture of seed ${shown}${class_}`;
    large.dataset.name = `${name}-${shown}`.replace(/[^\p{L}\p{N}_.-]+/gu, "-");
  }

  const recipeOf = (ofSeed) =>
    JSON.stringify({
      ...recipe,
      verb: "sample",
      seeds: [ofSeed],
      label: classes.length ? labelOf(ofSeed) : null,
      truncation: Number($("truncation").value),
      text: text ? sentenceOf(ofSeed) : null,
    });

  const show = newest(async () => {
    stop();
    write();
    const shown = seed();
    const following = Array.from({ length: NUM_FOLLOWING }, (_, i) => (shown + i + 1) % NUM_SEEDS);
    const said = recipeOf(shown);
    const output = await draw([latent(shown, width, noise)], [shown]);
    paint(large, output);
    describe(shown);
    large.dataset.seed = shown;
    large.dataset.recipe = said;
    const others = await draw(following.map((one) => latent(one, width, noise)), following);
    [...$("gallery").children].forEach((button, i) => {
      paint(button.firstChild, others, i);
      button.lastChild.textContent = following[i];
      button.value = following[i];
      button.ariaLabel = `Seed ${following[i]}`;
    });
  });

  const step = newest(async () => {
    const first = seed();
    const now = place;
    const output = await draw([between(keys, Math.floor(now) % LEGS, now % 1)], [first]);
    if (walking === null) return; // it was stopped meanwhile, and the seed is shown again
    paint(large, output);
    large.dataset.place = now;
    large.dataset.recipe = JSON.stringify({ ...recipe, verb: "walk in a browser" });
  });

  function stop() {
    cancelAnimationFrame(walking);
    walking = null;
    $("walk").ariaPressed = false;
  }

  function walk() {
    if (walking !== null) return show();
    const first = seed();
    keys = Array.from({ length: LEGS }, (_, i) => latent((first + i) % NUM_SEEDS, width, noise));
    const start = performance.now();
    const frame = (now) => {
      place = Math.max(0, now - start) / 1000 / SECONDS;
      step();
      walking = requestAnimationFrame(frame);
    };
    walking = requestAnimationFrame(frame);
    $("walk").ariaPressed = true;
    // The model takes whole labels, which cannot blend on the way.
    $("caption").textContent = `A walk through seeds ${first} to ${(first + LEGS - 1) % NUM_SEEDS}, and back${told(first)}`;
  }

  classes.forEach((title, label) => $("label").append(new Option(title, label)));
  $("label").parentElement.hidden = !classes.length;
  $("text").parentElement.hidden = !text;
  if (text) $("text").placeholder = text.examples[0];
  for (let i = 0; i < NUM_FOLLOWING; i++) {
    const button = document.createElement("button");
    button.append(document.createElement("canvas"), document.createElement("span"));
    button.onclick = () => {
      $("seed").value = button.value;
      show();
    };
    $("gallery").append(button);
  }
  read();
  $("seed").oninput = $("label").oninput = $("text").oninput = show;
  $("truncation").oninput = () => {
    $("psi").textContent = $("truncation").value;
    if (walking === null) show();
  };
  $("another").onclick = () => {
    $("seed").value = Math.floor(Math.random() * 100000);
    show();
  };
  $("walk").onclick = walk;
  $("controls").onsubmit = (event) => event.preventDefault();
  await show();
}
