"""How far a network is, told after each of its layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from torch import nn


@contextmanager
def layers(network: nn.Module, passes: int, tell: Callable[[float], object]) -> Iterator[None]:
    """While it lasts `tell` is given, after each layer of `network`, the share that is done, above 0 to 1.

    All layers count the same, though they do not take the same time. What `tell` raises ends the pass.

    Args:
        passes: how often the network will be run.
    """
    leaves = [module for module in network.modules() if not any(module.children())]
    first: nn.Module | None = None
    done, of_one, is_counted, share = 0, len(leaves), False, 0.0

    def after(module: nn.Module, *_: object) -> None:
        nonlocal first, done, of_one, is_counted, share
        first = first or module
        if module is first and done and not is_counted:
            of_one, is_counted = done, True  # some layers may have no part in a pass, those of an encoder, say
        done += 1
        share = max(share, min(1.0, done / (of_one * passes)))
        tell(share)

    with ExitStack() as hooks:
        for leaf in leaves:
            hooks.callback(leaf.register_forward_hook(after).remove)
        yield
