"""Gradients add up although primitives only write."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.reference import ReferenceEngine
from tests.engine.cpu.twins import agree, close, compiled, numbers, tensors

SAME = ConvolutionGeometry((3, 3), (1, 1), (1, 1), (1, 1))
GRADIENT = {"x": (2, 20, 6, 6), "dy": (2, 20, 6, 6), "dweight": (20, 20, 3, 3), "dbias": (20,)}


def gradient(engine, t):
    engine.convolution_grad_weight(t["x"], t["dy"], t["dweight"], t["dbias"], SAME)


def test_gradients_add_to_what_is_there_and_replace_what_was_cleared():
    t = tensors(GRADIENT)
    program = compiled(gradient, t)
    for name in ("dweight", "dbias"):
        t[name].memory.clear()
    program.run()
    once = {name: numbers(t[name]).copy() for name in ("dweight", "dbias")}
    program.run()
    for name, values in once.items():
        np.testing.assert_allclose(numbers(t[name]), 2 * values, rtol=1e-5)
        t[name].memory.clear()
    program.run()
    for name, values in once.items():
        np.testing.assert_allclose(numbers(t[name]), values, rtol=1e-5)


def test_a_weight_used_twice_in_a_program():
    def twice(engine, t):
        gradient(engine, t)
        gradient(engine, t)

    t = tensors(GRADIENT)
    t["dweight"].memory.clear()
    program = compiled(twice, t)
    program.run()
    expected = tensors(GRADIENT)
    expected["dweight"].memory.clear()
    twice(ReferenceEngine(), expected)
    for name in ("dweight", "dbias"):
        close(t[name], expected[name], name)


def test_a_weight_used_by_a_convolution_and_by_an_inner_product():
    shapes = {**GRADIENT, "matrix": (4, 180), "dmatrix": (4, 20)}

    def both(engine, t):
        engine.inner_product_grad_weight(t["matrix"], t["dmatrix"], t["dweight"].reshaped(20, 180), None, False)
        gradient(engine, t)

    agree(shapes, both)


def test_a_gradient_somebody_looks_at():
    """A view that is held keeps the memory on the host between runs, and sees every run's sum."""
    t = tensors(GRADIENT)
    t["dweight"].memory.clear()
    program = compiled(gradient, t)
    view = t["dweight"].memory.view()
    sums = []
    for _ in range(2):
        t["dweight"].memory.claim()
        program.run()
        t["dweight"].memory.settle()
        sums.append(view.copy())
    assert np.abs(sums[0]).max() > 0
    np.testing.assert_allclose(sums[1], 2 * sums[0], rtol=1e-5)
