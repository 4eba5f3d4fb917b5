"""How much time and memory a stranger's file may cost, and a picture in a file of any kind."""

from __future__ import annotations

import io
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

SECONDS, MEGABYTES = 1.0, 500


@contextmanager
def within_bounds() -> Iterator[None]:
    """What is done takes no more than SECONDS of processor time, and MEGABYTES more than were ever taken."""
    peak, start = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time())
    yield
    assert time.process_time() - start < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024 < MEGABYTES


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()
