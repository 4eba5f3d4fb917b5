"""What is said of errors that the Hub's client raises beside those of the Hub."""

from __future__ import annotations

import errno
import os

import pytest
from huggingface_hub import constants

from pretrained.hub.errors import as_input_error
from pretrained.system.errors import InputError


@pytest.mark.parametrize(("named", "shown"), [([], constants.HF_HUB_CACHE), (["/cache/file"], "/cache/file")])
def test_a_full_disk_is_named(named, shown):
    with pytest.raises(InputError) as refused, as_input_error("alice/tiny"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *named)  # as a write raises it, which has no name
    assert str(refused.value).startswith(f"cannot use {shown}: No space left on device; set HF_HOME to")
