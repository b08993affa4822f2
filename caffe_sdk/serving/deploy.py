"""From the files of a version to a net that can be served, and what clients may know of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from caffe_sdk import preprocessing
from caffe_sdk.app.paths import ANYWHERE, Inside
from caffe_sdk.errors import CaffeError, GraphError, ModelError, ShapeError, WeightsError
from caffe_sdk.graph.state import included, net_state
from caffe_sdk.memory import Shape
from caffe_sdk.net import Net
from caffe_sdk.preprocessing import Preprocessing
from caffe_sdk.schema import prototxt, upgrade
from caffe_sdk.schema.messages import TEST, NetParameter
from caffe_sdk.serving.folder import VersionFiles, read_labels
from caffe_sdk.serving.requests import TensorSpec

READERS = ("Data", "DummyData", "HDF5Data", "ImageData", "MemoryData", "WindowData")
"""Layers that bring data of their own."""


@dataclass(frozen=True)
class Deployed:
    """A net with its weights. It is never run itself; its clones are."""

    net: Net
    record: Preprocessing | None
    labels: tuple[str, ...] | None
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    items: Mapping[str, Shape]
    """The shapes of an item by input, as the net is described."""
    free: bool
    """Whether the net takes batches of any size; else only the shapes in its description."""
    together: bool
    """Whether items of several requests may be in one batch."""


def deploy(files: VersionFiles, any_size: Mapping[str, Shape] | None = None, allow_code: bool = False) -> Deployed:
    """Build a version's net. Raises the errors of whatever is wrong with its files.

    ``any_size`` are sizes of an item's axes by input, -1 where clients may choose (`ModelConfig.shapes`).
    Files that the net names are looked for in the version's folder only; layers that run code of their own are
    refused unless ``allow_code``.
    """
    config = upgrade.upgrade_net(prototxt.read(files.prototxt, NetParameter), str(files.prototxt))
    try:
        (Inside(str(files.folder)) if not allow_code else ANYWHERE).check(config)
        _check_deploy(config)
    except CaffeError as error:
        raise error.at(str(files.prototxt)) from None
    net = Net(config, TEST, where=str(files.prototxt))
    try:
        _load_weights(net, files)
        record = preprocessing.read(files.record) if files.record is not None else None
        labels = read_labels(files.labels) if files.labels is not None else None
        _check_known(net, any_size or {})
        return _described(net, record, labels, any_size or {})
    except CaffeError as error:
        net.close()
        raise (error.at(str(files.folder)) if isinstance(error, ModelError) else error) from None


def reshape(net: Net, shapes: dict[str, Shape]) -> None:
    """Give a net's inputs these shapes. Raises ModelErrors where the net cannot follow."""
    for name, shape in shapes.items():
        net.blobs[name].reshape(*shape)
    net.reshape()


def _check_deploy(config: object) -> None:
    state = net_state(config, TEST, 0, [])
    for layer in getattr(config, "layer"):  # noqa: B009 - messages' classes are made at run time
        if layer.type in READERS and included(layer, state):
            what = f"reads data of its own ({layer.type}): this net is for training"
            raise GraphError(f"layer '{layer.name}'", what, "give a deploy net, which begins with an Input layer")


def _load_weights(net: Net, files: VersionFiles) -> None:
    if files.weights is None:
        if net.params:
            remedy = "put its .caffemodel there"
            raise WeightsError(
                str(files.folder), f"there are no weights, and {len(net.params)} layers need some", remedy
            )
        return
    report = net.copy_from(files.weights)
    if report.new:
        what = f"there are no weights for layer '{report.new[0]}' of {files.prototxt.name}"
        raise WeightsError(str(files.weights), what, "give the weights this net was trained to")


def _described(
    net: Net, record: Preprocessing | None, labels: tuple[str, ...] | None, any_size: Mapping[str, Shape]
) -> Deployed:
    if not net.inputs:
        raise GraphError("", "the net has no input", "begin it with an Input layer")
    given: dict[str, Shape] = {name: net.blobs[name].shape for name in net.inputs}
    if empty := [name for name, shape in given.items() if not shape]:
        raise GraphError(f"input '{empty[0]}'", "has no axes", "give it one for the batch at least")
    free = together = True
    for items in (2, 1):
        try:
            reshape(net, {name: (items, *shape[1:]) for name, shape in given.items()})
        except ModelError:
            free = together = False
            reshape(net, given)
            break
        together &= all(blob.shape[:1] == (items,) for blob in net.blobs.values())
    sizes = {name: _sizes(name, shape, any_size) if free else shape for name, shape in given.items()}
    items_shapes = {name: net.blobs[name].shape[1:] for name in given}
    return Deployed(
        net,
        record,
        labels,
        tuple(TensorSpec(name, shape) for name, shape in sizes.items()),
        _outputs(net, sizes if free else {}),
        items_shapes,
        free,
        free and together,
    )


def _check_known(net: Net, any_size: Mapping[str, Shape]) -> None:
    for name in any_size:
        if name not in net.inputs:
            what = f"the configuration gives sizes to '{name}'"
            raise GraphError("", what, f"the inputs are {', '.join(net.inputs)}")


def _sizes(name: str, shape: Shape, any_size: Mapping[str, Shape]) -> Shape:
    """What an input may be of: -1 for the batch and where any size is asked for, else what the description says."""
    wanted = any_size.get(name, shape[1:])
    fits = len(wanted) == len(shape) - 1 and all(size in (-1, of) for size, of in zip(wanted, shape[1:], strict=True))
    if not fits:
        what = f"the configuration gives it {list(wanted)}, and the net is described for {list(shape[1:])}"
        raise ShapeError(f"input '{name}'", what, "give the same sizes, or -1")
    return (-1, *wanted)


def _outputs(net: Net, inputs: Mapping[str, Shape]) -> tuple[TensorSpec, ...]:
    """The outputs' sizes: -1 where they follow what inputs have -1 for, seen by trying. The net is as it was then."""
    before = {name: net.blobs[name].shape for name in (*net.inputs, *net.outputs)}
    seen = {name: [before[name]] for name in net.outputs}
    for more in (1, 64):
        trial = {
            name: tuple(size + more if of < 0 else size for size, of in zip(before[name], shape, strict=True))
            for name, shape in inputs.items()
        }
        reshape(net, trial)
        for name, shapes in seen.items():
            shapes.append(net.blobs[name].shape)
    reshape(net, {name: before[name] for name in net.inputs})
    return tuple(TensorSpec(name, _varying(shapes)) for name, shapes in seen.items())


def _varying(shapes: Sequence[Shape]) -> Shape:
    return tuple(sizes[0] if len(set(sizes)) == 1 else -1 for sizes in zip(*shapes, strict=True))
