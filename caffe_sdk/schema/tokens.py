"""The words of a prototxt: names, numbers, strings and marks, each with its place in the text."""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?:\s+|\#[^\n]*)*
    (?: (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<number>\.?[0-9](?:[eE][+-]|[A-Za-z0-9_.])*)
      | (?P<string>"[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\\\n]*(?:\\.[^'\\\n]*)*')
      | (?P<mark>[][{}<>:;,-])
      | (?P<end>\Z)
      | (?P<bad>.) )
    """,
    re.VERBOSE,
)
_WHOLE = re.compile(r"0[xX](?P<hex>[0-9a-fA-F]+)|0(?P<octal>[0-7]+)|(?P<decimal>0|[1-9][0-9]{0,99})")
_REAL = re.compile(r"((?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[fF]?")
_ESCAPE = re.compile(
    rb"\\(?:(?P<octal>[0-7]{1,3})|[xX](?P<hex>[0-9a-fA-F]{1,2})|u(?P<u4>[0-9a-fA-F]{4})|U(?P<u8>[0-9a-fA-F]{8})|(?P<one>.))"
)
_ESCAPED = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"} | {
    mark: mark for mark in (b"\\", b"'", b'"', b"?")
}


class Token(NamedTuple):
    """One word. ``kind`` is name, number, string, mark, bad (a character that means nothing here) or end."""

    kind: str
    text: str
    offset: int


def tokenize(text: str) -> list[Token]:
    """The words of a text without blanks and comments. The last is an ``end``, or the first ``bad`` one."""
    found = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        found.append(Token(kind, match[kind], match.start(kind)))
        if kind in ("bad", "end"):
            break
    return found


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Where an offset stands; both count from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def whole_number(word: str) -> int | None:
    """The value of a decimal, hexadecimal (0x1f) or octal (017) number; None for any other word."""
    match = _WHOLE.fullmatch(word)
    if match is None:
        return None
    base = {"hex": 16, "octal": 8, "decimal": 10}[match.lastgroup or ""]
    return int(match[match.lastgroup or ""], base)


def real_number(word: str) -> float | None:
    """The value of a decimal number, with or without point, exponent and a final f, or of inf, infinity or nan in any
    case; None for any other word, octal numbers included: runtimes of protobuf disagree about those.
    """
    match = _REAL.fullmatch(word)
    if match is not None:
        return float(match[1])
    named = word.lower().removesuffix("f") if word.lower() != "inf" else "inf"
    return float(named) if named in ("inf", "infinity", "nan") else None


def unquote(word: str) -> bytes:
    """The bytes a quoted word stands for. Raises ValueError with the reason for an escape that has no meaning."""

    def replace(match: re.Match[bytes]) -> bytes:
        kind, digits = match.lastgroup, match[match.lastgroup or 0]
        if kind == "one":
            if digits not in _ESCAPED:
                raise ValueError(f"\\{digits.decode('latin-1')} is not an escape")
            return _ESCAPED[digits]
        value = int(digits, 8 if kind == "octal" else 16)
        if kind in ("octal", "hex"):
            if value > 255:
                raise ValueError(f"\\{digits.decode()} is more than a byte")
            return bytes([value])
        try:
            return chr(value).encode()
        except (ValueError, OverflowError, UnicodeEncodeError):
            raise ValueError(f"\\{match[0].decode()[1:]} is not a character") from None

    return _ESCAPE.sub(replace, word[1:-1].encode("utf-8", "surrogatepass"))
