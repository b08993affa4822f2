"""The table of cases: every layer type in its variants. A new layer adds rows here and nothing else.

The table feeds gradient checks, comparisons of engines, in-place, reshape and empty-batch tests (test_cases.py).
"""

from __future__ import annotations

from tests.cases.case import Case

IMAGE = (2, 3, 6, 5)
SCORES = (4, 5)
MAPS = (2, 4, 3, 2)

CASES = [
    # -- convolution
    Case("Convolution", "convolution_param { num_output: 4 kernel_size: 3 }", [IMAGE]),
    Case("Convolution", "convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 }", [IMAGE]),
    Case("Convolution", "convolution_param { num_output: 4 kernel_size: 3 bias_term: false }", [IMAGE]),
    Case("Convolution", "convolution_param { num_output: 5 kernel_size: 1 }", [IMAGE]),
    Case("Convolution", "convolution_param { num_output: 4 kernel_size: 3 group: 2 }", [(2, 6, 5, 4)]),
    Case("Convolution", "convolution_param { num_output: 4 kernel_size: 3 group: 4 }", [(2, 4, 5, 4)], "depthwise"),
    Case("Convolution", "convolution_param { num_output: 2 kernel_size: 3 dilation: 2 pad: 2 }", [(1, 2, 9, 8)]),
    Case(
        "Convolution",
        "convolution_param { num_output: 2 kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1 pad_h: 0 pad_w: 1 }",
        [IMAGE],
        "rectangle",
    ),
    Case("Convolution", "convolution_param { num_output: 2 kernel_size: 3 pad: 1 stride: 4 }", [IMAGE], "leftover"),
    Case("Convolution", "convolution_param { num_output: 2 kernel_size: 3 stride: 2 pad: 1 }", [(2, 3, 9)], "1-D"),
    Case("Convolution", "convolution_param { num_output: 2 kernel_size: 2 pad: 1 }", [(2, 2, 4, 3, 3)], "3-D"),
    Case("Convolution", "convolution_param { num_output: 2 kernel_size: 2 axis: 2 }", [(2, 3, 2, 4, 3)], "axis 2"),
    Case("Convolution", "convolution_param { num_output: 2 kernel_size: 2 axis: -3 }", [IMAGE], "axis -3"),
    Case(
        "Convolution", "convolution_param { num_output: 3 kernel_size: 2 }", [(2, 2, 4, 4)] * 2, "two bottoms", tops=2
    ),
    # -- dense
    Case("InnerProduct", "inner_product_param { num_output: 4 }", [(3, 7)]),
    Case("InnerProduct", "inner_product_param { num_output: 4 bias_term: false }", [(3, 7)]),
    Case("InnerProduct", "inner_product_param { num_output: 4 transpose: true }", [(3, 7)]),
    Case("InnerProduct", "inner_product_param { num_output: 3 }", [(2, 3, 2, 5)], "image"),
    Case("InnerProduct", "inner_product_param { num_output: 3 axis: -1 }", [(2, 3, 2, 5)]),
    Case("InnerProduct", "inner_product_param { num_output: 1 axis: 2 transpose: true }", [(2, 3, 2, 5)]),
    # -- pooling
    Case("Pooling", "pooling_param { kernel_size: 2 stride: 2 }", [(2, 3, 6, 4)]),
    Case("Pooling", "pooling_param { kernel_size: 3 stride: 2 }", [IMAGE], "rounded up"),
    Case("Pooling", "pooling_param { kernel_size: 3 stride: 2 round_mode: FLOOR }", [IMAGE]),
    Case("Pooling", "pooling_param { kernel_size: 3 stride: 2 pad: 1 }", [IMAGE]),
    Case("Pooling", "pooling_param { kernel_size: 3 stride: 2 pad: 2 }", [(1, 2, 3, 3)], "windows in the corner"),
    Case("Pooling", "pooling_param { kernel_size: 2 stride: 3 pad: 1 }", [(1, 2, 5, 5)], "last window dropped"),
    Case("Pooling", "pooling_param { kernel_size: 3 stride: 2 }", [IMAGE], "mask", tops=2, smooth_tops=1, phase="TEST"),
    Case("Pooling", "pooling_param { kernel_size: 3 stride: 2 }", [IMAGE], "backward at test", phase="TEST"),
    Case("Pooling", "pooling_param { global_pooling: true }", [IMAGE]),
    Case("Pooling", "pooling_param { kernel_h: 3 kernel_w: 2 stride_h: 1 stride_w: 2 }", [IMAGE], "rectangle"),
    Case("Pooling", "pooling_param { pool: AVE kernel_size: 2 stride: 2 }", [(2, 3, 6, 4)]),
    Case("Pooling", "pooling_param { pool: AVE kernel_size: 3 stride: 2 }", [IMAGE], "average rounded up"),
    Case("Pooling", "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }", [(2, 3, 7, 6)]),
    Case("Pooling", "pooling_param { pool: AVE kernel_size: 2 stride: 3 pad: 1 }", [(1, 2, 5, 5)]),
    Case("Pooling", "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 round_mode: FLOOR }", [(2, 2, 8, 8)]),
    Case("Pooling", "pooling_param { pool: AVE global_pooling: true }", [IMAGE]),
    # -- neurons
    Case("ReLU", in_place=True),
    Case("ReLU", "relu_param { negative_slope: 0.1 }", in_place=True),
    Case("ReLU", bottoms=[(3, 7)], note="flat", in_place=True),
    Case("PReLU", in_place=True),
    Case("PReLU", "prelu_param { channel_shared: true }", in_place=True),
    Case("PReLU", bottoms=[(4, 6)], note="flat", in_place=True),
    Case("Dropout", "dropout_param { dropout_ratio: 0.3 }", in_place=True),
    Case("Dropout", "dropout_param { dropout_ratio: 0 }", in_place=True),
    Case("Dropout", phase="TEST", note="at test", in_place=True),
    Case("Sigmoid", in_place=True),
    Case("TanH", in_place=True),
    Case("ELU", in_place=True),
    Case("ELU", "elu_param { alpha: 0.3 }", in_place=True),
    Case("Swish", in_place=True),
    Case("Swish", "swish_param { beta: 1.7 }", in_place=True),
    Case("BNLL", in_place=True),
    Case("BNLL", low=-60, high=60, note="large", in_place=True),
    Case("Clip", "clip_param { min: -0.6 max: 1 }", in_place=True),
    Case("Threshold", "threshold_param { threshold: 0.5 }", in_place=True, differentiable=False),
    Case("AbsVal", in_place=True),
    Case("Power", in_place=True),
    Case("Power", "power_param { power: 0 scale: 2 shift: 3 }", in_place=True),
    Case("Power", "power_param { power: 2 scale: 0 shift: -1.5 }", in_place=True),
    Case("Power", "power_param { power: 2 scale: 1.5 shift: 0.5 }", in_place=True),
    Case("Power", "power_param { power: 3 scale: -0.5 }", in_place=True),
    Case("Power", "power_param { power: -1.5 scale: 2 shift: 0.1 }", low=0.2, in_place=True),
    Case("Exp", in_place=True),
    Case("Exp", "exp_param { base: 2 scale: 0.5 shift: 1 }", in_place=True),
    Case("Log", low=0.2, in_place=True),
    Case("Log", "log_param { base: 10 scale: 3 shift: 0.2 }", low=0.2, in_place=True),
    # -- several bottoms, value by value
    Case("Eltwise", bottoms=[MAPS] * 3),
    Case("Eltwise", "eltwise_param { coeff: 0.5 coeff: -2 coeff: 1 }", [MAPS] * 3),
    Case("Eltwise", "eltwise_param { operation: PROD }", [MAPS] * 3),
    Case("Eltwise", "eltwise_param { operation: PROD stable_prod_grad: false }", [MAPS] * 3),
    Case("Eltwise", "eltwise_param { operation: MAX }", [MAPS] * 3),
    # -- classification
    Case("Softmax", bottoms=[SCORES]),
    Case("Softmax", bottoms=[MAPS], note="maps"),
    Case("Softmax", "softmax_param { axis: -1 }", [MAPS]),
    Case("SoftmaxWithLoss", bottoms=[SCORES, (4,)], classes={1: 5}),
    Case("SoftmaxWithLoss", bottoms=[SCORES, (4, 1, 1, 1)], classes={1: 5}, note="labels of 4 axes"),
    Case("SoftmaxWithLoss", bottoms=[SCORES, (4,)], classes={1: 5}, tops=2, smooth_tops=1, note="prob"),
    Case("SoftmaxWithLoss", bottoms=[MAPS, (2, 3, 2)], classes={1: 4}, note="maps"),
    Case("SoftmaxWithLoss", "softmax_param { axis: -1 }", [(2, 3, 2, 4), (2, 3, 2)], classes={1: 4}),
    Case("SoftmaxWithLoss", "loss_param { ignore_label: 2 }", [MAPS, (2, 3, 2)], classes={1: 4}),
    Case(
        "SoftmaxWithLoss",
        "loss_param { ignore_label: 2 normalization: FULL }",
        [MAPS, (2, 3, 2)],
        classes={1: 4},
    ),
    Case("SoftmaxWithLoss", "loss_param { normalization: BATCH_SIZE }", [MAPS, (2, 3, 2)], classes={1: 4}),
    Case("SoftmaxWithLoss", "loss_param { normalization: NONE }", [MAPS, (2, 3, 2)], classes={1: 4}),
    Case("SoftmaxWithLoss", "loss_param { normalize: false }", [MAPS, (2, 3, 2)], classes={1: 4}),
    Case("Accuracy", bottoms=[(12, 6), (12,)], classes={1: 6}, differentiable=False),
    Case("Accuracy", "accuracy_param { top_k: 2 }", [(12, 6), (12,)], classes={1: 6}, differentiable=False),
    Case(
        "Accuracy",
        "accuracy_param { axis: -1 ignore_label: 1 }",
        [(2, 3, 5, 4), (2, 3, 5)],
        classes={1: 4},
        tops=2,
        differentiable=False,
    ),
    # -- blobs moved around
    Case("Input", "input_param { shape { dim: 2 dim: 3 } }", [], tops=2),
    Case("Split", tops=1, note="one top"),
    Case("Split", tops=3, note="three tops"),
    Case("Silence", bottoms=[(2, 3), (4,)], tops=0),
]

ELSEWHERE = {"Data": "tests/layers/test_data.py"}
"""Layer types that cannot stand alone in the table, and the file that tests them."""
