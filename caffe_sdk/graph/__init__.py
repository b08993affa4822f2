"""From a net's description to a checked plan of it, without building anything."""

from __future__ import annotations

from caffe_sdk.graph.build import build, top_shapes_of
from caffe_sdk.graph.cost import Cost, LayerCost, cost
from caffe_sdk.graph.model import Graph, Node, PlannedBlob, PlannedParameter
from caffe_sdk.graph.summary import summary

__all__ = [
    "Cost",
    "Graph",
    "LayerCost",
    "Node",
    "PlannedBlob",
    "PlannedParameter",
    "build",
    "cost",
    "summary",
    "top_shapes_of",
]
