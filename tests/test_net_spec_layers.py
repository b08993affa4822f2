"""Every layer type of Caffe as NetSpec spells it, and the prototxt that pycaffe's own NetSpec makes of it.

The rules: what ends in ``param`` is a field of the layer; the rest goes to the layer's own parameters where they have
such a field, else to the layer; a single value given to a repeated field is a list of one.
"""

# ruff: noqa: C408 - dict(...) is how nets are written in Python

from __future__ import annotations

from typing import Any

import pytest

import caffe_sdk as caffe
from caffe_sdk import layers as L
from caffe_sdk import params as P
from caffe_sdk.net_spec import NetSpec, Top
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import NetParameter

XAVIER = dict(type="xavier")
LEARN = [dict(lr_mult=1, decay_mult=1), dict(lr_mult=2, decay_mult=0)]
LEARNT = "param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }"
RECURRENT = dict(
    recurrent_param=dict(num_output=3, weight_filler=XAVIER, bias_filler=dict(value=1), expose_hidden=True)
)
RECURRENTLY = (
    'recurrent_param { num_output: 3 weight_filler { type: "xavier" } bias_filler { value: 1 } expose_hidden: true }'
)
TEST_ONLY = dict(include=dict(phase=caffe.TEST))

LAYERS: list[tuple[str, int, dict[str, Any], str]] = [
    ("AbsVal", 1, dict(in_place=True), ""),
    (
        "Accuracy",
        2,
        dict(top_k=5, axis=1, ignore_label=255, **TEST_ONLY),
        "accuracy_param { top_k: 5 axis: 1 ignore_label: 255 } include { phase: TEST }",
    ),
    ("ArgMax", 1, dict(out_max_val=True, top_k=2, axis=1), "argmax_param { out_max_val: true top_k: 2 axis: 1 }"),
    ("BNLL", 1, dict(in_place=True), ""),
    (
        "BatchNorm",
        1,
        dict(use_global_stats=True, eps=1e-3, moving_average_fraction=0.9, param=[dict(lr_mult=0)] * 3),
        "batch_norm_param { use_global_stats: true eps: 0.001 moving_average_fraction: 0.9 }"
        " param { lr_mult: 0 } param { lr_mult: 0 } param { lr_mult: 0 }",
    ),
    ("BatchReindex", 2, {}, ""),
    ("Bias", 2, dict(axis=0), "bias_param { axis: 0 }"),
    ("Clip", 1, dict(min=-1, max=2.5), "clip_param { min: -1 max: 2.5 }"),
    ("Concat", 3, dict(axis=2), "concat_param { axis: 2 }"),
    (
        "ContrastiveLoss",
        3,
        dict(margin=2, legacy_version=True),
        "contrastive_loss_param { margin: 2 legacy_version: true }",
    ),
    (
        "Convolution",
        1,
        dict(kernel_size=3, stride=[2, 1], pad=1, num_output=8, group=2, weight_filler=XAVIER, param=LEARN),
        "convolution_param { kernel_size: 3 stride: 2 stride: 1 pad: 1 num_output: 8 group: 2"
        ' weight_filler { type: "xavier" } } ' + LEARNT,
    ),
    ("Crop", 2, dict(axis=2, offset=[3, 4]), "crop_param { axis: 2 offset: 3 offset: 4 }"),
    (
        "Data",
        0,
        dict(
            source="train_lmdb",
            backend=P.Data.LMDB,
            batch_size=64,
            ntop=2,
            transform_param=dict(scale=1.0 / 256, mean_value=[104, 117, 123], mirror=True),
        ),
        'data_param { source: "train_lmdb" backend: LMDB batch_size: 64 }'
        " transform_param { scale: 0.00390625 mean_value: 104 mean_value: 117 mean_value: 123 mirror: true }",
    ),
    (
        "Deconvolution",
        1,
        dict(convolution_param=dict(num_output=21, kernel_size=4, stride=2, bias_term=False), param=dict(lr_mult=0)),
        "convolution_param { num_output: 21 kernel_size: 4 stride: 2 bias_term: false } param { lr_mult: 0 }",
    ),
    ("Dropout", 1, dict(dropout_ratio=0.4, in_place=True), "dropout_param { dropout_ratio: 0.4 }"),
    (
        "DummyData",
        0,
        dict(shape=[dict(dim=[2, 3]), dict(dim=2)], data_filler=[dict(value=1), dict(type="gaussian", std=2)], ntop=2),
        "dummy_data_param { shape { dim: 2 dim: 3 } shape { dim: 2 } data_filler { value: 1 }"
        ' data_filler { type: "gaussian" std: 2 } }',
    ),
    ("ELU", 1, dict(alpha=0.5), "elu_param { alpha: 0.5 }"),
    ("Eltwise", 2, dict(operation=P.Eltwise.SUM, coeff=[1, -1]), "eltwise_param { operation: SUM coeff: 1 coeff: -1 }"),
    (
        "Embed",
        1,
        dict(input_dim=100, num_output=8, bias_term=False, weight_filler=XAVIER),
        'embed_param { input_dim: 100 num_output: 8 bias_term: false weight_filler { type: "xavier" } }',
    ),
    ("EuclideanLoss", 2, dict(loss_weight=0.5), "loss_weight: 0.5"),
    ("Exp", 1, dict(base=2, scale=3, shift=1), "exp_param { base: 2 scale: 3 shift: 1 }"),
    ("Filter", 2, dict(name="sieve"), ""),
    ("Flatten", 1, dict(axis=1, end_axis=2), "flatten_param { axis: 1 end_axis: 2 }"),
    (
        "HDF5Data",
        0,
        dict(source="list.txt", batch_size=10, shuffle=True, ntop=3),
        'hdf5_data_param { source: "list.txt" batch_size: 10 shuffle: true }',
    ),
    ("HDF5Output", 2, dict(file_name="out.h5", ntop=0), 'hdf5_output_param { file_name: "out.h5" }'),
    ("HingeLoss", 2, dict(norm=P.HingeLoss.L2), "hinge_loss_param { norm: L2 }"),
    (
        "Im2col",
        1,
        dict(convolution_param=dict(kernel_size=3, dilation=2)),
        "convolution_param { kernel_size: 3 dilation: 2 }",
    ),
    (
        "ImageData",
        0,
        dict(source="list.txt", batch_size=4, new_height=256, new_width=256, root_folder="/images/", ntop=2),
        'image_data_param { source: "list.txt" batch_size: 4 new_height: 256 new_width: 256 root_folder: "/images/" }',
    ),
    ("InfogainLoss", 2, dict(source="h.binaryproto"), 'infogain_loss_param { source: "h.binaryproto" }'),
    (
        "InnerProduct",
        1,
        dict(
            num_output=10, weight_filler=dict(type="gaussian", std=0.01), bias_filler=dict(type="constant"), param=LEARN
        ),
        'inner_product_param { num_output: 10 weight_filler { type: "gaussian" std: 0.01 }'
        ' bias_filler { type: "constant" } } ' + LEARNT,
    ),
    ("Input", 0, dict(shape=dict(dim=[1, 3, 224, 224])), "input_param { shape { dim: 1 dim: 3 dim: 224 dim: 224 } }"),
    (
        "LRN",
        1,
        dict(local_size=3, alpha=5e-5, beta=0.75, norm_region=P.LRN.WITHIN_CHANNEL),
        "lrn_param { local_size: 3 alpha: 5e-05 beta: 0.75 norm_region: WITHIN_CHANNEL }",
    ),
    ("LSTM", 2, dict(ntop=3, **RECURRENT), RECURRENTLY),
    ("LSTMUnit", 3, dict(ntop=2), ""),
    ("Log", 1, dict(base=10), "log_param { base: 10 }"),
    (
        "MVN",
        1,
        dict(normalize_variance=False, across_channels=True),
        "mvn_param { normalize_variance: false across_channels: true }",
    ),
    (
        "MemoryData",
        0,
        dict(batch_size=4, channels=1, height=28, width=28, ntop=2),
        "memory_data_param { batch_size: 4 channels: 1 height: 28 width: 28 }",
    ),
    ("MultinomialLogisticLoss", 2, dict(loss_param=dict(ignore_label=0)), "loss_param { ignore_label: 0 }"),
    (
        "PReLU",
        1,
        dict(filler=dict(value=0.25), channel_shared=True),
        "prelu_param { filler { value: 0.25 } channel_shared: true }",
    ),
    ("Parameter", 0, dict(shape=dict(dim=[3, 4])), "parameter_param { shape { dim: 3 dim: 4 } }"),
    (
        "Pooling",
        1,
        dict(pool=P.Pooling.AVE, kernel_size=3, stride=2, pad=1),
        "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }",
    ),
    ("Power", 1, dict(power=2, scale=0.5, shift=-1), "power_param { power: 2 scale: 0.5 shift: -1 }"),
    (
        "Python",
        2,
        dict(module="pyloss", layer="EuclideanLossLayer", param_str="{'a': 1}", loss_weight=1),
        """python_param { module: "pyloss" layer: "EuclideanLossLayer" } loss_weight: 1""",
    ),
    ("RNN", 2, dict(ntop=2, **RECURRENT), RECURRENTLY),
    ("ReLU", 1, dict(negative_slope=0.1, in_place=True), "relu_param { negative_slope: 0.1 }"),
    (
        "Reduction",
        1,
        dict(operation=P.Reduction.SUMSQ, axis=1, coeff=2),
        "reduction_param { operation: SUMSQ axis: 1 coeff: 2 }",
    ),
    (
        "Reshape",
        1,
        dict(shape=dict(dim=[0, -1, 2]), axis=1),
        "reshape_param { shape { dim: 0 dim: -1 dim: 2 } axis: 1 }",
    ),
    ("SPP", 1, dict(pyramid_height=3, pool=P.SPP.MAX), "spp_param { pyramid_height: 3 pool: MAX }"),
    ("Scale", 1, dict(bias_term=True, axis=1, in_place=True), "scale_param { bias_term: true axis: 1 }"),
    ("Sigmoid", 1, dict(engine=P.Sigmoid.CAFFE), "sigmoid_param { engine: CAFFE }"),
    ("SigmoidCrossEntropyLoss", 2, dict(propagate_down=[True, False]), "propagate_down: true propagate_down: false"),
    ("Silence", 2, dict(ntop=0), ""),
    ("Slice", 1, dict(axis=1, slice_point=[1, 3], ntop=3), "slice_param { axis: 1 slice_point: 1 slice_point: 3 }"),
    ("Softmax", 1, dict(axis=2), "softmax_param { axis: 2 }"),
    (
        "SoftmaxWithLoss",
        2,
        dict(loss_param=dict(ignore_label=255, normalization=P.Loss.BATCH_SIZE), exclude=dict(stage="deploy")),
        'loss_param { ignore_label: 255 normalization: BATCH_SIZE } exclude { stage: "deploy" }',
    ),
    ("Split", 1, dict(ntop=2), ""),
    ("Swish", 1, dict(beta=2), "swish_param { beta: 2 }"),
    ("TanH", 1, {}, ""),
    ("Threshold", 1, dict(threshold=0.5), "threshold_param { threshold: 0.5 }"),
    ("Tile", 1, dict(tiles=3, axis=2), "tile_param { tiles: 3 axis: 2 }"),
    (
        "WindowData",
        0,
        dict(source="w.txt", batch_size=128, crop_mode="warp", context_pad=16, ntop=2),
        'window_data_param { source: "w.txt" batch_size: 128 crop_mode: "warp" context_pad: 16 }',
    ),
]


