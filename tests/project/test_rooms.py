"""The folders show the architecture: few files in each, no circle of imports, and no import up a floor."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("pretrained", "trainer", "ui", "gradio_ui")
MANY = {"pretrained/networks", "trainer/methods"}  # one file per paper
MAX_FILES = 10
FLOORS = ("trainer.data", "trainer.metrics", "trainer.methods", "trainer.loop", "trainer.cli")

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}


def imports(source: str, modules: set[str]) -> set[str]:
    """The modules that `source` imports, anywhere in it but under TYPE_CHECKING."""
    found = set()
    for node in _walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {module for module in (_module(name, modules) for name in names) if module}
    return found


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield child
            yield from _walk(child)


def _module(name: str, modules: set[str]) -> str | None:
    """`name`, or what it is an attribute of, if that is one of ours."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """What is left when modules without imports, and those that nothing imports, are taken away again and again."""
    left = {name: set(targets) - {name} for name, targets in graph.items()}
    while True:
        imported = set().union(*left.values()) if left else set()
        free = {name for name, targets in left.items() if not targets or name not in imported}
        if not free:
            return [sorted(left)] if left else []
        left = {name: targets - free for name, targets in left.items() if name not in free}


GRAPH = {name: imports(path.read_text("utf-8"), set(MODULES)) for name, path in MODULES.items()}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import a.b", {"a.b"}),
        ("from a import b", {"a.b"}),
        ("from a.b import c", {"a.b"}),
        ("def f():\n    from a import other", {"a"}),
        ("if TYPE_CHECKING:\n    from a import b", set()),
        ("import os", set()),
    ],
)
def test_imports_are_found(source, found):
    assert imports(source, {"a", "a.b"}) == found


def test_circles_are_found():
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]
    assert cycles({"a": {"b"}, "b": set()}) == []


def test_no_circle_of_imports():
    """A package counts by its own file, which re-exports; so a file may import its neighbours by the package's name."""
    assert cycles(GRAPH) == []


def test_few_files_in_a_folder():
    counts: dict[str, int] = {}
    for path in MODULES.values():
        if path.name != "__init__.py":
            folder = str(path.parent.relative_to(ROOT))
            counts[folder] = counts.get(folder, 0) + 1
    assert {folder: count for folder, count in counts.items() if count > MAX_FILES and folder not in MANY} == {}


@pytest.mark.parametrize("path", [path for path in MODULES.values() if path.name == "__init__.py"], ids=str)
def test_an_init_file_only_hands_names_on(path):
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr)
    assert all(isinstance(node, allowed) for node in ast.parse(path.read_text("utf-8")).body)


@pytest.mark.parametrize("floor", FLOORS)
def test_no_import_up_a_floor(floor):
    higher = FLOORS[FLOORS.index(floor) + 1 :]
    wrong = {
        (name, target)
        for name, targets in GRAPH.items()
        for target in targets
        if (name + ".").startswith(floor + ".") and (target + ".").startswith(tuple(f"{room}." for room in higher))
    }
    assert wrong == set()


@pytest.mark.parametrize("floor", FLOORS)
def test_the_floors_are_there(floor):
    assert floor in MODULES
