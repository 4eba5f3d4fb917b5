"""The Hugging Face Hub: pull, push, search, model cards."""

from pretrained.hub.repository import (
    TAG,
    api,
    check_push,
    check_writable,
    is_offline,
    list_models,
    nothing_lost,
    peek,
    pull,
    pull_file,
    push,
)

__all__ = [
    "TAG",
    "api",
    "check_push",
    "check_writable",
    "is_offline",
    "list_models",
    "nothing_lost",
    "peek",
    "pull",
    "pull_file",
    "push",
]
