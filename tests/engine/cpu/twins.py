"""The same calls computed twice, by the reference engine and by the cpu engine, and compared."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from caffe_sdk.engine.cpu import CpuEngine
from caffe_sdk.engine.cpu.compile import CompiledProgram
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.operation import Recorder
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.memory import HOST, Array, Shape, Tensor, new_tensor

Calls = Callable[[Any, dict[str, Tensor]], None]
"""Calls operations of an engine, or a recorder, on named tensors."""


def tensors(shapes: dict[str, Shape], seed: int = 1) -> dict[str, Tensor]:
    """Tensors of random numbers; a name that begins with 'mask' is one of indices, all 0."""
    rng = np.random.default_rng(seed)
    made = {}
    for name, shape in shapes.items():
        tensor = made[name] = new_tensor(shape, np.int32 if name.startswith("mask") else np.float32)
        if tensor.memory.dtype == np.float32:
            tensor.memory.write(HOST)[...] = rng.standard_normal(tensor.count)
    return made


def numbers(tensor: Tensor) -> Array:
    """What the host sees."""
    seen: Array = tensor.memory.read(HOST).reshape(tensor.shape)
    return seen


def close(actual: Tensor, expected: Tensor, what: str = "") -> None:
    """Equal but for rounding: to 1e-4 of the largest number."""
    got, wanted = numbers(actual), numbers(expected)
    largest = float(np.abs(wanted).max(initial=0)) if wanted.dtype == np.float32 else 0
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4 * largest, err_msg=what)


def compiled(calls: Calls, on: dict[str, Tensor], keep: Collection[str] | None = None) -> CompiledProgram:
    """A program of the cpu engine, which keeps what these tensors hold, or everything."""
    recorder = Recorder()
    calls(recorder, on)
    program = CpuEngine().compile(recorder.calls, None if keep is None else {on[name].memory for name in keep})
    assert isinstance(program, CompiledProgram)
    return program


def agree(
    shapes: dict[str, Shape], calls: Calls, runs: int = 2, seed: int = 1, keep: Collection[str] | None = None
) -> CompiledProgram:
    """Run calls eagerly by the reference and compiled by the cpu engine, and compare what is kept; the program."""
    expected, actual = tensors(shapes, seed), tensors(shapes, seed)
    program = compiled(calls, actual, keep)
    for _ in range(runs):
        calls(ReferenceEngine(), expected)
        program.run()
    for name in shapes if keep is None else keep:
        close(actual[name], expected[name], name)
    return program


def left_to_reference(program: CompiledProgram) -> list[str]:
    """The operations of a program that oneDNN did not plan."""
    return [name for name in program.names() if " " not in name]


def geometry(
    kernel: Shape, stride: Any = 1, pad: Any = 0, dilation: Any = 1, group: int = 1, axis: int = 1
) -> ConvolutionGeometry:
    """A convolution; stride, pad and dilation may be one number for all axes."""
    spread = [each if isinstance(each, tuple) else (each,) * len(kernel) for each in (stride, pad, dilation)]
    return ConvolutionGeometry(kernel, *spread, group, axis)
