"""Binary messages with their blobs as NumPy arrays, at the speed of memory: caffemodel, solverstate, binaryproto.

Protobuf hands out a blob's numbers one Python object at a time. So the walk over the wire is made here: the numbers of
a blob are one packed field, which is a NumPy view of the file's bytes; all the rest (names, types, parameters) goes to
protobuf. Writing is the mirror image: a blob's numbers go from the array to the file without a copy.

The wire: a message is a run of fields, each a tag (number * 8 + wire type, as a varint) and a value; a value of wire
type 2 is a length, as a varint, and so many bytes: a string, a message inside, or packed numbers. A varint has seven
bits a byte, the lowest first, and the highest bit of a byte says that more follow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from caffe_sdk.errors import ArgumentError, CorruptFileError
from caffe_sdk.schema.files import FileBytes, PathLike, atomic_write, read_bytes
from caffe_sdk.schema.messages import BlobProto, NetParameter, SolverState

Array = NDArray[np.floating[Any]]  # float32 or float64
Part = bytes | memoryview
Allocate = Callable[[int, np.dtype[Any]], Array]
"""What makes a flat array of so many numbers of a type."""

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
MAX_AXES = 32
MAX_FIELDS = 200_000  # that are not numbers of blobs; a net of a thousand layers has some ten thousand

# BlobProto's packed fields: what they hold and of which type.
DATA, DIFF, DOUBLE_DATA, DOUBLE_DIFF = 5, 6, 8, 9
PACKED = {DATA: "<f4", DIFF: "<f4", DOUBLE_DATA: "<f8", DOUBLE_DIFF: "<f8"}
LEGACY = ("num", "channels", "height", "width")


@dataclass(eq=False)
class BlobArray:
    """A stored blob: ``data`` and, where it was saved, ``diff``, arrays of one shape, float32 or float64.

    Decoded from bytes they are read-only views of them, not always aligned: copy them to where they belong.
    ``legacy`` marks the older form, whose shape has four numbers (num, channels, height, width); a blob of shape
    (1, 1, a, b) in this form may stand for one of shape (a, b).
    """

    data: Array
    diff: Array | None = None
    legacy: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, outermost axis first."""
        return self.data.shape


@dataclass(eq=False)
class LayerWeights:
    """The blobs of one layer. ``type`` is as the file spells it: "Convolution", in V1 "CONVOLUTION", in V0 "conv"."""

    name: str
    type: str
    blobs: list[BlobArray]


@dataclass(eq=False)
class NetWeights:
    """A binary net: its description without blobs, not upgraded, and the blobs of every layer in the file's order."""

    net: Any  # NetParameter
    layers: list[LayerWeights]


@dataclass(eq=False)
class StateBlobs:
    """A solverstate: the message without its blobs (iter, learned_net, current_step), and the history."""

    state: Any  # SolverState
    history: list[BlobArray]


# Files


def read_net(path: PathLike, allocate: Allocate = np.empty) -> NetWeights:
    """A caffemodel of any age and size. Raises MissingFileError, FileError, CorruptFileError.

    Numbers go from the file to arrays of their own, which ``allocate`` makes; nothing else of the file is held.
    """
    with FileBytes(path) as data:
        return _decode_net(_Reader(data, str(path), allocate))


def write_net(path: PathLike, net: Any, layers: Sequence[LayerWeights]) -> None:
    """Write a caffemodel, whole or not at all. ``net`` and ``layers`` as for :func:`encode_net`. Raises WriteError."""
    _write(path, encode_net(net, layers))


def read_blob(path: PathLike) -> BlobArray:
    """A blob alone in a file, such as mean.binaryproto. Raises MissingFileError, FileError, CorruptFileError."""
    return decode_blob(read_bytes(path), str(path))


def write_blob(path: PathLike, blob: BlobArray) -> None:
    """Write a blob alone, whole or not at all. Raises WriteError, ArgumentError."""
    _write(path, encode_blob(blob))


