"""Net: blobs, parameters and layers that run forward and backward, under the names pycaffe gives them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from caffe_sdk import rng, weights
from caffe_sdk.blob import Blob, structure
from caffe_sdk.engine import Engine
from caffe_sdk.engine.operation import Between, Clock, StepName
from caffe_sdk.errors import ArgumentError, CaffeError, HandleError, ShapeError
from caffe_sdk.graph import build
from caffe_sdk.layers.arrays import MemoryData
from caffe_sdk.memory import HOST, Array, SyncedMemory, aligned
from caffe_sdk.net import accounting, batches, debug, hdf5
from caffe_sdk.net.accounting import Memory
from caffe_sdk.net.contents import Contents
from caffe_sdk.net.execution import Executor
from caffe_sdk.net.parts import Parts
from caffe_sdk.schema import prototxt, upgrade, wire
from caffe_sdk.schema.files import PathLike
from caffe_sdk.schema.hdf5 import is_hdf5
from caffe_sdk.schema.messages import TEST, TRAIN, NetParameter
from caffe_sdk.weights import CopyReport

Callback = Callable[[int], None]
PHASES = {"train": TRAIN, "test": TEST}


class Net(Contents):
    """A net in a phase.

    ``Net(model, phase, level=0, stages=None, weights=None)``, or as old scripts have it ``Net(model, weights, phase)``.
    The model is the path of a prototxt or a NetParameter; weights the path of a .caffemodel. Relative paths in the
    model count from the working directory. ``where`` is what errors call the net, its path or name unless given.
    ``dtype`` float64 computes in double precision, by the reference operations.
    Raises the ModelErrors, WeightsError and FileErrors of whatever is wrong.
    """

    def __init__(
        self,
        network_file: PathLike | Any,
        phase: int | str | PathLike,
        level: int = 0,
        stages: Sequence[str] | None = None,
        weights: PathLike | None = None,
        *,
        where: str = "",
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        if not isinstance(phase, int) and phase not in PHASES:  # the old order: model, weights, phase
            weights, phase, level = phase, level, 0
        self.phase = phase if isinstance(phase, int) else PHASES[str(phase)]
        self._where = where
        config = self._read(network_file)
        self._source = config.SerializePartialToString()  # a tenth of the message
        self._state = (self.phase, level, tuple(stages or ()))
        self.rng = rng.spawn()
        try:
            self.graph = build(config, *self._state, self.rng)
            self._build(dtype)
        except CaffeError as error:
            raise error.at(self._where) from error.__cause__
        if weights is not None:
            self.copy_from(weights)

    # -- building ------------------------------------------------------------------------------------------------------

    def _read(self, source: PathLike | Any) -> Any:
        if isinstance(source, NetParameter):
            config = NetParameter()
            config.CopyFrom(source)
            self._where = self._where or f"net '{config.name}'"
        elif isinstance(source, (str, os.PathLike)):
            self._where = self._where or os.fspath(source)
            config = prototxt.read(source, NetParameter)
        else:
            raise ArgumentError(
                "Net", f"a model of type {type(source).__name__}", "give the path of a prototxt or a NetParameter"
            )
        return upgrade.upgrade_net(config)

    def _build(self, dtype: npt.DTypeLike) -> None:
        self.name = self.graph.name
        self._parts = Parts(self.graph, self.rng, dtype)
        self._blobs = self._parts.blobs
        self.learnable = self._parts.learnable()
        """Parameters as a solver trains them, each once."""
        self._executor = Executor(self.graph.nodes, self._blobs, self.graph.outputs, may_lose=self.phase == TEST)
        self._callbacks: dict[str, list[Callback]] = {
            name: [] for name in ("before_forward", "after_forward", "before_backward", "after_backward")
        }
        self.debug_info: bool = self.graph.config.debug_info
        """Whether to log mean absolute values of every blob and parameter as the net runs."""
        self._losses = [
            (layer, top)
            for layer, node in enumerate(self.graph.nodes)
            for top, weight in zip(node.tops, node.loss_weights, strict=True)
            if weight
        ]
        self._closed = False
        self._memories: list[SyncedMemory] = []
        self._fit()

    @property
    def prototxt(self) -> str:
        """The text of the model the net was made of, in today's format; layers of other phases are in it too."""
        return str(self._description())

    def _description(self) -> Any:
        """The NetParameter the net was made of."""
        return NetParameter.FromString(self._source)

    @property
    def engine(self) -> Engine:
        """Who computes the net: the engine of the mode; among several GPUs the one chosen when the net was made."""
        return self._executor.engine

    def reshape(self) -> None:
        """Let every layer follow the shapes of the input blobs. Raises ModelErrors for shapes that do not fit."""
        self._open()
        self._follow(0)
        self._fit()

    def _follow(self, first: int) -> None:
        try:
            if self._parts.follow(first):
                self._executor.forget()
        except CaffeError as error:
            raise error.at(self._where) from error.__cause__

    def _fit(self) -> None:
        """Programs are for memories as they are now; they are made anew when those changed."""
        self._structure = structure()
        memories = self._parts.memories()
        if memories != self._memories:
            self._memories = memories
            self._executor.forget()

    # -- running -------------------------------------------------------------------------------------------------------

    def forward(
        self, blobs: Iterable[str] | None = None, start: str | None = None, end: str | None = None, **inputs: Any
    ) -> dict[str, Array]:
        """Run layers ``start`` to ``end`` (names; all by default) and return the outputs' data by name.

        ``inputs`` are values for the net's input blobs, all of them or none, with the batch size of the blob.
        ``blobs`` are further blobs to return. The returned arrays are views: a later run changes them.
        """
        self._open()
        if inputs:
            self._set("data", self.inputs, inputs, "Input blob arguments do not match net inputs.", "Input")
        self.run(start, end)
        names = self.top_names[end] if end is not None else self.outputs
        return {name: self._blob(name).data for name in (*names, *(blobs or ()))}

    def run(self, start: str | None = None, end: str | None = None) -> float:
        """`forward` that looks at no blob: returns the loss that layers ``start`` to ``end`` add up to."""
        self._open()
        last = self._layer_index(end) if end is not None else len(self.layers) - 1
        return self._forward(self._layer_index(start) if start is not None else 0, last)

    def backward(
        self, diffs: Iterable[str] | None = None, start: str | None = None, end: str | None = None, **tops: Any
    ) -> dict[str, Array]:
        """Run layers ``start`` back to ``end`` (names; all by default) and return the inputs' diffs by name.

        ``tops`` are diffs for the net's output blobs, all of them or none. ``diffs`` are further blobs to return.
        """
        self._open()
        if tops:
            self._set("diff", self.outputs, tops, "Top diff arguments do not match net outputs.", "Diff")
        first = self._layer_index(end) if end is not None else 0
        self._backward(self._layer_index(start) if start is not None else len(self.layers) - 1, first)
        names = self.bottom_names[end] if end is not None else self.inputs
        return {name: self._blob(name).diff for name in (*names, *(diffs or ()))}

    def forward_all(self, blobs: Iterable[str] | None = None, **inputs: Any) -> dict[str, Array]:
        """`forward` for any number of items, batch by batch; gives arrays of their own, as long as the inputs."""
        wanted = list(blobs or ())
        results = [_copies(self.forward(wanted, **batch)) for batch in batches.cut(inputs, self._batch_size())]
        return batches.joined(results, batches.count_items(inputs))

    def forward_backward_all(
        self, blobs: Iterable[str] | None = None, diffs: Iterable[str] | None = None, **values: Any
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """`forward` and `backward` for any number of items; ``values`` are inputs and output diffs by name."""
        items, wanted, wanted_diffs = batches.count_items(values), list(blobs or ()), list(diffs or ())
        forward, backward = [], []
        for batch in batches.cut(values, self._batch_size()):
            inputs = {name: value for name, value in batch.items() if name in self.inputs}
            tops = {name: value for name, value in batch.items() if name in self.outputs}
            forward.append(_copies(self.forward(wanted, **inputs)))
            backward.append(_copies(self.backward(wanted_diffs, **tops)))
        return batches.joined(forward, items), batches.joined(backward, items)

    def set_input_arrays(self, data: Any, labels: Any) -> None:
        """Let the net's first layer, a MemoryData, take its batches from these arrays; they are not copied.

        ``data`` (items, c, h, w) and ``labels`` (items,) or (items, 1, 1, 1) are float32, items a multiple of the batch
        size. Raises ArgumentError if they are not, or if the first layer is another one.
        """
        if isinstance(labels, np.ndarray) and labels.ndim == 1:
            labels = np.ascontiguousarray(labels[:, None, None, None])
        self._set_input_arrays(data, labels)

    def _set_input_arrays(self, data: Any, labels: Any) -> None:
        self._open()
        first = self.layers[0] if self.layers else None
        if not isinstance(first, MemoryData):
            raise ArgumentError(
                self._where,
                "set_input_arrays may only be called if the first layer is a MemoryDataLayer",
                "use Net.forward(name=values) for Input layers",
            )
        first.reset(data, labels)

    def _batch(self, blobs: Mapping[str, Any]) -> Iterator[dict[str, Array]]:
        """Arrays cut into the net's batches, the last filled up with zeros."""
        return batches.cut(blobs, self._batch_size())

    def _batch_size(self) -> int:
        """As in pycaffe, how many items the net's first blob holds."""
        return self._blobs[0].shape[0] if self._blobs and self._blobs[0].shape else 1

    def _forward(self, first: int, last: int) -> float:
        """Run layers ``first`` to ``last`` by index; returns the loss they add up to (pycaffe's ``_forward``)."""
        if structure() != self._structure:
            self.reshape()
        one_by_one = self.debug_info or self._callbacks["before_forward"] or self._callbacks["after_forward"]
        i = first
        while i <= last:
            end = i if one_by_one else self._executor.stretch(i, last)
            self._call("before_forward", i)
            self._executor.forward(i, end, self._claim())
            self._settle()
            if self.debug_info:
                debug.write(debug.forward_lines(self.graph.nodes[i], self._blobs))
            self._call("after_forward", i)
            if structure() != self._structure:  # a source of data took another shape, a callback reshaped a blob
                self._follow(end + 1)
                self._fit()
            i = end + 1
        return self._loss(first, last)

    def _backward(self, last: int, first: int) -> None:
        """Run layers ``last`` back to ``first`` by index (pycaffe's ``_backward``)."""
        if structure() != self._structure:
            self._fit()
        one_by_one = self.debug_info or self._callbacks["before_backward"] or self._callbacks["after_backward"]
        for start, end in [(i, i) for i in range(last, first - 1, -1)] if one_by_one else [(first, last)]:
            self._call("before_backward", end)
            self._claim()
            self._executor.backward(start, end)
            self._settle()
            if self.debug_info:
                debug.write(debug.backward_lines(self.graph.nodes[end], self._blobs))
            self._call("after_backward", end)
        if self.debug_info and self.learnable:
            debug.log.info(debug.total_line([learnable.blob for learnable in self.learnable]))

    def _timed(self, backward: bool, clock: Clock = time.perf_counter) -> list[tuple[StepName, float]]:
        """Run all that engines compute one way, as compiled: every step with the seconds it took by a clock."""
        self._claim()
        steps = self._executor.timed(backward, clock)
        self._settle()
        return steps

    def forward_backward(self) -> float:
        """One forward and one backward pass over the whole net; returns the loss."""
        self._open()
        last = len(self.layers) - 1
        loss = self._forward(0, last)
        self._backward(last, 0)
        return loss

    def _claim(self) -> set[SyncedMemory]:
        return {memory for memory in self._memories if memory.claim()}

    def _settle(self) -> None:
        for memory in self._memories:
            memory.settle()

    def _call(self, moment: str, layer: int) -> None:
        for callback in self._callbacks[moment]:
            callback(layer)

    @property
    def loss(self) -> float:
        """The loss of the last forward pass: the loss blobs' values times their weights, summed."""
        return self._loss(0, len(self.layers) - 1)

    def _loss(self, first: int, last: int) -> float:
        total = 0.0
        for layer, top in self._losses:
            if first <= layer <= last:
                blob = self._blobs[top]
                total += float(np.dot(blob.data_memory.read(HOST), blob.diff_memory.read(HOST)))
        return total

    def clear_param_diffs(self) -> None:
        """Set the gradients of all parameters to zero."""
        for learnable in self.learnable:
            learnable.blob.diff_memory.clear()

    @property
    def between_steps(self) -> Between | None:
        """Called before each step of a run (a layer, or what several were fused into); None: nothing is.

        What it raises ends the run there, and comes out of `forward` or `backward`. Blobs then hold numbers of this run
        or of the one before, and the next run makes all of them anew; to gradients of parameters, which runs add up,
        anything may have been added: clear them. A run that nobody may end pays nothing for it.
        """
        return self._executor.between

    @between_steps.setter
    def between_steps(self, between: Between | None) -> None:
        self._executor.between = between

    # -- callbacks -----------------------------------------------------------------------------------------------------

    def before_forward(self, callback: Callback) -> None:
        """Call ``callback(layer index)`` before each layer runs forward."""
        self._callbacks["before_forward"].append(callback)

    def after_forward(self, callback: Callback) -> None:
        """Call ``callback(layer index)`` after each layer ran forward."""
        self._callbacks["after_forward"].append(callback)

    def before_backward(self, callback: Callback) -> None:
        """Call ``callback(layer index)`` before each layer runs backward."""
        self._callbacks["before_backward"].append(callback)

    def after_backward(self, callback: Callback) -> None:
        """Call ``callback(layer index)`` after each layer ran backward."""
        self._callbacks["after_backward"].append(callback)

    # -- weights -------------------------------------------------------------------------------------------------------

    def copy_from(self, path: PathLike, skip_mismatch: bool = False) -> CopyReport:
        """Load a .caffemodel (or .h5) by layer name; tells what became of each layer (print it).

        WeightsError when a layer's weights do not fit, and nothing is changed; with ``skip_mismatch`` it keeps its own.
        """
        self._open()
        if is_hdf5(path):
            return self.load_hdf5(path, skip_mismatch)
        layers = wire.read_net(path, aligned).layers
        return weights.copy_weights(layers, self._blobs_of_layers(), os.fspath(path), skip_mismatch, give=True)

    def load_hdf5(self, path: PathLike, skip_mismatch: bool = False) -> CopyReport:
        """Load weights from an HDF5 file by layer name, as `copy_from` does."""
        self._open()
        return self.copy_weights(hdf5.read(self.graph, path), os.fspath(path), skip_mismatch)

    def save_hdf5(self, path: PathLike, write_diff: bool = False) -> None:
        """Write weights as HDF5, with gradients if ``write_diff``: whole or not at all. Raises WriteError."""
        self._open()
        hdf5.save(self.graph, path, write_diff)

    def copy_weights(self, layers: Iterable[wire.LayerWeights], where: str, skip_mismatch: bool = False) -> CopyReport:
        """Load weights by layer name, as `copy_from` does; ``where`` names their source."""
        return weights.copy_weights(layers, self._blobs_of_layers(), where, skip_mismatch)

    def _blobs_of_layers(self) -> dict[str, list[Blob]]:
        return {layer.name: layer.blobs for layer in self.layers}

    def to_weights(self, diffs: bool = False) -> list[wire.LayerWeights]:
        """Every layer's parameters as files hold them, with gradients if ``diffs``. The arrays are views."""
        return [
            wire.LayerWeights(layer.name, layer.type, [weights.as_array(blob, diffs) for blob in layer.blobs])
            for layer in self.layers
        ]

    def encode(self, diffs: bool = False) -> Iterable[wire.Part]:
        """The parts of a .caffemodel of this net, one after the other."""
        return wire.encode_net(self.graph.config, self.to_weights(diffs))

    def save(self, path: PathLike, diffs: bool = False) -> None:
        """Write a .caffemodel, with gradients if ``diffs``: whole or not at all. Raises WriteError."""
        self._open()
        wire.write_net(path, self.graph.config, self.to_weights(diffs))

    def share_with(self, other: Net) -> None:
        """Use another net's parameters (the same memory) in layers of the same name."""
        for name, blobs in self.params.items():
            theirs = other.params.get(name)
            if theirs is None:
                continue
            for mine, its in zip(blobs, theirs, strict=True):
                if mine.shape != its.shape:
                    raise ShapeError(
                        self._where,
                        f"cannot share weights of layer '{name}': shape {its.shape} there, {mine.shape} here",
                        "share between nets whose layers of one name are alike",
                    )
                mine.share_data(its)

    def clone(self) -> Net:
        """Another net of the same description, of the same input shapes, that computes with this net's parameters.

        Blobs, gradients, random numbers and positions in data are its own, so each thread can run a clone of its own
        at the same time; the weights are there once. Whoever changes them (a solver, BatchNorm in TRAIN, a script), or
        takes a view of them by ``data``, does so for all, and has to see to it that nobody runs meanwhile. Clones
        outlive the net and each other.
        """
        self._open()
        twin = Net(self._description(), *self._state, where=self._where, dtype=self._parts.dtype)
        twin._executor.homes = dict(self._executor.homes)
        twin.share_with(self)
        for learnable in self.learnable:
            learnable.blob.data_memory.held_once = False  # another thread may be reading what one would give back
        for name in self.inputs:
            twin.blobs[name].reshape(*self.blobs[name].shape)
        twin.reshape()
        return twin

    # -- what it takes -------------------------------------------------------------------------------------------------

    @property
    def memory(self) -> Memory:
        """Bytes the net takes to run forward, and in the phase TRAIN backward, as its shapes are now.

        It is planned to the byte, and nothing is allocated for that. After the first run `allocated` says the same,
        but for what users looked at or hold.
        """
        self._open()
        if structure() != self._structure:
            self.reshape()
        return accounting.planned(self.graph, self._parts, self._executor)

    def allocated(self) -> Memory:
        """Bytes the net takes now."""
        self._open()
        return accounting.allocated(self.graph, self._parts, self._executor)

    # -- state and end -------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What besides parameters an exact continuation needs: random numbers and data positions, as JSON can hold."""
        layers = {layer.name: state for layer in self.layers if (state := layer.state())}
        return {"random": rng.get_state(self.rng), "layers": layers}

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Go on exactly where a net of the same description was when `state` was taken."""
        for name, layer_state in state["layers"].items():
            if name in self.layer_dict:
                self.layer_dict[name].restore_state(layer_state)
        rng.set_state(self.rng, state["random"])

    def close(self) -> None:
        """Give back memory, threads and files at once; the net cannot be used afterwards."""
        if self._closed:
            return
        self._closed = True
        for layer in self.layers:
            layer.close()
        self._executor.close()
        self._memories = []
        self._parts.release()

    def __enter__(self) -> Net:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- checks --------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        if self._closed:
            raise HandleError(self._where, "the net was closed", "build it again")

    def _set(self, which: str, names: Sequence[str], values: Mapping[str, Any], mismatch: str, kind: str) -> None:
        """Put given arrays into blobs' data or diff, with pycaffe's checks."""
        if set(values) != set(names):
            raise ArgumentError(
                "", f"{mismatch} Got {', '.join(sorted(values))}", f"give {', '.join(sorted(names)) or 'none'}"
            )
        for name, value in values.items():
            blob = self._blob(name)
            array = np.asarray(value)
            if array.shape[:1] != blob.shape[:1]:
                raise ArgumentError(
                    "",
                    f"{kind} is not batch sized: '{name}' is of shape {array.shape}, the blob of {blob.shape}",
                    "reshape the blob first, or give as many items as it holds",
                )
            if array.shape == blob.shape and array.dtype.kind in "fiub":  # no old number need be brought to the host
                memory = blob.data_memory if which == "data" else blob.diff_memory
                memory.write(HOST)[: blob.count].reshape(blob.shape)[...] = array
                continue
            try:
                getattr(blob, which)[...] = array
            except (ValueError, TypeError) as error:
                raise ShapeError(
                    f"blob '{name}'",
                    f"values of shape {array.shape} and type {array.dtype} do not fit shape {blob.shape}: {error}",
                    "give numbers of the blob's shape",
                ) from None


def _copies(views: Mapping[str, Array]) -> dict[str, Array]:
    return {name: np.array(view) for name, view in views.items()}


def first_not_finite(net: Net) -> tuple[str, str] | None:
    """The first layer (and its top) with a value that is no number or infinite; None when all are finite."""
    for node in net.graph.nodes:
        for top in node.tops:
            blob = net._blobs[top]
            if not np.isfinite(blob.data_memory.read(HOST)).all():
                return node.layer.name, blob.name
    return None
