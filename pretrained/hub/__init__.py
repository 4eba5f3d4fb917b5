"""The Hugging Face Hub: pull, push, search, model cards."""

from pretrained.hub.account import check_writable
from pretrained.hub.files import api, is_offline
from pretrained.hub.publish import check_push, nothing_lost, push
from pretrained.hub.repository import TAG, list_models, peek, pull, pull_file

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
