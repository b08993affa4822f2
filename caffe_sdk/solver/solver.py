"""Solver: trains a net, tests it on the way, saves it, and tells what happens as a stream of events."""

from __future__ import annotations

import logging
import math
import os
import time
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, NamedTuple

from caffe_sdk import engine, ranks, rng
from caffe_sdk.errors import ArgumentError, CaffeError, DeviceError, SolverError
from caffe_sdk.memory import HOST, SyncedMemory, Tensor, new_tensor
from caffe_sdk.net import Net, debug, first_not_finite
from caffe_sdk.schema import prototxt, upgrade
from caffe_sdk.schema.files import PathLike
from caffe_sdk.schema.messages import SolverParameter
from caffe_sdk.solver import nets, overlap, rates, snapshot, updates
from caffe_sdk.solver.callbacks import Callback, Callbacks, IterationCallback, Pair, TestCallback
from caffe_sdk.solver.events import Evaluated, Event, Finished, Iteration, Output, Snapshot, Started, Tested, Testing
from caffe_sdk.solver.log import TrainingLog
from caffe_sdk.solver.options import Options
from caffe_sdk.solver.outputs import added, outputs_of
from caffe_sdk.solver.peers import Alone
from caffe_sdk.solver.scaling import Scaling
from caffe_sdk.solver.snapshot import Progress
from caffe_sdk.solver.watch import Watch
from caffe_sdk.weights import CopyReport

log = logging.getLogger(__name__)


class _Wanted(NamedTuple):
    """What somebody has asked a training for."""

    stop: bool
    snapshot: bool


