"""Caffe's Python tools under their own names and with their flags: classify.py, detect.py and draw_net.py."""

from __future__ import annotations

import argparse
import csv
import glob
import io
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import caffe_sdk as caffe
from caffe_sdk.cli.main import guarded
from caffe_sdk.errors import ArgumentError, CorruptFileError, DeviceError
from caffe_sdk.preprocessing import find, load_array, load_mean
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.files import atomic_write, read_bytes, read_text, write_bytes
from caffe_sdk.schema.messages import NetParameter

Array = NDArray[Any]

MODEL = os.path.join("models", "bvlc_reference_caffenet")
IMAGENET_MEAN = (104.00698793, 116.66876762, 122.67891434)
"""The mean colour of ImageNet's images, blue first: what the original's mean image is on the average."""

CROP_MODES = ("list", "selective_search")
COORD_COLS = ["ymin", "xmin", "ymax", "xmax"]
PHASES = {"TRAIN": caffe.TRAIN, "TEST": caffe.TEST, "ALL": None}


# -- classify.py -----------------------------------------------------------------------------------------------------


def classify() -> int:
    """``classify.py INPUT OUTPUT.npy``: predictions for an image, a folder of them, or an array of images."""
    parser = argparse.ArgumentParser("classify.py", description="Classify images with a trained model.")
    parser.add_argument("input_file", help="input image, directory, or npy")
    parser.add_argument("output_file", help="output npy filename")
    _add_model_flags(parser)
    parser.add_argument("--center_only", action="store_true", help="predict from the centre crop alone, not from ten")
    parser.add_argument("--images_dim", help="'height,width' that images are resized to (default: 256,256)")
    parser.add_argument("--ext", default="jpg", help="file extension of the images in a directory")
    options = parser.parse_args()
    return guarded("classify.py", lambda: _classify(options))


def _classify(options: argparse.Namespace) -> int:
    _choose_mode(options)
    given = _preprocessing(options, options.images_dim)
    if given:
        given["image_dims"] = _numbers("--images_dim", options.images_dim or "256,256")
    classifier = caffe.Classifier(options.model_def, options.pretrained_model, **given)
    source = os.path.expanduser(options.input_file)
    inputs: Sequence[Array] | Array
    if source.endswith("npy"):
        print(f"Loading file: {source}")
        inputs = load_array(source)
    elif os.path.isdir(source):
        print(f"Loading folder: {source}")
        inputs = [caffe.io.load_image(name) for name in sorted(glob.glob(f"{glob.escape(source)}/*.{options.ext}"))]
    else:
        print(f"Loading file: {source}")
        inputs = [caffe.io.load_image(source)]
    print(f"Classifying {len(inputs)} inputs.")
    start = time.perf_counter()
    predictions = classifier.predict(inputs, not options.center_only)
    print(f"Done in {time.perf_counter() - start:.2f} s.")
    print(f"Saving results into {options.output_file}")
    name = options.output_file if options.output_file.endswith(".npy") else f"{options.output_file}.npy"
    with atomic_write(name) as file:
        np.save(file, predictions)
    return 0


# -- detect.py -------------------------------------------------------------------------------------------------------


def detect() -> int:
    """``detect.py INPUT OUTPUT``: predictions for windows of images, as CSV or HDF5."""
    parser = argparse.ArgumentParser("detect.py", description="Classify windows of images with a trained model.")
    parser.add_argument("input_file", help="txt: a list of images; csv: 'filename,ymin,xmin,ymax,xmax' with a header")
    parser.add_argument("output_file", help="output h5 or csv filename; the format depends on the extension")
    _add_model_flags(parser)
    parser.add_argument("--crop_mode", default="selective_search", choices=CROP_MODES, help="where windows come from")
    parser.add_argument("--context_pad", type=int, default=16, help="pixels of context around a window")
    options = parser.parse_args()
    return guarded("detect.py", lambda: _detect(options))


def _detect(options: argparse.Namespace) -> int:
    _choose_mode(options)
    detector = caffe.Detector(
        options.model_def, options.pretrained_model, context_pad=options.context_pad, **_preprocessing(options)
    )
    start = time.perf_counter()
    print("Loading input...")
    windows = _windows(options.input_file)
    if options.crop_mode == "list":
        if None in windows.values():
            raise ArgumentError("--crop_mode list", f"{options.input_file} has no windows", "give them in a csv file")
        detections = detector.detect_windows((name, listed or ()) for name, listed in windows.items())
    else:
        detections = detector.detect_selective_search(list(windows))
    print(f"Processed {len(detections)} windows in {time.perf_counter() - start:.3f} s.")
    start = time.perf_counter()
    save = _save_csv if options.output_file.lower().endswith("csv") else _save_frame
    save(detections, options.output_file)
    print(f"Saved to {options.output_file} in {time.perf_counter() - start:.3f} s.")
    return 0


def _windows(path: str) -> dict[str, list[list[int]] | None]:
    """The windows of each image that a csv file lists; None for each image of a txt file, which lists none."""
    if path.lower().endswith("txt"):
        return {line.strip(): None for line in read_text(path).splitlines() if line.strip()}
    if not path.lower().endswith("csv"):
        raise ArgumentError(path, "Unknown input file type: not in txt or csv.", "give one of them")
    reader = csv.DictReader(io.StringIO(read_text(path)), skipinitialspace=True)
    if missing := {"filename", *COORD_COLS} - set(reader.fieldnames or ()):
        what = f"its first line does not name {', '.join(sorted(missing))}"
        raise CorruptFileError(path, what, f"begin with filename,{','.join(COORD_COLS)}")
    windows: dict[str, list[list[int]] | None] = {}
    for row in reader:
        try:
            window = [int(float(row[column])) for column in COORD_COLS]
        except (TypeError, ValueError, OverflowError):
            raise CorruptFileError(f"{path}:{reader.line_num}", "a corner is no number", "give four") from None
        known = windows.setdefault(row["filename"], [])
        assert known is not None
        known.append(window)
    return windows


