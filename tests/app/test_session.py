from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffe_sdk.app.blobs import Values
from caffe_sdk.app.descriptions import Objects
from caffe_sdk.app.session import Session
from caffe_sdk.errors import (
    ArgumentError,
    CancelledError,
    CorruptFileError,
    GraphError,
    HandleError,
    MissingFileError,
    PrototxtError,
    ShapeError,
    SolverError,
    WeightsError,
)
from caffe_sdk.net import Net
from caffe_sdk.solver import Finished, Iteration, Started, Tested
from tests.app.texts import NET, SOLVER


@pytest.fixture
def session() -> Iterator[Session]:
    session = Session()
    yield session
    session.reset()


@pytest.fixture
def net(session: Session) -> int:
    return session.create_net(text=NET)


@pytest.fixture
def solver(session: Session, rng: np.random.Generator) -> int:
    handle = session.create_solver(text=SOLVER)
    nets = session.solver_nets(handle)
    for each in (nets.net, *nets.test_nets):
        session.set_blob(each, "data", "data", rng.random((8, 10), np.float32))
        session.set_blob(each, "label", "data", np.arange(8) % 3)
    return handle


def test_a_net_computes_what_it_computes_by_itself(session: Session, tmp_path: Path, rng: np.random.Generator) -> None:
    model, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    model.write_text(NET)
    images = rng.random((4, 1, 6, 6), np.float32)
    with Net(str(model), 1) as alone:
        alone.save(weights)
        expected = alone.forward(data=images)["prob"].copy()
    by_path = session.create_net(str(model), weights=str(weights))
    by_text = session.create_net(text=NET, weights=weights.read_bytes())
    for net in (by_path, by_text):
        np.testing.assert_array_equal(session.forward(net, {"data": images})["prob"], expected)


def test_a_description_tells_the_net(session: Session, net: int) -> None:
    description = session.describe_net(net)
    assert (description.name, description.phase) == ("small", "test")
    assert [(layer.name, layer.type) for layer in description.layers][:2] == [
        ("data", "Input"),
        ("conv", "Convolution"),
    ]
    conv = description.layers[1]
    assert (conv.bottoms, conv.tops, conv.params) == (("data",), ("conv",), ((3, 1, 3, 3), (3,)))
    assert dict(description.blobs)["prob"] == (4, 5)
    assert (description.inputs, description.outputs) == (("data",), ("prob",))


def test_outputs_are_copies(session: Session, net: int) -> None:
    first = session.forward(net, {"data": np.zeros((4, 1, 6, 6))})["prob"]
    kept = first.copy()
    session.forward(net, {"data": np.ones((4, 1, 6, 6))})
    np.testing.assert_array_equal(first, kept)


def test_blobs_go_in_and_out(session: Session, net: int, rng: np.random.Generator) -> None:
    values = rng.random((4, 1, 6, 6), np.float32)
    session.set_blob(net, "data", "data", values)
    session.set_blob(net, "data", "diff", -values)
    np.testing.assert_array_equal(session.get_blob(net, "data"), values)
    np.testing.assert_array_equal(session.get_blob(net, "data", "diff"), -values)
    weights = rng.random((3, 1, 3, 3), np.float32)
    session.set_blob(net, ("conv", 0), "data", weights)
    np.testing.assert_array_equal(session.get_blob(net, ("conv", 0)), weights)
    assert session.blob_shape(net, ("conv", 1)) == (3,)


def test_leading_axes_of_one_do_not_matter(session: Session, net: int) -> None:
    session.set_blob(net, ("conv", 1), "data", np.ones((1, 1, 1, 3)))
    np.testing.assert_array_equal(session.get_blob(net, ("conv", 1)), np.ones(3, np.float32))


def test_several_blobs_are_set_all_or_none(session: Session, net: int) -> None:
    before = session.get_blob(net, ("conv", 1))
    with pytest.raises(ShapeError, match=r"values of shape \(2,\) do not fit shape \(5,\)"):
        session.set_blobs(net, [Values(("conv", 1), "data", np.zeros(3)), Values(("score", 1), "data", np.zeros(2))])
    np.testing.assert_array_equal(session.get_blob(net, ("conv", 1)), before)


