// The mark that says that an image or a video was generated, and its recipe, as pretrained/media/provenance.py has it.

const MARK = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";
const UUID = Uint8Array.from("be7acfcb97a942e89c71999491e3afac".match(/../g), (pair) => parseInt(pair, 16));
const HEAD = 33; // bytes of a PNG: its signature and IHDR
const CLUSTER = [0x1f, 0x43, 0xb6, 0x75]; // begins the frames of a WebM

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

// The bytes of a video of MediaRecorder: a WebM gets a comment before its frames, an MP4 XMP at its end.
export function markVideo(data, recipe) {
  if (String.fromCharCode(...data.subarray(4, 8)) === "ftyp") {
    const body = joined(bytes("uuid"), UUID, xmp(recipe));
    return joined(data, uint32(body.length + 4), body);
  }
  const at = data.findIndex((_, place) => CLUSTER.every((byte, i) => data[place + i] === byte));
  if (at < 0) return data;
  const said = JSON.stringify({ DigitalSourceType: MARK, ganvas: recipe });
  const tag = joined(element([0x45, 0xa3], bytes("COMMENT")), element([0x44, 0x87], bytes(said)));
  const tags = joined(element([0x63, 0xc0], new Uint8Array()), element([0x67, 0xc8], tag));
  return joined(data.subarray(0, at), element([0x12, 0x54, 0xc3, 0x67], element([0x73, 0x73], tags)), data.subarray(at));
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
