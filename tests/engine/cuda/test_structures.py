"""Structures are field by field those of the kernels' text."""

from __future__ import annotations

import ctypes
import re

import numpy as np
import pytest

from caffe_sdk.engine.cuda.simulated import compile_library
from caffe_sdk.engine.cuda.sources import FOLDER, families, source
from caffe_sdk.engine.cuda.structures import (
    MOST_AXES,
    MOST_INPUTS,
    MOST_STREAMS,
    MOST_UPDATES,
    STRUCTURES,
    pool,
    sizes,
    stream,
    windows,
)
from caffe_sdk.engine.geometry import ConvolutionGeometry, PoolingGeometry
from caffe_sdk.errors import ShapeError


def test_fields_are_where_the_compiler_has_them(tmp_path):
    checked = 0
    for family in families():
        text = (FOLDER / "simulated.h").read_text() + source(family)
        for name, kind in STRUCTURES.items():
            if f"struct {name} {{" not in source(family):
                continue
            places = [f"offsetof({name}, {field[0]})" for field in kind._fields_] + [f"sizeof({name})"]
            text += f'extern "C" {{ extern const long layout_{name}[] = {{ {", ".join(places)} }}; }}\n'
        path = tmp_path / f"{family}.so"
        compile_library("#include <stddef.h>\n" + text, path)
        library = ctypes.CDLL(str(path))
        for name, kind in STRUCTURES.items():
            if f"struct {name} {{" in source(family):
                found = list((ctypes.c_long * (len(kind._fields_) + 1)).in_dll(library, f"layout_{name}"))
                assert found == [*(getattr(kind, field[0]).offset for field in kind._fields_), ctypes.sizeof(kind)]
                checked += 1
    assert checked >= len(STRUCTURES)


def test_numbers_are_those_of_the_text():
    text = "".join(map(source, families()))
    numbers = {"INPUTS": MOST_INPUTS, "AXES": MOST_AXES, "UPDATES": MOST_UPDATES, "STREAMS": MOST_STREAMS}
    for name, value in numbers.items():
        assert set(re.findall(rf"#define MOST_{name} (\d+)", text)) == {str(value)}
    assert max(map(ctypes.sizeof, STRUCTURES.values())) < 3500  # of the 4 kB a launch may pass


def test_shapes_become_structures():
    seen = windows(3, (5, 4), ConvolutionGeometry((3, 2), (1, 2), (1, 0), (1, 1)))
    assert (seen.axes, seen.channels, seen.area, seen.taps, seen.places) == (2, 3, 20, 6, 10)
    assert list(seen.out)[:2] == [5, 2]
    assert pool((1, 2, 5, 4), (1, 2, 3, 2), PoolingGeometry((2, 2), (2, 2), (0, 0))).out_h == 3
    with pytest.raises(ShapeError, match="9 axes are more than the GPU engine's 8"):
        sizes((1,) * 9)


def test_a_generator_becomes_its_state():
    rng = np.random.default_rng(3)
    state = stream(rng)
    assert (state.state.high << 64) + state.state.low == rng.bit_generator.state["state"]["state"]