def read_state(path: PathLike) -> StateBlobs:
    """A solverstate. Raises MissingFileError, FileError, CorruptFileError."""
    return decode_state(read_bytes(path), str(path))


def write_state(path: PathLike, state: Any, history: Sequence[BlobArray]) -> None:
    """Write a solverstate, whole or not at all. Raises WriteError, ArgumentError."""
    _write(path, encode_state(state, history))


def _write(path: PathLike, parts: Iterable[Part]) -> None:
    with atomic_write(path) as file:
        for part in parts:
            file.write(part)


# Reading


def decode_net(data: bytes, where: str = "net") -> NetWeights:
    """A NetParameter with its blobs, from bytes. Raises CorruptFileError; ``where`` names the bytes in it."""
    return _decode_net(_Reader(data, where))


def _decode_net(reader: _Reader) -> NetWeights:
    data = reader.data
    net, layers, rest = NetParameter(), [], []
    for field in reader.fields(0, len(data), "the net", nested=(V2.number, V1.number)):
        form = {V2.number: V2, V1.number: V1}.get(field.number)
        if form is None or field.wire != LENGTH:
            rest.append(data[field.begin : field.end])
            continue
        entries = net.layer if form is V2 else net.layers
        index = len(entries)
        described, blobs = reader.layer(form, field, f"layer {index}")
        entry = reader.parse(entries.add(), described, field.begin, f"layer {index}")
        layers.append(LayerWeights(*_name_and_type(entry), blobs))
    reader.parse(net, b"".join(rest), 0, "the net")
    return NetWeights(net, layers)


def decode_blob(data: bytes, where: str = "blob") -> BlobArray:
    """A BlobProto from bytes. Raises CorruptFileError."""
    return _Reader(data, where).blob(0, len(data), "the blob")


def decode_state(data: bytes, where: str = "solver state") -> StateBlobs:
    """A SolverState with its history, from bytes. Raises CorruptFileError."""
    reader = _Reader(data, where)
    history: list[BlobArray] = []
    rest = []
    for field in reader.fields(0, len(data), "the solver state", nested=(HISTORY,)):
        if field.number == HISTORY and field.wire == LENGTH:
            history.append(reader.blob(field.start, field.end, f"history blob {len(history)}"))
        else:
            rest.append(data[field.begin : field.end])
    return StateBlobs(reader.parse(SolverState(), b"".join(rest), 0, "the solver state"), history)


class Form(NamedTuple):
    """Where a layer stands in its parent and its name and blobs in it: the field numbers of a format."""

    number: int
    name: int
    blobs: int


V2 = Form(number=100, name=1, blobs=7)
V1 = Form(number=2, name=4, blobs=6)
V0 = Form(number=1, name=1, blobs=50)  # inside a V1 layer
HISTORY = 3  # SolverState.history


class Field(NamedTuple):
    """One field on the wire, from ``begin`` to ``end``; its value begins at ``start``."""

    number: int
    wire: int
    begin: int
    start: int
    end: int


