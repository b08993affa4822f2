"""Primitives: oneDNN's computations, made once and executed with arguments that are frozen.

A `PrimitiveDescriptor` is a computation that oneDNN found a way for; it knows which layouts it wants. A `Primitive` is
the code made for it. An `Operand` is an array in a layout that primitives take. An `Execution` is a primitive with its
operands: one C call. What owns a handle destroys it with itself. Scratch memory comes from outside, so executions
that never run at the same time can share it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from ctypes import c_char_p, c_int, c_void_p
from typing import Any, NamedTuple

import numpy as np

from caffe_sdk.engine.cpu.descriptors import Descriptor, copied
from caffe_sdk.engine.cpu.library import Unsupported, in_team, library
from caffe_sdk.errors import DeviceError, InternalError
from caffe_sdk.memory import Array, aligned

# Arguments of an execution: DNNL_ARG_*
SRC, SRC_1, DST, WEIGHTS, BIAS, WORKSPACE, SCRATCHPAD = 1, 2, 17, 33, 41, 64, 80
MEAN, VARIANCE, SCALE, SHIFT = 49, 50, 51, 52
DIFF_SRC, DIFF_DST, DIFF_WEIGHTS, DIFF_BIAS, MULTIPLE_SRC = 129, 145, 161, 169, 1024
DIFF_SCALE, DIFF_SHIFT = 255, 256
POST_OP = 32768  # DNNL_ARG_ATTR_MULTIPLE_POST_OP_BASE

_QUERIED = (SRC, DIFF_SRC, WEIGHTS, DIFF_WEIGHTS, DST, DIFF_DST, WORKSPACE, SCRATCHPAD)
QUERIES = {argument: 129 + i for i, argument in enumerate(_QUERIED)}
"""dnnl_query_t of the layout of an argument: dnnl_query_src_md and those that follow it."""
IMPLEMENTATION = 8  # dnnl_query_impl_info_str

FORWARD_TRAINING, FORWARD_INFERENCE, BACKWARD, BACKWARD_DATA = 64, 96, 128, 160
RELU = 0x20  # dnnl_eltwise_relu
ADD, MULTIPLY = 0x1FFF0, 0x1FFF1  # dnnl_binary_add, dnnl_binary_mul
USER_SCRATCHPAD = 1  # dnnl_scratchpad_mode_user


class _Owned:
    """An object of oneDNN's that is destroyed with this one."""

    __slots__ = ("_destroy", "handle")

    def __init__(self, handle: int, destroy: str) -> None:
        self.handle = handle
        self._destroy = getattr(library().dnnl, destroy)

    def __del__(self) -> None:
        if hasattr(self, "handle"):  # not when making it failed
            self._destroy(self.handle)


Function = tuple[int, float, float]
"""A function of single values: dnnl_alg_kind_t and its two numbers, alpha and beta."""


Joined = tuple[int, Descriptor]
"""A function of two values, of which the second is an operand: ADD or MULTIPLY, and the operand's layout."""


def joined_with(i: int) -> int:
    """The argument of the operand of the i-th function of two values that becomes of a result."""
    return POST_OP * (i + 1) + SRC_1


class Attributes(_Owned):
    """Options of a primitive: scratch memory from outside, and what becomes of the result before it is stored.

    It is joined with operands, the arguments `joined_with`; then a ReLU is taken if ``relu`` is a slope; then
    ``functions``. An operand may be smaller: where it has size 1 its numbers are for the whole axis.
    """

    __slots__ = ()

    def __init__(
        self, relu: float | None = None, joined: Sequence[Joined] = (), functions: Sequence[Function] = ()
    ) -> None:
        super().__init__(library().make("dnnl_primitive_attr_create"), "dnnl_primitive_attr_destroy")
        library().call("dnnl_primitive_attr_set_scratchpad_mode", self.handle, USER_SCRATCHPAD)
        if relu is not None:
            functions = [(RELU, relu, 0.0), *functions]
        if joined or functions:
            after = _Owned(library().make("dnnl_post_ops_create"), "dnnl_post_ops_destroy")
            for kind, descriptor in joined:
                library().call("dnnl_post_ops_append_binary", after.handle, kind, descriptor.handle)
            for function in functions:
                library().call("dnnl_post_ops_append_eltwise", after.handle, *function)
            library().call("dnnl_primitive_attr_set_post_ops", self.handle, after.handle)


