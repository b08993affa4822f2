"""What is measured, and the files from which every program builds the same net with the same numbers."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format

from caffe_sdk.net import Net
from caffe_sdk.schema.messages import NetParameter
from tests.bench.models import NETS
from tests.bench.peers import onnx_file
from tests.bench.peers.description import Description


@dataclass(frozen=True)
class Case:
    """A net of so many images, in inference or a step of training."""

    net: str
    batch: int
    train: bool = False

    def __str__(self) -> str:
        return f"{self.net} b{self.batch} {'training' if self.train else 'inference'}"


CASES = (
    *(Case("lenet", 64), Case("caffenet", 1), Case("caffenet", 10), Case("caffenet", 32)),
    *(Case("googlenet", 1), Case("googlenet", 16), Case("vgg16", 1), Case("vgg16", 8)),
    *(Case("resnet50", 1), Case("resnet50", 16), Case("squeezenet", 1), Case("squeezenet", 10)),
    *(Case("lenet", 64, True), Case("caffenet", 32, True), Case("googlenet", 16, True), Case("resnet50", 8, True)),
)
"""The nets and batches of the table."""

RATE, MOMENTUM, DECAY = 1e-5, 0.9, 5e-4
"""The steps of training, the same for everybody, and so small that rounding does not grow in them."""
FEW = 4  # images by which programs are held against each other, and statistics of normalizations are made


def prepare(case: Case, folder: Path, checked: bool = False, onnx: bool = True) -> None:
    """Write the case's net, weights and inputs into a folder.

    ``onnx`` says whether it is written for ONNX's programs too. With ``checked`` for comparing a step of training: of
    few images, and without dropout, which nobody can repeat.
    """
    param = NETS[case.net](FEW if checked else case.batch, case.train)
    if checked:
        _drop_dropout(param)
    with Net(param, "train" if case.train else "test") as net:
        if not case.train:
            _take_statistics(case, net)
        description = Description(net, param)
        data, label = _inputs(net)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "net.prototxt").write_text(text_format.MessageToString(param))
        net.save(folder / "net.caffemodel")
        np.savez(folder / "weights.npz", **description.weights)
        np.save(folder / "data.npy", data)
        np.save(folder / "label.npy", label)
        operations = [dataclasses.asdict(operation) for operation in description.operations]
        training = {"rate": RATE, "momentum": MOMENTUM, "decay": DECAY}
        (folder / "net.json").write_text(json.dumps({"operations": operations, "training": training}))
        if onnx and not case.train:
            result = net.blobs[net.outputs[0]].shape
            (folder / "net.onnx").write_bytes(onnx_file.model(description, data.shape, result))


def _inputs(net: Net) -> tuple[Any, Any]:
    """Images and labels, the same each time."""
    rng = np.random.default_rng(1)
    shape = net.blobs["data"].shape
    return rng.standard_normal(shape, np.float32), rng.integers(0, 10, shape[0])


def _take_statistics(case: Case, net: Net) -> None:
    """Give normalizations the statistics of a few images, by which activations keep their size."""
    names = [layer.name for layer in net.layers if layer.type == "BatchNorm"]
    if not names:
        return
    with Net(NETS[case.net](FEW, True), "train") as teacher:
        for name, blobs in net.params.items():
            for blob, other in zip(blobs, teacher.params[name], strict=True):
                other.data[...] = blob.data
        teacher.blobs["data"].data[...] = np.random.default_rng(2).standard_normal(teacher.blobs["data"].shape)
        teacher.forward()
        for name in names:
            for blob, other in zip(net.params[name], teacher.params[name], strict=True):
                blob.data[...] = other.data


def _drop_dropout(param: Any) -> None:
    """Take out the Dropout layers, which work in place."""
    kept = NetParameter(name=param.name)
    kept.layer.extend(layer for layer in param.layer if layer.type != "Dropout")
    param.CopyFrom(kept)
