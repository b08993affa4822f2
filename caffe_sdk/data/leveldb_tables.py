"""LevelDB's tables: files of sorted records that never change once they are written. Read without LevelDB.

A table is blocks of records, an index (for every block a key not below its last one, and where it lies) and a footer
that says where the index is. Every block has a checksum. The form is described in
https://github.com/google/leveldb/blob/main/doc/table_format.md.

A key has eight bytes at its end, ``number of the change << 8 | kind of change``. Entries are (key, -those eight
bytes, value), so of changes of the same record the latest comes first.
"""

from __future__ import annotations

import os
import threading
import weakref
from bisect import bisect_left
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from caffe_sdk.data.kernels import kernels
from caffe_sdk.errors import CorruptFileError

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
FOOTER = 48
TRAILER = 5  # bytes behind every block: how it is compressed, and a checksum
PLAIN, SNAPPY = 0, 1
MOST = 64  # Snappy makes nothing smaller than a sixty-fourth

Entry = tuple[bytes, int, memoryview]


class Table:
    """A table of ``size`` bytes, open for reading at any place by any thread; closed when nobody refers to it.

    ``where`` is the database and ``name`` the table's file, for errors. Raises CorruptFileError, OSError.
    """

    def __init__(self, where: str, name: str, descriptor: int, size: int) -> None:
        self.where, self.name = where, name
        self._descriptor = descriptor
        self._close = weakref.finalize(self, os.close, descriptor)
        self._lock = threading.Lock()
        footer = self._bytes(max(0, size - FOOTER), FOOTER)
        if footer[-8:] != MAGIC:
            raise self.error("is no table, or is cut short")
        try:
            _, position = varint(footer, 0)
            _, position = varint(footer, position)
            index, _ = self._place(footer, position)
            self._ends = []
            self._places = []
            for key, order, value in self.entries(*index):
                self._ends.append((key, order))
                self._places.append(self._place(value, 0)[0])
        except IndexError:
            raise self.error("has no readable index") from None

    def _place(self, data: bytes | memoryview, position: int) -> tuple[tuple[int, int], int]:
        """Offset and size of a block, and the position behind them."""
        offset, position = varint(data, position)
        size, position = varint(data, position)
        return (offset, size), position

    def since(self, key: bytes, check: bool) -> Iterator[Entry]:
        """The entries whose keys are not below ``key``, in order; ``check`` checksums. Raises CorruptFileError."""
        first = bisect_left(self._ends, (key, -(1 << 64)))
        for number in range(first, len(self._places)):
            found = self.entries(*self._places[number], check)
            if number == first:
                found = [entry for entry in found if entry[0] >= key]
            yield from found

    def entries(self, offset: int, size: int, check: bool = True) -> list[Entry]:
        """What a block holds."""
        block = self._block(offset, size, check)
        found: list[Entry] = []
        key, position = b"", 0
        try:
            end = len(block) - 4 - 4 * int.from_bytes(block[-4:], "little")
            while position < end:
                shared, position = varint(block, position)
                fresh, position = varint(block, position)
                length, position = varint(block, position)
                start = position + fresh
                key = key[:shared] + bytes(block[position:start])
                position = start + length
                if position > end or len(key) != shared + fresh or len(key) < 8:
                    raise IndexError
                found.append((key[:-8], -int.from_bytes(key[-8:], "little"), block[start:position]))
        except IndexError:
            raise self.error(f"has a block at byte {offset} whose records are not complete") from None
        return found

    def _block(self, offset: int, size: int, check: bool) -> memoryview:
        """The contents of a block."""
        raw = self._bytes(offset, size + TRAILER)
        if check and int.from_bytes(raw[-4:], "little") != masked_checksum(np.frombuffer(raw, np.uint8, size + 1)):
            raise self.error(f"has wrong bytes: the checksum of the block at byte {offset} does not fit")
        if raw[size] == PLAIN:
            return memoryview(raw)[:size]
        if raw[size] != SNAPPY:
            raise self.error("is compressed in a way that Caffe's LevelDBs are not")
        unpacked = self._unpacked(memoryview(raw)[:size])
        if unpacked is None:
            raise self.error(f"has a block at byte {offset} that cannot be unpacked")
        return memoryview(unpacked)

    def _unpacked(self, packed: memoryview) -> bytes | None:
        """What Snappy made smaller; None if it did not."""
        try:
            length, position = varint(packed, 0)
        except IndexError:
            return None
        if length > MOST * len(packed):
            return None
        out = np.empty(length, np.uint8)
        return out.tobytes() if kernels().unsnap(np.frombuffer(packed[position:], np.uint8), out) else None

    def _bytes(self, offset: int, count: int) -> bytes:
        if hasattr(os, "pread"):
            data = os.pread(self._descriptor, count, offset)
        else:
            with self._lock:
                os.lseek(self._descriptor, offset, os.SEEK_SET)
                data = os.read(self._descriptor, count)
        if len(data) != count:
            raise self.error("is cut short")
        return data

    def error(self, what: str) -> CorruptFileError:
        """The error for something wrong with this table."""
        return damaged(self.where, f"table {self.name} {what}")


def damaged(where: str, what: str) -> CorruptFileError:
    """The error for a LevelDB that cannot be read on."""
    return CorruptFileError(where, what, "the database is damaged or has been replaced: copy it again")


def varint(data: bytes | memoryview, position: int) -> tuple[int, int]:
    """A number of variable length, and the position behind it. Raises IndexError where the bytes break off."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise IndexError


def masked_checksum(data: npt.NDArray[np.uint8]) -> int:
    """CRC-32C as LevelDB stores it: turned by 15 bits and shifted, as checksums of checksums would not be good ones."""
    crc = int(kernels().crc32c(data))
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
