// A canvas to draw on: brush, eraser, rectangle, colours, undo, clear. It tells what is drawn when drawing stops.
const PAUSE = 150; // milliseconds without a stroke
const MAX_UNDO = 50;

const at = (canvas, event) => {
  const box = canvas.getBoundingClientRect();
  const scale = canvas.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
};

// What each tool draws while the pointer goes from one place to the next.
const TOOLS = {
  Brush: (pen, from, to) => stroke(pen, from, to, pen.colour),
  Eraser: (pen, from, to) => stroke(pen, from, to, null),
  Rectangle: rectangle,
};

function stroke({ context, width }, from, to, colour) {
  context.globalCompositeOperation = colour === null ? "destination-out" : "source-over";
  context.strokeStyle = colour ?? "black";
  context.lineWidth = width;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
}

function rectangle({ context, colour, start, untouched }, _, to) {
  context.globalCompositeOperation = "source-over";
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  context.drawImage(untouched, 0, 0);
  context.fillStyle = colour;
  context.fillRect(start[0], start[1], to[0] - start[0], to[1] - start[1]);
}

function copy(canvas) {
  const twin = document.createElement("canvas");
  [twin.width, twin.height] = [canvas.width, canvas.height];
  twin.getContext("2d").drawImage(canvas, 0, 0);
  return twin;
}

function button(label, onclick, pressed) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  if (pressed !== undefined) made.ariaPressed = pressed;
  made.onclick = onclick;
  return made;
}

function choice(entries, chosen, choose, dress) {
  const group = document.createElement("span");
  group.className = "choice";
  group.setAttribute("role", "group");
  for (const entry of entries) {
    const made = button(entry, () => {
      for (const other of group.children) other.ariaPressed = other === made;
      choose(entry);
    }, entry === chosen);
    dress?.(made, entry);
    group.append(made);
  }
  return group;
}

// A browser may refuse to store anything, as in a private window: the drawing then lasts as long as the page.
function keep(store, url) {
  try {
    localStorage.setItem(store, url);
  } catch {}
}

function keptDrawing(store) {
  try {
    return localStorage.getItem(store);
  } catch {
    return null;
  }
}

function setUp(root, data, setStateValue) {
  const { width, height, background, backdrop, brush, start, store } = data;
  const palette = Object.fromEntries(data.palette);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  canvas.tabIndex = 0;
  canvas.ariaLabel = data.label;
  canvas.style.background = backdrop ? `url(${backdrop}) 0 0 / 100% 100%` : background;
  canvas.style.imageRendering = "auto";
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const colours = Object.keys(palette);
  const first = colours.find((name) => palette[name] !== background);
  const pen = { context, colour: palette[first], width: brush };
  const undo = [];
  let tool = TOOLS.Brush, last = null, timer = null;

  const tell = () => {
    clearTimeout(timer);
    canvas.ariaBusy = true;
    root.told += 1;
    timer = setTimeout(() => {
      const flat = copy(canvas);
      const paper = flat.getContext("2d");
      paper.globalCompositeOperation = "destination-over";
      paper.fillStyle = background;
      paper.fillRect(0, 0, width, height);
      const url = flat.toDataURL("image/png");
      setStateValue("drawing", { url, count: root.told });
      if (store) keep(store, url);
    }, PAUSE);
  };
  const remember = () => {
    undo.push(copy(canvas));
    if (undo.length > MAX_UNDO) undo.shift();
  };
  const wipe = () => {
    context.globalCompositeOperation = "source-over";
    context.clearRect(0, 0, width, height);
  };
  const goBack = () => {
    const before = undo.pop();
    if (!before) return;
    wipe();
    context.drawImage(before, 0, 0);
    tell();
  };

  canvas.onpointerdown = (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    clearTimeout(timer);
    remember();
    pen.untouched = undo.at(-1);
    pen.start = last = at(canvas, event);
    tool(pen, last, last);
  };
  canvas.onpointermove = (event) => {
    if (!last) return;
    for (const one of event.getCoalescedEvents?.() ?? [event]) {
      const now = at(canvas, one);
      tool(pen, last, now);
      last = now;
    }
  };
  canvas.onpointerup = canvas.onpointercancel = () => {
    if (!last) return;
    last = null;
    tell();
  };
  canvas.onkeydown = (event) => {
    if (event.key !== "z" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    goBack();
  };

  // What was drawn before the page was loaded again, else what there is to begin with.
  const kept = store && keptDrawing(store);
  if (kept ?? start) {
    const image = new Image();
    image.onload = () => {
      if (undo.length) return; // somebody was faster
      context.drawImage(image, 0, 0, width, height);
      if (kept) tell();
    };
    image.src = kept ?? start;
  }

  const size = document.createElement("input");
  Object.assign(size, { type: "range", min: 1, max: Math.max(8, Math.round(width / 6)), value: brush });
  size.ariaLabel = size.title = "Width of the brush";
  size.oninput = () => (pen.width = Number(size.value));

  const bar = document.createElement("div");
  bar.className = "bar";
  bar.append(
    choice(Object.keys(TOOLS), "Brush", (chosen) => (tool = TOOLS[chosen])),
    size,
    button("Undo", goBack),
    button("Clear", () => (remember(), wipe(), tell())),
  );
  root.replaceChildren(canvas, bar);
  if (colours.length > 1) {
    const names = choice(colours, first, (name) => (pen.colour = palette[name]), (made, name) => {
      made.style.setProperty("--ink", palette[name]);
      made.classList.add("ink");
    });
    names.ariaLabel = "Colour";
    bar.before(names);
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".canvas");
  const { seen, ...rest } = data;
  const key = JSON.stringify(rest);
  root.told ??= Date.now(); // greater than that of a page that was left
  const canvas = root.querySelector("canvas");
  if (canvas && seen >= root.told) canvas.ariaBusy = false;
  if (root.key === key) return; // a rerun of the page leaves the drawing alone
  root.key = key;
  setUp(root, data, setStateValue);
}
