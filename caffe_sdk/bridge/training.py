"""Trainings that a client takes step by step: MATLAB's trainingOptions, arrays and labels in, rows of numbers out."""

from __future__ import annotations

import math
import os
import secrets
import time
from collections.abc import Callable, Generator
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from caffe_sdk.app import inference
from caffe_sdk.app.blobs import Values, overwrite
from caffe_sdk.app.fitting import Examples, Fit, Plan, Step, fit_arrays, fit_solver, read_model
from caffe_sdk.app.inference import Input
from caffe_sdk.app.session import HANDLE_BITS, Session
from caffe_sdk.bridge.translate import Options, average_of, integer, items_of, path_of, pixels_of, turned
from caffe_sdk.bridge.values import Array
from caffe_sdk.data.digits import read_digits, split
from caffe_sdk.errors import ArgumentError, CancelledError, HandleError, WriteError
from caffe_sdk.net import Net
from caffe_sdk.preprocessing import Preprocessing

RULES = {
    "sgdm": 'type: "SGD" momentum: {Momentum}',
    "nesterov": 'type: "Nesterov" momentum: {Momentum}',
    "adam": 'type: "Adam" momentum: {GradientDecayFactor} momentum2: {SquaredGradientDecayFactor} delta: {Epsilon}',
    "rmsprop": 'type: "RMSProp" rms_decay: {SquaredGradientDecayFactor} delta: {Epsilon}',
    "adagrad": 'type: "AdaGrad" delta: {Epsilon}',
    "adadelta": 'type: "AdaDelta" momentum: {GradientDecayFactor} delta: {Epsilon}',
}
"""MATLAB's solvers, and those that only Caffe has, in Caffe's words."""
TURN = 1.0  # seconds after which the client hears of a training


class Running(NamedTuple):
    """A training under way."""

    fit: Fit
    steps: Generator[Step, None, None]
    classes: Any


class Trainings:
    """The commands about trainings. ``adopt`` takes in a net that was trained, with its classes."""

    def __init__(
        self, session: Session, cancelled: Callable[[], bool], adopt: Callable[[int, Any], dict[str, Any]]
    ) -> None:
        self.session, self.cancelled, self.adopt = session, cancelled, adopt
        self.running: dict[int, Running] = {}
        self.table: dict[str, Callable[..., Any]] = {
            "digits": _digits,
            "fit_arrays": self._fit_arrays,
            "fit_solver": lambda path: self._begin(fit_solver(path_of(path)), None),
            "fit_advance": self._advance,
            "fit_stop": lambda fit, why: self._of(fit).fit.stop(why),
            "fit_net": self._net,
            "fit_close": self._close,
        }

    def forget_all(self) -> None:
        """End every training."""
        for fit in list(self.running):
            self._end(fit)

    def _fit_arrays(self, model: str | Array, data: Array, targets: Array, options: Options) -> dict[str, Any]:
        """Begin to train a prototxt, by its path or text, or from what a net has learnt already."""
        text = path_of(model) if isinstance(model, str) else self.session.net_text(integer(model))
        record = None if isinstance(model, str) else self.session.preprocessing(integer(model))
        if record is None or "Scale" in options or "AverageImage" in options:
            record = _record(data, options)
        plan = plan_of(options)
        classes = "Classes" in options
        train = _examples(record, data, targets, classes)
        validation = None
        if "ValidationX" in options:
            validation = _examples(record, options["ValidationX"], options["ValidationY"], classes)
        solver, weights = solver_of(options, len(train.data)), path_of(options.get("Weights", ""))
        fit = fit_arrays(read_model(text), train, plan, solver, validation, weights)
        fit.record = record
        if not isinstance(model, str):
            self._take_weights(fit.solver.net, integer(model))
        return self._begin(fit, options.get("Classes"))

    def _take_weights(self, net: Net, handle: int) -> None:
        """Give a net that is to be trained the weights of one that there is."""
        for layer in self.session.describe_net(handle).layers:
            if layer.params and layer.name in net.layer_dict:
                blobs = [(layer.name, index) for index in range(len(layer.params))]
                arrays = self.session.get_blobs(handle, blobs)
                overwrite(net, [Values(blob, "data", array) for blob, array in zip(blobs, arrays, strict=True)])

    def _begin(self, fit: Fit, classes: Any) -> dict[str, Any]:
        handle = secrets.randbits(HANDLE_BITS)
        self.running[handle] = Running(fit, fit.steps(), classes)
        return {"fit": handle, "iterations": int(fit.solver.param.max_iter), "per_epoch": float(fit.per_epoch)}

    def _advance(self, fit: Array, most: Array) -> dict[str, Any]:
        """Train for a while: at most so many steps, and about `TURN` seconds. Rows of numbers of what was done."""
        running, until = self._of(fit), time.monotonic() + TURN
        rows: list[Step] = []
        step: Step | None = None
        while len(rows) < integer(most) and (not rows or time.monotonic() < until):
            step = next(running.steps, None)
            if step is None:
                break
            rows.append(step)
            if self.cancelled():
                raise CancelledError("train", "training was stopped because you asked for it")
        numbers = np.array([list(vars(row).values()) for row in rows], float).reshape(-1, len(fields(Step)))
        done = step is None
        return {"steps": numbers.T, "done": done, "why": running.fit.stopped}

    def _net(self, fit: Array) -> dict[str, Any]:
        """A net for use with the weights as they are, which the client owns."""
        running = self._of(fit)
        text = str(running.fit.deployed)
        net = self.session.create_net(text=text, weights=running.fit.weights(), preprocessing=running.fit.record)
        return self.adopt(net, running.classes)

    def _close(self, fit: Array) -> None:
        self._end(integer(fit))

    def _end(self, fit: int) -> None:
        running = self.running.pop(fit, None)
        if running is not None:
            running.steps.close()
            running.fit.close()

    def _of(self, fit: Array) -> Running:
        running = self.running.get(integer(fit))
        if running is None:
            raise HandleError("train", "there is no such training", "it ended: begin another")
        return running


