"""`make demo`, shortened: what it prints, what it draws and what it saves agree."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools import demo


@pytest.fixture(scope="module")
def run(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder the demo filled and what it printed, after 150 of its 1,500 training steps."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "tools/demo.py", "--output", str(folder), "--iterations", "150"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


def test_progress_is_shown(run: tuple[Path, str]) -> None:
    assert [int(step) for step in re.findall(r"iteration +(\d+) of 150", run[1])] == list(range(15, 151, 15))


def test_accuracy_is_that_of_the_predictions(run: tuple[Path, str]) -> None:
    folder, printed = run
    accuracy, wrong, count = re.findall(r"accuracy ([\d.]+) .*: (\d+) of (\d+) wrong", printed)[0]
    assert float(accuracy) == pytest.approx(1 - int(wrong) / int(count), abs=1e-4)
    assert float(accuracy) > 0.9

    result = demo.examine(folder / "lenet_train_test.prototxt", folder / "lenet.caffemodel")
    assert int((result.predictions != result.labels).sum()) == int(wrong)
    assert result.images.shape == (int(count), 28, 28)


def test_wrong_digits_are_outlined_in_red() -> None:
    images = np.zeros((30, 28, 28), np.float32)
    labels = np.arange(30) % 10
    predictions = labels.copy()
    predictions[[3, 27]] += 1
    sheet = np.asarray(demo.draw(demo.Result(images, labels, predictions, 28 / 30)))
    red = (sheet == (255, 0, 0)).all(axis=2)
    width, height = 2 * 28 + 8, 2 * 28 + 26
    outlined = [
        row * demo.COLUMNS + column
        for row in range(2)
        for column in range(demo.COLUMNS)
        if red[row * height : (row + 1) * height, column * width : (column + 1) * width].any()
    ]
    assert outlined == [3, 27]


def test_the_picture_shows_every_digit(run: tuple[Path, str]) -> None:
    folder, printed = run
    assert str(folder / "predictions.png") in printed
    with Image.open(folder / "predictions.png") as picture:
        assert picture.size == (demo.COLUMNS * 64, 15 * 82)
