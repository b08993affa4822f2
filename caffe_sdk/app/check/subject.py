"""What rules look at, a net in a phase, and what they find."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from caffe_sdk.layers import REGISTRY
from caffe_sdk.memory import Shape
from caffe_sdk.net import Net
from caffe_sdk.schema.messages import TRAIN

WARNING, HINT = "warning", "hint"
KEEP_VALUES = ("Dropout", "Flatten", "Reshape", "Split")
"""Types whose top is the bottom's values, but for a factor or a shape."""


@dataclass(frozen=True)
class Finding:
    """Something that is probably not meant: in which layer (empty: the whole net), what it is, what to do about it.

    A ``severity`` "warning" is probably a mistake; a "hint" is good to know.
    """

    rule: str
    layer: str
    what: str
    remedy: str
    severity: str = WARNING


class End(NamedTuple):
    """A top or bottom: the index of its layer, and its place there."""

    layer: int
    place: int


class Subject:
    """A net in a phase: its layers (LayerParameters, upgraded, filtered) and how they hang together.

    ``built`` is the Net with nothing computed; None where data that is not here leaves shapes unknown.
    """

    def __init__(self, net: Any, phase: int, built: Net | None, finetunes: bool) -> None:
        self.net, self.phase, self.built, self.finetunes = net, phase, built, finetunes
        self.layers = list(net.layer)
        self.makers: dict[End, End] = {}
        """The top that each bottom comes from."""
        self.uses: defaultdict[End, list[End]] = defaultdict(list)
        """The bottoms that each top goes to."""
        latest: dict[str, End] = {}
        for i, layer in enumerate(self.layers):
            for j, blob in enumerate(layer.bottom):
                if blob in latest:
                    self.makers[End(i, j)] = latest[blob]
                    self.uses[latest[blob]].append(End(i, j))
            for j, blob in enumerate(layer.top):
                latest[blob] = End(i, j)
        self._shapes = {blob.name: blob.shape for blob in built.graph.blobs} if built else {}

    @property
    def training(self) -> bool:
        """Whether the phase is TRAIN."""
        return bool(self.phase == TRAIN)

    @property
    def losses(self) -> list[Any]:
        """The layers that count in the loss."""
        return [layer for layer in self.layers if any(loss_weights(layer))]

    def of_type(self, *types: str) -> Iterator[tuple[int, Any]]:
        """The layers of some types, with their indices."""
        return ((i, layer) for i, layer in enumerate(self.layers) if layer.type in types)

    def unused(self) -> Iterator[End]:
        """Tops that no layer takes."""
        for i, layer in enumerate(self.layers):
            yield from (End(i, j) for j in range(len(layer.top)) if not self.uses[End(i, j)])

    def origin(self, bottom: End) -> Any | None:
        """The layer whose values a bottom holds, through layers that keep values; None if it has none."""
        maker = self.makers.get(bottom)
        while maker is not None and self.layers[maker.layer].type in KEEP_VALUES:
            maker = self.makers.get(End(maker.layer, 0))
        return self.layers[maker.layer] if maker is not None else None

    def shape(self, bottom: End) -> Shape | None:
        """The shape of a bottom, if there is such a bottom and shapes are known."""
        names = self.layers[bottom.layer].bottom
        return self._shapes.get(names[bottom.place]) if bottom.place < len(names) else None


def is_loss(layer: Any) -> bool:
    """Whether a LayerParameter is of a type that is a loss."""
    return layer.type in REGISTRY and REGISTRY[layer.type].is_loss


def loss_weights(layer: Any) -> list[float]:
    """What each top of a LayerParameter weighs in the loss, for as many as are said or known."""
    return list(layer.loss_weight) or ([1.0] if is_loss(layer) else [])
