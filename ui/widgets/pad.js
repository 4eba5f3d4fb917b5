// A square with a dot: where it is says two strengths. It tells one place at a time, and the next when that is drawn.
const PATIENCE = 2000; // milliseconds until a place counts as lost
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
const LEAP = 5; // steps, with Shift

function made(name, parent) {
  const element = document.createElement("div");
  element.className = name;
  parent.append(element);
  return element;
}

function show(root) {
  const { plane, dot, place, data } = root;
  const { names, reach, label } = data;
  dot.style.left = `${(50 * (place[0] + reach)) / reach}%`;
  dot.style.bottom = `${(50 * (place[1] + reach)) / reach}%`;
  const said = names.map((name, side) => `${name} ${place[side].toFixed(1)}`).join(", ");
  plane.ariaLabel = label;
  plane.ariaValueMin = -reach;
  plane.ariaValueMax = reach;
  plane.ariaValueNow = place[0];
  plane.ariaValueText = said;
  root.across.textContent = `${names[0]} →`;
  root.up.textContent = `↑ ${names[1]}`;
}

function tell(root) {
  if (root.waiting || !root.news) return;
  root.news = false;
  root.waiting = setTimeout(() => heard(root), PATIENCE);
  root.count += 1;
  root.send("place", { across: root.place[0], up: root.place[1], count: root.count });
}

function heard(root) {
  clearTimeout(root.waiting);
  root.waiting = null;
  tell(root);
}

function moveTo(root, place) {
  const { reach, step } = root.data;
  root.place = place.map((value) => Math.round(Math.min(Math.max(value, -reach), reach) / step) * step);
  root.news = true;
  show(root);
  tell(root);
}

function follow(root, event) {
  const box = root.plane.getBoundingClientRect();
  const { reach } = root.data;
  const across = (2 * (event.clientX - box.left)) / box.width - 1;
  const up = 1 - (2 * (event.clientY - box.top)) / box.height;
  moveTo(root, [across * reach, up * reach]);
}

function setUp(root) {
  root.count = Date.now(); // greater than that of a page that was left
  const plane = (root.plane = made("plane", root));
  root.dot = made("dot", plane);
  root.up = made("name up", plane);
  root.across = made("name across", plane);
  plane.tabIndex = 0;
  plane.role = "slider";
  plane.ariaRoleDescription = "pad";
  plane.onpointerdown = (event) => {
    if (event.button !== 0) return;
    plane.setPointerCapture(event.pointerId);
    root.dragging = true;
    follow(root, event);
  };
  plane.onpointermove = (event) => root.dragging && follow(root, event);
  plane.onpointerup = plane.onpointercancel = () => (root.dragging = false);
  plane.ondblclick = () => moveTo(root, [0, 0]);
  plane.onkeydown = (event) => {
    const way = KEYS[event.key];
    if (!way && event.key !== "Home") return;
    event.preventDefault();
    const far = root.data.step * (event.shiftKey ? LEAP : 1);
    moveTo(root, way ? root.place.map((value, side) => value + far * way[side]) : [0, 0]);
  };
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".pad");
  root.send = setStateValue;
  root.data = data;
  if (!root.plane) setUp(root);
  if (root.waiting && data.seen === root.count) heard(root);
  if (!root.waiting && !root.dragging) root.place = data.place; // a slider, or a link, has moved it
  root.place ??= data.place;
  show(root);
}
