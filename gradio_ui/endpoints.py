"""What the server does, each a function that its page, gradio_client and MCP clients call alike.

Arguments come from strangers: each is checked by its type, and counts are bounded. What is passed to a GPU function is
a name, seeds, or pictures, since on ZeroGPU it runs in another process.
"""

# Annotations stay objects here: Gradio reads the return type without resolving its name.
import functools
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import gradio as gr
import numpy as np
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder
from PIL import Image
from pydantic import Field, ValidationError, validate_call

from gradio_ui.models import GPU, as_input_error, find, offered
from pretrained.inputs.latents import MAX_SEED
from pretrained.inputs.seeds import few_seeds
from pretrained.media import video
from pretrained.media.images import encode_png, open_image
from pretrained.pipelines import image_grid
from pretrained.pipelines.translate import Fit
from pretrained.pipelines.translator_input import pen_for
from pretrained.system.errors import InputError

MAX_COUNT = 256  # pictures in a sheet
MAX_SHEET = 16_000_000  # pixels of a sheet
MAX_UPLOAD = 50_000_000  # pixels of a picture that is sent
MAX_STOPS = 32  # seeds of a walk
MAX_MIXED = 16  # seeds on a side of a sheet of mixtures
MAX_FRAMES = 600
MAX_FPS = 60

Seeds = Annotated[str, Field(max_length=400)]
Text = Annotated[str, Field(max_length=1000)]
Frames = Annotated[int, Field(ge=2, le=MAX_FRAMES)]
Fps = Annotated[int, Field(ge=1, le=MAX_FPS)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]

ENDPOINTS: dict[str, Callable[..., Any]] = {}


def endpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """Enter a function in ENDPOINTS; what is wrong with its arguments is told in one sentence."""
    checked, signature = validate_call(function), inspect.signature(function)

    @functools.wraps(function)
    @as_input_error()
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return checked(**signature.bind(*args, **kwargs).arguments)
        except ValidationError as error:
            if error.title != function.__name__:  # not of these arguments
                raise
            first = error.errors(include_url=False)[0]
            what = "is missing" if first["input"] is None else f"is not understood: {first['msg'].lower()}"
            raise InputError(f"{'.'.join(map(str, first['loc']))} {what}") from None

    ENDPOINTS[function.__name__] = call
    return call


def opened(file: gr.FileData, channels: int = 3) -> Image.Image:
    """The picture in a file that was uploaded, "RGB" or "L"; InputError for any other file of this machine."""
    path = Path(file.path).resolve()
    if not path.is_relative_to(Path(get_upload_folder()).resolve()) or not path.is_file():
        raise InputError("there is no such picture: upload it first")
    return open_image(path, channels, max_pixels=MAX_UPLOAD)


def save(data: bytes, name: str) -> gr.FileData:
    """A file for the browser to fetch, which the page's `delete_cache` deletes after a while."""
    return gr.FileData(path=save_bytes_to_cache(data, name, get_upload_folder()), orig_name=name, size=len(data))


def save_picture(picture: Image.Image) -> gr.FileData:
    """The same of a picture, "RGB" or "L", as a PNG."""
    return save(encode_png(picture), "picture.png")


@GPU(duration=15)
@as_input_error()
def _render(name: str, kind: str, *args: Any, **how: Any) -> bytes:
    """A PNG that a function of `sheet` makes with the checkpoint of this name."""
    return getattr(image_grid, kind)(offered()[name], name, *args, **how)


