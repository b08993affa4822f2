"""Loops that inference needs as machine code that is kept on disk, so that Numba is imported once for each machine.

Numba keeps what it compiled, too, but needs itself to load it: half a second and 100 MB before the first result of a
net. Here LLVM alone loads it. What is kept is kept for a processor, the versions of Numba and LLVM, and the text of
the loops. A file that is missing, damaged or cannot be written is no error: the loop is compiled.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.metadata
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from caffe_sdk.engine import user_cache

HERE, PORTABLE = Path(__file__).parent, Path(__file__).parents[1] / "portable"
SOURCES = (
    HERE / "machine_code.py",
    *(HERE / f"{name}_job.py" for name in ("compact", "dense", "folding", "lanes", "window")),
    *(HERE / f"{name}_kernels.py" for name in ("compact", "dense", "folding", "lanes", "window")),
    *(PORTABLE / "loops" / f"{name}.py" for name in ("codes", "compiled", "instructions", "products", "vectors")),
    *(PORTABLE / "loops" / f"{name}.py" for name in ("winograd", "winograd_few", "winograd_tiles")),
    PORTABLE / "winograd_job.py",
)
"""All that a loop is made from."""

ENTRY = """
define void @{symbol}(ptr %job) {{
  %nothing = alloca ptr
  %error = alloca ptr
  call i32 @"{native}"(ptr %nothing, ptr %error, ptr %job)
  ret void
}}
"""
"""What is called from outside: loops raise no errors, so what Numba's function says of them is dropped."""

DIGEST = hashlib.sha256().digest_size
_loading = threading.Lock()


@functools.cache
def function(loop: str) -> Callable[[int], None]:
    """A loop, to be called with a record's address. It runs without the interpreter's lock."""
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address_of(loop))


@functools.cache
def address_of(loop: str) -> int:
    """Where a loop's machine code begins."""
    with _loading:
        path = user_cache.folder("loops") / f"{loop}-{_fingerprint()}"
        code = load(path)
        if code is None:
            code = _made(loop)
            user_cache.keep(path, hashlib.sha256(code).digest() + code)
        return _linked(loop, code)


def load(path: Path) -> bytes | None:
    """The machine code in a file, if it is there and whole."""
    try:
        found = path.read_bytes()
    except OSError:
        return None
    code = found[DIGEST:]
    return code if hashlib.sha256(code).digest() == found[:DIGEST] else None


@functools.cache
def _llvm() -> Any:
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


@functools.cache
def _fingerprint() -> str:
    llvm = _llvm()
    versions = (importlib.metadata.version("numba"), importlib.metadata.version("llvmlite"))
    known = (*versions, llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    texts = (path.read_bytes() for path in SOURCES if path.is_file())
    return hashlib.sha256(b"\0".join([*map(str.encode, known), *texts])).hexdigest()[:32]


def _machine() -> Any:
    """This processor, as LLVM makes code for it that stays where it is put."""
    llvm = _llvm()
    features = llvm.get_host_cpu_features().flatten()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features, opt=3, reloc="static", codemodel="jitdefault", jit=True
    )


def _made(loop: str) -> bytes:
    """A loop compiled by Numba, as an object file that needs nothing of Numba."""
    from caffe_sdk.engine.cpu import compact_kernels, dense_kernels, folding_kernels, lanes_kernels, window_kernels
    from caffe_sdk.engine.portable.loops import winograd, winograd_few
    from caffe_sdk.engine.portable.loops.compiled import as_instructions

    loops: dict[str, Any] = {}
    ours = compact_kernels, dense_kernels, folding_kernels, lanes_kernels, window_kernels
    for module in (*ours, winograd, winograd_few):
        loops |= module.LOOPS
    instructions, native = as_instructions(*loops[loop])
    module = _llvm().parse_assembly(instructions + ENTRY.format(symbol=_symbol(loop), native=native))
    for function in module.functions:
        if function.name not in (native, _symbol(loop)) and not function.is_declaration:
            function.linkage = "available_externally"  # so that it is left out, with all it needs
    code: bytes = _machine().emit_object(module)
    return code


def _linked(loop: str, code: bytes) -> int:
    """Where the function of an object file is, for as long as the program runs."""
    linker = _linker()
    linker.add_object_file(_llvm().ObjectFileRef.from_data(code))
    linker.finalize_object()
    return int(linker.get_function_address(_symbol(loop)))


@functools.cache
def _linker() -> Any:
    """What links all loops, and owns them."""
    return _llvm().create_mcjit_compiler(_llvm().parse_assembly(""), _machine())


def _symbol(loop: str) -> str:
    """The name of a loop's entry."""
    return f"caffe_{loop}"
