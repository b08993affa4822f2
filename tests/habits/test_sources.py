"""Every module says what it is for, has a test, stays readable, and names nobody's machine."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.habits.sources import MODULES, ROOT, imported_by, tracked

# In pieces, so that this file does not name one itself.
MACHINE_PATH = re.compile("(?<![\\w.])/(?:" + "|".join(["work", "root", "home", "Users"]) + ")/\\w")
UNFINISHED = re.compile(r"\b(?:" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
LONGEST_MODULE = 600
LONGEST_FUNCTION = 80


def public_objects(module: object) -> Iterator[tuple[str, object]]:
    """Public classes and functions that a module defines, and the public methods and properties of the classes."""
    for name, value in vars(module).items():
        if name.startswith("_") or not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        if value.__module__ != module.__name__:  # type: ignore[attr-defined]
            continue
        yield name, value
        if inspect.isclass(value):
            for part, member in vars(value).items():
                if not part.startswith("_") and isinstance(member, (staticmethod, classmethod, property)):
                    yield f"{name}.{part}", getattr(member, "__func__", member)
                elif not part.startswith("_") and inspect.isfunction(member):
                    yield f"{name}.{part}", member


def documented(name: str, value: object, module: object) -> bool:
    """Whether an object has a docstring of its own, or, for a method, inherits one."""
    if inspect.isclass(value):
        # A dataclass without a docstring is given its signature.
        return bool(value.__doc__) and not value.__doc__.startswith(f"{value.__name__}(")
    owner, _, part = name.rpartition(".")
    if not owner:
        return bool(value.__doc__)
    bases = getattr(module, owner).__mro__
    return any(getattr(vars(base).get(part), "__doc__", None) for base in bases)


@pytest.mark.parametrize("name", MODULES)
def test_public_names_have_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    silent = [found for found, value in public_objects(module) if not documented(found, value, module)]
    assert not silent, f"{name}: no docstring for {', '.join(silent)}"


def test_modules_have_tests() -> None:
    tests = [path for path in tracked("tests/*.py") if path.name.startswith("test_")]
    imported = {name for path in tests for name in imported_by(path)}
    untested = []
    for name, path in MODULES.items():
        folder = path.relative_to(ROOT / "caffe_sdk").parent
        own = ROOT / "tests" / folder / f"test_{path.stem.strip('_')}.py"
        if path.name != "__init__.py" and name not in imported and own not in tests:
            untested.append(name)
    assert not untested, f"no test imports or is named after {', '.join(untested)}"


@pytest.mark.parametrize("name", MODULES)
def test_modules_and_functions_stay_readable(name: str) -> None:
    text = MODULES[name].read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST_MODULE, f"{name} is {text.count(chr(10))} lines: usually two things in one room"
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = [f"{node.name} ({length(node)} lines)" for node in functions if length(node) > LONGEST_FUNCTION]
    assert not long, f"{name}: {', '.join(long)}"


def length(node: ast.stmt) -> int:
    """The lines of a definition."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_file_names_a_machine() -> None:
    found = [f"{place}: {line}" for place, line in lines() if MACHINE_PATH.search(line)]
    assert not found, "\n".join(found)


def test_nothing_is_left_unfinished() -> None:
    found = [f"{place}: {line}" for place, line in lines("*.py", "*.m", "*.proto", "*.md") if UNFINISHED.search(line)]
    assert not found, "\n".join(found)


def lines(*patterns: str) -> Iterator[tuple[str, str]]:
    """Every line of the checkout's text files with its place."""
    for path in tracked(*patterns):
        for number, line in enumerate(text_of(path).splitlines(), 1):
            yield f"{path.relative_to(ROOT)}:{number}", line


def text_of(path: Path) -> str:
    """A file's text; nothing for a binary file."""
    data = path.read_bytes()
    return "" if b"\0" in data[:1024] else data.decode(errors="replace")


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    records = {path.name for path in tracked("docs/decisions/*.md")} - {"README.md"}
    assert set(re.findall(r"^\| \[[\w-]+\]\(([\w-]+\.md)\)", index, re.MULTILINE)) == records
