// Each picture is a button, cut from one PNG; as many device pixels per pixel as fit, a whole number, so it stays crisp.
const GAP = 4;
const RIM = 8; // more gap after the first row and column of a table whose rims they are
const LARGEST = 256;

function layOut(root, columns, [width, height], gap) {
  const ratio = window.devicePixelRatio;
  const rim = gap ? RIM : 0;
  const room = (root.parentElement.clientWidth - rim - GAP * (columns - 1)) / columns;
  const scale = Math.floor((Math.min(room, Math.max(LARGEST, width / ratio)) * ratio) / width);
  const cell = scale >= 1 ? (scale * width) / ratio : room;
  const high = (cell * height) / width;
  root.style.gap = `${GAP}px`;
  root.style.gridTemplateColumns = `${cell + rim}px` + ` ${cell}px`.repeat(columns - 1);
  root.style.gridTemplateRows = `${high + rim}px`;
  root.style.gridAutoRows = `${high}px`;
  root.style.setProperty("--cell", `${cell}px`);
  root.style.setProperty("--high", `${high}px`);
  root.style.imageRendering = scale >= 1 ? "pixelated" : "auto";
}

function cut(sheet, column, row, [width, height], gap) {
  const at = (place, side) => place * side + (place && gap);
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").drawImage(sheet, at(column, width), at(row, height), width, height, 0, 0, width, height);
  return canvas;
}

export default async function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".gallery");
  const { source, columns, frame, titles, gap } = data;
  root.source = source;
  const sheet = new Image();
  sheet.src = source;
  await sheet.decode();
  if (root.source !== source) return; // a newer sheet has come meanwhile
  root.replaceChildren(
    ...titles.map((title, index) => {
      if (title === null) return document.createElement("span");
      const button = document.createElement("button");
      button.title = button.ariaLabel = title;
      button.append(cut(sheet, index % columns, Math.floor(index / columns), frame, gap));
      button.onclick = () => setTriggerValue("opened", index);
      return button;
    }),
  );
  root.observer?.disconnect();
  root.observer = new ResizeObserver(() => layOut(root, columns, frame, gap));
  root.observer.observe(root.parentElement);
  layOut(root, columns, frame, gap);
}