class _Reader:
    """A walk over the bytes of one file; offsets count from its beginning."""

    def __init__(self, data: bytes | FileBytes, where: str, allocate: Allocate = np.empty) -> None:
        self.data, self.where = data, where
        self.allocate = allocate
        self.count = 0  # of fields read
        if not data:
            self.fail(0, "the file is empty")

    def fields(self, start: int, end: int, what: str, nested: tuple[int, ...] = ()) -> Iterator[Field]:
        """The fields between two offsets; ``what`` is being read.

        A field that reaches beyond the end is an error. If its number is among ``nested`` the part that is there is
        handed out first, so that the walk inside says more exactly what is cut short.
        """
        at = start
        while at < end:
            begin = at
            tag, at = self.varint(at, end, what)
            number, wire = tag >> 3, tag & 7
            if wire == LENGTH:
                length, at = self.varint(at, end, what)
                stop = at + length
            elif wire == VARINT:
                stop = self.varint(at, end, what)[1]
            elif wire in (FIXED32, FIXED64):
                stop = at + (4 if wire == FIXED32 else 8)
            if number == 0 or wire not in (VARINT, FIXED64, LENGTH, FIXED32):
                self.fail(begin, f"there is no field with tag {tag} in {what}")
            self.count += 1
            if self.count > MAX_FIELDS:
                self.fail(begin, f"{what} has more fields than any net")
            if stop <= end or number in nested:
                yield Field(number, wire, begin, at, min(stop, end))
            if stop > end:
                self.fail(at, f"{what} is cut short: a field of {stop - at} bytes begins, and {end - at} are left")
            at = stop

    def varint(self, at: int, end: int, what: str) -> tuple[int, int]:
        """The varint at an offset, and the offset after it."""
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                self.fail(at, f"{what} is cut short inside a number")
            byte = self.data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
        self.fail(at, f"a number in {what} has no end")

    def layer(self, form: Form, field: Field, what: str) -> tuple[bytes, list[BlobArray]]:
        """A layer's description without its blobs, and the blobs."""
        described: list[bytes] = []
        blobs: list[BlobArray] = []
        nested = (form.blobs, V0.number) if form is V1 else (form.blobs,)
        for inner in self.fields(field.start, field.end, what, nested):
            if inner.number == form.blobs and inner.wire == LENGTH:
                blobs.append(self.blob(inner.start, inner.end, f"blob {len(blobs)} of {what}"))
            elif form is V1 and inner.number == V0.number and inner.wire == LENGTH:
                oldest, more = self.layer(V0, inner, what)
                described += [_length_tag(V0.number, len(oldest)), oldest]
                blobs += more
            else:
                described.append(self.data[inner.begin : inner.end])
                if inner.number == form.name and inner.wire == LENGTH:
                    what = f"layer '{self.data[inner.start : inner.end].decode(errors='replace')}'"
        return b"".join(described), blobs

    def blob(self, start: int, end: int, what: str) -> BlobArray:
        """The blob between two offsets."""
        packed: dict[int, list[Array]] = {number: [] for number in PACKED}
        rest = []
        for field in self.fields(start, end, what):
            if field.number not in PACKED:
                rest.append(self.data[field.begin : field.end])
            elif field.wire == LENGTH:
                packed[field.number].append(self.numbers(field, what))
            else:  # each number with its own tag, as an encoder may choose to write: protobuf reads all of it
                return self.unpacked(start, end, what)
        proto = self.parse(BlobProto(), b"".join(rest), start, what)
        return self.shaped(proto, {number: _joined(chunks) for number, chunks in packed.items()}, start, what)

    def unpacked(self, start: int, end: int, what: str) -> BlobArray:
        proto = self.parse(BlobProto(), self.data[start:end], start, what)
        values = {DATA: proto.data, DIFF: proto.diff, DOUBLE_DATA: proto.double_data, DOUBLE_DIFF: proto.double_diff}
        arrays = {number: np.fromiter(each, PACKED[number], len(each)) for number, each in values.items()}
        return self.shaped(proto, arrays, start, what)

    def numbers(self, field: Field, what: str) -> Array:
        """The numbers of a packed field: a view of bytes, of a file an array."""
        kind = np.dtype(PACKED[field.number])
        count, odd = divmod(field.end - field.start, kind.itemsize)
        if odd:
            self.fail(field.start, f"{what} holds {count} numbers and {odd} bytes more")
        if isinstance(self.data, bytes):
            return np.frombuffer(self.data, kind, count, field.start)
        array = self.allocate(count, kind)
        self.data.read_into(array.view(np.uint8).data, field.start)
        return array

    def shaped(self, proto: Any, arrays: dict[int, Array], start: int, what: str) -> BlobArray:
        """The blob of its numbers and of a BlobProto that has its shape."""
        legacy = any(proto.HasField(name) for name in LEGACY)
        shape = tuple(getattr(proto, name) for name in LEGACY) if legacy else tuple(proto.shape.dim[: MAX_AXES + 1])
        double = arrays[DOUBLE_DATA].size > 0
        data = arrays[DOUBLE_DATA if double else DATA]
        diff = arrays[DOUBLE_DIFF if arrays[DOUBLE_DIFF].size else DIFF]
        if len(shape) > MAX_AXES or min(shape, default=0) < 0:
            self.fail(start, f"{what} has the impossible shape {shape}")
        for each, name in ((data, "numbers"), (diff, "numbers of diff")):
            if each.size != math.prod(shape) and (each is data or each.size):
                self.fail(
                    start, f"{what} has shape {shape}, which is {math.prod(shape)} numbers, and {each.size} {name}"
                )
        try:
            return BlobArray(data.reshape(shape), diff.reshape(shape) if diff.size else None, legacy)
        except ValueError:  # no numbers, and axes too long for NumPy
            self.fail(start, f"{what} has the impossible shape {shape}")

    def parse(self, message: Any, data: bytes, offset: int, what: str) -> Any:
        """Let protobuf read what is not blobs."""
        try:
            message.MergeFromString(data)
            text = _is_text(message)
        except UnicodeDecodeError:  # of protobuf's pure Python; its C gives bytes
            text = False
        except DecodeError:
            self.fail(offset, f"{what} is damaged")
        if not text:
            self.fail(offset, f"a name in {what} is not UTF-8")
        return message

    def fail(self, offset: int, what: str) -> NoReturn:
        raise CorruptFileError(self.where, f"damaged at byte {offset}: {what}", _remedy(self.data[:64])) from None


