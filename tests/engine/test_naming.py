"""Names of engines."""

from __future__ import annotations

import pytest

from caffe_sdk.engine.naming import Name, parsed


@pytest.mark.parametrize(
    ("said", "meant", "back"),
    [
        ("cpu", Name("cpu"), "cpu"),
        ("cuda:0", Name("cuda"), "cuda"),
        ("cuda:12", Name("cuda", 12), "cuda:12"),
        ("cuda:float16", Name("cuda", 0, "float16"), "cuda:float16"),
        ("cuda:1:bfloat16", Name("cuda", 1, "bfloat16"), "cuda:1:bfloat16"),
    ],
)
def test_what_a_name_says(said: str, meant: Name, back: str) -> None:
    assert parsed(said) == meant
    assert str(meant) == back


@pytest.mark.parametrize("said", ["cuda:", "cuda:1:", "cuda:float16:1", "cuda:1:float16:2"])
def test_what_is_no_name(said: str) -> None:
    assert parsed(said) is None
