"""BVLC Caffe's numbers once more, with Winograd's filtering wherever a convolution can be computed so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from caffe_sdk.engine.cpu import choice, winograd
from tests.golden import test_golden, test_squeezenet
from tests.golden.test_golden import check, golden

__all__ = ["check", "golden"]

planned: list[object] = []


@pytest.fixture(autouse=True)
def _forced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Winograd's filtering everywhere, and a note of what it computed."""
    planned.clear()

    real = winograd._convolve

    def noted(*arguments: Any) -> None:
        planned.append(arguments)
        real(*arguments)

    monkeypatch.setattr(winograd, "_convolve", noted)
    with choice.forced(choice.WINOGRAD):
        yield


@pytest.mark.parametrize("kind", ["Convolution", "Net"])
def test_layers_so(golden: Path, check: ModuleType, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test_golden.test_layers(golden, check, kind, "cpu", tmp_path, monkeypatch)
    assert planned


def test_squeezenet_so(shared: Path) -> None:
    test_squeezenet.test_every_stored_blob(shared, "cpu")
    assert len(planned) >= 8, "one in each fire module"
