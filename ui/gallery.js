// Each picture is a button, cut from one PNG; as many device pixels per pixel as fit, a whole number, so it stays crisp.
const GAP = 4;
const LARGEST = 256;

function layOut(root, columns, size) {
  const ratio = window.devicePixelRatio;
  const room = (root.parentElement.clientWidth - GAP * (columns - 1)) / columns;
  const scale = Math.floor((Math.min(room, Math.max(LARGEST, size / ratio)) * ratio) / size);
  const cell = scale >= 1 ? (scale * size) / ratio : room;
  root.style.gap = `${GAP}px`;
  root.style.gridTemplateColumns = `repeat(${columns}, ${cell}px)`;
  root.style.gridAutoRows = `${cell}px`;
  root.style.imageRendering = scale >= 1 ? "pixelated" : "auto";
}

function cut(sheet, column, row, size) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  canvas.getContext("2d").drawImage(sheet, column * size, row * size, size, size, 0, 0, size, size);
  return canvas;
}

export default async function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".gallery");
  const { source, columns, size, seeds } = data;
  root.source = source;
  const sheet = new Image();
  sheet.src = source;
  await sheet.decode();
  if (root.source !== source) return; // a newer sheet has come meanwhile
  root.replaceChildren(
    ...seeds.map((seed, index) => {
      const button = document.createElement("button");
      button.title = button.ariaLabel = `Seed ${seed}`;
      button.append(cut(sheet, index % columns, Math.floor(index / columns), size));
      button.onclick = () => setTriggerValue("opened", seed);
      return button;
    }),
  );
  root.observer?.disconnect();
  root.observer = new ResizeObserver(() => layOut(root, columns, size));
  root.observer.observe(root.parentElement);
  layOut(root, columns, size);
}