class PrimitiveDescriptor(_Owned):
    """A computation oneDNN can do; Unsupported when it cannot.

    ``kind`` is the middle of the C function's name; ``arguments`` are its arguments between the engine and the
    attributes. Of objects among them the handles are passed; None is a null pointer.
    """

    __slots__ = ("kind",)

    def __init__(self, kind: str, *arguments: Any, attributes: Attributes | None = None) -> None:
        self.kind = kind
        attributes = attributes or Attributes()
        passed = [a.handle if isinstance(a, (_Owned, Descriptor)) else a for a in (*arguments, attributes)]
        if kind != "reorder":  # which says where each side is instead
            passed.insert(0, library().engine)
        super().__init__(library().make(f"dnnl_{kind}_primitive_desc_create", *passed), "dnnl_primitive_desc_destroy")

    def wants(self, argument: int) -> Descriptor | None:
        """The layout of an argument; None when the computation has no such argument."""
        return copied(library().dnnl.dnnl_primitive_desc_query_md(self.handle, QUERIES[argument], 0))

    def layout(self, argument: int) -> Descriptor:
        """The layout of an argument that is there."""
        wanted = self.wants(argument)
        if wanted is None:
            raise DeviceError("oneDNN", f"{self.kind} has no argument {argument}")
        return wanted

    @property
    def implementation(self) -> str:
        """Which of oneDNN's implementations computes, e.g. 'jit:avx512_core'."""
        words = c_char_p()
        library().call("dnnl_primitive_desc_query", self.handle, IMPLEMENTATION, 0, ctypes.byref(words))
        return (words.value or b"").decode()

    def checked(self) -> PrimitiveDescriptor:
        """This, unless oneDNN would compute by plain loops, which NumPy beats by far: then Unsupported."""
        if self.implementation.startswith("ref"):
            raise Unsupported("oneDNN", f"{self.kind} only by {self.implementation}")
        return self


class Operand:
    """An array in a layout, as primitives take it. The array may be longer than the layout needs.

    It may be given later, by `bind`, but before anything is computed. oneDNN hears of it when a primitive takes it.
    """

    __slots__ = ("_memory", "array", "descriptor")

    def __init__(self, descriptor: Descriptor, array: Array | None = None) -> None:
        self.descriptor = descriptor
        self.array: Array | None = None
        self._memory: _Owned | None = None
        self.bind(array)

    @property
    def handle(self) -> int:
        """oneDNN's object."""
        if self._memory is None:
            lib = library()
            made = lib.make("dnnl_memory_create", self.descriptor.handle, lib.engine, None)
            self._memory = _Owned(made, "dnnl_memory_destroy")
            self._tell(self._memory)
        return self._memory.handle

    def bind(self, array: Array | None) -> None:
        """Be this array from now on, or none."""
        if array is self.array:
            return
        if array is not None and array.nbytes < self.descriptor.nbytes:
            raise InternalError("oneDNN", f"{array.nbytes} bytes given for {self.descriptor}")
        self.array = array
        if self._memory is not None:
            self._tell(self._memory)

    def _tell(self, memory: _Owned) -> None:
        where = None if self.array is None else self.array.ctypes.data
        library().call("dnnl_memory_set_data_handle", memory.handle, where)


