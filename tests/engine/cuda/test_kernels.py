"""All kernels compile for every GPU since Volta, by NVIDIA's compiler and without a word of warning."""

from __future__ import annotations

import pytest

from caffe_sdk.engine.cuda.sources import FOLDER, families, kernels
from tests.engine.cuda import nvrtc


@pytest.mark.parametrize("architecture", [70, 75, 80, 86, 89, 90])
def test_kernels_compile(architecture: int) -> None:
    parts = [FOLDER / "common.cuh", *(FOLDER / f"{family}.cu" for family in families())]
    binary = nvrtc.compile_text("".join(path.read_text(encoding="utf-8") for path in parts), architecture)
    assert [name for name in kernels() if f".text.{name}\0".encode() not in binary] == []


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(AssertionError, match='identifier "nowhere" is undefined'):
        nvrtc.compile_text("__global__ void f(int* x) { *x = nowhere; }", 90)
