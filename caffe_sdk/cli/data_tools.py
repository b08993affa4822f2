"""Caffe's tools that make databases, means and features, under their own names and with their own flags.

Flags are spelt as the original's library (gflags) spells them: ``-shuffle``, ``--shuffle``, ``--shuffle=true``,
``--noshuffle``, ``-backend lmdb`` or ``--backend=lmdb``, before, between or after the arguments.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence

import numpy as np

from caffe_sdk.cli.bar import bar
from caffe_sdk.cli.main import guarded
from caffe_sdk.data import mean, mnist
from caffe_sdk.data.classics import convert
from caffe_sdk.data.databases import write_arrays
from caffe_sdk.data.image_set import Form, convert_images
from caffe_sdk.errors import ArgumentError, MissingFileError
from caffe_sdk.schema.wire import BlobArray, write_blob

BACKENDS = ("lmdb", "leveldb")
TRUE, FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")

log = logging.getLogger(__name__)


class Tool:
    """A command of the original: its flags, how many arguments it takes, and its words when there are others."""

    def __init__(self, name: str, about: str, usage: str, fewest: int, most: int) -> None:
        self.name, self._fewest, self._most = name, fewest, most
        self._parser = argparse.ArgumentParser(name, f"{name} {usage}", about, allow_abbrev=False)
        self._parser.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
        self._switches: list[str] = []

    def flag(self, name: str, text: str, **options: object) -> None:
        """A flag with a value."""
        self._parser.add_argument(f"-{name}", f"--{name}", help=text, **options)  # type: ignore[arg-type]

    def switch(self, name: str, text: str) -> None:
        """A flag that is true or false, false unless given."""
        self._switches.append(name)
        self._parser.add_argument(f"-{name}", f"--{name}", help=text, action="store_true")
        self._parser.add_argument(
            f"-no{name}", f"--no{name}", dest=name, help=argparse.SUPPRESS, action="store_false", default=False
        )

    def run(self, task: Callable[[argparse.Namespace], int], given: Sequence[str] | None = None) -> int:
        """Parse ``sys.argv`` and run the task. With another number of arguments show the usage; that is status 1."""
        words = sys.argv[1:] if given is None else given
        options = self._parser.parse_intermixed_args([self._plain(word) for word in words])
        if not self._fewest <= len(options.arguments) <= self._most:
            self._parser.print_help(sys.stderr)
            return 1
        return guarded(self.name, lambda: task(options))

    def _plain(self, word: str) -> str:
        """``--shuffle=true`` as ``--shuffle``, ``--shuffle=false`` as ``--noshuffle``."""
        name, equals, value = word.lstrip("-").partition("=")
        if not word.startswith("-") or not equals or name not in self._switches:
            return word
        if value.lower() not in (*TRUE, *FALSE):
            self._parser.error(f"{word}: give true or false")
        return f"--{name}" if value.lower() in TRUE else f"--no{name}"


# -- convert_imageset ------------------------------------------------------------------------------------------------


def convert_imageset() -> int:
    """``convert_imageset ROOTFOLDER/ LISTFILE DB_NAME``: a database of the images that a text file lists."""
    about = "Convert a set of images to the leveldb/lmdb format used as input for Caffe."
    tool = Tool("convert_imageset", about, "[FLAGS] ROOTFOLDER/ LISTFILE DB_NAME", 3, 3)
    tool.switch("gray", "treat images as grayscale ones")
    tool.switch("shuffle", "randomly shuffle the order of images and their labels")
    tool.flag("backend", "the format of the result: lmdb or leveldb (default: lmdb)", default="lmdb", choices=BACKENDS)
    tool.flag("resize_width", "width images are resized to", type=int, default=0)
    tool.flag("resize_height", "height images are resized to", type=int, default=0)
    tool.switch("check_size", "check that all images have the same size")
    tool.switch("encoded", "save the encoded image in the datum")
    tool.flag("encode_type", "what type to encode images as: png, jpg, ...", default="")
    tool.flag("labels", "so many numbers end every line (default: one whole number)", type=int, default=0)
    tool.flag("seed", "what the shuffled order depends on (default: 0)", type=int, default=0)
    tool.flag("threads", "how many images to decode at a time (default: one a processor)", type=int, default=0)
    return tool.run(_convert_imageset)


def _convert_imageset(options: argparse.Namespace) -> int:
    size = (max(0, options.resize_height), max(0, options.resize_width))
    form = Form(options.gray, size, options.encoded, options.encode_type.lower(), options.check_size, options.labels)
    root, listfile, path = options.arguments
    outcome = convert_images(
        root,
        listfile,
        path,
        options.backend,
        form,
        shuffle=options.shuffle,
        seed=options.seed,
        workers=max(0, options.threads),
        progress=bar(),
    )
    if outcome.skipped:
        log.warning("Skipped %d files that could not be read, named above.", len(outcome.skipped))
    return 0


# -- compute_image_mean ----------------------------------------------------------------------------------------------


def compute_image_mean() -> int:
    """``compute_image_mean INPUT_DB [OUTPUT_FILE]``: the mean image of a database."""
    about = "Compute the mean_image of a set of images given by a leveldb/lmdb."
    tool = Tool("compute_image_mean", about, "[FLAGS] INPUT_DB [OUTPUT_FILE]", 1, 2)
    tool.flag("backend", "the format of the images: lmdb or leveldb (default: as found)", choices=BACKENDS)
    return tool.run(_compute_image_mean)


def _compute_image_mean(options: argparse.Namespace) -> int:
    image = mean.compute_mean(options.arguments[0], options.backend, progress=bar())
    if len(options.arguments) == 2:
        log.info("Write to %s", options.arguments[1])
        write_blob(options.arguments[1], BlobArray(image[None], legacy=True))
    log.info("Number of channels: %d", len(image))
    for channel, value in enumerate(image.mean((1, 2), np.float64)):
        log.info("mean_value channel [%d]: %g", channel, value)
    return 0


# -- convert_mnist_data, convert_mnist_siamese_data, convert_cifar_data ------------------------------------------------


def convert_mnist_data() -> int:
    """``convert_mnist_data IMAGES LABELS DB``: two idx files as a database."""
    about = "Convert the MNIST dataset to the lmdb/leveldb format used by Caffe to load data."
    tool = Tool("convert_mnist_data", about, "[FLAGS] input_image_file input_label_file output_db_file", 3, 3)
    tool.flag("backend", "the format of the result: lmdb or leveldb (default: lmdb)", default="lmdb", choices=BACKENDS)
    return tool.run(_convert_mnist_data)


def _convert_mnist_data(options: argparse.Namespace) -> int:
    images, labels, path = options.arguments
    write_arrays(path, *mnist.read_pair(images, labels), options.backend, progress=bar())
    return 0


def convert_mnist_siamese_data() -> int:
    """``convert_mnist_siamese_data IMAGES LABELS DB``: random pairs of images, and whether they show the same."""
    about = "Convert the MNIST dataset to pairs of images, to train a siamese network."
    tool = Tool("convert_mnist_siamese_data", about, "[FLAGS] input_image_file input_label_file output_db_file", 3, 3)
    tool.flag("backend", "the format of the result (default: leveldb)", default="leveldb", choices=BACKENDS)
    tool.flag("seed", "what the choice of pairs depends on (default: 0)", type=int, default=0)
    return tool.run(_convert_mnist_siamese_data)


def _convert_mnist_siamese_data(options: argparse.Namespace) -> int:
    images, labels, path = options.arguments
    pairs = mnist.pairs(*mnist.read_pair(images, labels), options.seed)
    write_arrays(path, *pairs, options.backend, progress=bar())
    return 0


def convert_cifar_data() -> int:
    """``convert_cifar_data FOLDER FOLDER DB_TYPE``: CIFAR-10's binary files as two databases."""
    about = "Convert the CIFAR-10 dataset (binary version) to the lmdb/leveldb format used by Caffe to load data."
    tool = Tool("convert_cifar_data", about, "input_folder output_folder db_type", 3, 3)
    return tool.run(_convert_cifar_data)


