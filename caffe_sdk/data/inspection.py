"""What is in a database: how many records, their shapes and labels, which of them are bad, and a sample to look at."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from caffe_sdk.data import images
from caffe_sdk.data.databases import Progress, open_database
from caffe_sdk.data.datum import Pixels, Record, parse
from caffe_sdk.data.parallel import ordered_map
from caffe_sdk.data.source import place
from caffe_sdk.errors import CaffeError

EVERY = 100  # records from one step of the progress to the next
BARS = 20  # so many labels have a line of their own
WIDTH = 40  # signs of the longest bar
KINDS = {b"\xff\xd8\xff": "JPEG", b"\x89PN": "PNG", b"BM": "BMP"}

Item = tuple[bytes, bytes]


@dataclass
class Inspection:
    """What `inspect` found. ``sample`` are records with their pixels, evenly spread; ``bad`` are errors by record."""

    path: str
    backend: str
    records: int
    seen: int = 0
    size: int = 0
    keys: tuple[bytes, bytes] = (b"", b"")
    shapes: Counter[tuple[int, ...]] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    labels: Counter[float] = field(default_factory=Counter)
    vectors: Counter[int] = field(default_factory=Counter)
    bad: list[CaffeError] = field(default_factory=list)
    sample: list[Record] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """The findings in words."""
        yield f"{self.path}: {self.backend}, {self.records:,} records"
        if self.seen < self.records:
            yield f"looked at  the first {self.seen:,}"
        if self.seen:
            yield f"bytes      {self.size:,}, {self.size // self.seen:,} a record"
            yield "keys       " + " ... ".join(key.decode(errors="backslashreplace") for key in self.keys)
        for what, counter in (("shapes", self.shapes), ("kinds", self.kinds)):
            texts = {key: key if isinstance(key, str) else " x ".join(map(str, key)) for key in counter}
            for key, count in counter.most_common(BARS):
                yield f"{what:<10} {count:>9,}  {texts[key]}"
                what = ""
            if len(counter) > BARS:
                yield f"{'':<10} {'':>9}  and {len(counter) - BARS:,} more"
        yield from self._histogram()
        for error in self.bad[:BARS]:
            yield f"bad        {error}"
        if self.bad:
            yield f"{len(self.bad):,} of {self.seen:,} records are bad"

    def _histogram(self) -> Iterator[str]:
        """A bar for each label, or for ranges of labels where there are many."""
        for size, count in self.vectors.items():
            yield f"labels     {count:,} records have {size} each"
        if not self.labels:
            return
        yield f"labels     {len(self.labels):,} different, {min(self.labels):g} to {max(self.labels):g}"
        labels = sorted(self.labels)
        step = -(-len(labels) // BARS)
        groups = [labels[i : i + step] for i in range(0, len(labels), step)]
        counts = [sum(self.labels[label] for label in group) for group in groups]
        for group, count in zip(groups, counts, strict=True):
            name = f"{group[0]:g}" if len(group) == 1 else f"{group[0]:g}-{group[-1]:g}"
            bar = "█" * max(1, round(WIDTH * count / max(counts)))
            yield f"{name:>10} {count:>9,}  {bar}"


def inspect(
    path: str | os.PathLike[str],
    backend: str | None = None,
    *,
    sample: int = 64,
    limit: int = 0,
    workers: int = 0,
    progress: Progress | None = None,
) -> Inspection:
    """Read all records of a database, or the first ``limit``, decoding images: only that finds the bad ones.

    Raises what `open_database` does, and CorruptFileError where the database itself cannot be read on.
    """
    with open_database(path, backend) as database:
        total = min(len(database), limit or len(database))
        found = Inspection(os.fspath(path), database.backend, len(database))
        wanted = {total * i // sample for i in range(sample)} if sample else set()
        for item, result in ordered_map(_looked_at, islice(database.items(), total), workers):
            _count(found, item, result)
            if isinstance(result, tuple) and found.seen - 1 in wanted:
                result[0].array = result[1]
                found.sample.append(result[0])
            if progress and (found.seen % EVERY == 0 or found.seen == total):
                progress(found.path, found.seen, total)
    return found


def _looked_at(item: Item) -> tuple[Item, tuple[Record, Pixels] | CaffeError]:
    try:
        record = parse(item[1])
        record.key = item[0]
        return item, (record, images.decode(record.encoded or b"") if record.array is None else record.array)
    except CaffeError as error:
        return item, error


def _count(found: Inspection, item: Item, result: tuple[Record, Pixels] | CaffeError) -> None:
    key, value = item
    found.keys = (found.keys[0] if found.seen else key, key)
    found.seen += 1
    found.size += len(value)
    if isinstance(result, CaffeError):
        found.bad.append(result.at(place(found.path, key)))
        return
    record, pixels = result
    found.shapes[pixels.shape] += 1
    if isinstance(record.label, np.ndarray):
        found.vectors[record.label.size] += 1
    else:
        found.labels[record.label] += 1
    start = bytes(record.encoded or b"")[:3]
    kind = next((f"encoded {name}" for magic, name in KINDS.items() if start.startswith(magic)), "encoded image")
    found.kinds[str(pixels.dtype) if record.encoded is None else kind] += 1
