"""A model over any number of images, in chunks: each chunk is a file, written when it is whole.

So a job that ended is gone on with by starting it again, with the same or another number of processes: chunks that are
there are passed over, and of the others process r of N takes every Nth.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from caffe_sdk.classifier import Classifier
from caffe_sdk.errors import ArgumentError, CaffeError, FileError
from caffe_sdk.io import load_image
from caffe_sdk.memory import Array
from caffe_sdk.schema.files import PathLike, read_bytes, read_text, write_bytes

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
RECORD = "job.json"


@dataclass(frozen=True)
class Chunk:
    """A chunk is done: its file, how many of its images went through the net, and what was wrong with the others.

    One that was there ``before`` took no time, and what was wrong then is not told again.
    """

    path: str
    images: int
    seconds: float
    errors: tuple[str, ...] = ()
    before: bool = False


Encode = Callable[[Sequence[str], Array], bytes]
"""What becomes of a chunk's images, from their names and what the net takes for them to the bytes of its file."""


def list_images(source: str, root: str = "") -> list[str]:
    """Paths of images: those in a folder by name, or those a text file lists, a line each, counted from ``root``.

    A number at the end of a line, as lists for ImageData layers have it, is left out. Raises MissingFileError,
    FileError, and ArgumentError where there is none.
    """
    if os.path.isdir(source):
        names = sorted(os.path.join(source, name) for name in os.listdir(source))
        images = [name for name in names if name.lower().endswith(SUFFIXES)]
    else:
        lines = (line.strip() for line in read_text(source).splitlines())
        images = [os.path.join(root, re.sub(r"\s+-?\d+$", "", line)) for line in lines if line]
    if not images:
        raise ArgumentError("images", f"there are none in {source}", "give a folder of images or a list of paths")
    return images


def classify(classifier: Classifier, labels: Sequence[str], top: int) -> Encode:
    """Chunks of JSON lines: ``{"image": "cat.jpg", "classes": [["tabby cat", 0.62], ...]}``, the ``top`` best.

    ``labels`` are names of the classes, in order; without any they are called by their numbers. ArgumentError when
    there are not as many as classes.
    """
    classes = classifier.blobs[classifier.outputs[0]].shape[1]
    if labels and len(labels) != classes:
        raise ArgumentError("labels", f"{len(labels)} names for {classes} classes", "give a line for each class")

    def encode(names: Sequence[str], prepared: Array) -> bytes:
        if not names:
            return b""
        found = classifier.forward_all(**{classifier.inputs[0]: prepared})
        scores, lines = found[classifier.outputs[0]].reshape(len(names), -1), []
        for name, row in zip(names, scores, strict=True):
            best = [[labels[i] if labels else int(i), round(float(row[i]), 6)] for i in np.argsort(-row)[:top]]
            lines.append(json.dumps({"image": name, "classes": best}, ensure_ascii=False) + "\n")
        return "".join(lines).encode()

    return encode


def extract(classifier: Classifier, blobs: Sequence[str]) -> Encode:
    """Chunks of NumPy's .npz: ``images``, the names, and an array (images, ...) for each blob.

    ArgumentError for blobs that the net does not have.
    """
    for name in blobs:
        if name not in classifier.blobs or name == "images":
            known = ", ".join(blob for blob in classifier.blobs if "_split_" not in blob)
            raise ArgumentError("blobs", f"there is no blob '{name}' to extract", f"use {known}")

    def encode(names: Sequence[str], prepared: Array) -> bytes:
        found = {name: np.empty((0, *classifier.blobs[name].shape[1:]), np.float32) for name in blobs}
        if names:
            found = classifier.forward_all(blobs=blobs, **{classifier.inputs[0]: prepared})
        data = io.BytesIO()
        np.savez(data, images=np.array(names), **{name: found[name] for name in blobs})  # type: ignore[arg-type]
        return data.getvalue()

    return encode


def run(
    images: Sequence[str],
    classifier: Classifier,
    encode: Encode,
    output: str,
    end: str,
    size: int,
    part: tuple[int, int],
) -> Iterator[Chunk]:
    """Make this process's chunks, of ``size`` images each, as files ``000000.end`` and so on in the folder ``output``.

    ``part`` is (rank, number of processes). Images that cannot be read are left out and told of. Raises WriteError, and
    what the net raises.
    """
    rank, processes = part
    starts = range(0, len(images), size)
    for index in range(rank, len(starts), processes):
        path = os.path.join(output, f"{index:06d}.{end}")
        names = images[starts[index] : starts[index] + size]
        if os.path.exists(path):
            yield Chunk(path, len(names), 0.0, before=True)
            continue
        began = time.perf_counter()
        good, prepared, errors = _read(classifier, names)
        write_bytes(path, encode(good, prepared))
        yield Chunk(path, len(good), time.perf_counter() - began, tuple(errors))


def _read(classifier: Classifier, names: Sequence[str]) -> tuple[list[str], Array, list[str]]:
    """The images that can be read: their names and what the net takes for them; and what is wrong with the others.

    One is prepared before the next is read: files may hold much larger images than the net takes.
    """
    good, prepared, errors = [], [], []
    for name in names:
        try:
            image = load_image(name)
        except CaffeError as error:
            errors.append(str(error))
        else:
            good.append(name)
            prepared.append(classifier.prepare([image], oversample=False)[0])
    return good, np.array(prepared, np.float32), errors


def begin(output: str, images: Sequence[str], files: Sequence[PathLike], **wishes: Any) -> None:
    """Make the folder of a job, with a record of what it is; or see that the one that is there is of this very job.

    Raises ArgumentError when it is of another: other images, contents of ``files``, or ``wishes``.
    """
    digests = [hashlib.sha256(read_bytes(path)).hexdigest() for path in files]
    listed = hashlib.sha256("\n".join(images).encode()).hexdigest()
    job = {"images": len(images), "listed": listed, "files": digests, **wishes}
    path = Path(output) / RECORD
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(output, f"cannot be made: {error.strerror}", "choose a folder that may be written") from None
    if not path.exists():
        write_bytes(path, json.dumps(job, indent=1).encode())  # all processes write the same
    elif path.read_bytes() != json.dumps(job, indent=1).encode():
        what = f"'{output}' holds chunks of another job: {path} does not fit these images, files and flags"
        raise ArgumentError("output", what, "name another folder, or remove this one")
