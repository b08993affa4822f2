"""The table of what a client may ask: a command's name, and the call on the session that answers it.

No logic of its own beyond MATLAB's order of axes: shapes are turned round, and sizes that do not fit are told in the
order and the words MatCaffe uses.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np

from caffe_sdk import __version__, mode
from caffe_sdk.app.blobs import BlobRef, Values
from caffe_sdk.app.descriptions import Shape
from caffe_sdk.app.images import NO_RECORD
from caffe_sdk.app.session import Session, Training
from caffe_sdk.bridge.values import Array
from caffe_sdk.errors import ArgumentError, CancelledError, CorruptFileError, FileError, ShapeError
from caffe_sdk.schema.wire import BlobArray, read_blob, write_blob
from caffe_sdk.solver.log import TrainingLog

Command = Callable[..., Any]
Cancelled = Callable[[], bool]
Log = Callable[[str], None]


class Dispatch:
    """The commands on one session.

    ``log`` prints text at the client; ``cancelled`` tells whether the request under way shall stop.
    """

    def __init__(self, session: Session, log: Log, cancelled: Cancelled) -> None:
        self.session, self.log, self.cancelled = session, log, cancelled
        self.table: dict[str, Command] = {
            "version": lambda: __version__,
            "chdir": _chdir,
            "set_mode_cpu": mode.set_mode_cpu,
            "set_mode_gpu": mode.set_mode_gpu,
            "set_device": lambda device: mode.set_device(_integer(device)),
            "net_create": self._net_create,
            "net_describe": lambda net: self._described(_handle(net)),
            "net_forward": self._net_forward,
            "net_backward": self._net_backward,
            "net_prepare": self._net_prepare,
            "net_run": lambda net: _nothing(session.forward(_handle(net))),
            "net_run_back": lambda net: _nothing(session.backward(_handle(net))),
            "net_reshape": lambda net: session.reshape_net(_handle(net)),
            "net_copy_from": lambda net, file: session.copy_from(_handle(net), _path(file)),
            "net_save": lambda net, file: session.save_net(_handle(net), _path(file)),
            "blob_shape": lambda net, blob: session.blob_shape(_handle(net), _blob(blob))[::-1],
            "blob_reshape": lambda net, blob, shape: session.reshape_blob(_handle(net), _blob(blob), _shape(shape)),
            "blob_get": lambda net, blob, which: session.get_blob(_handle(net), _blob(blob), which),
            "blob_set": lambda net, blob, which, array: self._fill(net, [blob], which, [array]),
            "solver_create": self._solver_create,
            "solver_iter": lambda solver: session.solver_state(_handle(solver)).iter,
            "solver_max_iter": lambda solver: session.solver_state(_handle(solver)).max_iter,
            "solver_step": lambda solver, n: self._train(session.step(_handle(solver), _integer(n))),
            "solver_solve": lambda solver: self._train(session.solve(_handle(solver))),
            "solver_restore": lambda solver, file: session.restore(_handle(solver), _path(file)),
            "solver_snapshot": lambda solver: session.snapshot(_handle(solver)),
            "read_mean": _read_mean,
            "write_mean": _write_mean,
            "release": lambda handle: session.release(_handle(handle)),
            "reset": self._reset,
        }

    def __call__(self, request: Any) -> Any:
        """Answer a request, the list of a command's name and its arguments. Raises ArgumentError for any other."""
        if not (isinstance(request, list) and request and isinstance(request[0], str) and request[0] in self.table):
            raise ArgumentError("bridge", f"{_name(request)} is not a command", f"commands: {', '.join(self.table)}")
        name, *arguments = request
        return self.table[name](*arguments)

    def _net_create(self, model: str, phase: str, weights: str) -> dict[str, Any]:
        return self._described(self.session.create_net(_path(model), phase=phase, weights=_path(weights) or None))

    def _net_forward(self, net: Array, names: list[str], arrays: list[Array]) -> list[Array]:
        self._fill(net, names, "data", arrays)
        return list(self.session.forward(_handle(net)).values())

    def _net_backward(self, net: Array, names: list[str], arrays: list[Array]) -> list[Array]:
        self._fill(net, names, "diff", arrays)
        return list(self.session.backward(_handle(net)).values())

    def _net_prepare(self, net: Array, images: list[Array]) -> Array:
        """The net's input for images as caffe.io.load_image gives them: [width height channels], BGR from 0 to 255."""
        if self.session.preprocessing(_handle(net)) is None:
            self.log(f"Warning: {NO_RECORD}\n")
        return self.session.prepare(_handle(net), [_image(each) for each in images])

    def _fill(self, net: Array, blobs: list[Any], which: str, arrays: list[Array]) -> None:
        """Overwrite blobs, all or none. Raises ShapeError with both sizes as MATLAB counts them."""
        references = [_blob(blob) for blob in blobs]
        for reference, array in zip(references, arrays, strict=True):
            _check_size(array, self.session.blob_shape(_handle(net), reference))
        values = [Values(reference, which, array) for reference, array in zip(references, arrays, strict=True)]
        self.session.set_blobs(_handle(net), values)

    def _solver_create(self, file: str) -> dict[str, Any]:
        solver = self.session.create_solver(_path(file))
        nets = self.session.solver_nets(solver)
        test_nets = [self._described(net) for net in nets.test_nets]
        return {"solver": solver, "net": self._described(nets.net), "test_nets": test_nets}

    def _train(self, training: Training) -> None:
        """Train, printing the solver's log at the client. Raises CancelledError when the client asks for the end."""
        training_log = TrainingLog()
        with closing(training):  # which stops it
            for event in training:
                for line in training_log.lines(event):
                    self.log(line + "\n")
                if self.cancelled():
                    raise CancelledError("solver", "training was stopped because you asked for it", "step() goes on")

    def _reset(self) -> tuple[int, int]:
        released = self.session.reset()
        return released.solvers, released.nets

    def _described(self, handle: int) -> dict[str, Any]:
        """A net's handle, names and types: what a client needs to know to make its objects."""
        net = self.session.describe_net(handle)
        return {
            "net": handle,
            "layer_names": [layer.name for layer in net.layers],
            "layer_types": [layer.type for layer in net.layers],
            "layer_params": tuple(len(layer.params) for layer in net.layers),
            "blob_names": [name for name, _ in net.blobs],
            "inputs": list(net.inputs),
            "outputs": list(net.outputs),
        }


