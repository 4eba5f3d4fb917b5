// Two pictures upon each other, and a curtain between them that is drawn aside by a slider.
export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".curtain");
  const [before, after] = root.querySelectorAll("img");
  [before.src, after.src] = [data.before, data.after];
  [before.alt, after.alt] = [data.names[0], data.names[1]];
  root.style.width = `min(100%, ${data.width}px)`;
  root.style.aspectRatio = data.ratio;
  const slider = root.querySelector("input");
  slider.ariaLabel = `How much is shown of ${data.names[0]}, the rest is ${data.names[1]}`;
  const draw = () => root.style.setProperty("--place", `${slider.value}%`);
  slider.oninput = draw;
  draw();
}
