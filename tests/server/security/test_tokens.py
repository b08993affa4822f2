"""The file of tokens: read, refused, read again."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import pytest

from caffe_sdk.errors import ArgumentError, MissingFileError
from caffe_sdk.server.security.rights import Right
from caffe_sdk.server.security.tokens import Identity, Tokens, parse

DIGEST = hashlib.sha256(b"battery-staple").hexdigest()
FILE = f"""
# clients of the laboratory
camera infer  sha256:{DIGEST}
lab    train  correct-horse   # for the nights
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(FILE)
    return path


def test_tokens_are_found_plain_and_hashed(path: Path) -> None:
    tokens = Tokens(str(path))
    assert tokens.find("battery-staple") == Identity("camera", Right.INFER)
    assert tokens.find("correct-horse") == Identity("lab", Right.TRAIN)
    for unknown in ("", "correct-hors", "correct-horse ", DIGEST, f"sha256:{DIGEST}", "\udcff", "ключ"):
        assert tokens.find(unknown) is None


def test_every_token_is_compared(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(known: bytes, given: bytes) -> bool:
        compared.append(known)
        return known == given

    tokens = Tokens(str(path))
    monkeypatch.setattr("hmac.compare_digest", compare)
    for token in ("battery-staple", "correct-horse", "neither"):
        compared.clear()
        tokens.find(token)
        assert len(compared) == 2


def test_the_file_is_read_again_when_it_changes(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tokens = Tokens(str(path))
    path.write_text("lab admin another-horse\n")
    assert tokens.find("correct-horse") is None
    assert tokens.find("another-horse") == Identity("lab", Right.ADMIN)
    with caplog.at_level(logging.ERROR):
        path.write_text("lab\n")
        assert tokens.find("another-horse") == Identity("lab", Right.ADMIN)
        path.unlink()
        assert tokens.find("another-horse") == Identity("lab", Right.ADMIN)
    assert [record.message.split(": ")[0] for record in caplog.records] == ["the tokens stay as they were"] * 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("lab train", "file:2: 2 words; give name, right and token"),
        ("lab rule correct-horse", "file:2: 'rule' is no right; use one of infer, train, admin"),
        ("lab open correct-horse", "file:2: 'open' is no right"),
        ("lab train short", "file:2: a token of 5 characters; give 8 or more"),
        ("lab train sha256:12", "file:2: what follows sha256: is no digest; give 64 hexadecimal digits"),
        ("lab train first-token", "file:2: lab has the token of first"),
    ],
)
def test_lines_that_make_no_sense(line: str, words: str) -> None:
    with pytest.raises(ArgumentError, match=words) as caught:
        parse(f"first infer first-token\n{line}\n", "file")
    assert "correct-horse" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        Tokens(str(tmp_path / "tokens"))
