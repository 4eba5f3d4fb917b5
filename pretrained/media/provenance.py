"""The mark that says that an image or a video was generated, and the recipe that makes it again, in any file format.

The mark is the IPTC's DigitalSourceType, in XMP, where programs that read metadata look for it. GIF and video files
carry both once more as a comment, since few programs read XMP there.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, unescape

from PIL import Image

from pretrained.system.errors import InputError

MARK = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
RECIPE = "ganvas"  # the key of the recipe, JSON
MAX_RECIPE = 1_000_000  # characters
XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:ganvas="https://ganvas.invalid/ns/1.0/">
<Iptc4xmpExt:DigitalSourceType>{mark}</Iptc4xmpExt:DigitalSourceType>
<xmp:CreatorTool>Ganvas</xmp:CreatorTool>{recipe}
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
PNG, JPEG, UUID = b"\x89PNG\r\n\x1a\n", b"\xff\xd8", bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
MAX_SEGMENT = 65_502  # bytes of XMP in a JPEG


def xmp(recipe: Mapping[str, Any] | None = None) -> bytes:
    """The XMP packet with the mark and, if there is one, the recipe."""
    said = f"\n<ganvas:recipe>{escape(json.dumps(recipe))}</ganvas:recipe>" if recipe else ""
    return XMP.format(mark=MARK, recipe=said).encode()


def comment(recipe: Mapping[str, Any] | None = None) -> str:
    """The same as JSON, for formats whose readers know comments alone."""
    return json.dumps({"DigitalSourceType": MARK} | ({RECIPE: dict(recipe)} if recipe else {}))


def mark(data: bytes, recipe: Mapping[str, Any] | None = None) -> bytes:
    """An encoded file with the mark and the recipe in it; its pixels stay as they are.

    Args:
        data: PNG, JPEG, GIF, WebP or MP4. WebM is marked as it is encoded, by `comment`.

    Raises:
        InputError: it is none of these.
    """
    for begins, add in FORMATS:
        if begins(data):
            return add(data, recipe)
    raise InputError("only PNG, JPEG, GIF, WebP, MP4 and WebM files can be marked as generated")


def _png(data: bytes, recipe: Mapping[str, Any] | None) -> bytes:
    texts = {"XML:com.adobe.xmp": xmp(recipe)} | ({RECIPE: json.dumps(recipe).encode()} if recipe else {})
    chunks = b"".join(_chunk(b"iTXt", key.encode() + bytes(5) + text) for key, text in texts.items())
    head = len(PNG) + 25  # IHDR
    return data[:head] + chunks + data[head:]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _jpeg(data: bytes, recipe: Mapping[str, Any] | None) -> bytes:
    packet = xmp(recipe)
    packet = packet if len(packet) <= MAX_SEGMENT else xmp()  # a longer recipe has no room
    body = b"http://ns.adobe.com/xap/1.0/\0" + packet
    head = 2 + (2 + int.from_bytes(data[4:6], "big") if data[2:4] == b"\xff\xe0" else 0)  # JFIF comes first
    return data[:head] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[head:]


def _gif(data: bytes, recipe: Mapping[str, Any] | None) -> bytes:
    """Beside XMP, whose end is a ramp that leads any reader of blocks out of it, a comment of blocks of 255 bytes."""
    head = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    text = comment(recipe).encode()
    blocks = b"".join(bytes([len(text[at : at + 255])]) + text[at : at + 255] for at in range(0, len(text), 255))
    ramp = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    packet = b"\x21\xff\x0bXMP DataXMP" + xmp(recipe) + ramp
    return b"GIF89a" + data[6:head] + b"\x21\xfe" + blocks + b"\0" + packet + data[head:]


def _webp(data: bytes, recipe: Mapping[str, Any] | None) -> bytes:
    if data[12:16] == b"VP8X":
        body = data[12:20] + bytes([data[20] | 4]) + data[21:]
    else:
        with Image.open(io.BytesIO(data)) as image:
            width, height, alpha = *image.size, image.mode == "RGBA"
        sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        body = b"VP8X" + struct.pack("<I", 10) + bytes([4 | alpha << 4, 0, 0, 0]) + sides + data[12:]
    packet = xmp(recipe)
    body += b"XMP " + struct.pack("<I", len(packet)) + packet + bytes(len(packet) % 2)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _mp4(data: bytes, recipe: Mapping[str, Any] | None) -> bytes:
    packet = UUID + xmp(recipe)
    return data + struct.pack(">I", len(packet) + 8) + b"uuid" + packet


FORMATS: list[tuple[Callable[[bytes], bool], Callable[[bytes, Mapping[str, Any] | None], bytes]]] = [
    (lambda data: data.startswith(PNG), _png),
    (lambda data: data.startswith(JPEG), _jpeg),
    (lambda data: data.startswith(b"GIF8"), _gif),
    (lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP", _webp),
    (lambda data: data[4:8] == b"ftyp", _mp4),
]


def read(path: Path) -> tuple[bool, dict[str, Any] | None]:
    """Whether a file carries the mark, and its recipe if it has one; nothing in it is believed to be right.

    Raises:
        InputError: it cannot be read.
    """
    try:
        text = _video(path) if path.suffix.lower() in (".mp4", ".webm") else _image(path)
    except InputError:
        raise
    except Exception as error:  # readers of files raise many kinds on broken ones
        raise InputError(f"{path} cannot be read: {error}") from error
    return MARK in text["mark"], _recipe(text.get("recipe", ""))


def _image(path: Path) -> dict[str, str]:
    from pretrained.media.images import safe_formats

    with Image.open(path, formats=safe_formats()) as image:
        info = image.info
        packet = info.get("xmp") or info.get("XML:com.adobe.xmp") or b""
        packet = packet.decode("utf-8", "replace") if isinstance(packet, bytes) else str(packet)
        said = info.get("comment", b"")
        said = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    found = info[RECIPE] if isinstance(info.get(RECIPE), str) else _between(packet) or said
    return {"mark": packet + said, "recipe": found}


def _between(packet: str) -> str:
    """The recipe in an XMP packet."""
    _, _, rest = packet.partition("<ganvas:recipe>")
    return unescape(rest.partition("</ganvas:recipe>")[0])


def _video(path: Path) -> dict[str, str]:
    import av

    with av.open(str(path)) as container:
        said = next((text for key, text in container.metadata.items() if key.lower() == "comment"), "")
    with path.open("rb") as file:  # a browser's MP4 has no comment, but XMP at its end
        file.seek(-min(path.stat().st_size, MAX_SEGMENT), os.SEEK_END)
        packet = file.read().rpartition(UUID)[2].decode("utf-8", "replace")
    return {"mark": said + packet, "recipe": said or _between(packet)}


def _recipe(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text[:MAX_RECIPE])
    except (ValueError, RecursionError):
        return None
    found = found.get(RECIPE, found) if isinstance(found, dict) else None
    return found if isinstance(found, dict) and "id" in found else None