class Images(NamedTuple):
    """An argument of a computation for single images: where a number of them is, so many bytes from each other."""

    argument: int
    operand: Operand
    number: int
    distance: int

    def addresses(self, array: Array) -> list[int]:
        """Of all images, when the operand is this array."""
        first = int(array.ctypes.data)
        return [first + i * self.distance for i in range(self.number)]


class _ExecutionArgument(ctypes.Structure):
    """dnnl_exec_arg_t."""

    _fields_ = (("argument", c_int), ("memory", c_void_p))


BY_ANY_NUMBER = {
    "convolution_forward": ("jit", "jit_1x1", "jit_dw", "brgconv"),
    "pooling_forward": ("jit", "simple_nchw"),
    "lrn_forward": ("lrn_jit",),
    "softmax_forward": ("jit",),
    "eltwise_forward": ("jit", "ref"),
    "prelu_forward": ("jit_uni",),
    "binary": ("jit",),
    "concat": ("simple", "ref"),
    "reorder": ("jit", "simple"),
}
"""Kinds of primitives, and the beginnings of the names of those that compute the same by fewer threads than they were
made for: each was found to, with AVX-512, AVX2 and SSE4.1. Others divide sums among threads, or do but one's part.
"""

Step = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function and its arguments; what it returns is 0 or None, or something went wrong."""


class Primitive(_Owned):
    """The code for a computation. It may run in several threads at once, each with operands of its own."""

    __slots__ = ("implementation", "kind", "scratch")

    def __init__(self, computation: PrimitiveDescriptor) -> None:
        handle = library().make("dnnl_primitive_create", computation.handle)
        super().__init__(handle, "dnnl_primitive_destroy")
        self.kind, self.implementation = computation.kind, computation.implementation
        self.scratch = computation.wants(SCRATCHPAD)

    @property
    def by_any_number(self) -> bool:
        """Whether fewer threads than it was made for compute the same."""
        return self.implementation.split(":")[0] in BY_ANY_NUMBER.get(self.kind, ())


class Execution:
    """A primitive with its operands: ``step`` is the call that computes, valid as long as this object lives.

    Scratch memory is one of the operands; if it is missing, the execution has some of its own.
    """

    def __init__(self, primitive: Primitive, operands: Mapping[int, Operand | None]) -> None:
        self.primitive = primitive
        self.operands = {argument: operand for argument, operand in operands.items() if operand is not None}
        if primitive.scratch is not None and SCRATCHPAD not in self.operands:
            self.operands[SCRATCHPAD] = Operand(primitive.scratch, aligned(primitive.scratch.nbytes, np.uint8))
        values = [_ExecutionArgument(argument, operand.handle) for argument, operand in self.operands.items()]
        self._arguments = (_ExecutionArgument * len(values))(*values)
        lib = library()
        execute = lib.dnnl.dnnl_primitive_execute
        given = primitive.handle, lib.stream, len(values), ctypes.addressof(self._arguments)
        self.step: Step = (execute, given) if primitive.by_any_number else (in_team, (execute, *given))

    def at(self, addresses: Mapping[int, Sequence[int]]) -> Callable[[], int]:
        """A function that computes with arguments at one address after the other; it returns 0, or what went wrong."""
        tell = library().dnnl.dnnl_memory_set_data_handle
        handles = [self.operands[argument].handle for argument in addresses]
        rounds = list(zip(*addresses.values(), strict=True))
        function, arguments = self.step

        def run() -> int:
            for places in rounds:
                for handle, place in zip(handles, places, strict=True):
                    tell(handle, place)
                if status := function(*arguments):
                    return int(status)
            return 0

        return run

    def run(self) -> None:
        """Compute once."""
        check(self.step[0](*self.step[1]))

    def __repr__(self) -> str:
        return f"{self.primitive.kind} {self.primitive.implementation}"


def check(status: int) -> None:
    """InternalError unless a computation succeeded: it was given something it should not have been."""
    if status:
        raise InternalError("oneDNN", f"a computation failed with status {status}")
