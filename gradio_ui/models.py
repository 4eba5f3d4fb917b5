"""The checkpoints that the server offers, and where they compute: on a GPU of ZeroGPU, or here."""

from __future__ import annotations

import functools
import html
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import gradio as gr

import pretrained
from pretrained.checkpoint import SAMPLES
from pretrained.pipelines.registry import Generate, Translate
from pretrained.system.errors import InputError
from pretrained.system.symlinks import reject_escaping_symlink
from pretrained.verbs.shared import LACKS, takes

try:  # before anything asks for a GPU; it is installed on the Hub alone
    from spaces import GPU
except ImportError:

    def GPU(duration: object) -> Callable[[Callable], Callable]:
        """Nothing: whoever has no ZeroGPU computes here."""
        return lambda function: function


__all__ = ["GPU", "Pipeline", "as_input_error", "find", "offered", "resolve"]

VARIABLE = "GANVAS_MODELS"
Pipeline = Generate | Translate


# A file and its commit, looked up once.
resolve = functools.cache(pretrained.resolve)


@functools.cache
def offered() -> dict[str, Pipeline]:
    """The pipelines by name: those that $GANVAS_MODELS names, with commas between them, or else the bundled ones.

    The server calls it as it starts: ZeroGPU takes what lies on "cuda" by then along to its GPU.

    Raises:
        InputError: one of them is not there, or is refused; says which and why.
    """
    named = [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]
    return {name: _load(name) for name in named or pretrained.available()}


def _load(name: str) -> Pipeline:
    path, revision = resolve(name)
    reject_escaping_symlink(path.with_name(SAMPLES))  # the page gives it out as it is
    return replace(pretrained.load(str(path)), revision=revision)


def find(name: str, needs: str) -> Pipeline:
    """The pipeline of this name, if its config's input names what a verb `needs`.

    Raises:
        InputError: it is not offered, or lacks that.
    """
    if name not in offered():
        raise InputError(f"{name[:100]!r} is not offered here: one of {', '.join(offered())}")
    pipeline = offered()[name]
    if not takes(pipeline.config, needs):
        raise InputError(f"{name} {LACKS[needs]}")
    return pipeline


def fitting(name: str, fits: Callable[[Pipeline], object]) -> str | None:
    """This checkpoint if it fits, else the first that does; None where none does."""
    return next((one for one in (name, *offered()) if fits(offered()[one])), None)


@contextmanager
def as_input_error() -> Iterator[None]:
    """Raise an InputError as the error that Gradio shows, also out of the process of a ZeroGPU worker."""
    try:
        yield
    except InputError as error:
        # The page takes it for HTML, and would ask a stranger for the picture that somebody's text names.
        said = html.escape(error.named(str), quote=False)
        raise gr.Error(said, title="This does not work", print_exception=False) from None
