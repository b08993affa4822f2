"""The same net to train and to use: data layers give way to Input layers, losses come and go.

``to_train`` is a net that is fed from outside, with a loss; ``to_use`` the one that takes images and gives predictions.
"""

from __future__ import annotations

from typing import Any

from caffe_sdk.errors import ArgumentError
from caffe_sdk.graph.state import filter_net, net_state
from caffe_sdk.layers import REGISTRY
from caffe_sdk.layers.data import Fed
from caffe_sdk.memory import Shape
from caffe_sdk.schema import upgrade
from caffe_sdk.schema.messages import TEST, TRAIN, LayerParameter, NetParameter

SOURCES = ("Input", "MemoryData", "DummyData")
"""Types of layers that bring data, besides those that read."""
LOSSES = {"SoftmaxWithLoss": "Softmax", "SigmoidCrossEntropyLoss": "Sigmoid"}
"""Losses, and what makes predictions of their first bottom."""
LABEL = "label"


def to_train(net: Any, data: Shape, targets: Shape) -> Any:
    """A NetParameter whose first two inputs are blobs of the shapes ``data`` and ``targets``, and that has a loss.

    ``net`` may read its data itself, be for use, or end without a loss: then SoftmaxWithLoss is put behind its last
    top for targets with one axis, EuclideanLoss for others. Raises ArgumentError for a net without a source of data.
    """
    config = upgrade.upgrade_net(_copied(net))
    names = _data_tops(config)
    new = NetParameter(name=config.name, force_backward=config.force_backward)
    label = names[1] if len(names) > 1 else LABEL
    new.layer.add().CopyFrom(_input(names[0], data))
    new.layer.add().CopyFrom(_input(label, targets))
    for layer in config.layer:
        if not _is_source(layer):
            new.layer.add().CopyFrom(layer)
    if not any(_is_loss(layer) for layer in new.layer):
        _add_loss(new, label, classes=len(targets) == 1)
    return new


def to_use(net: Any, data: Shape) -> Any:
    """A NetParameter that makes predictions from its one input, a blob of the shape ``data``.

    What needs labels is left out; instead of a loss of `LOSSES` comes what makes predictions. Raises ArgumentError
    for a net without a source of data.
    """
    config = upgrade.upgrade_net(_copied(net))
    first = _data_tops(config)[0]
    config = filter_net(config, net_state(config, TEST, 0, []))
    new = NetParameter(name=config.name)
    new.layer.add().CopyFrom(_input(first, data))
    known = {first}
    for layer in config.layer:
        if not layer.bottom and (_is_source(layer) or first in layer.top):
            continue
        if known.issuperset(layer.bottom):
            known.update(layer.top)
            new.layer.add().CopyFrom(layer)
        elif layer.type in LOSSES and layer.bottom[0] in known:
            end = new.layer.add(name=_free("prob", known), type=LOSSES[layer.type], bottom=[layer.bottom[0]])
            end.top.append(end.name)
            known.add(end.name)
    for layer in new.layer:
        del layer.include[:]
        del layer.exclude[:]
        layer.ClearField("phase")
    return new


def score_blob(net: Any) -> str | None:
    """The blob of class scores that a net is trained by: what its first SoftmaxWithLoss takes; None without one."""
    return next((str(layer.bottom[0]) for layer in net.layer if layer.type == "SoftmaxWithLoss"), None)


def _copied(net: Any) -> Any:
    new = NetParameter()
    new.CopyFrom(net)
    return new


def _is_source(layer: Any) -> bool:
    if layer.bottom:
        return False
    found = REGISTRY.get(layer.type)
    return layer.type in SOURCES or (isinstance(found, type) and issubclass(found, Fed))


def _is_loss(layer: Any) -> bool:
    return layer.type.endswith("Loss") or any(weight for weight in layer.loss_weight)


def _data_tops(config: Any) -> list[str]:
    """Tops of the first layers that bring data, those of TRAIN before those of TEST."""
    for phase in (TRAIN, TEST):
        layers = filter_net(config, net_state(config, phase, 0, [])).layer
        if tops := [str(top) for layer in layers if _is_source(layer) for top in layer.top]:
            return tops
    remedy = "give it an Input layer, or another that brings data"
    raise ArgumentError(f"net '{config.name}'", "no layer brings data", remedy)


def _input(name: str, shape: Shape) -> Any:
    layer = LayerParameter(name=name, type="Input", top=[name])
    layer.input_param.shape.add(dim=shape)
    return layer


def _add_loss(net: Any, label: str, classes: bool) -> None:
    """Put a loss behind the last top; a Softmax there becomes part of it."""
    last = net.layer[-1]
    scores = last.top[0]
    if classes and last.type == "Softmax":
        scores = last.bottom[0]
        del net.layer[-1]
    names = {layer.name for layer in net.layer}
    loss = net.layer.add(name=_free("loss", names), type="SoftmaxWithLoss" if classes else "EuclideanLoss")
    loss.bottom.extend([scores, label])
    loss.top.append(loss.name)


def _free(name: str, taken: set[str]) -> str:
    number = 1
    free = name
    while free in taken:
        number += 1
        free = f"{name}{number}"
    return free
