"""What a net consists of, under the names pycaffe gives it, and how it shows itself."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Sequence
from dataclasses import replace

from caffe_sdk import draw
from caffe_sdk.blob import Blob
from caffe_sdk.errors import ArgumentError
from caffe_sdk.graph import Graph, summary
from caffe_sdk.layers import Layer
from caffe_sdk.net.named import Named
from caffe_sdk.schema.messages import TRAIN


class Contents:
    """Layers, blobs and parameters of a net by name and number."""

    graph: Graph
    """The plan the net was built from."""
    name: str
    phase: int
    _blobs: list[Blob]
    _where: str

    @functools.cached_property
    def blobs(self) -> Named[Blob]:
        """Blobs by name, in the order they are made."""
        return Named((b.name, b) for b in self._blobs)

    @functools.cached_property
    def layers(self) -> list[Layer]:
        """Layers in order, those that were inserted included; each has ``type``, ``name`` and ``blobs``."""
        return [node.layer for node in self.graph.nodes]

    @functools.cached_property
    def layer_dict(self) -> Named[Layer]:
        """Layers by name."""
        return Named((layer.name, layer) for layer in self.layers)

    @functools.cached_property
    def params(self) -> Named[list[Blob]]:
        """Parameter blobs of each layer that has any, by the layer's name: weights first, then biases."""
        return Named((layer.name, layer.blobs) for layer in self.layers if layer.blobs)

    @functools.cached_property
    def inputs(self) -> list[str]:
        """Names of the input blobs."""
        return [self._blobs[i].name for i in self.graph.inputs]

    @functools.cached_property
    def outputs(self) -> list[str]:
        """Names of the blobs no layer consumes."""
        return [self._blobs[i].name for i in self.graph.outputs]

    @functools.cached_property
    def top_names(self) -> Named[list[str]]:
        """Names of each layer's tops, by the layer's name."""
        return Named((n.layer.name, [self._blobs[t].name for t in n.tops]) for n in self.graph.nodes)

    @functools.cached_property
    def bottom_names(self) -> Named[list[str]]:
        """Names of each layer's bottoms, by the layer's name."""
        return Named((n.layer.name, [self._blobs[b].name for b in n.bottoms]) for n in self.graph.nodes)

    @property
    def blob_loss_weights(self) -> Named[float]:
        """Each blob's weight in the loss, by name."""
        found = Named((b.name, 0.0) for b in self._blobs)
        for node in self.graph.nodes:
            for top, weight in zip(node.tops, node.loss_weights, strict=True):
                if weight:
                    found[self._blobs[top].name] = weight
        return found

    @property
    def _layer_names(self) -> list[str]:
        return [layer.name for layer in self.layers]

    @property
    def _blob_names(self) -> list[str]:
        return [blob.name for blob in self._blobs]

    @property
    def _inputs(self) -> list[int]:
        return self.graph.inputs

    @property
    def _outputs(self) -> list[int]:
        return self.graph.outputs

    def _bottom_ids(self, layer: int) -> list[int]:
        """The numbers of the blobs that layer number ``layer`` reads, as pycaffe has them."""
        return list(self.graph.nodes[layer].bottoms)

    def _top_ids(self, layer: int) -> list[int]:
        """The numbers of the blobs that layer number ``layer`` makes."""
        return list(self.graph.nodes[layer].tops)

    # -- lookups -------------------------------------------------------------------------------------------------------

    def _layer_index(self, name: str) -> int:
        return _find(name, self._layer_names, "layer", self._where)

    def _blob(self, name: str) -> Blob:
        found = self.blobs.get(name)
        return found if found is not None else self._blobs[_find(name, self._blob_names, "blob", self._where)]

    # -- how it shows itself -------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        phase = "TRAIN" if self.phase == TRAIN else "TEST"
        return f"<Net {self.name!r} {phase}: {len(self.layers)} layers, {len(self._blobs)} blobs>"

    def __str__(self) -> str:
        """A table of layers, shapes, parameters, multiply-adds and memory as they are now (see `summary`)."""
        blobs = [
            replace(planned, shape=blob.shape) for planned, blob in zip(self.graph.blobs, self._blobs, strict=True)
        ]
        return summary(replace(self.graph, blobs=blobs))

    def _repr_svg_(self) -> str:
        """A drawing of the net with the shapes of its blobs, which notebooks show."""
        shapes = {blob.name: blob.shape for blob in self._blobs}
        return draw.draw_net(draw.without_splits(self.graph.config), "TB", "svg", shapes=shapes).decode()


def _find(name: str, names: Sequence[str], kind: str, where: str) -> int:
    """Index of a name, or ArgumentError that offers the nearest one."""
    if name not in names:
        close = difflib.get_close_matches(name, names, 1)
        raise ArgumentError(
            where,
            f"there is no {kind} '{name}'",
            f"did you mean '{close[0]}'?" if close else f"use one of: {', '.join(names)}",
        )
    return names.index(name)
