"""The flows of pycaffe's notebooks run to their end, learn what they are to learn, and draw their pictures."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image

RUNS: dict[str, tuple[int, list[str], list[tuple[str, float, float]]]] = {
    "classification": (80, ["features.png", "scores.png"], [(r"accuracy  ([\d.]+)", 0.6, 1)]),
    "learning_lenet": (
        60,
        ["learning.png", "scores.png"],
        [(r"iteration    0: loss ([\d.]+)", 2, 3), (r"accuracy  ([\d.]+)", 0.85, 1)],
    ),
    "fine_tuning": (
        45,
        ["fine_tuning.png"],
        [(r"fine-tuned: loss ([\d.]+)", 0, 0.6), (r"scratch: loss ([\d.]+)", 0.6, 2), (r"accuracy ([\d.]+)", 0.7, 1)],
    ),
    "logistic_regression": (
        700,
        [],
        [(r"([\d.]+) of the linear", 0.7, 0.8), (r"([\d.]+) of the nonlinear", 0.79, 1)],
    ),
    "net_surgery": (
        80,
        ["filters.png", "page.png"],
        [
            (r"shifts the mean by ([\d.]+)", 1, 1),
            (r"accuracy  ([\d.]+) of 16", 0.8, 1),
            (r"differs by ([\d.e+-]+)", 0, 1e-5),
        ],
    ),
    "detection": (
        120,
        ["grid.png", "selective.png"],
        [(r"grid: .*on digits (\d)", 5, 9), (r"selective search: .*on digits (\d)", 5, 9)],
    ),
    "multilabel": (90, ["shapes.png"], [(r"accuracy  ([\d.]+) before", 0.3, 0.7), (r"90: accuracy ([\d.]+)", 0.85, 1)]),
    "siamese": (
        80,
        ["siamese.png"],
        [(r"loss +([\d.]+) at first", 0.05, 1), (r"([\d.]+) at last", 0, 0.1), (r"nearest   ([\d.]+)", 0.4, 1)],
    ),
}
"""Iterations, pictures, and numbers in what is printed with the range they lie in."""


@pytest.fixture
def examples(root: Path) -> Path:
    return root / "docs" / "examples" / "pycaffe"


@pytest.mark.parametrize("name", RUNS)
def test_example(
    name: str, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    iterations, pictures, numbers = RUNS[name]
    monkeypatch.setattr(sys, "path", [str(examples), *sys.path])
    monkeypatch.setattr(sys, "argv", [name, "--output", str(tmp_path), "--iterations", str(iterations)])
    try:
        runpy.run_path(str(examples / f"{name}.py"), run_name="__main__")
    finally:
        sys.modules.pop("digits", None)  # other examples may have a module of this name
    printed = capsys.readouterr().out
    for pattern, low, high in numbers:
        (found, *_) = re.findall(pattern, printed)
        assert low - 1e-3 <= float(found) <= high + 1e-3, (pattern, printed)
    for picture in pictures:
        assert f"picture   {tmp_path / picture}" in printed
        with Image.open(tmp_path / picture) as image:
            assert min(image.size) > 300


def test_a_mistake_in_the_data_layers_parameters(examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It arrives as the exception it is."""
    from caffe_sdk import TRAIN, Net
    from caffe_sdk import layers as L
    from caffe_sdk.net_spec import to_proto

    monkeypatch.setattr(sys, "path", [str(examples), *sys.path])
    net = to_proto(*L.Python(module="shape_layers", layer="ShapesLayer", ntop=2, param_str='{"seed": 1}'))
    with pytest.raises(ValueError, match=r"layer 'Python1' \(Python\): .*param_str must have batch_size"):
        Net(net, TRAIN)


def test_the_page_names_every_script(examples: Path) -> None:
    page = (examples / "README.md").read_text(encoding="utf-8")
    scripts = {path.name for path in examples.glob("*.py")}
    assert scripts == set(re.findall(r"\]\((\w+\.py)\)", page))
    assert {f"{name}.py" for name in RUNS} == scripts - {"digits.py", "shape_layers.py"}
