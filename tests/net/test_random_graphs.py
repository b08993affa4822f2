"""Any directed graph of layers: gradients of random nets agree with differences, on every engine."""

from __future__ import annotations

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk import engine
from caffe_sdk.net import Net
from tests.net.models import describe

WIDTH = 4
HEAD = f"""
force_backward: true
layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 3 dim: {WIDTH} }} }} }}
layer {{ name: "t" type: "Input" top: "t" input_param {{ shape {{ dim: 3 dim: {WIDTH} }} }} }}
"""
ONE = ["TanH", "Sigmoid", "Power", "InnerProduct"]
FILLER = 'weight_filler { type: "gaussian" std: 0.5 }'


def random_net(generator: np.random.Generator, layers: int) -> str:
    """A net of smooth layers, each on blobs picked among earlier ones, all of one shape; every end is a loss.

    Only what a layer does not need for its own gradient is overwritten in place.
    """
    blobs = ["x"]
    used: set[str] = set()
    overwritable: set[str] = set()
    text = HEAD
    for i in range(layers):
        first, second = (str(generator.choice(blobs[-6:])) for _ in range(2))
        kind = str(generator.choice([*ONE, "Sum", "Product", "Concat", "Slice"]))
        used.add(first)
        if kind in ONE:
            options = {"Power": "power_param { power: 2 scale: 0.5 shift: 1 }"}.get(kind, "")
            if kind == "InnerProduct":
                options = f"inner_product_param {{ num_output: {WIDTH} {FILLER} }}"
            in_place = kind in ("TanH", "Sigmoid") and first == blobs[-1] and first in overwritable
            top = first if in_place else f"b{i}"
            text += f'layer {{ name: "l{i}" type: "{kind}" bottom: "{first}" top: "{top}" {options} }}\n'
            if in_place:
                used.discard(first)
                overwritable.discard(first)
                continue
        elif kind in ("Sum", "Product"):
            operation = "SUM coeff: 0.5 coeff: -1" if kind == "Sum" else "PROD"
            options = f"eltwise_param {{ operation: {operation} }}"
            text += (
                f'layer {{ name: "l{i}" type: "Eltwise" bottom: "{first}" bottom: "{second}" top: "b{i}" {options} }}\n'
            )
            used.add(second)
        elif kind == "Concat":
            text += f'layer {{ name: "c{i}" type: "Concat" bottom: "{first}" bottom: "{second}" top: "c{i}" }}\n'
            options = f"inner_product_param {{ num_output: {WIDTH} {FILLER} }}"
            text += f'layer {{ name: "l{i}" type: "InnerProduct" bottom: "c{i}" top: "b{i}" {options} }}\n'
            used.add(second)
        else:
            text += f'layer {{ name: "s{i}" type: "Slice" bottom: "{first}" top: "s{i}" top: "r{i}" }}\n'
            text += f'layer {{ name: "l{i}" type: "Concat" bottom: "r{i}" bottom: "s{i}" top: "b{i}" }}\n'
        blobs.append(f"b{i}")
        if kind in ("InnerProduct", "Sum", "Concat"):
            overwritable.add(f"b{i}")
    for i, blob in enumerate(b for b in blobs if b not in used):
        text += f'layer {{ name: "e{i}" type: "EuclideanLoss" bottom: "{blob}" bottom: "t" top: "e{i}" }}\n'
    return text


def loss_of(net: Net) -> float:
    return net._forward(0, len(net.layers) - 1)


@pytest.mark.parametrize("seed", range(30))
def test_gradients_agree_with_differences(seed: int) -> None:
    generator = np.random.default_rng(seed)
    text = random_net(generator, int(generator.integers(3, 14)))
    values = generator.normal(size=(3, WIDTH)) * 0.7
    targets = generator.normal(size=(3, WIDTH))
    caffe.set_random_seed(seed)
    with engine.use("reference"):
        net = Net(describe(text), caffe.TRAIN, dtype=np.float64)
        net.blobs["x"].data[...] = values
        net.blobs["t"].data[...] = targets
        net.clear_param_diffs()
        net.forward_backward()
        gradient = net.blobs["x"].diff.copy()
        first = net.learnable[0].blob if net.learnable else None
        weight_gradient = first.diff.copy() if first is not None else None
        step = 1e-5
        for at in np.ndindex(3, WIDTH):
            both = []
            for sign in (1, -1):
                net.blobs["x"].data[...] = values
                net.blobs["x"].data[at] += sign * step
                both.append(loss_of(net))
            assert gradient[at] == pytest.approx((both[0] - both[1]) / (2 * step), rel=1e-5, abs=1e-7)
        net.blobs["x"].data[...] = values
        if first is not None and weight_gradient is not None:
            kept = first.data.copy()
            both = []
            for sign in (1, -1):
                first.data[...] = kept
                first.data[0, 0] += sign * step
                both.append(loss_of(net))
            first.data[...] = kept
            assert weight_gradient[0, 0] == pytest.approx((both[0] - both[1]) / (2 * step), rel=1e-5, abs=1e-7)

    for name, phase in (("cpu", caffe.TRAIN), ("cpu", caffe.TEST), ("fake", caffe.TRAIN)):
        with engine.use(name):
            other = Net(describe(text), phase)
            for mine, theirs in zip(net.learnable, other.learnable, strict=True):
                theirs.blob.data[...] = mine.blob.data
            other.blobs["x"].data[...] = values
            other.blobs["t"].data[...] = targets
            if phase == caffe.TEST:  # what this run lost, the gradients need
                other.forward()
            other.clear_param_diffs()
            other.forward_backward()
            scale = np.abs(gradient).max() + 1e-3
            np.testing.assert_allclose(other.blobs["x"].diff / scale, gradient / scale, atol=2e-5)


def test_cycles_are_refused() -> None:
    text = (
        HEAD + 'layer { name: "a" type: "Eltwise" bottom: "x" bottom: "b" top: "a" }'
        'layer { name: "b" type: "TanH" bottom: "a" top: "b" }'
    )
    with pytest.raises(caffe.CaffeError, match=r"Unknown bottom blob 'b' \(layer 'a', bottom index 1\)"):
        Net(describe(text), caffe.TRAIN)
