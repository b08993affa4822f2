"""Drawings of nets, as pycaffe's ``caffe.draw`` makes them; Graphviz is not needed.

::

    net = text_format.Parse(open("train_val.prototxt").read(), caffe_pb2.NetParameter())
    draw_net_to_file(net, "net.svg", rankdir="TB")
"""

from __future__ import annotations

from typing import Any

from caffe_sdk.draw.dot import get_pydot_graph, to_dot
from caffe_sdk.draw.graph import Shapes, graph_of, without_splits
from caffe_sdk.draw.labels import (
    choose_color_by_layertype,
    get_edge_label,
    get_layer_label,
    get_layer_lr_mult,
    get_pooling_types_dict,
)
from caffe_sdk.draw.picture import picture_of
from caffe_sdk.draw.raster import FORMATS, to_raster
from caffe_sdk.draw.svg import to_svg
from caffe_sdk.errors import ArgumentError
from caffe_sdk.schema.files import PathLike, write_bytes

__all__ = [
    "choose_color_by_layertype",
    "draw_net",
    "draw_net_to_file",
    "get_edge_label",
    "get_layer_label",
    "get_layer_lr_mult",
    "get_pooling_types_dict",
    "get_pydot_graph",
    "without_splits",
]

SOURCES = ("raw", "dot", "gv")


def draw_net(
    caffe_net: Any,
    rankdir: str,
    ext: str = "png",
    phase: int | None = None,
    display_lrm: bool = False,
    *,
    label_edges: bool = True,
    shapes: Shapes | None = None,
) -> bytes:
    """A NetParameter as a picture, the bytes of a file.

    ``rankdir`` is where the net flows: LR to the right, RL to the left, TB down, BT up. ``ext`` is svg, png, jpg, pdf,
    or raw (also dot, gv) for the source of a drawing by Graphviz. With ``phase`` only its layers are drawn; with
    ``display_lrm`` learning rate multipliers are shown. ``shapes`` of blobs by name are shown with them.

    Raises ArgumentError for another direction or format, and the ModelErrors of a net that cannot be upgraded.
    """
    ext = ext.lower()
    if ext not in (*SOURCES, "svg", *FORMATS):
        known = ", ".join(["svg", *FORMATS, *SOURCES])
        raise ArgumentError("draw_net", f"there is no format '{ext}'", f"use one of {known}")
    graph = graph_of(caffe_net, label_edges, phase, display_lrm, shapes)
    picture = picture_of(graph, rankdir)
    if ext in SOURCES:
        return to_dot(graph, rankdir).encode()
    return to_svg(picture).encode() if ext == "svg" else to_raster(picture, ext)


def draw_net_to_file(
    caffe_net: Any, filename: PathLike, rankdir: str = "LR", phase: int | None = None, display_lrm: bool = False
) -> None:
    """Draw a NetParameter to a file, whose name says the format. Raises what `draw_net` does, and WriteError."""
    ext = str(filename).rpartition(".")[2]
    write_bytes(filename, draw_net(caffe_net, rankdir, ext, phase, display_lrm))
