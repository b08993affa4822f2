"""Runs the test functions of the .m files of this folder in Octave, over both transports; reports each by itself."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import caffe_sdk
from tests.matlab import octave

HERE = Path(__file__).parent
FILES = sorted(path for path in HERE.glob("test_*.m") if "localfunctions()" in path.read_text())
TESTS = [
    (path.stem, name, transport)
    for path in FILES
    for name in re.findall(r"^function (test_\w+)\(\)", path.read_text(), re.MULTILINE)
    for transport in octave.TRANSPORTS
]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 x 3 pixels of which each is known: y in ones and x in tens; red is 10 apart, green 11, blue 12."""
    folder = tmp_path_factory.mktemp("pictures")
    y, x = np.mgrid[0:3, 0:4]
    grey = (10 * x + y).astype(np.uint8)
    colour = np.stack([grey, grey + 1, grey + 2], axis=2)
    Image.fromarray(grey).save(folder / "grey.png")
    Image.fromarray(colour).save(folder / "colour.png")
    Image.fromarray(colour).quantize(12).save(folder / "indexed.png")
    return folder


@pytest.fixture(scope="module")
def results(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> object:
    """What Octave said of each test function of a file: one Octave for each file and transport."""

    @cache
    def results(file: str, transport: str) -> dict[str, str]:
        folder = tmp_path_factory.mktemp(f"{file}_{transport}")
        settings = {"CAFFE_TEST_FILES": str(pictures), "CAFFE_TEST_VERSION": caffe_sdk.__version__}
        settings["CAFFE_TEST_BINDINGS"] = str(octave.ROOT / "bindings" / "matlab")
        said = octave.run(f"run_tests('{file}')", folder, transport, **settings)
        assert octave.bridge_is_gone(folder), said
        parts = re.split(r"^@@ (PASS|FAIL) (\w+) [\d.]+\n", said, flags=re.MULTILINE)
        return {
            name: "" if verdict == "PASS" else text for verdict, name, text in zip(*[iter(parts[1:])] * 3, strict=True)
        }

    return results


@pytest.mark.parametrize(("file", "name", "transport"), TESTS)
def test_in_octave(results: object, file: str, name: str, transport: str) -> None:
    said = results(file, transport)  # type: ignore[operator]
    assert name in said, f"Octave did not run it, only {', '.join(said)}"
    assert not said[name], said[name]
