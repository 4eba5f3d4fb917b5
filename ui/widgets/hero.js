// A film that plays by itself; while the pointer moves above it, its place across is the place in the film.
export default function ({ data, parentElement }) {
  const video = parentElement.querySelector(".hero video");
  if (video.dataset.ready) return;
  video.dataset.ready = "yes";
  video.ariaLabel = data.label;
  video.muted = true; // an attribute alone does not let it start by itself
  video.src = data.source;
  video.play().catch(() => {}); // it starts with the first touch then
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (still) video.pause();
  let wanted = null;
  const wind = () => {
    if (wanted === null || video.seeking || !video.duration) return;
    video.currentTime = wanted;
    wanted = null;
  };
  video.onseeked = wind; // the newest place waits until the one before is shown
  video.onpointermove = (event) => {
    const box = video.getBoundingClientRect();
    video.pause();
    wanted = Math.min(0.999, Math.max(0, (event.clientX - box.left) / box.width)) * video.duration;
    wind();
  };
  video.onpointerleave = () => still || video.play().catch(() => {});
}
