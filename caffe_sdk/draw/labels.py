"""What a drawing says about a layer, in the words of pycaffe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe_sdk.errors import ArgumentError, LayerError
from caffe_sdk.schema.messages import PoolingParameter

LEARNING = ("Convolution", "Deconvolution", "InnerProduct")


def get_pooling_types_dict() -> dict[int, str]:
    """The names of pooling methods by their numbers: {0: 'MAX', 1: 'AVE', 2: 'STOCHASTIC'}."""
    return {value.number: name for name, value in PoolingParameter.PoolMethod.DESCRIPTOR.values_by_name.items()}


def get_edge_label(layer: Any) -> str:
    """What stands on the edges to a layer's tops: the batch size of Data, the number of outputs, or else ``""`` in
    quotes, as Graphviz wants an empty label.
    """
    if layer.type == "Data":
        return f"Batch {layer.data_param.batch_size}"
    if layer.type in ("Convolution", "Deconvolution"):
        return str(layer.convolution_param.num_output)
    if layer.type == "InnerProduct":
        return str(layer.inner_product_param.num_output)
    return '""'


def get_layer_lr_mult(layer: Any) -> tuple[float, float]:
    """The learning rate multipliers of a layer's weights and biases; 1 where they are not given.

    Raises ArgumentError for a layer that is not a Convolution, Deconvolution or InnerProduct, LayerError for one with
    more than two.
    """
    if layer.type not in LEARNING:
        raise ArgumentError(
            "", f"{layer.type} layers do not have a learning rate multiplier", f"ask for {' or '.join(LEARNING)}"
        )
    given = [param.lr_mult for param in layer.param]
    if len(given) > 2:
        what = f"Could not parse the learning rate multiplier: there are {len(given)}"
        raise LayerError(f"layer '{layer.name}'", what, "give one for the weights and one for the bias")
    weights, bias = [*given, 1.0, 1.0][:2]
    return weights, bias


def get_layer_label(layer: Any, rankdir: str, display_lrm: bool = False) -> str:
    """A layer's label for Graphviz, in quotes: one line of words in drawings from top to bottom ("TB", "BT"), where
    there is room at the sides, in others a line for each, set apart by a backslash and n.
    """
    separator = " " if rankdir in ("TB", "BT") else r"\n"
    return f'"{separator.join(layer_words(layer, display_lrm))}"'


def choose_color_by_layertype(layertype: str) -> str:
    """The colour of a layer's box in drawings by Graphviz."""
    colors = {"Convolution": "#FF5050", "Deconvolution": "#FF5050", "Pooling": "#FF9900", "InnerProduct": "#CC33FF"}
    return colors.get(layertype, "#6495ED")


def layer_words(layer: Any, display_lrm: bool = False) -> list[str]:
    """Name, type and sizes of a layer: ["conv1", "(Convolution)", "kernel size: 5", "stride: 1", "pad: 0"]."""
    words = [layer.name, f"({layer.type})"]
    if layer.type == "Pooling":
        param = layer.pooling_param
        words[1] = f"(Pooling {get_pooling_types_dict()[param.pool]})"
        words += ["global"] if param.global_pooling else _window_words(param)
    elif layer.type in ("Convolution", "Deconvolution"):
        words += _window_words(layer.convolution_param)
    if display_lrm and layer.type in LEARNING:
        weights, bias = get_layer_lr_mult(layer)
        if weights or bias:
            words.append(f"lr mult: {weights:.1f}, {bias:.1f}")
    return words


def _window_words(param: Any) -> list[str]:
    kernel = _extent(param.kernel_size, param.kernel_h, param.kernel_w, 1)
    stride = _extent(param.stride, param.stride_h, param.stride_w, 1)
    pad = _extent(param.pad, param.pad_h, param.pad_w, 0)
    return [f"kernel size: {kernel}", f"stride: {stride}", f"pad: {pad}"]


def _extent(both: int | Sequence[int], height: int, width: int, default: int) -> str:
    """A size along the spatial axes: "3", or "3x5" where they differ."""
    if height or width:
        sizes = [height, width]
    else:
        sizes = [both] if isinstance(both, int) else list(both) or [default]
    return "x".join(map(str, sizes)) if len(set(sizes)) > 1 else str(sizes[0])
