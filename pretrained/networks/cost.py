"""What a network will take, before it takes it: shapes alone go through it, and bytes and products are counted.

Torch has functions of shapes of its own, on the meta device, but the first of them costs 1.6 s and 160 MB, an algebra's
import. The functions that our networks are made of are told here by their shapes; any other goes to torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pretrained.system import server
from pretrained.system.errors import InputError

Shape = tuple[int, ...]
# Beside what a function reads and writes: skips that wait, and copies in the layout that a kernel wants.
MARGIN = 2
COPIES = {"instance_norm": 2, "group_norm": 2}  # times what a function reads and writes, in another layout


def _pair(value: Any) -> tuple[int, int]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def _broadcast(*args: Any, **_: Any) -> Shape:
    return np.broadcast_shapes(*(value.shape for value in args if isinstance(value, Tensor)))


def _expect(*pairs: tuple[Any, Any]) -> None:
    for given, wanted in pairs:
        if given != wanted:
            raise ValueError(f"a layer meets {given} where it wants {wanted}")


def _conv2d(x: Tensor, weight: Tensor, bias=None, stride=1, padding=0, dilation=1, groups=1) -> Shape:
    _expect((x.shape[1], weight.shape[1] * groups))
    sides = zip(x.shape[2:], weight.shape[2:], _pair(stride), _pair(padding), _pair(dilation))
    return (
        x.shape[0],
        weight.shape[0],
        *((side + 2 * pad - dilate * (kernel - 1) - 1) // stride + 1 for side, kernel, stride, pad, dilate in sides),
    )


def _conv_transpose2d(
    x: Tensor, weight: Tensor, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
) -> Shape:
    _expect((x.shape[1], weight.shape[0]))
    sides = zip(x.shape[2:], weight.shape[2:], *map(_pair, (stride, padding, output_padding, dilation)))
    return (
        x.shape[0],
        weight.shape[1] * groups,
        *(
            (side - 1) * stride - 2 * pad + dilate * (kernel - 1) + more + 1
            for side, kernel, stride, pad, more, dilate in sides
        ),
    )


def _linear(x: Tensor, weight: Tensor, bias=None) -> Shape:
    _expect((x.shape[-1], weight.shape[1]))
    return (*x.shape[:-1], weight.shape[0])


def _matmul(x: Tensor, y: Tensor) -> Shape:
    if x.dim() < 2 or y.dim() < 2:
        raise NotImplementedError
    _expect((x.shape[-1], y.shape[-2]))
    return (*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1])


def _batch_norm(x: Tensor, mean: Tensor, *_: Any, **__: Any) -> Shape:
    if mean is not None:
        _expect((x.shape[1], mean.shape[0]))
    return x.shape


def _cat(tensors: Any, dim: int = 0) -> Shape:
    first, *others = [list(tensor.shape) for tensor in tensors]
    dim %= len(first)
    for other in others:
        _expect((other[:dim] + other[dim + 1 :], first[:dim] + first[dim + 1 :]))
        first[dim] += other[dim]
    return tuple(first)


def _stack(tensors: Any, dim: int = 0) -> Shape:
    shape = list(tensors[0].shape)
    _expect(*((list(tensor.shape), shape) for tensor in tensors))
    shape.insert(dim % (len(shape) + 1), len(tensors))
    return tuple(shape)


def _repeat(x: Tensor, *times: int) -> Shape:
    shape = (1,) * (len(times) - x.dim()) + tuple(x.shape)
    return tuple(side * count for side, count in zip(shape, times))


def _reduced(x: Tensor, dim: Any = None, keepdim: bool = False, **_: Any) -> Shape:
    dims = {place % x.dim() for place in (range(x.dim()) if dim is None else _pair(dim))}
    kept = [(side, place in dims) for place, side in enumerate(x.shape)]
    return tuple(1 if gone else side for side, gone in kept if keepdim or not gone)


def _embedding(indices: Tensor, weight: Tensor, *_: Any, **__: Any) -> Shape:
    return (*indices.shape, weight.shape[1])


def _getitem(x: Tensor, index: Any) -> Shape | None:
    """Rows of a table; other places are views, which torch tells at once."""
    return (*index.shape, *x.shape[1:]) if isinstance(index, Tensor) else None


def _interpolate(x: Tensor, size=None, scale_factor=None, *_: Any, **__: Any) -> Shape:
    if size is not None:
        return (*x.shape[:2], *_pair(size))
    return (*x.shape[:2], *(math.floor(side * factor) for side, factor in zip(x.shape[2:], _pair(scale_factor))))


def _pad(x: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Shape:
    shape = list(x.shape)
    for place in range(len(pad) // 2):
        if mode == "reflect" and max(pad[2 * place : 2 * place + 2]) >= shape[-1 - place]:
            raise ValueError(f"a rim of {max(pad)} px is mirrored of {shape[-1 - place]} px")
        shape[-1 - place] += pad[2 * place] + pad[2 * place + 1]
    return tuple(shape)


def _avg_pool2d(x: Tensor, kernel_size: Any, stride=None, padding=0, *_: Any, **__: Any) -> Shape:
    sides = zip(x.shape[2:], _pair(kernel_size), _pair(stride or kernel_size), _pair(padding))
    return (*x.shape[:2], *((side + 2 * pad - kernel) // step + 1 for side, kernel, step, pad in sides))


def _pixel_shuffle(x: Tensor, factor: int) -> Shape:
    _expect((x.shape[1] % factor**2, 0))
    return (x.shape[0], x.shape[1] // factor**2, x.shape[2] * factor, x.shape[3] * factor)


def _same(x: Tensor, *_: Any, **__: Any) -> Shape:
    return x.shape


ELEMENTWISE = (
    "add sub mul div true_divide rsub radd rmul rtruediv truediv pow lerp where maximum minimum iadd imul "
    "relu leaky_relu prelu elu tanh sigmoid exp sqrt rsqrt square clamp abs neg dropout instance_norm layer_norm "
    "group_norm normalize flip softplus contiguous float gt ge lt le"
)
SHAPES: dict[str, Callable[..., Shape]] = {
    **dict.fromkeys(ELEMENTWISE.split(), _same),
    **dict.fromkeys("add sub mul div truediv radd rmul rsub rtruediv lerp where maximum minimum".split(), _broadcast),
    "conv2d": _conv2d,
    "conv_transpose2d": _conv_transpose2d,
    "linear": _linear,
    "matmul": _matmul,
    "batch_norm": _batch_norm,
    "cat": _cat,
    "stack": _stack,
    "repeat": _repeat,
    **dict.fromkeys(("mean", "sum", "amax", "amin"), _reduced),
    "embedding": _embedding,
    "getitem": _getitem,
    "interpolate": _interpolate,
    "pad": _pad,
    "avg_pool2d": _avg_pool2d,
    "pixel_shuffle": _pixel_shuffle,
    "embedding_bag": lambda indices, weight, *_, **__: (indices.shape[0], weight.shape[1]),
}
PRODUCTS: dict[str, Callable[..., int]] = {  # multiplications, of the shape that comes out
    "conv2d": lambda out, x, weight, *_, **__: math.prod(out) * math.prod(weight.shape[1:]),
    "conv_transpose2d": lambda out, x, weight, *_, **__: x.numel() * math.prod(weight.shape[1:]),
    "linear": lambda out, x, weight, *_, **__: math.prod(out) * weight.shape[1],
    "matmul": lambda out, x, *_, **__: math.prod(out) * x.shape[-1],
}


class Cost(TorchFunctionMode):
    """Within `with Cost() as cost`, functions of tensors on the meta device are followed by their shapes.

    Attributes:
        largest: bytes that one function reads and writes, at most.
        products: multiplications of all of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.largest = self.products = 0

    def bytes(self, parameters: int) -> int:
        """A bound on the memory that is taken, by a network with so many bytes of parameters."""
        return parameters + MARGIN * self.largest

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        function = torch.empty if function is torch.randn else function
        name = getattr(function, "__name__", "").strip("_")
        try:
            shape = SHAPES[name](*args, **kwargs) if name in SHAPES else None
        except (TypeError, AttributeError, NotImplementedError):  # it is called in another way: torch knows it
            shape = None
        if shape is None:
            made = function(*args, **kwargs)
        else:
            made = torch.empty(shape, dtype=_dtype(name, args), device="meta")
            if name in PRODUCTS:
                self.products += PRODUCTS[name](shape, *args, **kwargs)
        self._count(made, [*args, *kwargs.values()], COPIES.get(name, 1))
        return made

    def _count(self, made: Any, given: list[Any], copies: int) -> None:
        if not isinstance(made, Tensor):
            return
        parts = [made, *(part for value in given for part in (value if isinstance(value, (list, tuple)) else [value]))]
        held = sum(part.numel() * part.element_size() for part in parts if isinstance(part, Tensor))
        self.largest = max(self.largest, held * copies)


def _dtype(name: str, args: tuple) -> torch.dtype:
    """Floating where anything is; that of what comes out of an embedding is its table's."""
    if name == "float":
        return torch.float32
    flat = [part for value in args for part in (value if isinstance(value, (list, tuple)) else [value])]
    found = [value.dtype for value in flat if isinstance(value, Tensor)]
    return next((dtype for dtype in found if dtype.is_floating_point), found[0])


def check(name: str, network: nn.Module, cost: Cost) -> None:
    """Refuse what takes more memory than the machine has, or on a server more than is spent on a stranger.

    Args:
        name: what the network is called in the sentence.
        network: its weights, with or without numbers.
        cost: what it took to draw a batch.
    """
    taken = cost.bytes(sum(weight.numel() * weight.element_size() for weight in network.state_dict().values()))
    if taken > (most := server.max_memory()):
        raise InputError(
            f"{name} takes up to {taken / 1e9:.1f} GB of memory, of {most / 1e9:.1f} GB that it may take: choose a "
            f"smaller one, or set {server.MEMORY} where it runs"
        )
    if cost.products > (most := server.max_products()):
        raise InputError(f"{name} takes {cost.products:,} multiplications for a batch, of {most:,} that it may take")