def _joined(chunks: list[Array]) -> Array:
    """The numbers of a field, which may come in several pieces."""
    if len(chunks) == 1:
        return chunks[0]
    return np.concatenate(chunks) if chunks else np.empty(0, np.float32)


def _name_and_type(layer: Any) -> tuple[str, str]:
    """The name and type of a layer of any format."""
    if layer.DESCRIPTOR.name == "LayerParameter":
        return layer.name, layer.type
    if layer.HasField("layer"):
        return layer.layer.name, layer.layer.type
    return layer.name, layer.LayerType.Name(layer.type)


def _is_text(message: Any) -> bool:
    """Whether every string in a message, and in those inside, is text: protobuf gives bytes for one that is not."""
    for field, value in message.ListFields():
        values = value if field.is_repeated else [value]
        if field.type == FieldDescriptor.TYPE_STRING and not all(isinstance(each, str) for each in values):
            return False
        if field.message_type is not None and not all(map(_is_text, values)):
            return False
    return True


def _remedy(begin: bytes) -> str:
    """What to do about a file that is not what it should be, from how it begins."""
    if begin.startswith(b"\x89HDF"):
        return "this is an HDF5 file, not a protobuf message"
    if begin and all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in begin):
        return "this is text (a prototxt, a web page, a Git LFS pointer): give the binary file"
    return "copy or download it again, or use an earlier snapshot"


# Writing


def encode_net(net: Any, layers: Sequence[LayerWeights]) -> list[Part]:
    """The parts of a NetParameter file: the description ``net`` (``layer`` or ``layers``), and the blobs of ``layers``.

    ``layers`` come in the order of the net's; those without blobs may be left out. Blobs in ``net`` itself are ignored.
    Arrays are not copied: write the parts before changing them. Beyond 2 GB other readers of the format give up.

    Raises:
        ArgumentError: a layer that the net does not have at that place, or an array that a blob cannot hold.
    """
    described = type(net)()
    described.CopyFrom(net)
    del described.layer[:], described.layers[:]
    waiting = list(reversed(layers))

    def encoded(form: Form, entries: Any) -> list[Part]:
        parts: list[Part] = []
        for entry in entries:
            name, _ = _name_and_type(entry)
            blobs = waiting.pop().blobs if waiting and waiting[-1].name == name else []
            parts += _message(form.number, _layer(form, entry, blobs))
        return parts

    before, after = _cut(described.SerializePartialToString(), V1.number)
    parts = [before, *encoded(V1, net.layers), after, *encoded(V2, net.layer)]
    if waiting:
        names = f"layer '{waiting[-1].name}' is not in the net, or not in this order"
        raise ArgumentError("caffemodel", names, "give the weights in the order of the net's layers")
    return parts


