"""The training loop: what happens when, what is told about it, and which descriptions cannot be trained by."""

from __future__ import annotations

import ctypes
import gc
import logging
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from caffe_sdk import engine
from caffe_sdk.errors import (
    ArgumentError,
    CaffeError,
    DataError,
    LayerError,
    MissingFileError,
    PrototxtError,
    SolverError,
    WeightsError,
    WriteError,
)
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import SolverParameter
from caffe_sdk.solver import ArrayRule, Options, SGDSolver, Solver, events, get_solver, solver_type, solvers
from caffe_sdk.solver.nets import testing_sources as sources_of_tests
from caffe_sdk.solver.updates import Numbers
from tests.solver.models import LINEAR, SGD, TESTED, assert_same, linear, weights, write


@pytest.fixture(params=["reference", "cpu", "fake"], autouse=True)
def every_engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test runs with every engine."""
    with engine.use(request.param):
        yield


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def kinds(stream: list[events.Event]) -> str:
    """Events as letters: Iteration, test Begin and End, Snapshot, Evaluated, Finished, ! for Started."""
    letters = {events.Started: "!", events.Iteration: "i", events.Tested: "e", events.Snapshot: "s"}
    letters |= {events.Evaluated: "E", events.Finished: "f", events.Testing: ""}
    return "".join("b" if isinstance(e, events.Testing) and e.batch == 0 else letters[type(e)] for e in stream)


# -- training ----------------------------------------------------------------------------------------------------------


def test_sgd_follows_its_formula(tmp_path: Path) -> None:
    """Three iterations against softmax regression written out."""
    solver = linear(tmp_path, SGD + "weight_decay: 0.1")
    x, w, b = (np.array(a, np.float64) for a in (solver.net.blobs["data"].data, *weights(solver)))
    vw, vb = np.zeros_like(w), np.zeros_like(b)
    for iteration in range(3):
        scores = np.exp(x @ w.T + b)
        prob = scores / scores.sum(1, keepdims=True)
        d = 0.5 * (prob - np.eye(4)) / 4
        vw, vb = 0.9 * vw + 0.1 * (d.T @ x + 0.1 * w), 0.9 * vb + 0.2 * d.sum(0)
        w, b = w - vw, b - vb
        (told, end) = list(solver.events(1))
        assert isinstance(told, events.Iteration)
        assert told.loss == pytest.approx(-0.5 * np.log(np.diag(prob)).mean(), rel=1e-5)
        assert (told.iteration, end) == (iteration, events.Finished(iteration + 1, False))
    np.testing.assert_allclose(weights(solver)[0], w, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(weights(solver)[1], b, rtol=1e-5, atol=1e-6)


def test_held_views_of_weights_show_updates_and_may_be_written(tmp_path: Path) -> None:
    solver = linear(tmp_path, SGD)
    view = solver.net.params["ip"][0].data
    before = view.copy()
    solver.step(1)
    assert np.abs(view - before).max() > 1e-4
    view[...] = 0
    solver.step(1)
    assert np.abs(view).max() < 0.2


def test_gradients_of_iter_size_batches_make_one_update(tmp_path: Path) -> None:
    once, twice = linear(tmp_path, SGD), linear(tmp_path, SGD + "iter_size: 2")
    once.step(3)
    twice.step(3)
    for a, b in zip(weights(once), weights(twice), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_clipped_gradients_have_the_norm_that_is_allowed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    free, clipped = linear(tmp_path, SGD), linear(tmp_path, SGD + "clip_gradients: 0.01")
    begin = weights(free)
    free.step(1)
    with caplog.at_level(logging.INFO, "caffe_sdk"):
        clipped.step(1)
    steps = [[(a - b) / m for a, b, m in zip(begin, weights(s), (0.1, 0.2), strict=True)] for s in (free, clipped)]
    norms = [math.sqrt(sum(float((g**2).sum()) for g in gradients)) for gradients in steps]
    assert norms[1] == pytest.approx(0.01, rel=1e-3)
    assert re.search(rf"Gradient clipping: scaling down gradients \(L2 norm {norms[0]:.3g}\d* > 0.01\)", caplog.text)


def test_a_parameter_without_rate_stays_and_costs_nothing(tmp_path: Path) -> None:
    net = LINEAR.replace("lr_mult: 1", "lr_mult: 0")
    solver = get_solver(write(tmp_path, SGD + "weight_decay: 0.1", net))
    begin = weights(solver)
    solver.step(2)
    assert_same(weights(solver)[:1], begin[:1])
    assert solver._history[0][0].memory.is_zero
    assert not solver._history[1][0].memory.is_zero


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    assert_same(weights(linear(tmp_path, SGD)), weights(linear(tmp_path, SGD)))
    other = linear(tmp_path, SGD.replace("random_seed: 3", "random_seed: 4"))
    assert np.abs(weights(other)[0] - weights(linear(tmp_path, SGD))[0]).max() > 0


def test_multistep_steps_once_per_iteration(tmp_path: Path) -> None:
    solver = linear(tmp_path, SGD.replace("fixed", "multistep") + "gamma: 0.1 stepvalue: 1 stepvalue: 1 max_iter: 9")
    rates = [e.rate for e in solver.events(4) if isinstance(e, events.Iteration)]
    assert rates == pytest.approx([0.1, 0.01, 0.001, 0.001])
    assert solver.lr == pytest.approx(0.001)
    assert solver.current_step == 2


def test_plateau_and_multistep_tell_of_their_steps(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = (
        SGD.replace("fixed", "plateau").replace("0.9", "0")
        + "gamma: 0 plateau_winsize: 1000 plateau_winsize: 2 display: 3"
    )
    solver = linear(tmp_path, text)
    with caplog.at_level(logging.INFO, "caffe_sdk.solver.solver"):
        solver.step(1)
        solver.param.plateau_winsize[0] = 0
        solver.step(5)
    assert caplog.messages[0].startswith("Plateau Status: Iteration 0, current minimum_loss = ")
    assert caplog.messages[1:3] == ["Plateau Status: Iteration 1, step = 1", "Plateau Status: Iteration 3, step = 2"]
    assert solver.current_step == 2
    caplog.clear()
    with caplog.at_level(logging.INFO, "caffe_sdk.solver.solver"):
        linear(tmp_path, SGD.replace("fixed", "multistep") + "gamma: 0.1 stepvalue: 1").step(3)
    assert caplog.messages == ["MultiStep Status: Iteration 1, step = 1"]


# -- pycaffe's members -------------------------------------------------------------------------------------------------


def test_members_of_pycaffe(tmp_path: Path) -> None:
    solver = linear(tmp_path, SGD + TESTED + "max_iter: 7")
    assert (solver.iter, solver.param.max_iter, len(solver.test_nets)) == (0, 7, 1)
    assert solver.lr == pytest.approx(0.1)
    solver.step(2)
    assert solver.iter == 2
    calls: list[str] = []
    solver.add_callback(lambda: calls.append("start"), lambda: calls.append(f"gradients {solver.iter}"))
    solver.step(2)
    assert calls == ["start", "gradients 2", "start", "gradients 3"]
    solver.solve()
    assert solver.iter == 7


def test_callbacks_of_every_moment(tmp_path: Path) -> None:
    solver = linear(tmp_path, SGD + TESTED)
    calls: list[str] = []
    solver.add_callback(on_gradients_ready=lambda: calls.append(f"gradients {solver.iter}"))
    solver.add_callback(
        after_iteration=lambda done: calls.append(f"done {done.iteration}, {solver.iter} updates"),
        after_test=lambda tested: calls.append(f"tested {tested.iteration}, {len(tested.outputs)} outputs"),
    )
    solver.step(1)
    assert calls == ["tested 0, 2 outputs", "gradients 0", "done 0, 1 updates"]
    solver.add_callback(after_iteration=lambda done: solver.request_stop())
    solver.step(5)
    assert solver.iter == 2


def test_apply_update_uses_the_diffs_that_are_there(tmp_path: Path) -> None:
    solver = linear(tmp_path, SGD)
    begin = weights(solver)
    for blob in solver.net.params["ip"]:
        blob.diff[...] = 1
    solver.apply_update()
    assert solver.iter == 1
    np.testing.assert_allclose(weights(solver)[0], begin[0] - 0.1, rtol=1e-5)
    np.testing.assert_allclose(weights(solver)[1], begin[1] - 0.2, rtol=1e-5)


def test_weights_are_shared_with_test_nets_and_others(tmp_path: Path) -> None:
    solver, other = linear(tmp_path, SGD + TESTED), linear(tmp_path, SGD)
    solver.share_weights(other.net)
    solver.step(1)
    assert_same(weights(other), weights(solver))
    solver.test_nets[0].forward()
    assert solver.test_nets[0].params["ip"][0].data_memory is solver.net.params["ip"][0].data_memory


def test_solvers_are_chosen_by_type(tmp_path: Path) -> None:
    for name, kind in solvers.SOLVERS.items():
        momentum = "" if name in ("AdaGrad", "RMSProp") else "momentum: 0.9"
        text = f'net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" type: "{name}" {momentum}'
        solver = get_solver(write(tmp_path, text))
        assert type(solver) is kind
        solver.step(1)
    with pytest.raises(SolverError, match="Unknown solver type: SDG; use one of SGD, Nesterov"):
        get_solver(write(tmp_path, SGD + 'type: "SDG"'))


class ArraySGD(ArrayRule):
    def step(self, weight: np.ndarray, gradient: np.ndarray, history: list, by: Numbers) -> np.ndarray:
        history[0][...] = self.momentum * history[0] + by.rate * gradient
        return history[0]


@pytest.mark.parametrize("more", ["weight_decay: 0.1", 'weight_decay: 0.1 regularization_type: "L1" iter_size: 2'])
def test_a_rule_on_arrays(tmp_path: Path, more: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solvers, "SOLVERS", dict(solvers.SOLVERS))

    @solver_type("Arrays")
    class ArraySolver(Solver):
        rule = ArraySGD

    text = SGD + more + ' clip_gradients: 0.05 snapshot_prefix: "s" type: '
    theirs, ours = linear(tmp_path, text + '"SGD"'), linear(tmp_path, text + '"Arrays"')
    assert isinstance(ours, ArraySolver)
    theirs.step(2)
    ours.step(2)
    ours.restore(ours.snapshot())
    theirs.step(2)
    ours.step(2)
    for a, b in zip(weights(ours), weights(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


# -- events ------------------------------------------------------------------------------------------------------------


def test_a_solve_tests_displays_and_saves_as_caffe_does(tmp_path: Path) -> None:
    solver = linear(tmp_path, SGD + TESTED + 'max_iter: 8 display: 4 snapshot: 3 snapshot_prefix: "s"')
    stream = list(solver.events())
    assert kinds(stream) == "!" + "beiiis" + "ibeiis" + "iis" + "E" + "be" + "f"
    assert [e.iteration for e in stream if isinstance(e, events.Snapshot)] == [3, 6, 8]
    shown = [e.iteration for e in stream if isinstance(e, events.Iteration) and e.displayed]
    assert shown == [0, 4]
    tested = [e for e in stream if isinstance(e, events.Tested)]
    assert [[o.name for o in e.outputs] for e in tested] == [["accuracy", "loss"]] * 3
    assert [o.loss_weight for o in tested[0].outputs] == [0, 0.5]


def test_no_snapshot_twice_and_none_without_a_name(tmp_path: Path) -> None:
    assert kinds(list(linear(tmp_path, SGD + 'max_iter: 2 snapshot: 2 snapshot_prefix: "s"').events())) == "!iisf"
    assert kinds(list(linear(tmp_path, SGD + "max_iter: 1 snapshot_after_train: false").events())) == "!if"
    param = prototxt.parse(SGD + "max_iter: 1", SolverParameter)
    assert kinds(list(get_solver(param).events())) == "!if"


def test_tests_at_the_beginning_can_be_left_out(tmp_path: Path) -> None:
    assert kinds(list(linear(tmp_path, SGD + TESTED + "test_initialization: false").events(5))) == "iiiibeif"


def test_means_of_tests(tmp_path: Path) -> None:
    solver = linear(tmp_path, SGD + TESTED + "test_compute_loss: true")
    (tested,) = [e for e in solver.events(1) if isinstance(e, events.Tested)]
    outputs = solver.test_nets[0].forward()
    assert tested.outputs[1].value == pytest.approx(np.log(4), abs=0.5)
    assert tested.outputs[0].value == pytest.approx(float(outputs["accuracy"]), abs=0.51)
    assert tested.loss == pytest.approx(0.5 * tested.outputs[1].value)


def test_smoothed_loss_is_the_mean_of_a_window(tmp_path: Path) -> None:
    solver = linear(tmp_path, SGD + "average_loss: 3")
    seen = [e for e in solver.events(5) if isinstance(e, events.Iteration)]
    losses = [e.loss for e in seen]
    assert [e.smoothed_loss for e in seen] == pytest.approx([np.mean(losses[max(0, i - 2) : i + 1]) for i in range(5)])


def test_stopping_and_saving_on_request(tmp_path: Path) -> None:
    solver = linear(tmp_path, SGD + TESTED + 'max_iter: 100 snapshot_prefix: "s"')
    stream = []
    for event in solver.events():
        stream.append(event)
        if isinstance(event, events.Iteration) and event.iteration == 2:
            solver.request_snapshot()
        if isinstance(event, events.Iteration) and event.iteration == 5:
            solver.request_stop()
    assert kinds(stream) == "!beiii" + "s" + "i" + "beii" + "sf"
    assert stream[-1] == events.Finished(6, stopped=True)
    assert kinds(list(solver.events(2))) == "iif"  # the request was for one training only


def test_requests_count_inside_a_test(tmp_path: Path) -> None:
    solver = linear(tmp_path, SGD + TESTED + 'snapshot_prefix: "s"')
    stream = []
    for event in solver.events(1):
        stream.append(event)
        if isinstance(event, events.Testing):
            solver.request_snapshot()
            if event.batch == 1:
                solver.request_stop()
    assert [type(e).__name__ for e in stream] == ["Testing", "Snapshot", "Testing", "Snapshot", "Tested", "Finished"]
    assert stream[-2] == events.Tested(0, 0, (), interrupted=True)


def test_closing_the_stream_ends_the_training_there(tmp_path: Path) -> None:
    solver, whole = linear(tmp_path, SGD), linear(tmp_path, SGD)
    stream = solver.events(100)
    next(stream)
    next(stream)
    stream.close()
    assert solver.iter == 2
    solver.step(1)
    whole.step(3)
    assert_same(weights(solver), weights(whole))


def test_a_loss_that_is_no_number_stops_and_names_the_layer(tmp_path: Path) -> None:
    solver = linear(tmp_path, SGD)
    solver.step(2)
    begin = weights(solver)
    solver.net.blobs["data"].data[0, 0] = np.inf
    with pytest.raises(SolverError, match=r"iteration 2: the loss is nan; the first layer .* is 'data' \(top 'data'\)"):
        solver.step(1)
    assert_same(weights(solver), begin)
    solver.net.blobs["data"].data[...] = 1
    solver.step(1)
    assert solver.iter == 3


def test_a_label_that_is_no_class_is_named_and_nothing_is_learned_from_it(tmp_path: Path) -> None:
    solver = linear(tmp_path, SGD + TESTED)
    begin = weights(solver)
    for net, where in ((solver.net, "layer 'loss'"), (solver.test_nets[0], "layer 'accuracy'")):
        for wrong in (4, -1):
            net.blobs["label"].data[1] = wrong
            with pytest.raises(DataError, match=rf"{where} .*: label: {wrong} is not one of 4 classes; give 0 to 3"):
                solver.step(1)
        net.blobs["label"].data[1] = 1
        assert_same(weights(solver), begin)
    solver.step(1)
    assert solver.iter == 1


# -- log ---------------------------------------------------------------------------------------------------------------


def test_log_lines_are_caffes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    solver = linear(tmp_path, SGD + TESTED + 'max_iter: 4 display: 2 snapshot_prefix: "s"')
    with caplog.at_level(logging.INFO, "caffe_sdk.solver"):
        solver.solve()
    number = r"[-+.\de]+"
    expected = [
        "Solving linear",
        "Learning Rate Policy: fixed",
        r"Iteration 0, Testing net \(#0\)",
        f"    Test net output #0: accuracy = {number}",
        rf"    Test net output #1: loss = {number} \(\* 0.5 = {number} loss\)",
        rf"Iteration 0 \(0 iter/s, {number}s/0 iters\), loss = {number}",
        rf"    Train net output #0: loss = {number} \(\* 0.5 = {number} loss\)",
        "Iteration 0, lr = 0.1",
        rf"Iteration 2 \({number} iter/s, {number}s/2 iters\), loss = {number}",
        rf"    Train net output #0: loss = {number} \(\* 0.5 = {number} loss\)",
        "Iteration 2, lr = 0.1",
        "Snapshotting to binary proto file s_iter_4.caffemodel",
        "Snapshotting solver state to binary proto file s_iter_4.solverstate",
        f"Iteration 4, loss = {number}",
        r"Iteration 4, Testing net \(#0\)",
        f"    Test net output #0: accuracy = {number}",
        rf"    Test net output #1: loss = {number} \(\* 0.5 = {number} loss\)",
        "Optimization Done.",
    ]
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line)


def test_stepping_does_not_tell_of_an_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "caffe_sdk.solver"):
        linear(tmp_path, SGD).step(1)
    assert caplog.messages == []


def test_debug_info_tells_of_displayed_iterations(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    solver = linear(tmp_path, SGD + TESTED + "debug_info: true display: 2")
    (begin, _), rate = weights(solver), 0.1
    with caplog.at_level(logging.INFO, "caffe_sdk.net"):
        solver.step(1)
    lines = [line.strip() for line in caplog.messages]
    tests, train = lines[: lines.index(next(line for line in lines if "Backward" in line))], lines
    assert sum(line.startswith("[Forward] Layer accuracy, top blob accuracy data: ") for line in tests) == 2
    assert sum("[Backward] All net params (data, diff): " in line for line in train) == 1
    step = rate * np.abs(solver.net.params["ip"][0].diff / rate).mean()
    assert train[-2] == f"[Update] Layer ip, param 0 data: {np.abs(begin).mean():g}; diff: {step:g}"
    assert train[-1].startswith("[Update] Layer ip, param 1 data: 0; diff: ")
    caplog.clear()
    with caplog.at_level(logging.INFO, "caffe_sdk.net"):
        solver.step(1)
    assert caplog.messages == []


# -- descriptions ------------------------------------------------------------------------------------------------------


def test_paths_count_from_here_or_else_from_the_solver_file(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    path = write(folder, SGD)
    assert get_solver(path).net.name == "linear"
    (tmp_path / "net.prototxt").write_text(LINEAR.replace('"linear"', '"here"'))
    assert get_solver(path).net.name == "here"


def test_a_solver_from_messages(tmp_path: Path) -> None:
    text = f'train_net_param {{ {LINEAR} }} base_lr: 0.1 lr_policy: "fixed"'
    param = prototxt.parse(text, SolverParameter)
    solver = SGDSolver(param)
    solver.param.base_lr = 7
    assert param.base_lr == pytest.approx(0.1)
    with pytest.raises(SolverError, match="snapshot_prefix is not set"):
        solver.snapshot()
    with pytest.raises(SolverError, match="snapshot_prefix is not set"):
        solver.request_snapshot()


def test_order_of_test_nets() -> None:
    text = 'net: "n" test_net: "a" test_net: "b" test_net_param { name: "p" } test_interval: 5 '
    param = prototxt.parse(text + "test_iter: [1, 2, 3, 4, 5]", SolverParameter)
    found = [source.net if isinstance(source.net, str) else source.net.name for source in sources_of_tests(param)]
    assert found == ["p", "a", "b", "n", "n"]


def test_states_of_nets(tmp_path: Path) -> None:
    layer = 'layer {{ name: "{0}" type: "Input" top: "{0}" input_param {{ shape {{ dim: 1 }} }} {1} }}\n'
    net = "".join(
        layer.format(name, rule)
        for name, rule in (
            ("always", ""),
            ("deep", "include { min_level: 2 }"),
            ("a", 'include { stage: "a" }'),
            ("ab", 'include { stage: "a" stage: "b" }'),
            ("tested", "include { phase: TEST }"),
        )
    )
    text = SGD + 'train_state { level: 2 } test_iter: 1 test_iter: 1 test_interval: 1 test_state { stage: "b" } '
    solver = get_solver(write(tmp_path, text + "test_state { level: 3 }", 'state { stage: "a" }\n' + net))
    assert list(solver.net.blobs) == ["always", "deep", "a"]
    assert [list(n.blobs) for n in solver.test_nets] == [
        ["always", "a", "ab", "tested"],
        ["always", "deep", "a", "tested"],
    ]


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (
            'base_lr: 1 lr_policy: "fixed"',
            SolverError,
            "must specify a train net; use one of the fields net,",
        ),
        (SGD + 'train_net: "x"', SolverError, "more than one of the fields net, train_net"),
        (SGD + 'test_net: "x"', SolverError, "test_iter must be specified for each test network"),
        ('train_net: "net.prototxt" base_lr: 1 lr_policy: "fixed" test_iter: 1', SolverError, "test_iter must be"),
        (SGD + "test_iter: 1", SolverError, "test_interval is 0"),
        (SGD + "test_iter: -1 test_interval: 1", SolverError, "test_iter is -1"),
        (
            SGD + TESTED + "test_state { } test_state { }",
            SolverError,
            "test_state must be unspecified or specified",
        ),
        (SGD + "average_loss: 0", SolverError, "average_loss is 0; give 1 or more"),
        (SGD + "iter_size: 0", SolverError, "iter_size is 0"),
        (SGD.replace("fixed", "fix"), SolverError, "Unknown learning rate policy: fix"),
        (SGD.replace("net.proto", "no.proto"), MissingFileError, "Could not open file no.prototxt"),
        (SGD + "base_rl: 1", PrototxtError, "base_rl"),
        (SGD + 'weights: "no.caffemodel"', MissingFileError, "Could not open file no.caffemodel"),
    ],
)
def test_descriptions_that_cannot_be_trained_by(tmp_path: Path, text: str, kind: type[CaffeError], words: str) -> None:
    with pytest.raises(kind, match=words):
        get_solver(write(tmp_path, text))


def test_an_error_in_a_net_names_file_and_layer(tmp_path: Path) -> None:
    with pytest.raises(LayerError, match=r"net.prototxt.*layer 'ip'.*InnerProducts"):
        get_solver(write(tmp_path, SGD, LINEAR.replace("InnerProduct", "InnerProducts")))
    with pytest.raises(LayerError, match=r"train net \(net_param\).*layer 'x'"):
        get_solver(prototxt.parse('net_param { layer { name: "x" type: "?" } } lr_policy: "fixed"', SolverParameter))


def test_arguments_that_make_no_sense(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="give the path of a prototxt or a SolverParameter"):
        get_solver(3)
    with pytest.raises(ArgumentError, match="-1 iterations"):
        linear(tmp_path, SGD).step(-1)


@contextmanager
def like_anybody() -> Iterator[None]:
    """What root may do with files that others may not is set aside, for the calling thread."""
    if os.geteuid():
        yield
        return
    become = ctypes.CDLL(None).setfsuid
    before = become(65534)  # nobody
    try:
        yield
    finally:
        become(before)


def test_a_folder_without_permission_is_found_out_at_once(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "locked").mkdir(mode=0o500)
    solver = linear(tmp_path, SGD + 'snapshot: 5 snapshot_prefix: "locked/s"')
    with like_anybody(), pytest.raises(WriteError, match=r"Cannot write to snapshot prefix 'locked/s': .*denied"):
        solver.step(1)


def test_a_folder_that_is_not_there_is_found_out_at_once(tmp_path: Path) -> None:
    for text in ('snapshot: 5 snapshot_prefix: "no/s"', 'snapshot_prefix: "no/s"'):
        solver = linear(tmp_path, SGD + "max_iter: 1 " + text)
        with pytest.raises(WriteError, match=r"Cannot write to snapshot prefix 'no/s': .*Make sure that the"):
            solver.solve()
        assert solver.iter == 0


def test_weights_to_begin_with(tmp_path: Path) -> None:
    first = linear(tmp_path, SGD + 'snapshot_prefix: "s"')
    first.step(2)
    first.snapshot()
    second = get_solver(write(tmp_path, SGD.replace("seed: 3", "seed: 9") + 'weights: "s_iter_2.caffemodel"'))
    assert_same(weights(second), weights(first))
    assert second.iter == 0


def test_finetuning_tells_what_was_loaded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    linear(tmp_path, SGD).net.save("old.caffemodel")
    hidden = """layer { name: "hidden" type: "InnerProduct" bottom: "data" top: "hidden"
                inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }\n"""
    text, deeper = (
        SGD + 'weights: "old.caffemodel"',
        LINEAR.replace('bottom: "data" top: "s', 'bottom: "hidden" top: "s'),
    )
    path = write(tmp_path, text, deeper.replace('layer { name: "ip"', hidden + 'layer { name: "ip"'))
    with caplog.at_level(logging.INFO, "caffe_sdk.solver"):
        (report,) = get_solver(path).loaded
    assert (report.copied, report.new) == (["ip"], ["hidden"])
    assert "Weights of old.caffemodel: 1 copied, 1 new, 0 ignored, 0 mismatched" in caplog.messages
    wider = write(tmp_path, text, LINEAR.replace("num_output: 4", "num_output: 5"))
    with pytest.raises(WeightsError, match="Cannot copy param 0 weights from layer 'ip'; shape mismatch"):
        get_solver(wider)
    (report,) = get_solver(wider, Options(skip_mismatch=True)).loaded
    assert report.mismatched == ["ip"]


def test_closed_solvers_give_everything_back(tmp_path: Path) -> None:
    with linear(tmp_path, SGD + TESTED) as solver:
        solver.step(1)
        assert repr(solver).startswith("<SGDSolver of <Net 'linear' TRAIN")
    with pytest.raises(CaffeError, match="closed"):
        solver.step(1)
    del solver
    gc.collect()