@pytest.mark.parametrize(("type_name", "bottoms", "kwargs", "expected"), LAYERS, ids=lambda value: str(value)[:24])
def test_the_prototxt_of(type_name: str, bottoms: int, kwargs: dict[str, Any], expected: str) -> None:
    n = NetSpec()
    given = []
    for i in range(bottoms):
        n[f"in{i}"] = L.Input()
        given.append(n[f"in{i}"])
    made = getattr(L, type_name)(*given, **kwargs)
    ntop, in_place = kwargs.get("ntop", 1), kwargs.get("in_place", False)
    tops = [made] if ntop == 1 else list(made) if ntop else []
    assert len(tops) == ntop
    assert all(isinstance(top, Top) for top in tops)
    for i, top in enumerate(tops):
        n[f"out{i}"] = top
    if not tops:
        n["out0"] = made
    names = ["in0"] if in_place else [f"out{i}" for i in range(ntop)]
    text = "".join(f'layer {{ name: "in{i}" type: "Input" top: "in{i}" }} ' for i in range(bottoms))
    text += f'layer {{ name: "{kwargs.get("name", "out0")}" type: "{type_name}" '
    text += " ".join([f'bottom: "in{i}"' for i in range(bottoms)] + [f'top: "{name}"' for name in names])
    wanted = prototxt.parse(f"{text} {expected} }}", NetParameter)
    if "param_str" in kwargs:
        wanted.layer[-1].python_param.param_str = kwargs["param_str"]
    assert n.to_proto() == wanted
    assert str(n.to_proto()) == str(wanted)


def test_the_table_has_every_type_of_caffe() -> None:
    types = [row[0] for row in LAYERS]
    assert len(types) == len(set(types)) == 61
    assert set(types) <= set(caffe.layer_type_list())
    assert set(types) <= set(dir(L))  # what the tab key offers
    assert set(types) <= set(dir(caffe.net_spec.layers))
