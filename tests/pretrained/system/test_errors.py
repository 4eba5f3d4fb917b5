"""An error names arguments; who shows it spells them."""

import pytest

from pretrained.system.errors import InputError, as_flag, fail


def test_arguments_are_spelled_as_the_reader_knows_them():
    error = InputError("`batch_size` must be > 0, got 0: try `python -m trainer --help`")
    assert error.named(as_flag) == "--batch-size must be > 0, got 0: try `python -m trainer --help`"
    assert error.named({"batch_size": "Batch size"}.__getitem__).startswith("Batch size must be")


def test_an_error_that_quotes_another_keeps_its_arguments():
    inner = InputError("leave `mask` out")
    assert InputError(f"a.jpg: {inner}").named(as_flag) == "a.jpg: leave --mask out"


@pytest.mark.parametrize("text", ["two\nlines", "\x1b[2Jmany\ttabs", "x" * 5000])
def test_an_error_is_one_line_that_prints(text):
    assert str(InputError(text)).isprintable()
    assert len(str(InputError(text))) <= 2000


def test_fail_ends_with_flags_on_stderr(capsys):
    with pytest.raises(SystemExit) as stopped:
        fail(InputError("`out` is missing"))
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "ganvas: --out is missing\n"
