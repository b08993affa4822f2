"""Nets that a client puts together, and nets in .mat files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from caffe_sdk.app import mat
from caffe_sdk.app.mat import StoredLayer, StoredNet
from caffe_sdk.app.session import Session
from caffe_sdk.app.specs import SpecLayer, SpecTop, proto_of
from caffe_sdk.bridge.translate import integer, path_of
from caffe_sdk.bridge.values import Array


class Making:
    """The commands that make and keep nets. ``classes`` and ``adopt`` are the toolbox's."""

    def __init__(self, session: Session, classes: dict[int, Any], adopt: Callable[[int, Any], dict[str, Any]]) -> None:
        self.session, self.classes, self.adopt = session, classes, adopt
        self.table: dict[str, Callable[..., Any]] = {
            "spec_proto": _spec_proto,
            "spec_net": self._spec_net,
            "mat_save": self._save,
            "mat_load": self._load,
        }

    def _spec_net(self, text: str, phase: str) -> dict[str, Any]:
        return self.adopt(self.session.create_net(text=text, phase=phase), None)

    def _save(self, net: Array, path: str) -> None:
        handle = integer(net)
        layers = []
        for layer in self.session.describe_net(handle).layers:
            if layer.params:
                blobs = [(layer.name, index) for index in range(len(layer.params))]
                layers.append(StoredLayer(layer.name, layer.type, self.session.get_blobs(handle, blobs)))
        record = self.session.preprocessing(handle)
        mat.save(path_of(path), StoredNet(self.session.net_text(handle), layers, record, self.classes.get(handle)))

    def _load(self, path: str) -> dict[str, Any]:
        stored = mat.load(path_of(path))
        net = self.session.create_net(text=stored.prototxt, preprocessing=stored.record)
        try:
            for layer in stored.layers:
                for index, array in enumerate(layer.params):
                    self.session.set_blob(net, (layer.name, index), "data", array)
        except Exception:
            self.session.release(net)
            raise
        return self.adopt(net, stored.classes)


def _spec_proto(layers: list[dict[str, Any]], tops: list[dict[str, Any]]) -> str:
    """The prototxt of layers and of the names that their tops were given; numbers count from 0."""
    given = [
        SpecLayer(
            layer["type"],
            [(int(number), int(top)) for number, top in layer["inputs"].T] if layer["inputs"].size else [],
            {name: _value(value) for name, value in layer["params"]},
        )
        for layer in layers
    ]
    named = [SpecTop(top["name"], integer(top["layer"]), integer(top["top"])) for top in tops]
    return str(proto_of(given, named))


def _value(value: Any) -> Any:
    """What a parameter is in Python: a number (an int where it is whole), text, a dict, or a list of those."""
    if isinstance(value, np.ndarray):
        numbers = [int(n) if isinstance(n, float) and n.is_integer() else n for n in value.reshape(-1).tolist()]
        return numbers[0] if len(numbers) == 1 else numbers
    if isinstance(value, dict):
        return {name: _value(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_value(each) for each in value]
    return value
