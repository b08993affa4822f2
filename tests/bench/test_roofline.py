"""The roofline picture: steps are counted as they are drawn, and the picture is a picture."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any, cast

import pytest

from caffe_sdk.engine import Engine
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.operation import Recorder
from caffe_sdk.memory import new_tensor
from tests.bench import roofline

SVG = "{http://www.w3.org/2000/svg}"


def test_a_memory_is_moved_once() -> None:
    x, weight, y = (new_tensor(shape) for shape in ((1, 2, 4, 4), (3, 2, 1, 1), (1, 3, 4, 4)))
    recorder = Recorder()
    cast(Engine, recorder).convolution(x, weight, None, y, ConvolutionGeometry((1, 1), (1, 1), (0, 0), (1, 1)))
    cast(Engine, recorder).relu(y, y, 0.0)
    assert roofline.moved(recorder.calls) == 4 * (32 + 6 + 48)


def test_the_picture_holds_every_product(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(roofline, "STREAM", 1 << 20)
    monkeypatch.setattr(roofline, "set_num_threads", lambda count: None)
    command: list[Any] = ["roofline.py", "lenet:2", "lenet:4", "--rounds", "1", "--svg", str(tmp_path / "roofs.svg")]
    monkeypatch.setattr(sys, "argv", command)
    roofline.main()
    tree = ElementTree.parse(tmp_path / "roofs.svg")
    names = [title.text or "" for title in tree.iter(f"{SVG}title")]
    assert sorted(name.split(":")[0] for name in names) == sorted(2 * ["conv1", "conv2", "ip1", "ip2"])
    assert len(list(tree.iter(f"{SVG}circle"))) == len(names) + len(roofline.KINDS)
    assert capsys.readouterr().out.startswith("peak ")
