"""``caffe classify`` and ``caffe extract``: many images through a model, by one process or by those of MPI."""

from __future__ import annotations

import argparse
import contextlib
import logging

from caffe_sdk.app import mass
from caffe_sdk.classifier import Classifier
from caffe_sdk.errors import ArgumentError
from caffe_sdk.schema.files import read_text
from caffe_sdk.solver import parallel

log = logging.getLogger(__name__)


def run(options: argparse.Namespace) -> int:
    """Do what is left of the job, and tell of each chunk."""
    for name in ("chunk", "top"):
        if getattr(options, name, 1) < 1:
            raise ArgumentError(f"-{name}", f"is {getattr(options, name)}", "give 1 or more")
    peers = parallel.join()
    images = mass.list_images(options.images, options.root_folder)
    with contextlib.closing(Classifier(options.model, options.weights)) as classifier:
        if options.task == "classify":
            labels = read_text(options.labels).splitlines() if options.labels else []
            encode, end, wishes = mass.classify(classifier, labels, options.top), "jsonl", [labels, options.top]
        else:
            blobs = options.blobs.split(",")
            encode, end, wishes = mass.extract(classifier, blobs), "npz", blobs
        files = [options.model, options.weights]
        mass.begin(options.output, images, files, task=options.task, chunk=options.chunk, wishes=wishes)
        part = (peers.rank, peers.size)
        for chunk in mass.run(images, classifier, encode, options.output, end, options.chunk, part):
            _tell(chunk)
    return 0


def _tell(chunk: mass.Chunk) -> None:
    for error in chunk.errors:
        log.warning("left out: %s", error)
    if chunk.before:
        log.info("%s is there", chunk.path)
    else:
        log.info("%s: %d images, %.3g images/s", chunk.path, chunk.images, chunk.images / (chunk.seconds or 1.0))
