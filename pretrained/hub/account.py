"""Checks before publishing on the Hub: repository name, write access, no token in the files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pretrained.hub.errors import LOGIN, as_input_error, retry
from pretrained.hub.files import api, is_offline
from pretrained.system.errors import InputError

TOKEN = re.compile(rb"hf_[A-Za-z0-9]{30,}")  # tokens of the Hub


def check_writable(name: str) -> str:
    """The full "user/name" of a repository; InputError without a token with write access."""
    from huggingface_hub import get_token

    if is_offline():
        raise InputError("HF_HUB_OFFLINE=1 does not allow publishing: unset it, or publish later")
    if not get_token():
        raise InputError(f"publishing needs a Hugging Face token: {LOGIN}")
    with as_input_error(name):
        account = retry(lambda: api().whoami())
        full_name = name if "/" in name else f"{account['name']}/{name}"
        check_name(full_name)
        _check_permission(account, full_name)
    return full_name


def check_name(repo_id: str) -> None:
    """InputError if it is not a valid repository name."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo_id)
        if repo_id.count("/") != 1:
            raise HFValidationError
    except HFValidationError:
        raise InputError(
            f"{repo_id!r} is not a repository name: user/name with letters, digits, single '-' and '.', '_', 96 at most"
        ) from None


def _check_permission(account: dict[str, Any], repo_id: str) -> None:
    """InputError if the token has no write access to `repo_id`, as far as the Hub reports its permissions."""
    owner = repo_id.split("/")[0]
    writable = [account["name"]]
    writable += [org["name"] for org in account.get("orgs", []) if org.get("roleInOrg") != "read"]
    if owner not in writable:
        raise InputError(f"no write access to {owner}: `repo_id` must start with {', '.join(writable)}")
    token = account.get("auth", {}).get("accessToken", {})
    scopes = token.get("fineGrained", {}).get("scoped", [])
    allowed = {
        "read": False,
        "fineGrained": any(
            scope["entity"].get("name") in (owner, repo_id) and "repo.write" in scope["permissions"] for scope in scopes
        ),
    }
    if not allowed.get(token.get("role"), True):
        raise InputError(f"your Hugging Face token cannot write to {repo_id}: {LOGIN}")


def check_secrets(files: Mapping[str, bytes | Path]) -> None:
    """InputError if a file contains a Hugging Face token."""
    from huggingface_hub import get_token

    ours = (get_token() or "").encode()
    for name, file in files.items():
        data = file.read_bytes() if isinstance(file, Path) else file
        if (ours and ours in data) or TOKEN.search(data):
            raise InputError(f"nothing was published: {name} contains a Hugging Face token; remove it first")
