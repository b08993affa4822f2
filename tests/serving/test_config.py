"""A model's config.json: every entry may be missing, and what makes no sense is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from caffe_sdk.errors import ArgumentError
from caffe_sdk.serving import config
from caffe_sdk.serving.config import ModelConfig, Versions


def test_no_file_gives_the_defaults(tmp_path: Path) -> None:
    assert config.read(tmp_path) == ModelConfig()
    assert ModelConfig().default_timeout is None


def test_entries(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"max_batch_size": 4, "max_queue_delay_ms": 0.5, "default_timeout_ms": 250}')
    found = config.read(tmp_path)
    assert (found.max_batch_size, found.max_queue_delay_ms, found.default_timeout) == (4, 0.5, 0.25)


@pytest.mark.parametrize(
    ("value", "chosen"),
    [({"latest": 1}, [7]), ({"latest": 2}, [3, 7]), ("all", [1, 3, 7]), ([7, 1, 9], [1, 7])],
)
def test_versions(value: Any, chosen: list[int]) -> None:
    assert config.parse({"versions": value}, "here").versions.choose([7, 1, 3]) == chosen


def test_the_default_priority_is_the_last() -> None:
    assert config.parse({"priority_levels": 5}, "here").default_priority == 5
    assert ModelConfig().versions == Versions(1)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"max_batch": 4}, "here: 'max_batch' is not known; the entries are default_priority"),
        ({"max_batch_size": 0}, "'max_batch_size' is 0; give a whole number of 1 or more"),
        ({"max_batch_size": 1.5}, "give a whole number"),
        ({"max_batch_size": True}, "is True; give a whole number"),
        ({"max_queue_delay_ms": -1}, "give a number of 0 or more"),
        ({"max_queue_delay_ms": float("nan")}, "is nan; give a number"),
        ({"warm_up": 1}, "give true or false"),
        ({"versions": {"latest": 0}}, "'versions' is {'latest': 0}"),
        ({"versions": []}, '"all" or a list of numbers'),
        ({"default_priority": 3}, "'default_priority' is 3 of 2 levels"),
    ],
)
def test_what_makes_no_sense_is_named(entries: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        config.parse(entries, "here")


@pytest.mark.parametrize(("text", "words"), [("{", "this is not JSON"), ("[1]", "holds list; write an object")])
def test_files_that_are_none(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ArgumentError, match=f"config.json: {words}"):
        config.read(tmp_path)