def _save_csv(detections: list[dict[str, Any]], path: str) -> None:
    """A line for each window: its image, corners, and the probability of each class."""
    text = io.StringIO()
    classes = max((each["prediction"].size for each in detections), default=0)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["filename", *COORD_COLS, *(f"class{i}" for i in range(classes))])
    for each in detections:
        writer.writerow([each["filename"], *each["window"], *each["prediction"].ravel().tolist()])
    write_bytes(path, text.getvalue().encode())


def _save_frame(detections: list[dict[str, Any]], path: str) -> None:
    """The original's table 'df' of pandas, in HDF5: index filename, columns prediction and the corners."""
    try:
        import pandas
        import tables  # noqa: F401 - pandas needs it to write
    except ImportError as error:
        what = f"HDF5 is written by pandas, and {error.name} is not installed"
        raise DeviceError(path, what, "pip install pandas tables, or name the output .csv") from None
    columns: dict[str, Any] = {"prediction": [each["prediction"] for each in detections]}
    for i, column in enumerate(COORD_COLS):
        columns[column] = [each["window"][i] for each in detections]
    index = pandas.Index([each["filename"] for each in detections], name="filename")
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore", pandas.errors.PerformanceWarning)  # predictions are pickled, as ever
        frame = os.path.join(folder, "df.h5")
        pandas.DataFrame(columns, index=index).to_hdf(frame, key="df", mode="w")
        write_bytes(path, read_bytes(frame))


# -- draw_net.py -----------------------------------------------------------------------------------------------------


def draw_net() -> int:
    """``draw_net.py NET.prototxt IMAGE``: draw a net's layers and blobs."""
    parser = argparse.ArgumentParser("draw_net.py", description="Draw the network graph.")
    parser.add_argument("input_net_proto_file", help="input network prototxt file")
    parser.add_argument("output_image_file", help="output image file: .svg, .png, .jpg, .pdf, or .raw for Graphviz")
    directions = "TB (from top to bottom), BT, LR (from left to right) or RL"
    parser.add_argument("--rankdir", default="LR", help=f"where the net flows: {directions} (default: %(default)s)")
    parser.add_argument("--phase", default="ALL", choices=sorted(PHASES), help="the layers of which phase")
    parser.add_argument("--display_lrm", action="store_true", help="show learning rate multipliers")
    options = parser.parse_args()
    return guarded("draw_net.py", lambda: _draw_net(options))


def _draw_net(options: argparse.Namespace) -> int:
    net = prototxt.read(options.input_net_proto_file, NetParameter)
    print(f"Drawing net to {options.output_image_file}")
    caffe.draw.draw_net_to_file(
        net, options.output_image_file, options.rankdir, PHASES[options.phase], options.display_lrm
    )
    return 0


# -- what classify.py and detect.py share ----------------------------------------------------------------------------


def _add_model_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model_def", default=os.path.join(MODEL, "deploy.prototxt"), help="model definition file")
    weights = os.path.join(MODEL, "bvlc_reference_caffenet.caffemodel")
    add("--pretrained_model", default=weights, help="trained model weights file")
    add("--gpu", action="store_true", help="compute on a GPU")
    mean = "mean to subtract: .npy (channels x height x width), .binaryproto, '' for none (default: ImageNet's colour)"
    add("--mean_file", help=mean)
    add("--input_scale", type=float, help="multiply input with this at the end of preprocessing")
    add("--raw_scale", type=float, help="multiply input with this before preprocessing (default: 255)")
    add("--channel_swap", help="order of the channels (default: 2,1,0, which makes BGR of RGB)")


def _choose_mode(options: argparse.Namespace) -> None:
    choose: Callable[[], None] = caffe.set_mode_gpu if options.gpu else caffe.set_mode_cpu
    choose()
    print("GPU mode" if options.gpu else "CPU mode")


def _preprocessing(options: argparse.Namespace, *more: str | None) -> dict[str, Any]:
    """The arguments of Classifier and Detector that flags give, with the original's defaults.

    None where no flag was given and there is a record beside the model, which then counts.
    """
    flags = (options.mean_file, options.input_scale, options.raw_scale, options.channel_swap, *more)
    if all(flag is None for flag in flags) and find(options.pretrained_model, options.model_def) is not None:
        return {}
    mean: Any = np.array(IMAGENET_MEAN)
    if options.mean_file is not None:
        mean = load_mean(options.mean_file) if options.mean_file else None
    words = "2,1,0" if options.channel_swap is None else options.channel_swap
    return {
        "mean": mean,
        "input_scale": options.input_scale,
        "raw_scale": 255.0 if options.raw_scale is None else options.raw_scale,
        "channel_swap": _numbers("--channel_swap", words) if words else None,
    }


def _numbers(flag: str, words: str) -> list[int]:
    try:
        return [int(word) for word in words.split(",")]
    except ValueError:
        raise ArgumentError(flag, f"'{words}' are no whole numbers", "separate them by ','") from None
