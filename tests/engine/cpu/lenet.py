"""LeNet as calls, forward, backward and update, for tests of whole programs."""

from __future__ import annotations

from typing import Any

from caffe_sdk.engine.geometry import ConvolutionGeometry, PoolingGeometry
from caffe_sdk.engine.rules import Sgd, Step
from caffe_sdk.memory import HOST, Shape, Tensor
from tests.engine.cpu.twins import tensors

KERNEL = ConvolutionGeometry((5, 5), (1, 1), (0, 0), (1, 1))
HALF = PoolingGeometry((2, 2), (2, 2), (0, 0))
PARAMETERS = ("weight1", "bias1", "weight2", "bias2", "weight3", "bias3", "weight4", "bias4")


def shapes(n: int) -> dict[str, Shape]:
    """Every tensor of LeNet on 28 by 28 images; gradients begin with d, histories with h."""
    parameters: dict[str, Shape] = {
        "weight1": (20, 1, 5, 5),
        "bias1": (20,),
        "weight2": (50, 20, 5, 5),
        "bias2": (50,),
        "weight3": (500, 800),
        "bias3": (500,),
        "weight4": (10, 500),
        "bias4": (10,),
    }
    activations: dict[str, Shape] = {
        "conv1": (n, 20, 24, 24),
        "pool1": (n, 20, 12, 12),
        "conv2": (n, 50, 8, 8),
        "pool2": (n, 50, 4, 4),
        "ip1": (n, 500),
        "ip2": (n, 10),
    }
    rest: dict[str, Shape] = {
        "data": (n, 1, 28, 28),
        "mask1": (n, 20, 12, 12),
        "mask2": (n, 50, 4, 4),
        "prob": (n, 10),
        "label": (n,),
        "loss": (),
        "dloss": (),
    }
    gradients = {f"d{name}": shape for name, shape in (parameters | activations).items()}
    histories = {f"h{name}": shape for name, shape in parameters.items()}
    return parameters | activations | rest | gradients | histories


def lenet(n: int) -> dict[str, Tensor]:
    """LeNet's tensors, small random parameters, labels 0, 1, ..., and histories of 0."""
    t = tensors(shapes(n))
    for name in PARAMETERS:
        t[name].memory.update(HOST)[...] *= 0.1
        t[f"h{name}"].memory.clear()
    t["label"].memory.write(HOST)[...] = [i % 10 for i in range(n)]
    t["dloss"].memory.write(HOST)[...] = 1
    return t


def sharing(t: dict[str, Tensor], n: int) -> dict[str, Tensor]:
    """A LeNet of another batch with the same parameters, as a net for testing has."""
    return {**lenet(n), **{name: t[name] for name in PARAMETERS}}


def classify(engine: Any, t: dict[str, Any]) -> None:
    n = t["data"].shape[0]
    engine.convolution(t["data"], t["weight1"], t["bias1"], t["conv1"], KERNEL)
    engine.max_pool(t["conv1"], t["pool1"], t["mask1"], HALF)
    engine.convolution(t["pool1"], t["weight2"], t["bias2"], t["conv2"], KERNEL)
    engine.max_pool(t["conv2"], t["pool2"], t["mask2"], HALF)
    engine.inner_product(t["pool2"].reshaped(n, 800), t["weight3"], t["bias3"], t["ip1"], False)
    engine.relu(t["ip1"], t["ip1"], 0.0)
    engine.inner_product(t["ip1"], t["weight4"], t["bias4"], t["ip2"], False)
    engine.softmax(t["ip2"], t["prob"], 1)


def forward(engine: Any, t: dict[str, Tensor]) -> None:
    classify(engine, t)
    engine.softmax_loss(t["prob"], t["label"], t["loss"], 1, None, "VALID")


def backward(engine: Any, t: dict[str, Tensor]) -> None:
    n = t["data"].shape[0]
    pool2, dpool2 = t["pool2"].reshaped(n, 800), t["dpool2"].reshaped(n, 800)
    engine.softmax_loss_grad(t["prob"], t["label"], t["dloss"], t["dip2"], 1, None, "VALID")
    engine.inner_product_grad_weight(t["ip1"], t["dip2"], t["dweight4"], t["dbias4"], False)
    engine.inner_product_grad_data(t["dip2"], t["weight4"], t["dip1"], False)
    engine.relu_grad(t["ip1"], t["dip1"], t["dip1"], 0.0)
    engine.inner_product_grad_weight(pool2, t["dip1"], t["dweight3"], t["dbias3"], False)
    engine.inner_product_grad_data(t["dip1"], t["weight3"], dpool2, False)
    engine.max_pool_grad(t["dpool2"], t["mask2"], t["dconv2"], HALF)
    engine.convolution_grad_weight(t["pool1"], t["dconv2"], t["dweight2"], t["dbias2"], KERNEL)
    engine.convolution_grad_data(t["dconv2"], t["weight2"], t["dpool1"], KERNEL)
    engine.max_pool_grad(t["dpool1"], t["mask1"], t["dconv1"], HALF)
    engine.convolution_grad_weight(t["data"], t["dconv1"], t["dweight1"], t["dbias1"], KERNEL)


def clear(t: dict[str, Tensor]) -> None:
    for name in PARAMETERS:
        t[f"d{name}"].memory.clear()


def update(engine: Any, t: dict[str, Tensor]) -> None:
    for name in PARAMETERS:
        engine.update_weights(Sgd(0.9), t[name], t[f"d{name}"], [t[f"h{name}"]], Step(0.01, 5e-4))