@GPU(duration=lambda name, kind, num_frames, *_, **__: 10 + num_frames // 20)
def _frames(name: str, kind: str, num_frames: int, *keys: Any, **how: Any) -> Iterator[np.ndarray]:
    with as_input_error():
        yield from getattr(offered()[name], kind)(*keys, num_frames=num_frames, **how)


def _film(frames: Iterator[np.ndarray], num_frames: int, fps: int, name: str) -> gr.FileData:
    """Encode frames as they come; the page shows how far it is."""
    progress = gr.Progress()
    counted = ((progress((place, num_frames), unit="frames"), frame)[1] for place, frame in enumerate(frames, 1))
    return save(video.encode(counted, ".mp4", fps), f"{name}.mp4")


@endpoint
def models() -> list[dict[str, Any]]:
    """The checkpoints that are offered: what each is called, takes and can do, and its labels."""
    return [
        {
            "name": name,
            "pipeline": pipeline.config.pipeline,
            "input": pipeline.config.input,
            "size": pipeline.config.network.get("size"),
            "classes": pipeline.config.classes,
        }
        for name, pipeline in offered().items()
    ]


@endpoint
def sample(
    model: str,
    seeds: Seeds = "0-63",
    columns: Annotated[int, Field(ge=1, le=32)] = 8,
    label: int | None = None,
    truncation: float = 1.0,
    text: Text | None = None,
) -> gr.FileData:
    """The pictures of seeds, side by side, as a PNG without losses.

    Args:
        model: one of those that /models lists.
        seeds: numbers and ranges, as in "0-63" or "1,2,5-9"; one seed is one picture, everywhere.
        columns: pictures in a row.
        label: the class of all of them; without it seed s has class s.
        truncation: 0 to 2; below 1, pictures are more typical and less varied.
        text: what to draw, for a network that reads.
    """
    pipeline = find(model, "noise", "makes no pictures from seeds")
    listed = few_seeds(seeds, min(MAX_COUNT, MAX_SHEET // pipeline.config.network["size"] ** 2))
    how = {"label": label, "truncation": truncation, "text": text}
    return save(_render(model, "render", listed, columns=columns, **how), "samples.png")


@endpoint
def walk(
    model: str,
    seeds: Seeds = "0-3",
    frames: Frames = 120,
    fps: Fps = 30,
    label: int | None = None,
    truncation: float = 1.0,
    text: Text | None = None,
    loop: bool = True,
) -> gr.FileData:
    """A film, H.264, that wanders from seed to seed, and back to the first if it is a loop.

    Args:
        frames: how many frames it has.
        fps: how many of them in a second.
    """
    find(model, "noise", "makes no pictures from seeds")
    how = {"label": label, "truncation": truncation, "text": text, "loop": loop}
    drawn = _frames(model, "walk", frames, few_seeds(seeds, MAX_STOPS), **how)
    return _film(drawn, frames, fps, "walk")


@endpoint
def mix(
    model: str,
    rows: Seeds = "0-3",
    columns: Seeds = "10-15",
    layers: int = 3,
    label: int | None = None,
    truncation: float = 1.0,
) -> gr.FileData:
    """Pictures with the coarse styles of the seeds on the left and the fine ones of those above, as a PNG.

    Args:
        rows: the seeds of the coarse styles.
        columns: the seeds of the fine ones.
        layers: how many of the network's layers are coarse.
    """
    pipeline = find(model, "style", "has no styles to mix")
    most = min(MAX_MIXED, int((MAX_SHEET / pipeline.config.network["size"] ** 2) ** 0.5) - 1)
    left, above = (few_seeds(text, most) for text in (rows, columns))
    return save(_render(model, "mix", left, above, layers, label, truncation), "mix.png")


@endpoint
def reconstruct(model: str, picture: gr.FileData, label: int | None = None) -> gr.FileData:
    """A picture as the network sees it, encoded and drawn again, or drawn as one of another class, as a PNG."""
    find(model, "encode", "has no encoder to look at a picture with")
    return save(_render(model, "reconstruct", opened(picture), label), "reconstruction.png")


@endpoint
def interpolate(model: str, first: gr.FileData, last: gr.FileData, frames: Frames = 60, fps: Fps = 30) -> gr.FileData:
    """A film, H.264, from one picture to another, both as the network sees them."""
    find(model, "encode", "has no encoder to look at a picture with")
    drawn = _frames(model, "interpolate", frames, opened(first), opened(last))
    return _film(drawn, frames, fps, "interpolation")


@endpoint
def translate(
    model: str,
    picture: gr.FileData,
    mask: gr.FileData | None = None,
    second: gr.FileData | None = None,
    strength: float = 1.0,
    degrade: bool = False,
    seed: Seed = 0,
    fit: Fit = "crop",
) -> gr.FileData:
    """What a translator makes of a picture, as a PNG.

    Args:
        mask: white where there is a hole to fill, for a network that fills holes.
        second: what is shown beside, for a network that takes two pictures.
        strength: 0 to 1, how far to go, for a network that has it.
        degrade: first make the picture such a source as the network was trained on, e.g. a photo a sketch.
        seed: what is random in that.
        fit: the square in the middle (crop), all of it made a square (stretch), or tiles that overlap (tile).
    """
    find(model, "source", "draws from seeds, and translates no pictures")
    how = {"strength": strength, "degrade": degrade, "seed": seed, "fit": fit}
    how |= {name: file and opened(file) for name, file in (("mask", mask), ("second", second))}
    return save(_render(model, "translate", opened(picture), **how), "translation.png")


@endpoint
def draw(model: str, drawing: gr.FileData, strength: float = 1.0) -> gr.FileData:
    """What a translator makes of a drawing, with the colours that it knows, as a PNG."""
    pipeline = find(model, "source", "draws from seeds, and translates no pictures")
    if pen_for(pipeline.config) is None:
        raise InputError(f"{model} takes no drawings: give /translate a picture")
    return save(_render(model, "translate", opened(drawing), strength=strength), "translation.png")
