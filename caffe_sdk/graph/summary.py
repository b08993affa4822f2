"""A net as a table: layers, parameters, multiply-adds, memory and blobs, with totals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from caffe_sdk.graph.cost import Cost, LayerCost, cost
from caffe_sdk.graph.model import Graph
from caffe_sdk.memory import Shape
from caffe_sdk.schema.messages import TRAIN

HEADER = ("layer", "type", "parameters", "multiply-adds", "memory", "bottoms -> tops")
NUMBERS = (2, 3, 4)  # columns aligned to the right
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def summary(graph: Graph) -> str:
    """The table of a graph, one line a layer, without the Split layers the net adds.

    Memory is what is new with a layer: its parameters' and its tops' values.
    """
    found = cost(graph)
    shown = [layer for layer in found.layers if layer.type != "Split"]
    copies = {top: layer.bottoms[0][0] for layer in found.layers if layer.type == "Split" for top, _ in layer.tops}
    total = ("total", "", f"{found.parameters:,}", f"{found.multiply_adds:,}", size(found.forward), "")
    table = _aligned([HEADER, *(_row(layer, copies) for layer in shown), total])
    phase = "TRAIN" if graph.phase == TRAIN else "TEST"
    return "\n".join([f"Net '{graph.name}' in phase {phase}", "", *table, "", *totals(_rows(found))])


def size(count: float) -> str:
    """A number of bytes in the unit that makes it short: 1.6 MiB."""
    unit = 0
    while count >= 1024 and unit < len(UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:,.1f} {UNITS[unit]}" if unit else f"{count:,} {UNITS[0]}"


def _row(layer: LayerCost, copies: Mapping[str, str]) -> tuple[str, ...]:
    bottoms = ", ".join(copies.get(name, name) for name, _ in layer.bottoms)
    tops = ", ".join(f"{name} {_shape(shape)}" for name, shape in layer.tops)
    numbers = (f"{n:,}" if n else "" for n in (layer.parameters, layer.multiply_adds))
    return (
        layer.name,
        layer.type,
        *numbers,
        size(layer.memory) if layer.memory else "",
        f"{bottoms} -> {tops}".strip(),
    )


def _shape(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "()"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns as wide as their widest entry, the first and last row set apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(f"{cell:{'>' if i in NUMBERS else '<'}{widths[i]}}" for i, cell in enumerate(row)).rstrip()
        for row in rows
    ]
    rule = "-" * max(map(len, lines))
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]


def totals(rows: Mapping[str, int]) -> list[str]:
    """Lines of names and numbers of bytes, in columns."""
    names, counts = max(map(len, rows)) + 1, max(len(f"{count:,}") for count in rows.values())
    return [f"{name + ':':{names}} {count:>{counts},} bytes  ({size(count)})" for name, count in rows.items()]


def _rows(found: Cost) -> dict[str, int]:
    return {
        "parameters": found.parameter_data,
        "activations": found.activations,
        "together, to run forward": found.forward,
        "gradients of parameters": found.parameter_diff,
        "gradients of activations": found.gradients,
        "all, to run forward and backward": found.total,
    }
