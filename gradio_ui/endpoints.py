"""What the server does: an endpoint for each verb that draws, which its page, gradio_client and MCP clients call alike.

Names, types, ranges and descriptions of the parameters are those of `pretrained.verbs`. Arguments come from strangers:
each is checked by its type, and counts are bounded. A verb with its arguments is handed to the GPU function whole,
since on ZeroGPU it runs in another process.
"""

# Annotations stay objects here: Gradio reads the return type without resolving its name.
import inspect
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import gradio as gr
import numpy as np
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder
from PIL import Image

from gradio_ui.models import GPU, as_input_error, find, offered
from pretrained.media import video
from pretrained.media.images import Levels, LevelsUnknown, encode_png, open_image
from pretrained.pipelines.translator_input import pen_for
from pretrained.system.errors import InputError
from pretrained.verbs.drawing import DRAWINGS
from pretrained.verbs.parameter import Field, fields_of, read
from pretrained.verbs.shared import Drawing, Filming

MAX_UPLOAD = 50_000_000  # pixels of an image that is sent


def open_upload(file: Any, channels: int = 3, levels: Levels | None = None) -> Image.Image:
    """The image in a file that was uploaded, "RGB" or "L"; InputError for any other file of this machine."""
    path = Path(file["path"] if isinstance(file, dict) else file.path).resolve()
    if not path.is_relative_to(Path(get_upload_folder()).resolve()) or not path.is_file():
        raise InputError("there is no such image: upload it first")
    try:
        return open_image(path, channels, max_pixels=MAX_UPLOAD, levels=levels)
    except LevelsUnknown as error:
        raise InputError(str(error).replace("`levels`", "`black` and `white`")) from None


def save(data: bytes, name: str) -> gr.FileData:
    """A file for the browser to fetch, which the page's `delete_cache` deletes after a while."""
    return gr.FileData(path=save_bytes_to_cache(data, name, get_upload_folder()), orig_name=name, size=len(data))


def save_image(image: Image.Image) -> gr.FileData:
    """The same of an image, "RGB" or "L", as a PNG."""
    return save(encode_png(image), "image.png")


@GPU(duration=15)
@as_input_error()
def _image(verb: Drawing) -> bytes:
    return verb.draw(offered()[verb.id])


@GPU(duration=lambda verb: 10 + verb.frames // 20)
def _frames(verb: Filming) -> Iterator[np.ndarray]:
    with as_input_error():
        yield from verb.draw(offered()[verb.id])


def run(verb: Drawing) -> gr.FileData:
    """Check a verb, draw, and save the PNG or the video, H.264, encoded as frames come; the page shows progress."""
    pipeline = find(verb.id, verb.needs)
    verb.check_online(pipeline.config)
    if not isinstance(verb, Filming):
        return save(_image(verb), verb.out.name)
    progress, frames = gr.Progress(), enumerate(_frames(verb), 1)
    counted = ((progress((place, verb.frames), unit="frames"), frame)[1] for place, frame in frames)
    return save(video.encode(counted, verb.out.suffix, verb.fps), verb.out.name)


def api_fields(kind: type[Drawing]) -> dict[str, Field]:
    """The parameters of a verb in the API, by their names there; a tuple is several, each of the type of its items."""
    found = fields_of(kind).values()
    parts = (field._replace(kind=get_args(field.kind)[0]) if len(field.api) > 1 else field for field in found)
    return {name: part for part in parts for name in part.api}


def read_levels(black: float | None = None, white: float | None = None) -> Levels | None:
    """The values of black and white in a deep image, if they are given."""
    if black is None and white is None:
        return None
    if None in (black, white) or not -math.inf < black < white < math.inf:
        raise InputError(f"`black` and `white` must be two numbers, the first the lower one, got {black} and {white}")
    return black, white


def endpoint(kind: type[Drawing]) -> Callable[..., gr.FileData]:
    """The function of a verb: what the API calls, with the signature and the description that Gradio publishes."""
    fields, name = api_fields(kind), kind.__name__.lower()
    out = Path(name).with_suffix(kind.suffixes[0])

    @as_input_error()
    def call(*args: Any, **kwargs: Any) -> gr.FileData:
        given: dict[str, Any] = {}
        bound = signature.bind_partial(*args, **kwargs)
        bound.apply_defaults()

        def sent(parameter: str, levels: Levels | None = None) -> Any:
            open_image = partial(open_upload, levels=levels)
            return read(
                fields[parameter]._replace(name=parameter), bound.arguments.get(parameter), open_image, online=True
            )

        levels = read_levels(*(sent(parameter) for parameter in ("black", "white") if parameter in fields))
        for parameter, field in fields.items():
            value = sent(parameter, levels)
            several = len(field.api) > 1
            given[field.name] = (*given.get(field.name, ()), value) if several else value
        return run(kind(out=out, **given))

    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=inspect.Parameter.empty if field.is_required else field.api_default,
            annotation=_json_type(field),
        )
        for name, field in fields.items()
    ]
    signature = inspect.Signature(parameters, return_annotation=gr.FileData)
    call.__name__, call.__signature__ = name, signature
    call.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": gr.FileData}
    described = [f"    {name}: {field.describe(online=True)}" for name, field in fields.items()]
    call.__doc__ = "\n".join([inspect.getdoc(kind).partition("\n")[0], "", "Args:", *described])
    return call


def _json_type(field: Field) -> Any:
    """What Gradio calls the type of a parameter."""
    is_file = Image.Image in (field.kind, *get_args(field.kind))
    kind = gr.FileData if is_file else field.kind
    return kind | None if field.optional else kind


@as_input_error()
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


@as_input_error()
def draw(model: str, drawing: gr.FileData, strength: float = 1.0) -> gr.FileData:
    """What a translator makes of a drawing, with the colours that it knows, as a PNG."""
    name = read(api_fields(DRAWINGS["translate"])["model"], model, open_upload, online=True)
    if drawing is None:
        raise InputError("`drawing` is missing")
    if pen_for(find(name, "source").config) is None:
        raise InputError(f"{name} takes no drawings: give /translate an image")
    return ENDPOINTS["translate"](model=name, picture=drawing, strength=strength)


ENDPOINTS: dict[str, Callable[..., Any]] = {name: endpoint(kind) for name, kind in DRAWINGS.items()}
ENDPOINTS |= {"models": models, "draw": draw}
