// Points and targets set on a picture, and a mask painted of what may move. It tells what was set when something changes.
const SVG = "http://www.w3.org/2000/svg";
const MASK_SIDE = 16; // cells of the mask across and down

function element(name, attributes, parent) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
  return made;
}

function draw(root) {
  const { data, pairs, mask, svg } = root;
  const unit = Math.min(data.width, data.height) / 100;
  svg.replaceChildren();
  const [width, height] = [data.width / MASK_SIDE, data.height / MASK_SIDE]; // of a cell
  mask.forEach((free, place) => {
    if (free || !mask.includes(1)) return;
    const [x, y] = [(place % MASK_SIDE) * width, Math.floor(place / MASK_SIDE) * height];
    element("rect", { x, y, width, height, class: "fixed" }, svg);
  });
  for (const [x0, y0, x1, y1] of pairs) {
    const middle = (value) => value + 0.5; // of a pixel
    const [a, b, c, d] = [x0, y0, x1 ?? x0, y1 ?? y0].map(middle);
    element("line", { x1: a, y1: b, x2: c, y2: d, "stroke-width": unit * 0.8 }, svg);
    element("circle", { cx: a, cy: b, r: unit * 2.5, class: "handle" }, svg);
    if (x1 !== undefined) element("circle", { cx: c, cy: d, r: unit * 2.5, class: "target" }, svg);
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".drag");
  root.data = data;
  root.send = setStateValue;
  if (!root.svg) setUp(root);
  root.image.src = data.source;
  root.image.alt = data.label;
  root.style.setProperty("--rendering", data.smooth ? "auto" : "pixelated");
  if (!root.drawing) {
    root.pairs = data.pairs.map((pair) => [...pair]);
    root.mask = data.mask.length ? [...data.mask] : Array(MASK_SIDE ** 2).fill(0);
  }
  root.svg.setAttribute("viewBox", `0 0 ${data.width} ${data.height}`);
  root.style.aspectRatio = `${data.width} / ${data.height}`;
  draw(root);
}

function setUp(root) {
  root.image = document.createElement("img");
  root.svg = document.createElementNS(SVG, "svg");
  root.svg.setAttribute("role", "img");
  root.replaceChildren(root.image, root.svg);
  const at = (event) => {
    const box = root.svg.getBoundingClientRect();
    const inside = (share, side) =>
      Math.min(side - 1, Math.round(Math.min(0.999, Math.max(0, share)) * side * 10) / 10);
    return [
      inside((event.clientX - box.left) / box.width, root.data.width),
      inside((event.clientY - box.top) / box.height, root.data.height),
    ];
  };
  const tell = () =>
    root.send("set", { pairs: root.pairs, mask: root.mask.includes(1) ? root.mask.join("") : "", count: Date.now() });
  const paint = ([x, y]) => {
    const [width, height] = [root.data.width / MASK_SIDE, root.data.height / MASK_SIDE]; // of a cell
    for (const [dx, dy] of [[0, 0], [0.5, 0], [-0.5, 0], [0, 0.5], [0, -0.5]]) {
      const [column, row] = [Math.floor(x / width + dx), Math.floor(y / height + dy)];
      if (column >= 0 && row >= 0 && column < MASK_SIDE && row < MASK_SIDE) root.mask[row * MASK_SIDE + column] = 1;
    }
  };
  root.svg.onpointerdown = (event) => {
    if (event.button !== 0 || (root.data.tool !== "mask" && root.pairs.length >= root.data.most)) return;
    root.svg.setPointerCapture(event.pointerId);
    root.drawing = true;
    const place = at(event);
    if (root.data.tool === "mask") paint(place);
    else root.pairs.push([...place]);
    draw(root);
  };
  root.svg.onpointermove = (event) => {
    if (!root.drawing) return;
    const place = at(event);
    if (root.data.tool === "mask") paint(place);
    else root.pairs[root.pairs.length - 1].splice(2, 2, ...place);
    draw(root);
  };
  root.svg.onpointerup = root.svg.onpointercancel = () => {
    if (!root.drawing) return;
    root.drawing = false;
    root.pairs = root.pairs.filter((pair) => pair.length === 4); // a click alone goes nowhere
    draw(root);
    tell();
  };
}
