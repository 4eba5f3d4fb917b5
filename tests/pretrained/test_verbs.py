"""Each parameter is described once, and every face shows that description; library messages name no flags."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradio_ui import endpoints, page
from pretrained.__main__ import main
from pretrained.cli.commands import COMMANDS
from pretrained.system.errors import InputError
from pretrained.verbs.drawing import DRAWINGS, Sample
from pretrained.verbs.parameter import Field, fields_of, read

ROOT = Path(__file__).parents[2]
FLAG = re.compile(r"--[a-z]")


def printed(capsys, name: str) -> str:
    """The help of a command on one line, without the frames around it."""
    with pytest.raises(SystemExit):
        main([name, "--help"])
    return " ".join(re.sub(r"[│╭╮╰╯─]+", " ", capsys.readouterr().out).split())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_the_description_says(name, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "300")
    text = printed(capsys, name)
    for field in fields_of(COMMANDS[name][0]).values():
        assert field.about.help in text
        if field.flag:
            assert re.search(rf"--{field.flag}\b", text)
    assert "None" not in text
    assert "{None}" not in text


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_api_says_what_the_description_says(name):
    call, fields = endpoints.ENDPOINTS[name], endpoints.api_fields(DRAWINGS[name])
    assert list(inspect.signature(call).parameters) == list(fields)
    for parameter, field in fields.items():
        assert f"{parameter}: {field.describe(online=True)}\n" in f"{inspect.getdoc(call)}\n"
        assert field.about is fields_of(DRAWINGS[name])[field.name].about


def described(room: str) -> Iterator[tuple[str, str]]:
    """Each string in the Python files of a room, with its file."""
    for file in (ROOT / room).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield str(file.relative_to(ROOT)), node.value


@pytest.mark.parametrize("room", ["pretrained/cli", "gradio_ui", "ui"])
def test_no_face_describes_a_parameter_again(room):
    helps = {field.about.help for verb, _ in COMMANDS.values() for field in fields_of(verb).values()}
    assert len(helps) > 30
    assert not [(file, text) for file, text in described(room) if text in helps]


@pytest.mark.parametrize("verb", [verb for verb, _ in COMMANDS.values()])
def test_a_description_is_a_sentence(verb):
    for field in fields_of(verb).values():
        assert field.about.help.endswith(".")
        assert not FLAG.search(field.about.help)
        default = field.default
        if field.about.range and isinstance(default, (int, float)):
            assert field.about.range.low <= default <= field.about.range.top(online=True)


def messages(source: str) -> Iterator[str]:
    """The strings in what `source` raises, and in remedies that are handed to what raises."""
    for node in ast.walk(ast.parse(source)):
        raised = [node.exc] if isinstance(node, ast.Raise) and node.exc else []
        if isinstance(node, ast.Call):
            raised += [word.value for word in node.keywords if word.arg in ("remedy", "busy")]
            raised += [node] if ast.unparse(node.func) == "InputError" else []
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("remedy", "busy", "legal"):
            raised.append(node.value)
        if isinstance(node, ast.FunctionDef):
            raised += [default for default in node.args.defaults if isinstance(default, ast.Constant)]
        for part in raised:
            yield from (
                text.value for text in ast.walk(part) if isinstance(text, ast.Constant) and isinstance(text.value, str)
            )


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("raise InputError(f'--layers {n} is too much')", True),
        ("def f(remedy='choose --device cpu'): pass", True),
        ("error = InputError('leave --mask out')", True),
        ("'--layers'", False),
        ("raise InputError('`layers` is too much')", False),
    ],
)
def test_a_flag_in_a_message_is_found(source, found):
    assert any(map(FLAG.search, messages(source))) == found


def test_the_library_names_arguments_not_flags():
    files = set((ROOT / "pretrained").rglob("*.py")) - set((ROOT / "pretrained" / "cli").rglob("*.py"))
    files -= {ROOT / "pretrained" / "__main__.py"}  # it belongs to the command line
    texts = [(file.name, text) for file in files for text in messages(file.read_text())]
    assert len(texts) > 100
    assert not [(file, text) for file, text in texts if FLAG.search(text)]


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("columns", 33, "`columns` must be 1 to 32, got 33"),
        ("columns", "4", 4),
        ("columns", 4.0, 4),
        ("columns", 4.5, "`columns` must be"),
        ("columns", True, "`columns` must be"),
        ("columns", None, None),
        ("truncation", "nan", "`truncation` must be 0 to 2, got nan"),
        ("truncation", None, "`truncation` is missing"),
        ("text", "x" * 1001, "`text` must be"),
        ("seeds", 7, "`seeds` must be"),
    ],
)
def test_a_value_is_read_or_refused(name, given, words):
    field: Field = fields_of(Sample)[name]
    if not isinstance(words, str):
        assert read(field, given, None, online=True) == words
        return
    with pytest.raises(InputError, match=words):
        read(field, given, None, online=True)


def test_the_page_has_a_tab_for_each_verb_that_draws():
    assert {tab.kind for tab in page.TABS} == set(DRAWINGS.values())
