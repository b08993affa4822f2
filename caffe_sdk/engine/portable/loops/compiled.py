"""How loops are compiled. Importing this imports Numba, so only functions that need a loop do.

Loops copy number by number: where an array is assigned to a slice Numba compiles the words of its error too, which
takes two seconds for each number of axes.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import CFUNCTYPE, c_void_p
from typing import Any

import numba

Loop = Callable[..., Any]


def compiled(loop: Loop) -> Loop:
    """The loop compiled, where a * b + c may round once."""
    return _compiled(loop, {"contract"})


def compiled_sum(loop: Loop) -> Loop:
    """The loop compiled, where moreover sums may be added up in any order, so in vectors."""
    return _compiled(loop, {"contract", "reassoc"})


def _compiled(loop: Loop, freedom: set[str]) -> Loop:
    """Without the interpreter's lock, kept on disk where there is room for it; 1 / 0 is infinite."""
    try:
        made: Any = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=freedom)(loop)
    except RuntimeError:  # no folder to keep it in
        made = numba.njit(nogil=True, error_model="numpy", fastmath=freedom)(loop)
    return made  # type: ignore[no-any-return]


def inlined(function: Loop) -> Loop:
    """A function that becomes part of the loops that call it."""
    made: Loop = numba.njit(nogil=True, forceinline=True, error_model="numpy")(function)
    return made


def as_function(loop: Loop, record: Any) -> Callable[[int], None]:
    """A loop on a record of NumPy's, to be called with a record's address; kept on disk, as other loops are."""
    try:
        made = _on_record(loop, record, cache=True)
    except RuntimeError:  # no folder to keep it in
        made = _on_record(loop, record)
    function: Callable[[int], None] = CFUNCTYPE(None, c_void_p)(made.address)
    return function


def as_instructions(loop: Loop, record: Any) -> tuple[str, str]:
    """The same loop as LLVM's instructions, and the name in them of the function that it became.

    The function takes places for nothing and for an error, and a pointer to a record.
    """
    made = _on_record(loop, record)
    return made.inspect_llvm(), made.native_name.removeprefix("cfunc.")


def _on_record(loop: Loop, record: Any, **options: Any) -> Any:
    kind: Any = numba.types
    return numba.cfunc(kind.void(kind.CPointer(numba.from_dtype(record))), error_model="numpy", **options)(loop)
