// The mark that says that an image or a video was generated, and its recipe, as pretrained/media/provenance.py has it.

const MARK = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";
const UUID = Uint8Array.from("be7acfcb97a942e89c71999491e3afac".match(/../g), (pair) => parseInt(pair, 16));
const HEAD = 33; // bytes of a PNG: its signature and IHDR
const [CLUSTER, SEEK_HEAD, VOID] = [0x1f43b675, 0x114d9b74, 0xec]; // elements of a WebM: frames, contents, room
const TAGS = [0x12, 0x54, 0xc3, 0x67];

const bytes = (text) => new TextEncoder().encode(text);
const uint32 = (number) => Uint8Array.of(number >>> 24, number >>> 16, number >>> 8, number);

function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

function xmp(recipe) {
  const escaped = JSON.stringify(recipe).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return bytes(`<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:ganvas="https://ganvas.invalid/ns/1.0/">
<Iptc4xmpExt:DigitalSourceType>${MARK}</Iptc4xmpExt:DigitalSourceType>
<xmp:CreatorTool>Ganvas</xmp:CreatorTool>
<ganvas:recipe>${escaped}</ganvas:recipe>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>`);
}

function crc(data) {
  let sum = -1;
  for (const byte of data) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 && 0xedb88320);
  }
  return ~sum >>> 0;
}

function chunk(key, text) {
  const body = joined(bytes("iTXt"), bytes(key), new Uint8Array(5), text);
  return joined(uint32(body.length - 4), body, uint32(crc(body)));
}

// The bytes of a PNG, with the mark.
export function markPng(data, recipe) {
  const marks = [chunk("XML:com.adobe.xmp", xmp(recipe)), chunk("ganvas", bytes(JSON.stringify(recipe)))];
  return joined(data.subarray(0, HEAD), ...marks, data.subarray(HEAD));
}

// An element of EBML: its id, its length in 8 bytes, and what is in it.
const element = (id, body) => joined(Uint8Array.from(id), Uint8Array.of(1, 0, 0, 0), uint32(body.length), body);

// The bytes of a video of MediaRecorder, with the mark.
export function markVideo(data, recipe) {
  return String.fromCharCode(...data.subarray(4, 8)) === "ftyp" ? markMp4(data, recipe) : markWebm(data, recipe);
}

function markMp4(data, recipe) {
  const body = joined(bytes("uuid"), UUID, xmp(recipe));
  return joined(data, uint32(body.length + 4), body);
}

// Where an element of EBML has its id, and what is in it; one whose size is not known yet has none.
function read(data, at) {
  const idLength = Math.clz32(data[at]) - 23;
  const start = at + idLength;
  const length = Math.clz32(data[start]) - 23;
  const digits = Array.from(data.subarray(start + 1, start + length));
  const size = digits.reduce((sum, digit) => sum * 256 + digit, data[start] & (255 >> length));
  const id = data.subarray(at, start).reduce((sum, digit) => sum * 256 + digit, 0);
  return { id, at, body: start + length, length, size: size === 2 ** (7 * length) - 1 ? null : size };
}

// A comment in a WebM. Where all has its place already, it comes last, and the table of contents is told; in one that
// was written as it went on, before the first frames. Another kind of file stays as it is.
function markWebm(data, recipe) {
  const segment = read(data, read(data, 0).body + read(data, 0).size);
  let next = read(data, segment.body), contents = null, room = null;
  while (next.id !== CLUSTER && next.size !== null && next.at < data.length) {
    const last = next;
    next = read(data, last.body + last.size);
    if (last.id === SEEK_HEAD && next.id === VOID) [contents, room] = [last, next];
  }
  const said = JSON.stringify({ DigitalSourceType: MARK, ganvas: recipe });
  const tag = joined(element([0x45, 0xa3], bytes("COMMENT")), element([0x44, 0x87], bytes(said)));
  const body = joined(element([0x63, 0xc0], new Uint8Array()), element([0x67, 0xc8], tag));
  const tags = element(TAGS, element([0x73, 0x73], body));
  if (segment.size === null && next.id === CLUSTER) return joined(data.subarray(0, next.at), tags, data.subarray(next.at));
  const place = uint32(data.length - segment.body);
  const entry = joined(Uint8Array.of(0x4d, 0xbb, 0x8e, 0x53, 0xab, 0x84, ...TAGS, 0x53, 0xac, 0x84), place);
  const fits = contents?.length === 1 && room.length === 1 && room.size >= entry.length && segment.length === 8;
  if (!fits || contents.size + entry.length > 126 || segment.body + segment.size !== data.length) return data;
  const marked = joined(data, tags);
  marked.set(uint32(segment.size + tags.length), segment.body - 4);
  marked[contents.body - 1] = 0x80 | (contents.size + entry.length);
  marked.set(entry, room.at);
  marked.set([VOID, 0x80 | (room.size - entry.length)], room.at + entry.length);
  return marked;
}

// SHA-256 of the pixels of a canvas, as Python reckons it; null where the browser has none (no https).
export async function digest(canvas) {
  if (!globalThis.crypto?.subtle) return null;
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const levels = new Uint8Array((data.length / 4) * 3);
  for (let i = 0, j = 0; i < data.length; i += 4) {
    for (let channel = 0; channel < 3; channel++) levels[j++] = data[i + channel];
  }
  const found = await crypto.subtle.digest("SHA-256", joined(bytes(`RGB (${canvas.width}, ${canvas.height}) `), levels));
  return Array.from(new Uint8Array(found), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