class Solver:
    """Trains the net that a solver description names. Use a subclass, or `get_solver`, which picks one.

    ``Solver(solver)`` takes the path of a solver prototxt, or a SolverParameter. Relative paths count from the working
    directory, as in Caffe, and where nothing is there from the solver file's folder.

    ``options`` are wishes that a description has no fields for: early stopping, which snapshots to keep. ``peers`` are
    other solvers that train the same net on other data; all of them then make every call that trains, saves, restores.

    Members as in pycaffe: ``net``, ``test_nets``, ``iter`` (updates made), ``param``, ``lr``, `step`, `solve`,
    `restore`, `snapshot`, `share_weights`, `apply_update`, `add_callback`.

    Raises SolverError for a description that cannot be trained by, and the errors of `Net`.
    """

    rule: ClassVar[type[updates.Rule]]
    """The update rule of the class."""

    def __init__(self, solver_file: PathLike | Any, options: Options | None = None, peers: Alone | None = None) -> None:
        self.param: Any = read_solver(solver_file)
        self.options = options or Options()
        self.peers = peers or Alone(ranks.solver_rank())
        param = self.param
        self._check()
        self._rule = self.rule(param)
        if param.random_seed >= 0:
            rng.set_random_seed(param.random_seed + self.peers.rank)  # as Caffe does
        self.net: Net = nets.build_train_net(param)
        self.test_nets: list[Net] = []
        self.watch: Watch | None = None
        self.loaded: list[CopyReport] = []
        """What became of the weights to begin with: a report for each file that ``weights`` names."""
        try:
            if self.peers.rank == 0:
                self.test_nets = nets.build_test_nets(param)
                self.watch = Watch(self.options.watch, self.test_nets) if self.options.watches else None
            self._load_weights()
            self.peers.copy_first([p.blob.data_memory for p in self.net.learnable])
        except CaffeError:
            self.close()
            raise
        self.iter = 0
        self.scaling = Scaling(self.net)
        """The loss scale, where values are stored in float16."""
        self._course = rates.Course()
        self._history: list[list[Tensor]] = [
            [new_tensor(p.blob.shape, p.blob.dtype) for _ in range(self.rule.histories)] for p in self.net.learnable
        ]
        self._losses: deque[float] = deque(maxlen=param.average_loss)
        self.callbacks = Callbacks()
        self.snapshots: list[int] = []
        """The snapshots this training has made and not deleted, by iteration, the latest last."""
        self._last_snapshot = -1
        self._before_tests: Progress | None = None
        self._stop_requested = self._snapshot_requested = False

    def _check(self) -> None:
        param = self.param
        for field in ("average_loss", "iter_size"):
            if getattr(param, field) < 1:
                raise SolverError("solver", f"{field} is {getattr(param, field)}", "give 1 or more")
        rates.find_policy(param)
        nets.train_source(param)
        nets.testing_sources(param)
        if param.snapshot > 0 or self.options.keep_best:
            snapshot.checked_prefix(param)

    def _load_weights(self) -> None:
        skip = self.options.skip_mismatch
        for path in (path.strip() for paths in self.param.weights for path in paths.split(",")):
            self.loaded.append(self.net.copy_from(path, skip))
            for net in self.test_nets:
                net.copy_from(path, skip)
            for line in str(self.loaded[-1]).splitlines():
                log.info("%s", line)

    # -- training ------------------------------------------------------------------------------------------------------

    def step(self, iterations: int) -> None:
        """Train for so many iterations more, and log."""
        self._drain(self.events(iterations))

    def solve(self, resume_file: PathLike | None = None) -> None:
        """Train to ``max_iter``, from where a solverstate left off if one is given, and log."""
        if resume_file is not None:
            log.info("Restoring previous solver status from %s", resume_file)
            self.restore(resume_file)
        self._drain(self.events())

    def _drain(self, events: Iterator[Event]) -> None:
        write = TrainingLog()
        for event in events:
            if self.peers.rank == 0:
                write(event)

    def events(self, iterations: int | None = None) -> Generator[Event, None, None]:
        """Train, yielding what happens: the one loop behind `step`, `solve` and every door.

        With ``iterations`` it trains for so many more. Without, it is Caffe's Solve: it trains to ``max_iter``, saves
        (``snapshot_after_train``, given a ``snapshot_prefix``), and displays and tests once more. Between two events
        everything is at rest: the nets may be looked at, saved and changed, and closing the iterator ends the training
        there. `request_stop` ends it at the next iteration or batch of a test, `request_snapshot` saves there.

        Raises WriteError before the first iteration when snapshots cannot be written, and SolverError when the loss is
        not finite any more; the weights are those before that iteration.
        """
        if iterations is not None and iterations < 0:
            raise ArgumentError("step", f"{iterations} iterations", "give 0 or more")
        return self._events(iterations)

    def _events(self, iterations: int | None) -> Generator[Event, None, None]:
        saves = self.param.snapshot > 0 or (iterations is None and self._saves_after_train)
        if saves and self.peers.rank == 0:
            snapshot.check_writable(self.param)
        try:
            if iterations is None:
                yield from self._solve()
            else:
                yield from self._train(self.iter + iterations)
            yield Finished(self.iter, self._agreed().stop)
        finally:
            self._stop_requested = self._snapshot_requested = False

    def _solve(self) -> Iterator[Event]:
        param = self.param
        yield Started(self.iter, self.net.name, param.lr_policy)
        yield from self._train(param.max_iter)
        if self._saves_after_train and self.iter != self._last_snapshot:
            yield self._save()
        if self._agreed().stop:
            return
        if self._due(param.display):
            self._losses.append(self.peers.mean(self._forward(self.net)))
            yield Evaluated(self.iter, self._smoothed_loss)
        if self._due(param.test_interval):
            yield from self._test_all()
            if self._agreed().snapshot:
                yield self._save()

    @property
    def _saves_after_train(self) -> bool:
        return bool(self.param.snapshot_after_train and self.param.snapshot_prefix)

    def _train(self, until: int) -> Iterator[Event]:
        param = self.param
        while self.iter < until and not self._agreed().stop:
            if self._due(param.test_interval) and (self.iter > 0 or param.test_initialization):
                yield from self._test_all()
                wanted = self._agreed()
                if wanted.snapshot:
                    yield self._save()
                if wanted.stop:
                    return
            yield self._iteration()
            if self._agreed().snapshot or self._due(param.snapshot):
                yield self._save()

    def _agreed(self) -> _Wanted:
        """What somebody has asked for, on any of the peers."""
        return _Wanted(*self.peers.any(self._stop_requested, self._snapshot_requested))

    def _iteration(self) -> Iteration:
        began, iteration, displayed = time.perf_counter(), self.iter, self._due(self.param.display)
        if self.param.debug_info:
            self.net.debug_info = displayed
        self.net.clear_param_diffs()
        for on_start in self.callbacks.on_start:
            on_start()
        loss = self.peers.mean(sum(map(self._pass, range(self.param.iter_size))) / self.param.iter_size)
        self._check_loss(loss)
        self._losses.append(loss)
        outputs = tuple(outputs_of(self.net)) if displayed else ()
        self.peers.average(self.gradients())
        for on_gradients_ready in self.callbacks.on_gradients_ready:
            on_gradients_ready()
        rate = self._update()
        seconds = time.perf_counter() - began
        done = Iteration(iteration, loss, self._smoothed_loss, rate, outputs, seconds, displayed)
        for after_iteration in self.callbacks.after_iteration:
            after_iteration(done)
        return done

    def _pass(self, number: int) -> float:
        """One of an iteration's passes over the net; in the last one gradients may be exchanged as they are ready."""
        self.net._open()
        if self.peers.overlaps and self.param.layer_wise_reduce and number == self.param.iter_size - 1:
            return overlap.forward_backward(self.net, self.peers, self.gradients(), self.scaling)
        loss = self._forward(self.net)
        with self.scaling.backward():
            self.net._backward(len(self.net.layers) - 1, 0)
        return loss

    def gradients(self) -> list[SyncedMemory]:
        """The memories of all gradients that peers average."""
        return [p.blob.diff_memory for p in self.net.learnable if p.lr_mult]

    def _due(self, interval: int) -> bool:
        return bool(interval > 0 and self.iter % interval == 0)

    @property
    def _smoothed_loss(self) -> float:
        return sum(self._losses) / len(self._losses) if self._losses else math.inf

    def _check_loss(self, loss: float) -> None:
        if math.isfinite(loss):
            return
        found = first_not_finite(self.net)
        where = f"; the first layer with a top that is not finite is '{found[0]}' (top '{found[1]}')" if found else ""
        raise SolverError(
            f"iteration {self.iter}",
            f"the loss is {loss}{where}",
            "check the data, make base_lr smaller, or set clip_gradients; go on from the last snapshot",
        )

    # -- testing -------------------------------------------------------------------------------------------------------

    def _test_all(self) -> Iterator[Event]:
        self._before_tests = self._progress()  # what is saved until the next update: a resumed training tests again
        for index in range(len(self.test_nets)):
            if not self._stop_requested:
                yield from self._test(index)

    def _test(self, index: int) -> Iterator[Event]:
        """Run a test net for its number of batches and take the means of its outputs."""
        net, batches = self.test_nets[index], self.param.test_iter[index]
        self.share_weights(net)
        sums: list[Output] = []
        loss = 0.0
        for batch in range(batches):
            yield Testing(self.iter, index, batch, batches)
            if self._snapshot_requested and self.peers.size == 1:  # others have to be asked when the test is over
                yield self._save()
            if self._stop_requested:
                yield Tested(self.iter, index, (), interrupted=True)
                return
            loss += self._forward(net)
            sums = added(sums, list(outputs_of(net)))
        means = tuple(Output(o.name, o.value / batches, o.loss_weight) for o in sums)
        tested = Tested(self.iter, index, means, loss / max(1, batches) if self.param.test_compute_loss else None)
        for after_test in self.callbacks.after_test:
            after_test(tested)
        yield tested
        if self.watch is not None:
            self._judge(self.watch, tested)

    def _judge(self, watch: Watch, tested: Tested) -> None:
        """Have the weights saved if they are the best so far; end the training if they have not got better for long."""
        better = watch.see(tested)
        if better and self.options.keep_best and self.iter != self._last_snapshot:
            self.request_snapshot()
        if better or watch.best is None:
            return
        if self.options.patience and watch.best.tests_since >= self.options.patience:
            log.info(
                "Stopping early: %s was best (%g) at iteration %d", watch.name, watch.best.value, watch.best.iteration
            )
            self.request_stop()

    @staticmethod
    def _forward(net: Net) -> float:
        return net._forward(0, len(net.layers) - 1)

    # -- updating ------------------------------------------------------------------------------------------------------

    @property
    def lr(self) -> float:
        """The learning rate of the next iteration, before lr_mult."""
        course = rates.advance(self.param, self.iter, self._course, self._smoothed_loss)
        return rates.learning_rate(self.param, self.iter, course.step)

    @property
    def current_step(self) -> int:
        """Drops of the rate so far, for the policies multistep and plateau."""
        return self._course.step

    def apply_update(self) -> None:
        """Update the weights by the gradients in the parameters' diffs. Counts as an iteration."""
        self._update()

    def _update(self) -> float:
        """Update the weights; returns the rate."""
        param, computing = self.param, self.net.engine
        course = rates.advance(param, self.iter, self._course, self._smoothed_loss)
        rate = rates.learning_rate(param, self.iter, course.step)
        self._follow(course)
        before = debug.sizes(self.net.learnable) if self.net.debug_info else []
        memories = [m for p in self.net.learnable for m in (p.blob.data_memory, p.blob.diff_memory)]
        for memory in memories:
            memory.claim()
        try:
            self._change_weights(computing, rate)
        except DeviceError as error:
            raise error.at("update of the weights") from None
        for memory in memories:
            memory.settle()
        if self.net.debug_info:
            debug.write(debug.update_lines(self.net.layer_dict, self.net.learnable, before))
        self.iter += 1
        self._before_tests = None
        return rate

    def _change_weights(self, computing: engine.Engine, rate: float) -> None:
        param = self.param
        scale = self._clip_scale(computing) / param.iter_size
        exchanged = [p.blob.diff_tensor for p in self.net.learnable if p.lr_mult]  # the same for all peers
        unless = self.scaling.check(exchanged)
        if unless is not None and isinstance(self._rule, updates.ArrayRule) and unless.memory.read(HOST)[0]:
            return  # a rule on arrays does not ask the engine
        with computing.together(unless):
            for learnable, history in zip(self.net.learnable, self._history, strict=True):
                if learnable.lr_mult == 0 and all(h.memory.is_zero for h in history):
                    continue  # nothing would change but histories, which would collect a weight decay that never acts
                decay = param.weight_decay * learnable.decay_mult
                by = updates.Numbers(rate * learnable.lr_mult, decay, scale, self.iter)
                self._rule.update(computing, learnable.blob.data_tensor, learnable.blob.diff_tensor, history, by)

    def _follow(self, course: rates.Course) -> None:
        """Tell of what has changed, in Caffe's words."""
        name = {"multistep": "MultiStep", "plateau": "Plateau"}.get(self.param.lr_policy, "")
        if course.step != self._course.step:
            log.info("%s Status: Iteration %d, step = %d", name, self.iter, course.step)
        if name == "Plateau" and self._due(self.param.display) and course.last_event > self.iter - self.param.display:
            log.info("Plateau Status: Iteration %d, current minimum_loss = %g", self.iter, course.minimum_loss)
        self._course = course

    def _clip_scale(self, computing: engine.Engine) -> float:
        """What to multiply gradients with so that the L2 norm of all together is at most ``clip_gradients``."""
        limit = self.param.clip_gradients
        if limit < 0:
            return 1.0
        total = new_tensor(())
        computing.sum_of_squares([p.blob.diff_tensor for p in self.net.learnable], total)
        norm = math.sqrt(float(total.memory.read(HOST)[0]))
        if norm <= limit:
            return 1.0
        log.info(
            "Gradient clipping: scaling down gradients (L2 norm %g > %g) by scale factor %g", norm, limit, limit / norm
        )
        return float(limit / norm)

    # -- saving and restoring ------------------------------------------------------------------------------------------

    def snapshot(self) -> str:
        """Write caffemodel, solverstate and resume record now; returns the solverstate's path.

        Raises WriteError; earlier snapshots are left alone then. SolverError when ``snapshot_prefix`` is not set.
        """
        return self._save().paths[1]

    def _save(self) -> Snapshot:
        self._snapshot_requested = False
        paths = snapshot.paths_of(self.param, self.iter)
        made = [*(i for i in self.snapshots if i != self.iter), self.iter]
        others = self.peers.gather(self.net.state())[1:]
        if self.peers.rank == 0:
            state = snapshot.make_state(self.iter, paths.caffemodel, self._flat_history(), self._course)
            progress = replace(self._before_tests or self._progress(), snapshots=made, peers=others)
            snapshot.write(paths, self.net, self.param.snapshot_diff, state, progress)
            made = self._tidied(made)
        self.snapshots = made
        self._last_snapshot = self.iter
        return Snapshot(self.iter, tuple(paths))

    def _tidied(self, made: list[int]) -> list[int]:
        """Delete the snapshots that need not be kept; gives those that stay."""
        best = self.watch.best.iteration if self.watch and self.watch.best and self.options.keep_best else None
        dropped = snapshot.superfluous(made, self.options.keep_last, best)
        for iteration in dropped:
            snapshot.remove(snapshot.paths_of(self.param, iteration))
        return [i for i in made if i not in dropped]

    def _progress(self) -> Progress:
        """What besides weights and histories a training needs to go on exactly as if it had not been interrupted."""
        states = [net.state() for net in (self.net, *self.test_nets)]
        best = self.watch.state() if self.watch else None
        return Progress(states, list(self._losses), best, scale=self.scaling.state())

    def _flat_history(self) -> list[Tensor]:
        """Histories in the order of a solverstate: the first of every parameter, then the second of every one."""
        return [histories[i] for i in range(self.rule.histories) for histories in self._history]

    def restore(self, path: PathLike) -> None:
        """Go on from a solverstate: weights, histories, iteration.

        With the resume record beside it, data and random numbers too go on from where they were, and training
        continues bit for bit as if it had never been interrupted. Without one it continues as Caffe does.

        Raises MissingFileError, CorruptFileError, WeightsError for weights of another net, and SolverError for
        histories of another net or solver; nothing is changed then.
        """
        saved = snapshot.read_state(path)
        history = self._flat_history()
        snapshot.check_history(path, saved, history)
        progress = snapshot.read_progress(path, saved)
        if saved.state.learned_net:
            self.net.copy_from(snapshot.find_weights(path, saved))
        for mine, blob in zip(history, saved.history, strict=True):
            mine.memory.write(HOST)[...] = blob.data.reshape(-1)
        self.iter = self._last_snapshot = saved.state.iter
        self._course = snapshot.course_of(saved)
        self._losses.clear()
        self._before_tests = None
        self.snapshots = [saved.state.iter]
        if progress is not None:
            self.snapshots = progress.snapshots
            self._losses.extend(progress.losses)
            self.scaling.restore(progress.scale)
            if self.watch is not None:
                self.watch.restore_state(progress.best)
            self.net.restore_state(snapshot.state_of(self.peers.rank, self.peers.size, progress, self.net.state()))
            for net, state in zip(self.test_nets, progress.nets[1:], strict=False):
                net.restore_state(state)

    # -- for users -----------------------------------------------------------------------------------------------------

    def request_stop(self) -> None:
        """End the training at the next iteration or batch of a test. From any thread or signal handler."""
        self._stop_requested = True

    def request_snapshot(self) -> None:
        """Save at the next iteration or batch of a test. From any thread or signal handler.

        SolverError when ``snapshot_prefix`` is not set.
        """
        snapshot.checked_prefix(self.param)
        self._snapshot_requested = True

    def share_weights(self, net: Net) -> None:
        """Let another net use this solver's weights: the same memory, in layers of the same name."""
        net.share_with(self.net)

    def add_callback(
        self,
        on_start: Callback | Pair | None = None,
        on_gradients_ready: Callback | None = None,
        *,
        after_iteration: IterationCallback | None = None,
        after_test: TestCallback | None = None,
    ) -> None:
        """Call functions in every iteration from now on; any of them may call `request_stop` or `request_snapshot`.

        ``on_start()`` is called before the forward pass and ``on_gradients_ready()`` before the update, as in pycaffe;
        an object with both, such as an `NCCL`, may stand for the two. ``after_iteration(event)`` is called with the
        `Iteration` when the weights are updated, ``after_test(event)`` with the `Tested` of each test net when it was
        not interrupted. What they return does not matter; what they raise ends the training there.
        """
        self.callbacks.add(on_start, on_gradients_ready, after_iteration, after_test)

    def close(self) -> None:
        """Give back the nets' memory, threads and files; the solver cannot be used afterwards."""
        for net in (self.net, *self.test_nets):
            net.close()

    def __enter__(self) -> Solver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.net!r} at iteration {self.iter}>"


def read_solver(source: PathLike | Any) -> Any:
    """A SolverParameter of one's own from the path of a solver prototxt or from a SolverParameter, upgraded.

    From a file, ``snapshot_prefix`` is completed as in Caffe: the file's path without extension where it is not set,
    and the file's stem in it where it is a folder. Nets and weights that are not where their paths say, counted from
    the working directory, are looked for from the file's folder.
    """
    if isinstance(source, SolverParameter):
        param = SolverParameter()
        param.CopyFrom(source)
        return upgrade.upgrade_solver(param)
    if not isinstance(source, (str, os.PathLike)):
        raise ArgumentError(
            "Solver", f"a solver of type {type(source).__name__}", "give the path of a prototxt or a SolverParameter"
        )
    param = upgrade.upgrade_solver(prototxt.read(source, SolverParameter))
    param.snapshot_prefix = snapshot.complete_prefix(param.snapshot_prefix, Path(source))
    nets.find_files(param, Path(source).parent)
    return param
