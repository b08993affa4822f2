"""Weights of a net to and from HDF5, where a blob that layers share is stored once."""

from __future__ import annotations

from collections.abc import Mapping

from caffe_sdk import weights
from caffe_sdk.graph import Graph
from caffe_sdk.schema import hdf5
from caffe_sdk.schema.files import PathLike
from caffe_sdk.schema.wire import BlobArray, LayerWeights


def save(graph: Graph, path: PathLike, diffs: bool) -> None:
    """Write the parameters, each with the layer that owns it, and their gradients if ``diffs``. Raises WriteError."""
    layers = {
        node.layer.name: {
            index: weights.as_array(blob, diffs)
            for index, (blob, p) in enumerate(zip(node.layer.blobs, node.parameters, strict=True))
            if graph.parameters[p].owner == p
        }
        for node in graph.nodes
    }
    hdf5.write_net(path, layers)


def read(graph: Graph, path: PathLike) -> list[LayerWeights]:
    """The weights of a file, made complete for a net of this graph: what it shares need not be in the file.

    Raises what `caffe_sdk.schema.hdf5.read_net` does.
    """
    return [LayerWeights(name, "", _blobs(graph, name, blobs)) for name, blobs in hdf5.read_net(path).items()]


def _blobs(graph: Graph, name: str, stored: Mapping[int, BlobArray]) -> list[BlobArray]:
    """The stored blobs of a layer as a list; those missing that another layer owns are the net's own, as they are."""
    node = next((node for node in graph.nodes if node.layer.name == name), None)
    if node is None:
        return list(stored.values())
    complete = dict(stored)
    for index, (blob, p) in enumerate(zip(node.layer.blobs, node.parameters, strict=True)):
        if index not in complete and graph.parameters[p].owner != p:
            complete[index] = weights.as_array(blob)
    return [blob for _, blob in sorted(complete.items())]
