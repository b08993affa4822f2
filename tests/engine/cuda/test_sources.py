"""Kernels and what they take, read from their text."""

from __future__ import annotations

import ctypes
import re

import pytest

from caffe_sdk.engine.cuda.device import Facts
from caffe_sdk.engine.cuda.sources import FOLDER, Arguments, families, kernels, source
from caffe_sdk.errors import InternalError


def test_every_kernel_is_found_once():
    heads = [name for family in families() for name in re.findall(r"KERNEL (\w+)", source(family)) if name != "extern"]
    assert sorted(heads) == sorted(kernels())


def test_types_and_cooperation():
    relu = kernels()["relu"]
    assert relu.family == "neuron"
    assert relu.types == (ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_float)
    assert not relu.cooperative
    assert kernels()["softmax_of_rows"].cooperative
    assert kernels()["squared_differences"].cooperative


def test_barriers_stand_in_kernels_that_say_so():
    """A kernel whose threads work together is one that calls a function that does."""
    for kernel in kernels().values():
        body = source(kernel.family).split(f"KERNEL {kernel.name}(")[1].split("\n}\n")[0]
        assert kernel.cooperative == bool(re.search(r"\b(block_\w+|leave)[(<]", body)), kernel.name


def test_arguments_are_addresses_of_numbers():
    arguments = Arguments(kernels()["relu"], (3, 16, 32, 0.5))
    read = [kind.from_address(at).value for kind, at in zip(kernels()["relu"].types, arguments.addresses, strict=True)]
    assert read == [3, 16, 32, 0.5]
    with pytest.raises(InternalError, match="kernel relu takes 4 arguments and was given 2"):
        Arguments(kernels()["relu"], (3, 16))


def test_the_files_travel_with_the_package():
    assert {path.suffix for path in FOLDER.iterdir()} == {".cu", ".cuh", ".h"}
    assert Facts("a", 0, "9.0", 1, 2, 1, "12.4", "9.10.2").capability == "9.0"