def encode_blob(blob: BlobArray) -> list[Part]:
    """The parts of a BlobProto file. Raises ArgumentError for an array that a blob cannot hold."""
    shape = blob.data.shape
    if blob.legacy and len(shape) != 4:
        raise ArgumentError(
            "blob", f"the legacy form has four axes, not {len(shape)}", "reshape it, or set legacy=False"
        )
    parts: list[Part] = []
    if blob.legacy:
        parts += [BlobProto(**dict(zip(LEGACY, shape, strict=True))).SerializeToString()]
    singles, doubles = [], []
    for array, single, double in ((blob.data, DATA, DOUBLE_DATA), (blob.diff, DIFF, DOUBLE_DIFF)):
        if array is not None and array.shape != shape:
            raise ArgumentError("blob", f"diff has shape {array.shape}, data {shape}", "give arrays of one shape")
        if array is not None and array.dtype == np.float32:
            singles += _packed(single, array)
        elif array is not None and array.dtype == np.float64:
            doubles += _packed(double, array)
        elif array is not None:
            raise ArgumentError("blob", f"numbers of type {array.dtype}", "convert them to float32 or float64")
    if not blob.legacy:
        described = BlobProto()
        described.shape.dim.extend(shape)
        singles.append(described.SerializeToString())
    return parts + singles + doubles


def encode_state(state: Any, history: Sequence[BlobArray]) -> list[Part]:
    """The parts of a SolverState file: the message, whose own blobs are ignored, and the history."""
    described = type(state)()
    described.CopyFrom(state)
    del described.history[:]
    before, after = _cut(described.SerializePartialToString(), HISTORY)
    blobs = [part for blob in history for part in _message(HISTORY, encode_blob(blob))]
    return [before, *blobs, after]


def _layer(form: Form, entry: Any, blobs: Sequence[BlobArray]) -> list[Part]:
    """The parts of a layer, its blobs among the other fields in the order of their numbers, as protobuf writes them."""
    described = type(entry)()
    described.CopyFrom(entry)
    del described.blobs[:]
    if form is V1:
        del described.layer.blobs[:]
        if not entry.HasField("layer"):
            described.ClearField("layer")
    before, after = _cut(described.SerializePartialToString(), form.blobs)
    return [before, *(part for blob in blobs for part in _message(form.blobs, encode_blob(blob))), after]


def _cut(data: bytes, number: int) -> tuple[bytes, bytes]:
    """An encoded message cut in two where a field of this number belongs."""
    if data:
        for field in _Reader(data, "").fields(0, len(data), ""):
            if field.number > number:
                return data[: field.begin], data[field.begin :]
    return data, b""


def _message(number: int, parts: list[Part]) -> list[Part]:
    """A message inside another: tag, length, and its parts."""
    return [_length_tag(number, sum(map(len, parts))), *parts]


def _packed(number: int, array: Array) -> list[Part]:
    """An array as a packed field; an empty one is left out, as protobuf does."""
    flat = np.ascontiguousarray(array, np.dtype(PACKED[number])).reshape(-1)
    return [_length_tag(number, flat.nbytes), flat.view(np.uint8).data] if flat.size else []


def _length_tag(number: int, length: int) -> bytes:
    """The beginning of a field of wire type 2."""
    return encode_varint(number << 3 | LENGTH) + encode_varint(length)


def encode_varint(value: int) -> bytes:
    """A number that is not negative, seven bits a byte."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
