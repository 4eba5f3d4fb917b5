"""PyPI has another package called trainer, which overwrites files of this one."""

import sys

import pytest

from pretrained.system.errors import InputError
from trainer.cli import alone


def test_the_other_trainer_beside_this_one_is_told_with_the_way_out(tmp_path, monkeypatch):
    alone.check_alone()
    (tmp_path / "trainer-0.0.36.dist-info").mkdir()
    (tmp_path / "trainer-0.0.36.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: trainer\nVersion: 0.0.36\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    alone.check_alone()  # installed elsewhere, it is another folder
    monkeypatch.setattr(alone, "HERE", tmp_path)
    with pytest.raises(InputError, match=r"python -m venv ganvas.*pip uninstall trainer"):
        alone.check_alone()
