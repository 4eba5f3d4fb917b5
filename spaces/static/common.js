// What both kinds of model need: the page's elements and its status line, pictures on canvases, work in turn.

export const $ = (id) => document.getElementById(id);

export const say = (text, wrong = false) => {
  $("status").textContent = text;
  $("status").classList.toggle("wrong", wrong);
};

// Hand a file to the visitor.
export function download(blob, name) {
  const link = Object.assign(document.createElement("a"), { download: name, href: URL.createObjectURL(blob) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// Draw picture number `place` of (N, channels, height, width) in [-1, 1] on a canvas, which takes its size.
export function paint(canvas, { data, dims: [, channels, height, width] }, place = 0) {
  const plane = height * width;
  const picture = new ImageData(width, height);
  for (let i = 0; i < plane; i++) {
    for (let channel = 0; channel < 3; channel++) {
      const value = data[(place * channels + Math.min(channel, channels - 1)) * plane + i];
      picture.data[4 * i + channel] = Math.round((value + 1) * 127.5); // clamped by the array
    }
    picture.data[4 * i + 3] = 255;
  }
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

// The same work asked for faster than it is done: only the newest waits.
export function newest(work) {
  let busy = false, again = false;
  return async function ask() {
    if (busy) return void (again = true);
    busy = true;
    try {
      do {
        again = false;
        await work();
      } while (again);
    } catch (error) {
      say(error.message, true);
      console.error(error);
    } finally {
      busy = false;
    }
  };
}
