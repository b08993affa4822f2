"""Labels against the number of classes: a look into the data, where it is here."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from caffe_sdk.app.check.rules import Found, rule
from caffe_sdk.app.check.subject import HINT, WARNING, End, Subject
from caffe_sdk.app.stand_ins import PARAMETERS, missing_source
from caffe_sdk.data.databases import open_database
from caffe_sdk.data.datum import parse
from caffe_sdk.errors import CaffeError
from caffe_sdk.schema.files import read_text

RECORDS = 10_000  # looked at, at most
SECONDS = 1.0
CLASSIFYING = ("Accuracy", "HingeLoss", "InfogainLoss", "MultinomialLogisticLoss", "SoftmaxWithLoss")
"""Layers that take scores of classes and labels that count them."""


@dataclass(frozen=True)
class Labels:
    """What the labels of a source are, as far as was looked."""

    lowest: float
    highest: float
    count: int
    all_seen: bool


@rule("labels")
def labels(subject: Subject) -> Found:
    """Labels that no class has, and classes that no label has."""
    seen: dict[str, Labels | None] = {}
    for i, layer in subject.of_type(*CLASSIFYING):
        classes = _classes(subject, i)
        if classes == 1 and layer.type in ("SoftmaxWithLoss", "InfogainLoss"):
            remedy = "give two classes, or use SigmoidCrossEntropyLoss"
            yield layer.name, "has one class: its probability is 1 whatever is learned", remedy, WARNING
        source = subject.origin(End(i, 1)) if len(layer.bottom) > 1 else None
        if classes is None or source is None:
            continue
        if source.name not in seen:
            seen[source.name] = look(source, _ignored(layer))
        found = seen[source.name]
        if found is not None:
            yield from _compare(layer, classes, found)


def _compare(layer: Any, classes: int, found: Labels) -> Found:
    words = f"the labels go from {found.lowest:g} to {found.highest:g}"
    if found.lowest < 0 or found.highest >= classes:
        remedy = f"count labels from 0 to {classes - 1}, or set num_output: {found.highest + 1:g}"
        yield layer.name, f"has {classes} classes, and {words}", remedy, WARNING
    elif found.all_seen and found.highest + 1 < classes:
        what = f"has {classes} classes, and {words}: some classes are never seen"
        yield layer.name, what, f"set num_output: {found.highest + 1:g} if there are no others", HINT


def _classes(subject: Subject, i: int) -> int | None:
    """How many classes the scores of a layer are for."""
    layer, scores = subject.layers[i], subject.shape(End(i, 0))
    if scores is None:
        maker = subject.origin(End(i, 0))
        return maker.inner_product_param.num_output if maker is not None and maker.type == "InnerProduct" else None
    if layer.type in ("HingeLoss", "MultinomialLogisticLoss"):
        return math.prod(scores[1:])
    axis = layer.accuracy_param.axis if layer.type == "Accuracy" else layer.softmax_param.axis
    return scores[axis] if -len(scores) <= axis < len(scores) else None


def _ignored(layer: Any) -> int | None:
    """The label that a layer passes over."""
    param = layer.accuracy_param if layer.type == "Accuracy" else layer.loss_param
    return param.ignore_label if param.HasField("ignore_label") else None


def look(layer: Any, ignored: int | None = None) -> Labels | None:
    """The labels of a Data or ImageData layer (LayerParameter), of as many records as can be read in a second.

    None where there are no labels, or none to be had.
    """
    if layer.type not in ("Data", "ImageData") or missing_source(layer) is not None:
        return None
    if layer.image_data_param.labels:  # numbers of another kind than classes
        return None
    param = getattr(layer, PARAMETERS[layer.type])
    try:
        return _summed(_listed(param.source) if layer.type == "ImageData" else _stored(param), ignored)
    except CaffeError:  # whoever builds the net is told
        return None


def _summed(labels: Iterable[float], ignored: int | None) -> Labels | None:
    deadline = time.monotonic() + SECONDS
    lowest, highest, count = math.inf, -math.inf, 0
    for label in labels:
        if count >= RECORDS or time.monotonic() > deadline:
            return Labels(lowest, highest, count, False)
        if label != ignored:
            lowest, highest, count = min(lowest, label), max(highest, label), count + 1
    return Labels(lowest, highest, count, True) if count else None


def _stored(param: Any) -> Iterator[float]:
    with open_database(param.source, param.backend) as database:
        for _, value in database.items():
            label = parse(value).label
            if not isinstance(label, np.ndarray):
                yield label


def _listed(path: str) -> Iterator[float]:
    for line in read_text(path).splitlines():
        label = line.rpartition(" ")[2].strip()
        if label.lstrip("-").isdigit():
            yield float(label)