def _check_size(array: Array, shape: Shape) -> None:
    """Refuse an array that is not of a blob's shape, in MatCaffe's words; trailing ones are MATLAB's to leave out."""
    wanted = _matlab_size(shape, 2)
    given = _matlab_size(array.shape, len(wanted))
    if given != wanted:
        sizes = f"input data/diff size: {_words(given)} vs target blob shape: {_words(wanted)}"
        raise ShapeError("", f"input data/diff size does not match target blob shape, {sizes}")


def _matlab_size(shape: Shape, axes: int) -> Shape:
    """What MATLAB's size() says of an array of this shape, with ones behind up to a number of axes."""
    return shape[::-1] + (1,) * (axes - len(shape))


def _words(size: Shape) -> str:
    """A size as MatCaffe prints it."""
    return "[ " + "".join(f"{n} " for n in size) + "]"


# ----------------------------------------------------------------------------------------- arguments as they arrive


def _name(request: Any) -> str:
    first = request[0] if isinstance(request, list) and request else request
    return repr(first) if isinstance(first, str) else f"a {type(first).__name__}"


def _integer(value: Array) -> int:
    """A MATLAB scalar that is a whole number."""
    if value.size != 1 or not float(value.item()).is_integer():
        raise ArgumentError("", f"{value.reshape(-1).tolist()} is not a whole number", "give a scalar such as 3")
    return int(value.item())


_handle = _integer


def _shape(value: Array) -> Shape:
    """A row of sizes, slowest axis last, as the shape of a blob."""
    return tuple(int(n) for n in value.reshape(-1)[::-1])


def _blob(reference: Any) -> BlobRef:
    """A blob's name, or a layer's name with the index of one of its learnable blobs, from 1 as MATLAB counts."""
    if isinstance(reference, str):
        return reference
    layer, index = reference
    return layer, _integer(index) - 1


def _path(path: str) -> str:
    return os.path.expanduser(path)


def _chdir(folder: str) -> None:
    """Relative paths, those written in prototxt files too, count from MATLAB's current folder."""
    try:
        os.chdir(folder)
    except OSError as error:
        what = f"{folder} cannot be the current folder: {error.strerror}"
        raise FileError("", what, "cd to a folder that exists") from None


def _nothing(_: Any) -> None:
    """For calls whose results stay in the net's blobs."""


def _image(array: Array) -> Array:
    """An image of MatCaffe's as Python has it: (height, width, channels), RGB, from 0 to 1."""
    if array.ndim not in (2, 3):
        raise ArgumentError("preprocess", f"an image has {array.ndim} dimensions", "give width x height x channels")
    channels = array.reshape(-1, *array.shape[-2:])[::-1]
    return np.asarray(channels.transpose(1, 2, 0) / np.float32(255), np.float32)


def _read_mean(file: str) -> Array:
    try:
        return read_blob(_path(file)).data
    except CorruptFileError as error:
        raise error.at("Could not read your mean file") from error


def _write_mean(mean: Array, file: str) -> None:
    channels = mean.reshape((1,) * (4 - mean.ndim) + mean.shape)
    write_blob(_path(file), BlobArray(channels, legacy=True))
