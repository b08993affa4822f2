"""Train on arrays in memory: mini-batches, epochs and validation around the one Solver, which does the rest.

::

    fit = fit_arrays(net, Examples(images, labels), Plan(epochs=4, batch=64), "base_lr: 0.01 lr_policy: 'fixed'")
    for step in fit.steps():
        print(step.iteration, step.loss, step.accuracy)
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from caffe_sdk.app import deploy, records
from caffe_sdk.app.tasks import open_solver
from caffe_sdk.errors import ArgumentError, CaffeError, ShapeError
from caffe_sdk.memory import Array
from caffe_sdk.net import Net
from caffe_sdk.preprocessing import Preprocessing, from_transform
from caffe_sdk.schema import prototxt, wire
from caffe_sdk.schema.messages import TEST, NetParameter, SolverParameter
from caffe_sdk.solver import Solver, get_solver
from caffe_sdk.solver.events import Iteration, Tested

SHUFFLES = ("once", "never", "every-epoch")


class Examples(NamedTuple):
    """What to learn from: ``data`` (items, ...) as the net takes it, ``targets`` (items,), the numbers of classes from
    0, or (items, ...), the values to come near to.
    """

    data: Array
    targets: Array


@dataclass(frozen=True)
class Plan:
    """How a training goes through its examples. Raises ArgumentError for numbers that make no sense."""

    epochs: int = 30
    batch: int = 128
    """Items of a mini-batch; what is left over at the end of an epoch is not trained on in that epoch."""
    shuffle: str = "once"
    """'once' before the first epoch, 'never', or 'every-epoch'."""
    seed: int = -1
    """Of the order and of the net's first weights; by chance if negative."""
    validate_every: int = 50
    """Iterations from one validation to the next; there is one before the first and one after the last."""
    patience: float = math.inf
    """End the training when the validation's loss was so many times not below its least value."""
    keep_best: bool = False
    """Whether the weights at the end are those of the least loss in validation."""
    checkpoint: str = ""
    """Prefix of snapshots; none are written without."""
    checkpoint_every: int = 1
    """Epochs from one snapshot to the next."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "validate_every", "patience", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ArgumentError(name, f"is {getattr(self, name)}", "give 1 or more")
        if self.shuffle not in SHUFFLES:
            raise ArgumentError("shuffle", f"is '{self.shuffle}'", f"use one of {', '.join(SHUFFLES)}")


@dataclass(frozen=True)
class Step:
    """An iteration was made, number ``iteration`` counted from 1; numbers that there are none of are NaN.

    The validation's numbers are those of the weights after it; of a training that has not begun (iteration 0) only
    those are given.
    """

    epoch: float
    iteration: int
    seconds: float
    loss: float
    accuracy: float
    rate: float
    validation_loss: float = math.nan
    validation_accuracy: float = math.nan


class Validation:
    """Examples that a net is judged by, all of them, whatever their number."""

    def __init__(self, solver: Solver, config: Any, names: tuple[str, str], examples: Examples, batch: int) -> None:
        self._solver, self._config, self._names = solver, config, names
        self._examples, self._batch = examples, batch
        self._scores = deploy.score_blob(config)
        self._nets: dict[int, Net] = {}  # by batch size: the last batch may be a smaller one

    def __call__(self) -> tuple[float, float]:
        """Loss and accuracy, means over the examples."""
        losses = hits = 0.0
        for start in range(0, len(self._examples.data), self._batch):
            data, targets = (array[start : start + self._batch] for array in self._examples)
            net = self._net_for(len(data))
            for name, array in zip(self._names, (data, targets), strict=True):
                net.blobs[name].data[...] = array
            losses += net._forward(0, len(net.layers) - 1) * len(data)
            if self._scores is not None:
                hits += correct(net.blobs[self._scores].data, targets)
        count = len(self._examples.data)
        right = hits / self._examples.targets.size if self._scores is not None else math.nan
        return losses / count, right

    def _net_for(self, size: int) -> Net:
        """A net for so many items, with the weights that are trained."""
        if size not in self._nets:
            net = Net(self._config, TEST)
            self._nets[size] = net
            self._solver.share_weights(net)
            for name in self._names:
                net.blobs[name].reshape(size, *net.blobs[name].shape[1:])
            net.reshape()
        return self._nets[size]

    def close(self) -> None:
        """Give back the nets' memory."""
        for net in self._nets.values():
            net.close()