def _digits() -> dict[str, Array]:
    """Handwritten digits to learn from and to be tested with, H x W x 1 x N, and their labels, N x 1."""
    images, labels = read_digits()
    found: dict[str, Array] = {}
    for name, places in zip(("train", "test"), split(labels, seed=0), strict=True):
        found[f"{name}_images"] = turned(images[places])
        found[f"{name}_labels"] = labels[places].astype(float).reshape(1, -1)
    return found


def _record(data: Array, options: Options) -> Preprocessing:
    """How ``data`` becomes the net's input, by the options of a training."""
    channels = data.shape[-3] if data.ndim > 2 else 1
    order = "RGB" if channels == 3 else "GRAY"
    scale = float(options["Scale"].item()) if "Scale" in options else 1.0
    return Preprocessing(None, None, order, average_of(options.get("AverageImage"), order), scale)


def _examples(record: Preprocessing, data: Array, targets: Array, classes: bool) -> Examples:
    """Arrays of MATLAB's as a net takes them: images prepared, targets with items first, or numbers of ``classes``."""
    items = items_of(data, 2 if data.ndim == 2 else 4)
    assert not isinstance(items, list)
    wanted = pixels_of(targets) if targets.ndim > 2 else targets.reshape(-1) if classes else targets.T
    return Examples(inference.prepared(Input("data", items.shape), record, items), wanted)


def plan_of(options: Options) -> Plan:
    """How a training goes, of MATLAB's trainingOptions."""
    prefix = ""
    if folder := options.get("CheckpointPath", ""):
        folder = path_of(folder)
        if not Path(folder).is_dir():
            raise WriteError(folder, "is no folder", "make it before, or name another CheckpointPath")
        prefix = os.path.join(folder, "net_checkpoint_")
    patience = _number(options, "ValidationPatience")
    return Plan(
        epochs=integer(options["MaxEpochs"]),
        batch=integer(options["MiniBatchSize"]),
        shuffle=str(options["Shuffle"]),
        seed=integer(options["Seed"]),
        validate_every=integer(options["ValidationFrequency"]),
        patience=patience,
        keep_best=str(options["OutputNetwork"]).startswith("best-validation"),
        checkpoint=prefix,
        checkpoint_every=integer(options["CheckpointFrequency"]),
    )


def solver_of(options: Options, items: int) -> str:
    """The solver that MATLAB's trainingOptions describe, as prototxt text, for so many items.

    Raises ArgumentError for what a solver of Caffe cannot do.
    """
    rule = RULES.get(str(options["Solver"]))
    if rule is None:
        raise ArgumentError("trainingOptions", f"there is no solver '{options['Solver']}'", f"use {', '.join(RULES)}")
    scalars = {name: value for name, value in options.items() if isinstance(value, np.ndarray) and value.size == 1}
    numbers = {name: value.item() for name, value in scalars.items()}
    text = [rule.format(**numbers), "base_lr: {InitialLearnRate} weight_decay: {L2Regularization}".format(**numbers)]
    if options["LearnRateSchedule"] == "piecewise":
        period = integer(options["LearnRateDropPeriod"]) * max(1, items // integer(options["MiniBatchSize"]))
        text.append('lr_policy: "step" gamma: {LearnRateDropFactor}'.format(**numbers) + f" stepsize: {period}")
    elif options["LearnRateSchedule"] == "none":
        text.append('lr_policy: "fixed"')
    else:
        what = f"LearnRateSchedule is '{options['LearnRateSchedule']}'"
        raise ArgumentError("trainingOptions", what, "use none or piecewise")
    threshold = _number(options, "GradientThreshold")
    if not threshold > 0:
        raise ArgumentError("trainingOptions", f"GradientThreshold is {threshold:g}", "give a number above 0, or Inf")
    if math.isfinite(threshold):
        text.append(f"clip_gradients: {threshold}")
    return "\n".join(text)


def _number(options: Options, name: str) -> float:
    value = options[name]
    if not isinstance(value, np.ndarray) or value.size != 1:
        raise ArgumentError("trainingOptions", f"{name} is no scalar", "give one number")
    return float(value.item())