def test_start_and_end_and_further_blobs(session: Session, net: int, rng: np.random.Generator) -> None:
    whole = session.forward(net, {"data": rng.random((4, 1, 6, 6))}, blobs=["score"])
    assert list(whole) == ["prob", "score"]
    session.set_blob(net, "score", "data", np.zeros((4, 5)))
    assert list(session.forward(net, end="score")) == ["score"]
    np.testing.assert_array_equal(session.forward(net, start="prob")["prob"], whole["prob"])


def test_backward_gives_the_gradients_of_the_inputs(session: Session, net: int, rng: np.random.Generator) -> None:
    session.forward(net, {"data": rng.random((4, 1, 6, 6))})
    gradients = session.backward(net, {"prob": rng.random((4, 5))}, blobs=["score"])
    assert {name: values.shape for name, values in gradients.items()} == {"data": (4, 1, 6, 6), "score": (4, 5)}
    assert np.abs(gradients["data"]).max() > 0


def test_reshaping_goes_through_the_net(session: Session, net: int) -> None:
    session.reshape_blob(net, "data", (2, 1, 6, 6))
    session.reshape_net(net)
    assert session.blob_shape(net, "prob") == (2, 5)


def test_weights_come_out_as_a_file_or_bytes(session: Session, net: int, tmp_path: Path) -> None:
    session.save_net(net, str(tmp_path / "net.caffemodel"))
    assert (tmp_path / "net.caffemodel").read_bytes() == session.net_bytes(net)
    other = session.create_net(text=NET)
    assert session.copy_from(other, session.net_bytes(net)) == ["conv", "score"]
    np.testing.assert_array_equal(session.get_blob(other, ("conv", 0)), session.get_blob(net, ("conv", 0)))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda s, n: s.create_net(), ArgumentError, "neither path nor text given"),
        (lambda s, n: s.create_net("a", "b"), ArgumentError, "both path and text given"),
        (lambda s, n: s.create_net(text=NET, phase="training"), ArgumentError, "'training' is no phase"),
        (lambda s, n: s.create_net("no.prototxt"), MissingFileError, "Could not open file no.prototxt"),
        (
            lambda s, n: s.create_net(text=NET.replace("num_output", "num_outptu")),
            PrototxtError,
            "did you mean 'num_output'",
        ),
        (lambda s, n: s.create_net(text=NET.replace('"score" type', '"x" bottom: "y" type')), GraphError, "'y'"),
        (lambda s, n: s.create_net(text=NET, weights="no.caffemodel"), MissingFileError, "no.caffemodel"),
        (lambda s, n: s.create_net(text=NET, weights=s.net_bytes(n)[:-9]), CorruptFileError, "caffemodel: damaged"),
        (lambda s, n: s.copy_from(n, b""), CorruptFileError, "caffemodel: "),
        (lambda s, n: s.get_blob(n, "x"), ArgumentError, "there is no blob 'x'; its blobs are data, conv"),
        (lambda s, n: s.get_blob(n, ("x", 0)), ArgumentError, "there is no layer 'x'; its layers are data, conv"),
        (lambda s, n: s.get_blob(n, ("conv", 2)), ArgumentError, "there is no learnable blob 2; it has 2 of them"),
        (lambda s, n: s.get_blob(n, "data", "date"), ArgumentError, "'date' is no part of a blob"),
        (lambda s, n: s.set_blob(n, "data", "data", np.zeros(3)), ShapeError, r"shape \(3,\) do not fit"),
        (lambda s, n: s.set_blob(n, "data", "data", np.array("x")), ArgumentError, "are no numbers"),
        (lambda s, n: s.reshape_blob(n, "data", (-1,)), ShapeError, "negative axis"),
        (lambda s, n: s.forward(n, {"dat": 0}), ArgumentError, "do not match net inputs"),
        (lambda s, n: s.forward(n, {"start": 0}), ArgumentError, "'start' has another meaning here"),
        (lambda s, n: s.forward(n, end="x"), ArgumentError, "there is no layer 'x'"),
        (lambda s, n: s.backward(n, {"x": 0}), ArgumentError, "do not match net outputs"),
    ],
)
def test_bad_calls(session: Session, net: int, call: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call(session, net)  # type: ignore[operator]
    assert session.objects() == Objects(solvers=0, nets=1)
    session.forward(net)


def test_weights_of_another_shape(session: Session, net: int) -> None:
    wider = session.create_net(text=NET.replace("num_output: 3", "num_output: 4"))
    with pytest.raises(WeightsError, match="Cannot copy param 0 weights from layer 'conv'; shape mismatch"):
        session.copy_from(net, session.net_bytes(wider))


# -- handles -----------------------------------------------------------------------------------------------------------


def test_handles_are_exact_as_doubles_and_differ(session: Session) -> None:
    handles = [session.create_net(text=NET) for _ in range(3)]
    assert len(set(handles)) == 3
    assert all(int(float(handle)) == handle > 0 for handle in handles)


def test_a_released_net_is_gone(session: Session, net: int) -> None:
    session.release(net)
    session.release(net)
    for call in (session.describe_net, session.forward, session.net_bytes):
        with pytest.raises(HandleError, match=f"there is no net {net}; .* create it anew"):
            call(net)


def test_a_solvers_nets_go_with_it(session: Session, solver: int) -> None:
    nets = session.solver_nets(solver)
    session.release(nets.net)
    session.describe_net(nets.net)
    session.release(solver)
    for net in (nets.net, *nets.test_nets):
        with pytest.raises(HandleError):
            session.describe_net(net)
    with pytest.raises(HandleError, match=f"there is no solver {solver}"):
        session.solver_state(solver)


def test_reset_counts_what_it_lets_go(session: Session, solver: int, net: int) -> None:
    assert session.objects() == session.reset() == Objects(solvers=1, nets=1)
    assert session.objects() == Objects(0, 0)


# -- training ----------------------------------------------------------------------------------------------------------


def test_stepping_trains(session: Session, solver: int) -> None:
    before = session.get_blob(session.solver_nets(solver).net, ("score", 0))
    events = list(session.step(solver, 12))
    losses = [event.loss for event in events if isinstance(event, Iteration)]
    assert len(losses) == 12
    assert losses[-1] < losses[0]
    assert events[-1] == Finished(12, stopped=False)
    assert session.solver_state(solver).iter == 12
    assert np.any(session.get_blob(session.solver_nets(solver).net, ("score", 0)) != before)


def test_solving_goes_to_max_iter(session: Session, rng: np.random.Generator, tmp_path: Path) -> None:
    solver = session.create_solver(text=SOLVER + f'snapshot_prefix: "{tmp_path}/small"')
    session.set_blob(session.solver_nets(solver).net, "data", "data", rng.random((8, 10)))
    events = list(session.solve(solver))
    assert isinstance(events[0], Started)
    assert [event.iteration for event in events if isinstance(event, Tested)] == [0, 10, 20]
    state = session.solver_state(solver)
    assert (state.iter, state.max_iter, state.training) == (20, 20, False)
    assert (tmp_path / "small_iter_20.solverstate").exists()


def test_a_snapshot_is_gone_on_from(session: Session, rng: np.random.Generator, tmp_path: Path) -> None:
    text = SOLVER + f'snapshot_prefix: "{tmp_path}/small"'
    data = rng.random((8, 10))
    solvers = [session.create_solver(text=text) for _ in range(2)]
    for solver in solvers:
        session.set_blob(session.solver_nets(solver).net, "data", "data", data)
    list(session.step(solvers[0], 5))
    session.restore(solvers[1], session.snapshot(solvers[0]))
    assert session.solver_state(solvers[1]).iter == 5
    for solver in solvers:
        list(session.step(solver, 3))
    results = [session.get_blob(session.solver_nets(solver).net, ("score", 0)) for solver in solvers]
    np.testing.assert_array_equal(*results)


def test_closing_the_events_ends_the_training(session: Session, solver: int) -> None:
    training = session.step(solver, 10**9)
    for event in training:
        if isinstance(event, Iteration) and event.iteration == 3:
            break
    assert session.solver_state(solver).training
    training.close()
    state = session.solver_state(solver)
    assert (state.iter, state.training) == (4, False)
    list(session.step(solver, 1))


def test_stop_ends_the_training_of_somebody_else(session: Session, solver: int) -> None:
    session.stop(solver)
    events = session.step(solver, 10**9)
    next(events)
    session.stop(solver)
    assert list(events)[-1] == Finished(session.solver_state(solver).iter, stopped=True)


def test_one_training_at_a_time(session: Session, solver: int) -> None:
    training = session.step(solver, 10)
    next(training)
    with pytest.raises(SolverError, match="is training already"):
        next(session.step(solver, 1))
    list(training)
    assert session.solver_state(solver).iter == 10


def test_releasing_a_training_solver_ends_the_training(session: Session, solver: int) -> None:
    training = session.solve(solver)
    next(training)
    session.release(solver)
    with pytest.raises(CancelledError, match="was released while it trained"):
        list(training)


@pytest.mark.parametrize("iterations", [-1, -(10**12)])
def test_iterations_are_not_negative(session: Session, solver: int, iterations: int) -> None:
    with pytest.raises(ArgumentError, match=f"{iterations} iterations"):
        list(session.step(solver, iterations))
    assert not session.solver_state(solver).training


# -- computing ---------------------------------------------------------------------------------------------------------


def test_computing_is_left_to_whoever_computes(rng: np.random.Generator) -> None:
    asked: list[object] = []

    def computing(work: Callable[[], Any], /) -> Any:
        asked.append(work)
        return work()

    session = Session(computing=computing)
    net, images = session.create_net(text=NET), rng.random((4, 1, 6, 6), np.float32)
    session.set_blob(net, "data", "data", images)
    assert asked == []
    session.forward(net)
    session.backward(net)
    session.predict(net, [images[0, 0, :, :, None]])
    session.get_blob(net, "prob")
    session.net_bytes(net)
    assert len(asked) == 5
    session.reset()


@pytest.mark.parametrize("call", ["forward", "backward", "predict"])
def test_a_run_may_be_ended(session: Session, net: int, call: str) -> None:
    def between() -> None:
        raise CancelledError("here", "enough", "")

    arguments = [[np.zeros((6, 6, 1), np.float32)]] if call == "predict" else []
    with pytest.raises(CancelledError, match="enough"):
        getattr(session, call)(net, *arguments, between=between)
    assert len(session.forward(net)["prob"]) == 4  # the next one runs to its end


# -- threads -----------------------------------------------------------------------------------------------------------


def test_threads_take_turns_on_one_net(session: Session, net: int) -> None:
    wrong: list[object] = []

    def work(value: float) -> None:
        data = np.full((4, 1, 6, 6), value, np.float32)
        first = session.forward(net, {"data": data}, blobs=["data"])
        for _ in range(30):
            again = session.forward(net, {"data": data}, blobs=["data"])
            if any(np.any(again[name] != first[name]) for name in first) or np.any(again["data"] != data):
                wrong.append(again)

    threads = [threading.Thread(target=work, args=(value,)) for value in (0.5, 1.0, -2.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_nets_in_several_threads_do_not_disturb_each_other(session: Session, rng: np.random.Generator) -> None:
    weights = session.net_bytes(session.create_net(text=NET))
    images = rng.random((4, 1, 6, 6), np.float32)
    expected = session.forward(session.create_net(text=NET, weights=weights), {"data": images})["prob"]
    wrong: list[object] = []

    def work() -> None:
        for _ in range(5):
            net = session.create_net(text=NET, weights=weights)
            for _ in range(5):
                got = session.forward(net, {"data": images})["prob"]
                if not np.allclose(got, expected, rtol=1e-5, atol=1e-6):
                    wrong.append(got)
            session.release(net)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_net_is_looked_at_while_its_solver_trains(session: Session, solver: int) -> None:
    net = session.solver_nets(solver).net
    seen: list[float] = []
    done = threading.Event()

    def train() -> None:
        list(session.step(solver, 200))
        done.set()

    thread = threading.Thread(target=train)
    thread.start()
    while not done.is_set():
        seen.append(float(session.get_blob(net, ("score", 0)).sum()))
    thread.join()
    assert len(set(seen)) > 3


def test_the_text_of_a_net(session: Session) -> None:
    text = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 } } }'
    again = session.net_text(session.create_net(text=text))
    assert 'type: "Input"' in again
    assert session.net_text(session.create_net(text=again)) == again
