"""The words of a prototxt."""

from __future__ import annotations

import pytest

from caffe_sdk.schema.tokens import line_and_column, real_number, tokenize, unquote, whole_number


def test_words_and_their_places() -> None:
    text = "a_1: -1.5e+3, # note\n'x\\'y' {}"
    kinds = [(token.kind, token.text) for token in tokenize(text)]
    assert kinds == [
        ("name", "a_1"), ("mark", ":"), ("mark", "-"), ("number", "1.5e+3"), ("mark", ","),
        ("string", "'x\\'y'"), ("mark", "{"), ("mark", "}"), ("end", ""),
    ]  # fmt: skip
    assert line_and_column(text, tokenize(text)[5].offset) == (2, 1)
    assert [token.kind for token in tokenize("a @ b")] == ["name", "bad"]
    assert [token.kind for token in tokenize(" # only a note \n ")] == ["end"]


def test_numbers() -> None:
    words = ["0", "12", "017", "0x1F", "08", "1.", "1_0", "", "x", "0x"]
    assert [whole_number(word) for word in words] == [0, 12, 15, 31, None, None, None, None, None, None]
    words = ["0", "1.", ".5", "1e3", "1.5f", "InF", "infinityf", "017", "0x1F", ".", "e3", "1e"]
    inf = float("inf")
    assert [real_number(word) for word in words] == [0, 1, 0.5, 1000, 1.5, inf, inf, None, None, None, None, None]


def test_escapes() -> None:
    assert unquote(r'"\a\b\f\n\r\t\v\\\?\'\"\0\x7f\377\u00e9"') == b"\a\b\f\n\r\t\v\\?'\"\0\x7f\xff\xc3\xa9"
    for wrong in (r"'\8'", r"'\400'", r"'\ud800'", r"'\U00110000'", r"'\x'"):
        with pytest.raises(ValueError, match=r"is not|more than"):
            unquote(wrong)
