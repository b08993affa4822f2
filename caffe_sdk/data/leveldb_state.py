"""What a LevelDB consists of: its tables, level by level, and the latest changes, which are in logs.

The file CURRENT names the manifest, a log of which tables came and went. Logs are records, in pieces where they cross
the border of a block of 32 KiB: https://github.com/google/leveldb/blob/main/doc/log_format.md.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from caffe_sdk.data.leveldb_tables import Entry, damaged, masked_checksum, varint

BLOCK = 32768
HEADER = struct.Struct("<IHB")  # checksum, size, kind of piece
WHOLE, FIRST, LAST = 1, 2, 4
COMPARATOR, LOG_NUMBER, COMPACTED, REMOVED, ADDED, OLDER_LOG = 1, 2, 5, 6, 7, 9
ORDER = b"leveldb.BytewiseComparator"
DELETED, PUT = 0, 1
SUFFIXES = (".ldb", ".sst")


@dataclass(frozen=True)
class TableFile:
    """A table: its number, size in bytes, and its first and last key."""

    number: int
    size: int
    first: bytes
    last: bytes


@dataclass
class State:
    """Tables by level (those of level 0 may overlap, those of another do not), and ``recent`` changes, sorted."""

    levels: dict[int, dict[int, TableFile]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    recent: list[Entry] = field(default_factory=list)
    log: int = 0
    older_log: int = 0

    def runs(self) -> list[list[TableFile]]:
        """Tables whose keys follow one another: each level above 0 is such a run, in level 0 each table by itself."""
        found = []
        for level, tables in sorted(self.levels.items()):
            listed = sorted(tables.values(), key=lambda table: table.first)
            found += [listed] if level else [[table] for table in listed]
        return [run for run in found if run]


def read_state(where: str) -> State:
    """The state of the LevelDB in the folder ``where``. Raises CorruptFileError, and OSError for files not there."""
    with open(os.path.join(where, "CURRENT"), "rb") as file:
        name = file.read().decode(errors="replace").strip()
    if not name.startswith("MANIFEST-") or os.sep in name:
        raise damaged(where, "CURRENT does not name a manifest")
    state = State()
    for record in _records(where, name, torn=False):
        try:
            _change(where, state, record)
        except IndexError:
            raise damaged(where, f"{name} has a record that is not complete") from None
    sizes = {entry.name: entry.stat().st_size for entry in os.scandir(where)}
    _find(where, state, sizes)
    changes: list[Entry] = []
    for log in sorted(name for name in sizes if name.endswith(".log") and name[:-4].isdigit()):
        if int(log[:-4]) >= state.log or int(log[:-4]) == state.older_log != 0:
            for record in _records(where, log, torn=True):
                changes += _batch(where, log, record)
    state.recent = sorted(changes, key=lambda entry: entry[:2])
    return state


def _change(where: str, state: State, record: bytes) -> None:
    """Follow one record of the manifest. Raises IndexError where it breaks off."""
    position = 0
    while position < len(record):
        tag, position = varint(record, position)
        if tag == COMPARATOR:
            order, position = _text(record, position)
            if order != ORDER:
                raise damaged(where, f"keys are in an order of their own, {order.decode(errors='replace')}")
        elif tag == COMPACTED:
            _, position = varint(record, position)
            _, position = _text(record, position)
        elif tag == REMOVED:
            level, position = varint(record, position)
            number, position = varint(record, position)
            state.levels.get(level, {}).pop(number, None)
        elif tag == ADDED:
            level, position = varint(record, position)
            number, position = varint(record, position)
            size, position = varint(record, position)
            first, position = _text(record, position)
            last, position = _text(record, position)
            state.levels.setdefault(level, {})[number] = TableFile(number, size, first[:-8], last[:-8])
        elif tag < 10:
            value, position = varint(record, position)
            state.log = value if tag == LOG_NUMBER else state.log
            state.older_log = value if tag == OLDER_LOG else state.older_log
        else:
            raise IndexError


def _find(where: str, state: State, sizes: dict[str, int]) -> None:
    """See that all tables are there and as long as they were. Raises FileNotFoundError, CorruptFileError."""
    for tables in state.levels.values():
        for number, table in tables.items():
            names = [f"{number:06d}{suffix}" for suffix in SUFFIXES]
            name = next((name for name in names if name in sizes), None)
            if name is None:
                raise FileNotFoundError(f"missing files; e.g.: {names[0]}")
            if sizes[name] != table.size:
                raise damaged(where, f"table {name} has {sizes[name]} bytes of {table.size}")
            state.names[number] = name


def _batch(where: str, log: str, record: bytes) -> Iterator[Entry]:
    """The changes that were written together."""
    number, position = int.from_bytes(record[:8], "little"), 12
    data = memoryview(record)
    try:
        while position < len(record):
            kind = record[position]
            key, position = _text(record, position + 1)
            value = data[:0]
            if kind == PUT:
                length, position = varint(record, position)
                value = data[position : position + length]
                position += length
            if kind not in (DELETED, PUT) or position > len(record):
                raise IndexError
            yield key, -(number << 8 | kind), value
            number += 1
    except IndexError:
        raise damaged(where, f"{log} has a record that is not complete") from None


def _text(data: bytes, position: int) -> tuple[bytes, int]:
    length, position = varint(data, position)
    if position + length > len(data):
        raise IndexError
    return data[position : position + length], position + length


def _records(where: str, name: str, torn: bool) -> Iterator[bytes]:
    """The records of a log. What breaks off at its end was being written when the writer died.

    It does not count where the log may be ``torn``, else it is an error: without it whole tables would be missing.
    """
    with open(os.path.join(where, name), "rb") as file:
        data = file.read()
    position, pieces = 0, bytearray()
    while position + HEADER.size <= len(data):
        left = BLOCK - position % BLOCK
        if left < HEADER.size:
            position += left
            continue
        checksum, size, kind = HEADER.unpack_from(data, position)
        begin, end = position + HEADER.size, position + HEADER.size + size
        if kind == size == 0:  # room that was set aside
            position += left
            continue
        if end > len(data) and torn:
            return
        if end > len(data):
            raise damaged(where, f"{name} breaks off at byte {position}")
        if size > left - HEADER.size or checksum != masked_checksum(np.frombuffer(data, np.uint8, size + 1, begin - 1)):
            raise damaged(where, f"{name} has wrong bytes at byte {position}")
        if kind in (WHOLE, FIRST):
            pieces.clear()
        pieces += data[begin:end]
        position = end
        if kind in (WHOLE, LAST):
            yield bytes(pieces)
