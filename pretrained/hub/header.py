"""The header of a checkpoint on the Hub, read by itself: what it promises is known before its weights are fetched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pretrained import checkpoint
from pretrained.hub.errors import retry
from pretrained.hub.files import api, check_size
from pretrained.system.errors import InputError
from pretrained.trial import check_drawable

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

FIRST = 2**16  # bytes that are asked for: most headers are shorter


def check_header(info: ModelInfo, as_guest: bool = False) -> None:
    """Refuse a repository whose model.safetensors is no Ganvas checkpoint, or none that can be drawn here.

    Raises:
        InputError: so; says why.
        Exception: whatever `hub.errors.as_input_error` has a sentence for.
    """
    whole = check_size(info, checkpoint.MODEL)
    start = retry(lambda: _read(info, min(FIRST, whole), as_guest), "fetch")
    length = int.from_bytes(start[:8], "little")
    if length > min(whole - 8, checkpoint.MAX_HEADER):
        raise InputError(f"{info.id}: {checkpoint.MODEL} is not a whole safetensors file")
    if 8 + length > len(start):
        start = retry(lambda: _read(info, 8 + length, as_guest), "fetch")
    try:
        header = json.loads(start[8 : 8 + length])
        if not all(isinstance(entry, dict) for entry in header.values()):
            raise ValueError
    except (ValueError, AttributeError, RecursionError):
        raise InputError(f"{info.id}: {checkpoint.MODEL} is not a whole safetensors file") from None
    _, config = checkpoint.outline(header, info.id)
    check_drawable(config)


def _read(info: ModelInfo, count: int, as_guest: bool) -> bytes:
    """The first bytes of the model; a server that knows no ranges is heard no longer."""
    from huggingface_hub import constants, get_session, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

    api()  # sets how long a silent Hub is waited for
    headers = build_hf_headers(token=False if as_guest else None) | {"Range": f"bytes=0-{count - 1}"}
    address = hf_hub_url(info.id, checkpoint.MODEL, revision=info.sha, endpoint=constants.ENDPOINT)
    data = bytearray()
    with get_session().stream("GET", address, headers=headers) as answer:
        hf_raise_for_status(answer)
        for part in answer.iter_bytes():
            data += part
            if len(data) >= count:
                return bytes(data[:count])
    raise OSError(f"{checkpoint.MODEL} of {info.id} is not what was announced")
