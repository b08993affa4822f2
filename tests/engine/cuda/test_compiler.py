"""NVRTC compiles all kernels for every GPU since Volta, without a GPU and without a word of warning."""

from __future__ import annotations

import pytest

from caffe_sdk.engine.cuda import compiler
from caffe_sdk.engine.cuda.compiler import architectures, compiled
from caffe_sdk.engine.cuda.formats import BFLOAT16, FLOAT16, FLOAT32, Format
from caffe_sdk.engine.cuda.sources import FOLDER, families, kernels, source
from caffe_sdk.errors import InternalError

QUICKLY = ("--ptxas-options=-O0",)
ALL = (70, 75, 80, 86, 89, 90)
SMALL = 'extern "C" __global__ void f(int* x) { *x = 1; }'


KINDS = [(number, FLOAT32) for number in ALL] + [(number, real) for number in (70, 90) for real in (FLOAT16, BFLOAT16)]


@pytest.mark.parametrize(("architecture", "real"), KINDS)
def test_kernels_compile(architecture: int, real: Format) -> None:
    """16 bits on the oldest and the newest alone: the rest of the text is the same."""
    if architecture not in architectures():
        pytest.skip(f"this NVRTC is too new for sm_{architecture}")
    first, *others = families()
    text = source(first, real) + "".join((FOLDER / f"{name}.cu").read_text(encoding="utf-8") for name in others)
    binary = compiled(text, architecture, QUICKLY)
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
