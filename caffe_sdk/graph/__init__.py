"""From a net's description to a checked plan of it, without building anything."""

from __future__ import annotations

from caffe_sdk.graph.build import build, top_shapes_of
from caffe_sdk.graph.model import Graph, Node, PlannedBlob, PlannedParameter

__all__ = ["Graph", "Node", "PlannedBlob", "PlannedParameter", "build", "top_shapes_of"]
