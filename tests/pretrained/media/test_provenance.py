"""Every format carries the mark and the recipe, as readers of metadata find them, and its pixels stay as they were."""

import io
import json
from xml.etree import ElementTree

import av
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from pretrained.media import provenance, video
from pretrained.system.errors import InputError

DESCRIPTION = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
RECIPE = {"id": 'a & <b> "c"', "seeds": list(range(300)), "label": None, "text": "ünï ]]> </ganvas:recipe>"}
IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8))
FRAMES = [np.random.default_rng(seed).integers(0, 255, (32, 40, 3), dtype=np.uint8) for seed in range(4)]


def encoded(kind: str, image: Image.Image = IMAGE, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("JPEG", {}), ("GIF", {}), ("WEBP", {"lossless": True}), ("WEBP", {})]
)
def test_an_image_is_marked_and_read_back(tmp_path, kind, options, mode):
    if (kind, mode) == ("JPEG", "RGBA"):
        mode = "CMYK"
    before = encoded(kind, IMAGE.convert(mode), **options)
    path = tmp_path / f"a.{kind.lower()}"
    path.write_bytes(provenance.mark(before, RECIPE))
    assert provenance.read(path) == (True, RECIPE)
    with Image.open(path) as image, Image.open(io.BytesIO(before)) as plain:
        assert np.array_equal(np.asarray(image.convert("RGBA")), np.asarray(plain.convert("RGBA")))
        packet = image.info.get("xmp", image.info.get("comment", b""))
        assert provenance.MARK.encode() in (packet if isinstance(packet, bytes) else packet.encode())
        if kind != "GIF":
            text = packet if isinstance(packet, str) else packet.decode()
            (description,) = ElementTree.fromstring(text[text.index("<x:") : text.rindex("<?xpacket")]).iter(
                DESCRIPTION
            )
            found = {element.tag.rpartition("}")[2]: element.text for element in description}
            assert found["DigitalSourceType"] == provenance.MARK
            assert json.loads(found["recipe"]) == RECIPE


@pytest.mark.parametrize("suffix", video.FORMATS)
def test_a_video_is_marked_and_read_back(tmp_path, suffix):
    path = tmp_path / f"v{suffix}"
    path.write_bytes(video.encode(FRAMES, suffix, 10, RECIPE))
    assert provenance.read(path) == (True, RECIPE)
    if suffix in (".mp4", ".webm"):
        with av.open(str(path)) as container:
            said = next(text for key, text in container.metadata.items() if key.lower() == "comment")
            assert json.loads(said)["DigitalSourceType"] == provenance.MARK
            assert sum(1 for _ in container.decode(video=0)) == len(FRAMES)
    else:
        with Image.open(path) as image:
            assert image.n_frames == len(FRAMES)
    assert b"Iptc4xmpExt:DigitalSourceType" in path.read_bytes() or suffix == ".webm"


def test_without_a_recipe_there_is_still_the_mark(tmp_path):
    (tmp_path / "a.png").write_bytes(provenance.mark(encoded("PNG")))
    assert provenance.read(tmp_path / "a.png") == (True, None)


def test_what_was_not_generated_is_not_marked(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    assert provenance.read(tmp_path / "a.png") == (False, None)


def test_a_recipe_that_a_jpeg_has_no_room_for_leaves_the_mark(tmp_path):
    path = tmp_path / "a.jpeg"
    path.write_bytes(provenance.mark(encoded("JPEG"), {"id": "a", "seeds": list(range(20_000))}))
    assert provenance.read(path) == (True, None)


@pytest.mark.parametrize("data", [b"", b"BM", encoded("BMP"), b"RIFF0000WAVE"])
def test_other_files_are_refused(data):
    with pytest.raises(InputError, match="can be marked"):
        provenance.mark(data)


@pytest.mark.parametrize("text", ["[" * 10**5, "9" * 5000, '{"id": ', "[]", "{}", "null"])
def test_a_recipe_that_is_none_is_none(tmp_path, text):

    info = PngImagePlugin.PngInfo()
    info.add_itxt("ganvas", text)
    IMAGE.save(tmp_path / "a.png", pnginfo=info)
    assert provenance.read(tmp_path / "a.png") == (False, None)
