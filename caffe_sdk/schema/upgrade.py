"""Nets and solvers of older formats, made into today's, the way Caffe does on every read.

In this order: V0 layers (``layers { layer { type: "conv" } }``) become V1; transform options of V1 data layers move
into ``transform_param``; V1 layers (``layers { type: CONVOLUTION }``) become V2 (``layer { type: "Convolution" }``);
``input`` fields become an Input layer; BatchNorm statistics are kept from being trained.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from caffe_sdk.errors import GraphError, LayerError, ModelError
from caffe_sdk.schema.messages import LayerParameter, NetParameter, V1LayerParameter

log = logging.getLogger(__name__)

Report = Callable[[str], None]
"""Told of what is left out, in words."""

V0_TYPES = {
    "accuracy": "ACCURACY", "bnll": "BNLL", "concat": "CONCAT", "conv": "CONVOLUTION", "data": "DATA",
    "dropout": "DROPOUT", "euclidean_loss": "EUCLIDEAN_LOSS", "flatten": "FLATTEN", "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT", "im2col": "IM2COL", "images": "IMAGE_DATA", "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT", "lrn": "LRN", "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING", "relu": "RELU", "sigmoid": "SIGMOID", "softmax": "SOFTMAX", "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT", "tanh": "TANH", "window_data": "WINDOW_DATA",
}  # fmt: skip

# Where a V0 layer's options go: option -> type of layer -> parameter and field.
V0_OPTIONS = {
    "num_output": {"conv": "convolution_param.num_output", "innerproduct": "inner_product_param.num_output"},
    "biasterm": {"conv": "convolution_param.bias_term", "innerproduct": "inner_product_param.bias_term"},
    "weight_filler": {"conv": "convolution_param.weight_filler", "innerproduct": "inner_product_param.weight_filler"},
    "bias_filler": {"conv": "convolution_param.bias_filler", "innerproduct": "inner_product_param.bias_filler"},
    "pad": {"conv": "convolution_param.pad", "pool": "pooling_param.pad"},
    "kernelsize": {"conv": "convolution_param.kernel_size", "pool": "pooling_param.kernel_size"},
    "group": {"conv": "convolution_param.group"},
    "stride": {"conv": "convolution_param.stride", "pool": "pooling_param.stride"},
    "pool": {"pool": "pooling_param.pool"},
    "dropout_ratio": {"dropout": "dropout_param.dropout_ratio"},
    "local_size": {"lrn": "lrn_param.local_size"},
    "alpha": {"lrn": "lrn_param.alpha"},
    "beta": {"lrn": "lrn_param.beta"},
    "k": {"lrn": "lrn_param.k"},
    "source": {
        "data": "data_param.source", "hdf5_data": "hdf5_data_param.source", "images": "image_data_param.source",
        "window_data": "window_data_param.source", "infogain_loss": "infogain_loss_param.source",
    },
    "batchsize": {
        "data": "data_param.batch_size", "hdf5_data": "hdf5_data_param.batch_size",
        "images": "image_data_param.batch_size", "window_data": "window_data_param.batch_size",
    },
    "rand_skip": {"data": "data_param.rand_skip", "images": "image_data_param.rand_skip"},
    "shuffle_images": {"images": "image_data_param.shuffle"},
    "new_height": {"images": "image_data_param.new_height"},
    "new_width": {"images": "image_data_param.new_width"},
    "concat_dim": {"concat": "concat_param.concat_dim"},
    "det_fg_threshold": {"window_data": "window_data_param.fg_threshold"},
    "det_bg_threshold": {"window_data": "window_data_param.bg_threshold"},
    "det_fg_fraction": {"window_data": "window_data_param.fg_fraction"},
    "det_context_pad": {"window_data": "window_data_param.context_pad"},
    "det_crop_mode": {"window_data": "window_data_param.crop_mode"},
}  # fmt: skip

# Options that go to transform_param whatever the type.
V0_TRANSFORMS = {"scale": "scale", "meanfile": "mean_file", "cropsize": "crop_size", "mirror": "mirror"}

# V1 data layers that had transform options of their own.
V1_DATA_PARAMS = {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}

V1_TYPES = {
    "NONE": "", "ABSVAL": "AbsVal", "ACCURACY": "Accuracy", "ARGMAX": "ArgMax", "BNLL": "BNLL", "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss", "CONVOLUTION": "Convolution", "DATA": "Data",
    "DECONVOLUTION": "Deconvolution", "DROPOUT": "Dropout", "DUMMY_DATA": "DummyData", "ELTWISE": "Eltwise",
    "EUCLIDEAN_LOSS": "EuclideanLoss", "EXP": "Exp", "FLATTEN": "Flatten", "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output", "HINGE_LOSS": "HingeLoss", "IM2COL": "Im2col", "IMAGE_DATA": "ImageData",
    "INFOGAIN_LOSS": "InfogainLoss", "INNER_PRODUCT": "InnerProduct", "LRN": "LRN", "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss", "MVN": "MVN", "POOLING": "Pooling", "POWER": "Power",
    "RELU": "ReLU", "SIGMOID": "Sigmoid", "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence", "SLICE": "Slice", "SOFTMAX": "Softmax", "SOFTMAX_LOSS": "SoftmaxWithLoss", "SPLIT": "Split",
    "TANH": "TanH", "THRESHOLD": "Threshold", "WINDOW_DATA": "WindowData",
}  # fmt: skip

SOLVER_TYPES = {
    "SGD": "SGD", "NESTEROV": "Nesterov", "ADAGRAD": "AdaGrad", "RMSPROP": "RMSProp", "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}  # fmt: skip


def upgrade_net(net: Any, where: str = "net", report: Report = log.warning) -> Any:
    """A net (NetParameter) in today's format: a new message, or ``net`` itself when it is so already.

    ``where`` names the net in errors. An option that a V0 layer's type never had is left out, as in Caffe, and
    ``report`` is told of it.

    Raises:
        ModelError: both ``layer`` and ``layers`` are there, or fewer input shapes than inputs.
        LayerError: a V0 layer of unknown type.
        GraphError: a V0 padding layer before something else than a convolution or pooling.
    """
    if not needs_upgrade(net):
        return net
    new = NetParameter()
    new.CopyFrom(net)
    if any(layer.HasField("layer") for layer in new.layers):
        _fold_padding(new, where)
        for layer in new.layers:
            _v0_to_v1(layer, where, report)
    for layer in new.layers:
        _move_transform(layer)
    _v1_to_v2(new, where)
    _inputs_to_layer(new, where)
    for layer in new.layer:
        if _trains_statistics(layer):
            for spec in layer.param:
                spec.lr_mult = spec.decay_mult = 0
    return new


def needs_upgrade(net: Any) -> bool:
    """Whether a net holds anything of an older format."""
    return bool(old_forms(net))


def old_forms(net: Any) -> list[str]:
    """What a net (NetParameter) holds of older formats, in the order in which it is upgraded."""
    found = {
        "V0LayerParameter": any(layer.HasField("layer") for layer in net.layers),
        "data transformation parameters": any(_old_transforms(layer) for layer in net.layers),
        "V1LayerParameter": bool(net.layers),
        "input fields": bool(net.input or net.input_shape or net.input_dim),
        "batch norm parameters": any(map(_trains_statistics, net.layer)),
    }
    return [form for form, there in found.items() if there]


def upgrade_solver(solver: Any, where: str = "solver") -> Any:
    """A solver (SolverParameter) with ``type`` in place of the older ``solver_type``: a new message, or the same one
    when it is so already. Nets inside it are left as they are. Raises ModelError when both are given.
    """
    if not solver.HasField("solver_type"):
        return solver
    if solver.HasField("type"):
        raise ModelError(where, "both type and the older solver_type are given", "remove solver_type")
    new = type(solver)()
    new.CopyFrom(solver)
    new.type = SOLVER_TYPES[solver.SolverType.Name(solver.solver_type)]
    new.ClearField("solver_type")
    return new


# V0 to V1


def _fold_padding(net: Any, where: str) -> None:
    """Give the convolution or pooling after each padding layer its ``pad``, and remove the padding layer."""
    makers: dict[str, Any] = {}  # the last layer that makes each blob
    for layer in net.layers:
        for place, blob in enumerate(layer.bottom):
            padding = makers.get(blob)
            if padding is None or padding.layer.type != "padding":
                continue
            name = f"{where}: layer '{layer.layer.name}'"
            if layer.layer.type not in ("conv", "pool"):
                what = f"a {layer.layer.type} layer after the padding layer '{padding.layer.name}'"
                raise GraphError(name, what, "only a conv or pool layer may follow padding")
            if len(layer.bottom) != 1 or len(padding.bottom) != 1:
                raise GraphError(name, "padding between several blobs", "give it and its padding layer one bottom each")
            layer.layer.pad = padding.layer.pad
            layer.bottom[place] = padding.bottom[0]
        makers.update(dict.fromkeys(layer.top, layer))
    kept = [layer for layer in net.layers if layer.layer.type != "padding"]
    rest = NetParameter(layers=kept)
    del net.layers[:]
    net.MergeFrom(rest)


def _v0_to_v1(layer: Any, where: str, report: Report) -> None:
    """Turn the innermost part of a V0 layer into fields of the V1 layer around it."""
    if not layer.HasField("layer"):
        return
    old = layer.layer
    name = f"{where}: layer '{old.name}'"
    if old.type not in V0_TYPES:
        known = ", ".join(sorted(V0_TYPES))
        raise LayerError(name, f"unknown type '{old.type}' of a V0 layer", f"the types are {known}")
    layer.name, layer.type = old.name, layer.LayerType.Value(V0_TYPES[old.type])
    for field, value in old.ListFields():
        if field.name in ("name", "type"):
            continue
        if field.name in ("blobs", "blobs_lr", "weight_decay"):
            getattr(layer, field.name).extend(value)
        elif field.name in V0_TRANSFORMS:
            setattr(layer.transform_param, V0_TRANSFORMS[field.name], value)
        elif field.name == "hdf5_output_param" and old.type == "hdf5_output":
            layer.hdf5_output_param.CopyFrom(value)
        elif old.type in V0_OPTIONS.get(field.name, {}):
            parameter, option = V0_OPTIONS[field.name][old.type].split(".")
            _put(getattr(layer, parameter), option, value)
        else:
            report(f"{name}: a {old.type} layer has no option '{field.name}'; it is left out")
    layer.ClearField("layer")


# V1 to V2


def _old_transforms(layer: Any) -> list[tuple[Any, str]]:
    """The transform options that a V1 data layer has of its own, each with the message it stands in."""
    name = V1_DATA_PARAMS.get(layer.LayerType.Name(layer.type))
    if name is None or not layer.HasField(name):
        return []
    options = getattr(layer, name)
    return [(options, option) for option in ("scale", "mean_file", "crop_size", "mirror") if options.HasField(option)]


def _move_transform(layer: Any) -> None:
    """Move the transform options of a V1 data layer to where they belong today."""
    for options, option in _old_transforms(layer):
        setattr(layer.transform_param, option, getattr(options, option))
        options.ClearField(option)


def _v1_to_v2(net: Any, where: str) -> None:
    """Turn ``layers`` into ``layer``."""
    if not net.layers:
        return
    if net.layer:
        what = "both layer { type: 'Name' } and the older layers { type: NAME } are given"
        raise ModelError(where, what, "write them all as layer")
    net.layer.extend(map(_v2_layer, net.layers))
    del net.layers[:]


def _v2_layer(old: Any) -> Any:
    """A V1 layer as a V2 layer."""
    layer = LayerParameter(type=V1_TYPES[V1LayerParameter.LayerType.Name(old.type)])
    specs = max(len(old.param), len(old.blob_share_mode), len(old.blobs_lr), len(old.weight_decay))
    for _ in range(specs):
        layer.param.add()
    for field, value in old.ListFields():
        if field.name in V1_SPECS:
            for spec, each in zip(layer.param, value, strict=False):
                setattr(spec, V1_SPECS[field.name], each)
        elif field.name != "type":
            _put(layer, field.name, value)
    return layer


# What V1 layers said of their blobs, in lists side by side, and its name in ParamSpec.
V1_SPECS = {"param": "name", "blob_share_mode": "share_mode", "blobs_lr": "lr_mult", "weight_decay": "decay_mult"}


# Within V2


def _inputs_to_layer(net: Any, where: str) -> None:
    """Turn ``input`` with ``input_shape`` or ``input_dim`` into an Input layer, placed first.

    Inputs without any shape, as caffemodels may have, are dropped.
    """
    inputs, shapes, dims = list(net.input), list(net.input_shape), list(net.input_dim)
    if inputs and (shapes or dims):
        given = len(shapes) if shapes else len(dims) // 4
        if given < len(inputs):
            what = f"{len(inputs)} inputs, and shapes for {given}"
            raise ModelError(where, what, "give each input an input_shape, or four input_dim")
        layer = LayerParameter(name="input", type="Input", top=inputs)
        for index in range(len(inputs)):
            dim = shapes[index].dim if shapes else dims[4 * index : 4 * index + 4]
            layer.input_param.shape.add(dim=dim)
        net.layer.insert(0, layer)
    for name in ("input", "input_shape", "input_dim"):
        net.ClearField(name)


def _trains_statistics(layer: Any) -> bool:
    """Whether a BatchNorm layer says of its three statistics how to train them; they are not to be trained."""
    return (
        layer.type == "BatchNorm"
        and len(layer.param) == 3
        and any(spec.lr_mult != 0 or spec.decay_mult != 0 for spec in layer.param)
    )


def _put(message: Any, name: str, value: Any) -> None:
    """Set a field of any kind; a list that receives one value gets it as its only entry."""
    field = message.DESCRIPTOR.fields_by_name[name]
    target = getattr(message, name)
    if field.is_repeated:
        target.extend(value if hasattr(value, "extend") else [value])
    elif field.message_type is not None:
        target.CopyFrom(value)
    else:
        setattr(message, name, value)
