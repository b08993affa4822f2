"""NVRTC compiles all kernels for every GPU since Volta, without a GPU and without a word of warning."""

from __future__ import annotations

import pytest

from caffe_sdk.engine.cuda import compiler
from caffe_sdk.engine.cuda.compiler import architectures, compiled
from caffe_sdk.engine.cuda.sources import FOLDER, families, kernels
from caffe_sdk.errors import InternalError

QUICKLY = ("--ptxas-options=-O0",)
SMALL = 'extern "C" __global__ void f(int* x) { *x = 1; }'


@pytest.mark.parametrize("architecture", [70, 75, 80, 86, 89, 90])
def test_kernels_compile(architecture: int) -> None:
    parts = [FOLDER / "common.cuh", *(FOLDER / f"{family}.cu" for family in families())]
    binary = compiled("".join(path.read_text(encoding="utf-8") for path in parts), architecture, QUICKLY)
    assert [name for name in kernels() if f".text.{name}\0".encode() not in binary] == []


def test_a_gpu_newer_than_the_compiler_gets_a_program_for_the_driver() -> None:
    text = compiled(SMALL, 999)
    assert f".target sm_{architectures()[-1]}".encode() in text
    assert b".entry f" in text


def test_what_was_compiled_is_kept(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = compiled(SMALL, 90)
    monkeypatch.setattr(compiler, "_compile", None)
    assert compiled(SMALL, 90) == first


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(InternalError, match='identifier "nowhere" is undefined'):
        compiled("__global__ void f(int* x) { *x = nowhere; }", 90)
    with pytest.raises(InternalError, match="declared but never referenced"):
        compiled("__global__ void f() { int unused; }", 90)
