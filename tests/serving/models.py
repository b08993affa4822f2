"""Folders of small models for the tests of serving."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from caffe_sdk.blob import Blob
from caffe_sdk.errors import DataError
from caffe_sdk.layers import base
from caffe_sdk.memory import HOST, Array
from caffe_sdk.net import Net
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import TEST, NetParameter

SMALL = """
name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 10 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
SUM = """
layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "b" type: "Input" top: "b" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
"""


def put(root: Path, name: str = "small", version: int | None = 1, text: str = SMALL, **config: Any) -> Path:
    """Put a version of a model into a repository; gives the version's folder."""
    folder = root / name if version is None else root / name / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "deploy.prototxt").write_text(text)
    with Net(prototxt.parse(text, NetParameter), TEST) as net:
        if net.params:
            net.save(folder / f"{name}.caffemodel")
    if config:
        (root / name / "config.json").write_text(json.dumps(config))
    return folder


def expected(folder: Path, **inputs: Array) -> dict[str, Array]:
    """What the net of a version's folder makes of inputs, item by item."""
    weights = next(iter(folder.glob("*.caffemodel")), None)
    with Net(folder / "deploy.prototxt", TEST, weights=weights) as net:
        found = []
        for i in range(len(next(iter(inputs.values())))):
            for name, values in inputs.items():
                net.blobs[name].reshape(1, *values.shape[1:])
            values_of: dict[str, Any] = {name: values[i : i + 1] for name, values in inputs.items()}
            net.reshape()
            found.append({name: np.array(value) for name, value in net.forward(**values_of).items()})
    return {name: np.concatenate([each[name] for each in found]) for name in found[0]}


HOSTED = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "gate" type: "Gate" bottom: "data" top: "gated" }
layer { name: "picky" type: "Picky" bottom: "gated" top: "out" }
"""
"""Twice the input, by way of the two layers below. Values above 100 are refused, those above 200 break the layer."""


class Gate(base.Layer):
    """A layer that waits until it is let through."""

    on_host = True
    let_through = threading.Event()
    arrived: ClassVar[list[Array]] = []
    """What has come to it."""

    def forward(self, engine: Any, bottom: list[Blob], top: list[Blob]) -> None:  # type: ignore[override]
        values = np.array(bottom[0].data_memory.read(HOST))
        self.arrived.append(values)
        assert self.let_through.wait(120)
        top[0].data_memory.write(HOST)[...] = values


class Picky(base.Layer):
    """y = 2 x, for some x."""

    on_host = True
    ran: ClassVar[list[int]] = []

    def forward(self, engine: Any, bottom: list[Blob], top: list[Blob]) -> None:  # type: ignore[override]
        values = bottom[0].data_memory.read(HOST)
        self.ran.append(len(values))
        if (values > 200).any():
            raise ZeroDivisionError("of the layer")
        if (values > 100).any():
            raise DataError("layer 'picky'", "a value above 100", "give less")
        top[0].data_memory.write(HOST)[...] = 2 * values


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the layers of `HOSTED` known, the gate open and nothing seen."""
    monkeypatch.setitem(base.REGISTRY, "Gate", Gate)
    monkeypatch.setitem(base.REGISTRY, "Picky", Picky)
    Gate.let_through.set()
    Gate.arrived.clear()
    Picky.ran.clear()
