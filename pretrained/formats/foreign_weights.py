"""A stranger's file of weights -> dictionaries of tensors, with nothing in the file run as code."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from pretrained.checkpoint import check_header
from pretrained.system.errors import InputError
from pretrained.system.files import open_regular

MAX_BYTES = 4 * 2**30  # of a file, and of the tensors in it
MAX_DEPTH = 4  # of dictionaries in dictionaries
WRAPPERS = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put before each name

State = dict[str, Tensor]


def read(path: Path) -> Any:
    """What `torch.save` or safetensors has written: dictionaries of tensors and numbers, on the CPU.

    `torch.load` with `weights_only` builds tensors and plain containers; a pickle that names anything else is refused
    before it is called.

    Raises:
        InputError: there is no such file, it is too large, or it is none of weights alone.
    """
    try:
        with open_regular(path):
            pass
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} has {path.stat().st_size / 2**30:.1f} GiB: at most {MAX_BYTES >> 30}")
        if path.suffix == ".safetensors":
            check_header(path)
            return safetensors.torch.load_file(path)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                    raise InputError(f"{path} is compressed, which torch.save never does: save it again by torch.save")
                if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
                    raise InputError(f"{path} unpacks to more than {MAX_BYTES >> 30} GiB")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles of other protocols
            return torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} is refused, and nothing in it was run: it holds more than weights, or is no pickle "
            f"({_reason(error)}); save generator.state_dict() alone"
        ) from None
    except Exception as error:  # a stranger's bytes make torch.load raise nearly anything
        raise InputError(f"{path} is not a file of weights that can be read: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """The sentence in torch's long advice that says what is wrong."""
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return next((line for line in lines if "nsupported" in line), lines[0])[:200]


def states(value: Any, place: str = "", depth: int = 0) -> Iterator[tuple[str, State]]:
    """All dictionaries of tensors by the names that lead to them, and the parts of one by their first name."""
    if not isinstance(value, Mapping) or depth > MAX_DEPTH:
        return
    named = {name: inner for name, inner in value.items() if isinstance(name, str)}
    tensors = {_bare(name): inner for name, inner in named.items() if torch.is_tensor(inner)}
    # A tensor may claim to be larger than what is stored of it, with a stride of zero.
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) > MAX_BYTES:
        raise InputError(f"its tensors would take more than {MAX_BYTES >> 30} GiB")
    if tensors:
        tops = dict.fromkeys(name.partition(".")[0] for name in tensors)
        if len(tops) == 1 or any(top.isdigit() for top in tops):
            yield place, tensors
        else:
            for top in tops:
                part = {
                    name.partition(".")[2]: tensor for name, tensor in tensors.items() if name.startswith(f"{top}.")
                }
                yield f"{place}.{top}".lstrip("."), part
            yield place, tensors
    for name, inner in named.items():
        yield from states(inner, f"{place}.{name}".lstrip("."), depth + 1)


def _bare(name: str) -> str:
    for wrapper in WRAPPERS:
        name = name.removeprefix(wrapper)
    return name
