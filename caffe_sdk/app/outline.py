"""A net in a line per layer, as Caffe's ``summarize.py`` prints it: from the description alone, nothing is built."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from caffe_sdk.schema import prototxt, upgrade
from caffe_sdk.schema.files import PathLike
from caffe_sdk.schema.messages import NetParameter

COLOURS = (
    "92",
    "93",
    "94",
    "95",
    "97",
    "96",
    "42",
    "43;30",
    "100",
    "44",
    "103;30",
    "107;30",
)  # ANSI, for blobs in turn
UNKNOWN = "41"  # red ground: a bottom that no layer has made


def outline(model: PathLike, width: int = 30) -> str:
    """A table: layer, type, (parameter options), bottoms -> tops, and the numbers of convolutions and poolings.

    Each blob has a colour of its own; tops that nobody reads are bold and underlined, and ``weight * top`` is a loss.
    Numbers are kernel/stride+pad and outputs/groups. Columns are no wider than ``width``; longer words reach into the
    next. Raises MissingFileError, PrototxtError.
    """
    net = upgrade.upgrade_net(prototxt.read(model, NetParameter), str(model))
    unread: set[str] = set()
    for layer in net.layer:
        unread = (unread | set(layer.top)) - set(layer.bottom)
    colours: dict[str, str] = {}
    return "\n".join(_aligned([_row(layer, colours, unread) for layer in net.layer], width))


def _row(layer: Any, colours: dict[str, str], unread: set[str]) -> list[str]:
    bottoms = [_painted(name, colours.get(name, UNKNOWN)) for name in layer.bottom]
    tops = []
    for i, name in enumerate(layer.top):
        colour = colours.setdefault(name, COLOURS[len(colours) % len(COLOURS)])
        words = f"\033[1;4m{name}" if name in unread else name
        weighted = i < len(layer.loss_weight)
        tops.append(_painted(f"{layer.loss_weight[i]:g} * {words}" if weighted else words, colour))
    kind = f"{layer.python_param.module}.{layer.python_param.layer}" if layer.type == "Python" else layer.type
    options = [_options(spec) for spec in layer.param]
    parameters = f"({', '.join(options)})" if any(options) else ""
    return [layer.name, kind, parameters, ", ".join(bottoms), "->", ", ".join(tops), _numbers(layer)]


def _painted(text: str, colour: str) -> str:
    return f"\033[{colour}m{text}\033[0m"


def _options(spec: Any) -> str:
    """A parameter's name, xRATE and DxDECAY, where they are not as usual."""
    words = [spec.name, f"x{spec.lr_mult:g}", f"Dx{spec.decay_mult:g}"]
    return " ".join(word for word in words if word not in ("", "x1", "Dx1"))


def _numbers(layer: Any) -> str:
    if layer.type in ("Convolution", "Deconvolution"):
        param = layer.convolution_param
        kernel = [*param.kernel_size] or [param.kernel_h, param.kernel_w]
        stride = [*param.stride] or [param.stride_h or 1, param.stride_w or 1]
        pad = [*param.pad] or [param.pad_h, param.pad_w]
        outputs = f"{param.num_output}/{param.group}" if param.group != 1 else f"{param.num_output}"
        return f"{_window(kernel, stride, pad)} {outputs}"
    if layer.type == "Pooling":
        param = layer.pooling_param
        if param.global_pooling:
            return "global"
        sides = [(param.kernel_h, param.kernel_w), (param.stride_h, param.stride_w), (param.pad_h, param.pad_w)]
        squares = (param.kernel_size, param.stride, param.pad)
        return _window(*(list(side) if any(side) else [square] for side, square in zip(sides, squares, strict=True)))
    return ""


def _window(kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int]) -> str:
    """kernel/stride+pad, without what is 1 and 0, and one number where all axes have the same."""
    kernel_words, stride_words, pad_words = ("x".join(map(str, _axes(side))) for side in (kernel, stride, pad))
    strides = f"/{stride_words}" if stride_words != "1" else ""
    return kernel_words + strides + (f"+{pad_words}" if pad_words != "0" else "")


def _axes(side: Sequence[int]) -> Sequence[int]:
    return side[:1] if len(set(side)) == 1 else side


def _aligned(rows: Sequence[Sequence[str]], width: int) -> Iterable[str]:
    widths = [min(width, max(map(_length, column)) + 1) for column in zip(*rows, strict=True)]
    for row in rows:
        line, end = "", 0
        for cell, column in zip(row, widths, strict=True):
            end += column
            line += f"{cell} "
            line += " " * (end - _length(line))
        yield line.rstrip()


def _length(text: str) -> int:
    """How wide a text is on the screen."""
    return len(re.sub(r"\033\[[\d;]+m", "", text))