def _convert_cifar_data(options: argparse.Namespace) -> int:
    source, target, backend = options.arguments
    if backend not in BACKENDS:
        raise ArgumentError("convert_cifar_data", f"db_type '{backend}'", "use lmdb or leveldb")
    convert("cifar10", source, target, backend, progress=bar())
    return 0


# -- extract_features ------------------------------------------------------------------------------------------------


def extract_features() -> int:
    """``extract_features WEIGHTS NET BLOBS DATASETS BATCHES DB_TYPE [CPU/GPU] [DEVICE_ID=0]``: blobs, item by item."""
    about = (
        "Take a trained network and an input data layer, and extract features of the input data produced by the net. "
        "db_type is leveldb, lmdb, hdf5, mat or npy."
    )
    usage = (
        "pretrained_net_param feature_extraction_proto_file extract_feature_blob_name1[,name2,...] "
        "save_feature_dataset_name1[,name2,...] num_mini_batches db_type [CPU/GPU] [DEVICE_ID=0]"
    )
    return Tool("extract_features", about, usage, 6, 8).run(_extract_features)


def _extract_features(options: argparse.Namespace) -> int:
    from caffe_sdk import mode
    from caffe_sdk.app import features

    weights, model, blobs, datasets, batches, form, *device = options.arguments
    if not batches.isdigit():
        raise ArgumentError("extract_features", f"num_mini_batches '{batches}'", "give a whole number")
    if device[:1] == ["GPU"]:
        mode.set_mode_gpu()
    elif device[:1] not in ([], ["CPU"]):
        raise ArgumentError("extract_features", f"device '{device[0]}'", "use CPU or GPU")
    for path in (weights, model):
        if not os.path.exists(path):
            raise MissingFileError("", f"Could not open file {path}: it does not exist", "check the path")
    features.extract_features(weights, model, blobs.split(","), datasets.split(","), int(batches), form, bar())
    return 0
