"""The part of the table that MatCaffe does not have: nets as MATLAB's own toolbox treats them.

Images are H x W x C x N and RGB here, from 0 to 255; what comes out has items last, or in rows where items are rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caffe_sdk import preprocessing
from caffe_sdk.app import inference
from caffe_sdk.app.images import NO_RECORD
from caffe_sdk.app.session import Session
from caffe_sdk.bridge.looking import Looking
from caffe_sdk.bridge.making import Making
from caffe_sdk.bridge.training import Trainings
from caffe_sdk.bridge.translate import Options, average_of, described, integer, items_of, path_of, turned
from caffe_sdk.bridge.values import Array
from caffe_sdk.errors import ArgumentError
from caffe_sdk.preprocessing import CHANNELS, Preprocessing

Log = Callable[[str], None]
Cancelled = Callable[[], bool]
Classes = list[str] | Array
"""Names of a net's classes, or the numbers that stand for them."""


class Toolbox:
    """The commands on one session. ``classes`` are those of nets by handle, where they are known."""

    def __init__(self, session: Session, log: Log, cancelled: Cancelled) -> None:
        self.session, self.log, self.cancelled = session, log, cancelled
        self.classes: dict[int, Classes] = {}
        self.trainings = Trainings(session, cancelled, self._adopt)
        self.table: dict[str, Callable[..., Any]] = {
            "import_net": self._import,
            "net_infer": self._infer,
            "net_classes": lambda net: self.classes.get(integer(net)),
            **self.trainings.table,
            **Making(session, self.classes, self._adopt).table,
            **Looking(session).table,
        }

    def forget(self, handle: int) -> None:
        """A net was released."""
        self.classes.pop(handle, None)

    def forget_all(self) -> None:
        """All nets are released."""
        self.trainings.forget_all()
        self.classes.clear()

    def _adopt(self, net: int, classes: Classes | None) -> dict[str, Any]:
        """Tell the client of a net that it owns from now on."""
        if classes is not None and len(classes):
            self.classes[net] = classes
        return described(self.session, net, owned=True)

    def _import(self, model: str, weights: str, options: Options) -> dict[str, Any]:
        record = _record(options)
        if record is None:
            record = preprocessing.find(path_of(weights), path_of(model)) or Preprocessing()
        net = self.session.create_net(path_of(model), weights=path_of(weights) or None, preprocessing=record)
        if "InputSize" in options:
            target = inference.first_input(self.session.describe_net(net))
            size = [int(n) for n in options["InputSize"].reshape(-1)]
            shape = (target.shape[0], *(size[2:] or target.shape[1:2]), *size[:2])
            self.session.reshape_blob(net, target.name, shape)
            self.session.reshape_net(net)
        return self._adopt(net, options.get("Classes"))

    def _infer(self, net: Array, items: Any, layer: str, options: Options) -> dict[str, Any]:
        """Values of a layer's first blob, or of the first output where ``layer`` is empty, for all items."""
        handle = integer(net)
        found = self.session.describe_net(handle)
        blob = layer or found.outputs[0]
        tops = {each.name: each.tops for each in found.layers}
        if layer and layer not in dict(found.blobs) and tops.get(layer):
            blob = tops[layer][0]
        axes = len(inference.first_input(found).shape)
        if self.session.preprocessing(handle) is None:
            self.log(f"Warning: {NO_RECORD}\n")
        batch = integer(options["MiniBatchSize"]) if "MiniBatchSize" in options else None
        given = items_of(items, axes)
        values = inference.run(self.session, handle, given, [blob], batch)[blob]
        rows = bool(options.get("Rows", False))
        if rows:
            values = values.reshape(len(values), -1)
        if "Softmax" in options and options["Softmax"].item():
            values = inference.softmax(values)
        names = given if isinstance(given, list) else []
        return {"values": turned(values), "axes": values.ndim, "names": names}


def _record(options: Options) -> Preprocessing | None:
    """How images become inputs, by the options of an import; None where they say nothing of it."""
    names = {"AverageImage", "ResizeTo", "Scale", "Channels"}
    if not names & set(options):
        return None
    channels = str(options.get("Channels", "BGR")).upper()
    if channels not in CHANNELS:
        raise ArgumentError("Channels", f"'{channels}' is no order", f"give one of {', '.join(CHANNELS)}")
    resize = options.get("ResizeTo")
    size = tuple(int(n) for n in resize.reshape(-1)) if resize is not None else None
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise ArgumentError("ResizeTo", f"it is {list(size)}", "give [height width]")
    scale = float(options["Scale"].item()) if "Scale" in options else 1.0
    return Preprocessing(size, None, channels, average_of(options.get("AverageImage"), channels), scale)