class Feed:
    """Writes the next mini-batch into a net's inputs before each iteration."""

    def __init__(self, net: Net, names: tuple[str, str], examples: Examples, plan: Plan) -> None:
        self._net, self._names, self._examples, self._plan = net, names, examples, plan
        self.per_epoch = len(examples.data) // plan.batch
        self._draws = np.random.default_rng(plan.seed if plan.seed >= 0 else None)
        self._order = np.arange(len(examples.data))
        self._batches = 0

    def __call__(self) -> None:
        """Write it."""
        place = self._batches % self.per_epoch
        if place == 0 and (self._plan.shuffle == "every-epoch" or (self._plan.shuffle == "once" and not self._batches)):
            self._order = self._draws.permutation(len(self._order))
        rows = self._order[place * self._plan.batch : (place + 1) * self._plan.batch]
        for name, array in zip(self._names, self._examples, strict=True):
            self._net.blobs[name].data[...] = array[rows]
        self._batches += 1


class Fit:
    """A training: a solver, how its steps are judged, and when it ends. Use it in a ``with`` block, or close it.

    ``deployed`` is the description of the net for use; its weights are those of ``solver.net``.
    """

    def __init__(self, solver: Solver, deployed: Any, plan: Plan | None = None) -> None:
        self.solver, self.deployed, self.plan = solver, deployed, plan or Plan()
        self.record: Preprocessing | None = None
        """How images become the net's input, where that is known."""
        self.per_epoch = math.nan
        self.stopped = ""
        """Why the training ended before its time, in words; empty if it did not."""
        self._scores = deploy.score_blob(solver.net.graph.config)
        self._labels = ""
        self._validation: Validation | None = None
        self._best: tuple[float, bytes] = (math.inf, b"")
        self._worse = 0
        self._began = time.perf_counter()

    def steps(self) -> Generator[Step, None, None]:
        """Train; what happens, iteration by iteration. Raises what `Solver.events` does."""
        self._began = time.perf_counter()
        if self._validation is not None:
            yield self._judged(Step(0.0, 0, 0.0, math.nan, math.nan, math.nan))
        for event in self.solver.events():
            if isinstance(event, Iteration):
                yield from self._made(event)
            elif isinstance(event, Tested):
                yield self._tested(event)
        if self.plan.keep_best and self._best[1]:
            self.solver.net.copy_weights(wire.decode_net(self._best[1], "weights").layers, "the best weights")

    def _made(self, event: Iteration) -> Iterator[Step]:
        done = event.iteration + 1
        epoch = (event.iteration // self.per_epoch) + 1 if self.per_epoch == self.per_epoch else math.nan
        seconds = time.perf_counter() - self._began
        step = Step(epoch, done, seconds, event.loss, self._accuracy(), event.rate)
        last = done == self.solver.param.max_iter
        due = self._validation is not None and (last or done % self.plan.validate_every == 0)
        yield self._judged(step) if due else step

    def _accuracy(self) -> float:
        """Share of the mini-batch that was classified right."""
        net = self.solver.net
        if self._scores is None or self._labels not in net.blobs:
            return math.nan
        labels = net.blobs[self._labels].data
        return correct(net.blobs[self._scores].data, labels) / max(1, labels.size)

    def _judged(self, step: Step) -> Step:
        """A step with the validation's numbers. What the first weights are worth is told, but is no result."""
        assert self._validation is not None
        loss, accuracy = self._validation()
        if step.iteration:
            self._remember(loss)
        return replace(step, validation_loss=loss, validation_accuracy=accuracy)

    def _remember(self, loss: float) -> None:
        """Keep the best weights if that is wished; end the training where they have not got better for long."""
        if loss < self._best[0]:
            self._best = (loss, self.weights() if self.plan.keep_best else b"")
            self._worse = 0
            return
        self._worse += 1
        if self._worse >= self.plan.patience:
            self.stop("Met validation criterion")

    def _tested(self, event: Tested) -> Step:
        """A test of the solver's own, as a step that has only that; of several test nets the first counts."""
        values = {output.name: output.value for output in event.outputs if event.net_index == 0}
        losses = [o.value * o.loss_weight for o in event.outputs if o.loss_weight and event.net_index == 0]
        return Step(
            *(math.nan, event.iteration, time.perf_counter() - self._began, math.nan, math.nan, math.nan),
            validation_loss=sum(losses) if losses else math.nan,
            validation_accuracy=values.get("accuracy", math.nan),
        )

    def stop(self, why: str = "Stopped by user") -> None:
        """End the training after the iteration it is at."""
        self.stopped = why
        self.solver.request_stop()

    def judge_by(self, validation: Validation) -> None:
        """Validate from now on."""
        self._validation = validation

    def feed_from(self, feed: Feed, label: str) -> None:
        """Take mini-batches from there; ``label`` is the blob of their targets."""
        self.per_epoch = feed.per_epoch
        self._labels = label
        self.solver.add_callback(feed)

    def weights(self) -> bytes:
        """The weights as they are, as the bytes of a caffemodel."""
        return b"".join(self.solver.net.encode())

    def close(self) -> None:
        """Give back the memory of all nets."""
        if self._validation is not None:
            self._validation.close()
        self.solver.close()

    def __enter__(self) -> Fit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def fit_arrays(
    net: Any, train: Examples, plan: Plan, solver: str, validation: Examples | None = None, weights: str = ""
) -> Fit:
    """A training of a net, a NetParameter, on arrays. ``solver`` is prototxt text: rates, momentum, the type of update.
    ``weights`` is a caffemodel to begin with.

    The net may be for use, or end before its loss: see `deploy.to_train`. Raises ArgumentError and ShapeError for
    arrays that do not fit one another, and what `Solver` raises.
    """
    train = _checked("data", train)
    if len(train.data) < plan.batch:
        what = f"{len(train.data)} items for mini-batches of {plan.batch}"
        raise ArgumentError("data", what, "give more, or make the mini-batch smaller")
    shapes = [(plan.batch, *array.shape[1:]) for array in train]
    config = deploy.to_train(net, *shapes)
    names = (str(config.layer[0].top[0]), str(config.layer[1].top[0]))
    param = prototxt.parse(solver, SolverParameter)
    param.net_param.CopyFrom(config)
    per_epoch = len(train.data) // plan.batch
    param.max_iter = plan.epochs * per_epoch
    param.random_seed = plan.seed
    param.snapshot_after_train = False
    if weights:
        param.weights.append(weights)
    if plan.checkpoint:
        param.snapshot_prefix = plan.checkpoint
        param.snapshot = plan.checkpoint_every * per_epoch
    fit = Fit(get_solver(param), deploy.to_use(config, shapes[0]), plan)
    try:
        fit.feed_from(Feed(fit.solver.net, names, train, plan), names[1])
        if validation is not None:
            checked = _checked("validation data", validation)
            if checked.data.shape[1:] != train.data.shape[1:]:
                what = f"items of shape {checked.data.shape[1:]}, and {train.data.shape[1:]} in training"
                raise ShapeError("validation data", what, "give items like those of the training")
            fit.judge_by(Validation(fit.solver, config, names, checked, plan.batch))
    except CaffeError:
        fit.close()
        raise
    return fit


def fit_solver(path: str) -> Fit:
    """A training as a solver prototxt says, whose net reads its data itself. Raises what `open_solver` does, and
    ArgumentError for another net.
    """
    solver = open_solver(path)
    net = solver.net
    try:
        sources = [node.layer.config for node in net.graph.nodes if not node.layer.config.bottom]
        shape = net.blobs[sources[0].top[0]].shape if sources else ()
        fit = Fit(solver, deploy.to_use(net.graph.config, shape))
        if sources[0].type in records.SOURCES and len(shape) == 4 and shape[1] in (1, 3):
            fit.record = from_transform(sources[0].transform_param, shape[1])
    except CaffeError:
        solver.close()
        raise
    fit._labels = str(sources[0].top[1]) if len(sources[0].top) > 1 else ""
    return fit


def correct(scores: Array, targets: Array) -> float:
    """How many rows of scores (items, classes, ...) are highest at the class that ``targets`` names."""
    return float((scores.argmax(axis=1).reshape(-1) == targets.reshape(-1)).sum())


def _checked(what: str, examples: Examples) -> Examples:
    data, targets = (np.ascontiguousarray(array, np.float32) for array in examples)
    if not len(data) or len(data) != len(targets):
        raise ArgumentError(what, f"{len(data)} items and {len(targets)} targets", "give as many of each")
    return Examples(data, targets)


def read_model(model: str) -> Any:
    """A NetParameter from a prototxt's path, or from its text, which has braces or line ends in it."""
    if "{" in model or "\n" in model:
        return prototxt.parse(model, NetParameter)
    return prototxt.read(model, NetParameter)
