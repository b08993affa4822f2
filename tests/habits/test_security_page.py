"""The page about security names tests that there are, and rights and flags as they are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from caffe_sdk.cli.flags import make_parser
from caffe_sdk.server.security.rights import NAMES
from caffe_sdk.server.security.tokens import parse


def test_every_test_named_is_there(root: Path) -> None:
    page = (root / "docs" / "security.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("|") and "test_" in line]
    assert len(rows) >= 15
    for row in rows:
        file: Path | None = None
        for name in re.findall(r"`([\w/]*test_[\w.:/]+)`", row.split("|")[3]):
            path, _, test = name.partition("::")
            if path.endswith(".py"):
                places = [root / "tests" / path, root / "tests" / "server" / path]
                beside = [file.parent / path] if file is not None else []
                file = next((place for place in (*places, *beside) if place.is_file()), None)
                assert file is not None, path
            else:
                test = path
            assert file is not None
            assert f"def {test}" in file.read_text(), name


def test_the_command_and_the_tokens_are_taken(root: Path) -> None:
    page = (root / "docs" / "security.md").read_text()
    command, tokens = re.findall(r"^```\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[:2]
    assert make_parser().parse_args(shlex.split(command.replace("\\\n", " "))[1:]).auth == "tokens"
    assert {identity.name for identity in parse(tokens, "page").values()} == {"camera-7", "lab"}
    assert all(f"| `{right}` |" in page for right in NAMES)
    for flag in re.findall(r"`(--[a-z][a-z-]+[a-z])", page):
        assert flag in _serve_help(), flag


def _serve_help() -> str:
    """The help of ``caffe serve``."""
    parser = make_parser()
    actions = [action for action in parser._actions if action.dest == "module" or hasattr(action, "choices")]
    choices = next(action.choices for action in actions if action.choices and "serve" in action.choices)
    assert isinstance(choices, dict)
    return str(choices["serve"].format_help())
