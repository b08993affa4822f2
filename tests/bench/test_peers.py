"""The comparison with other programs: they are told the very net; turns, ratios and failures are as they should be."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from caffe_sdk.net import Net
from tests.bench.models import NETS
from tests.bench.peers import environment, tables
from tests.bench.peers.cases import CASES, Case, prepare
from tests.bench.peers.description import Description
from tests.bench.peers.onnx_file import field
from tests.bench.peers.rounds import (
    OURS,
    WORKERS,
    Result,
    Times,
    Worker,
    WorkerFailed,
    command_of,
    difference,
    disagreements,
    take_turns,
)

PEER = """
import sys
sys.path.insert(0, {workers!r})
from protocol import serve
print("words of a library")
serve("7.1", lambda: open({log!r}, "a").write({name!r}), lambda: {numbers!r})
"""


def messages(data: bytes) -> dict[int, list[bytes | int | float]]:
    """The fields of a protobuf message by number."""
    found: dict[int, list[bytes | int | float]] = {}
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            value: bytes | int | float = varint()
        elif key & 7 == 5:
            value = struct.unpack("<f", data[at : at + 4])[0]
            at += 4
        else:
            length = varint()
            value = data[at : at + length]
            at += length
        found.setdefault(key >> 3, []).append(value)
    return found


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 1 << 40, 0.75, "name", b"", b"x" * 300])
def test_fields_are_read_back(value):
    expected = value.encode() if isinstance(value, str) else value
    assert messages(field(9, value) + field(1, 5)) == {9: [expected], 1: [5]}


def test_onnx_file_holds_the_net(tmp_path):
    prepare(Case("lenet", 3), tmp_path)
    graph = messages(messages((tmp_path / "net.onnx").read_bytes())[7][0])
    nodes = [messages(node) for node in graph[1]]
    operators = [node[4][0].decode() for node in nodes]
    assert operators == ["Conv", "MaxPool", "Conv", "MaxPool", "Flatten", "Gemm", "Relu", "Flatten", "Gemm", "Softmax"]
    made = {b"data"} | {messages(tensor)[8][0] for tensor in graph[5]}
    for node in nodes:
        assert set(node[1]) <= made
        made |= set(node[2])
    assert messages(graph[12][0])[1][0] in made
    weights = {messages(tensor)[8][0].decode(): messages(tensor) for tensor in graph[5]}
    with np.load(tmp_path / "weights.npz") as saved:
        assert set(saved) == set(weights)
        for name, array in saved.items():
            assert tuple(weights[name][1]) == array.shape
            assert weights[name][9][0] == array.tobytes()


def test_normalization_and_scale_are_one_operation():
    param = NETS["resnet50"](1)
    with Net(param, "test") as net:
        for name, blobs in net.params.items():
            if name.startswith("bn_"):
                blobs[0].data[...], blobs[1].data[...], blobs[2].data[...] = 6, 8, 2
            elif name.startswith("scale_"):
                blobs[1].data[...] = 5
        description = Description(net, param)
    kinds = [op.kind for op in description.operations]
    assert (kinds.count("batch_norm"), kinds.count("add")) == (53, 16)
    first = next(op for op in description.operations if op.kind == "batch_norm")
    scale, shift, mean, variance = (description.weights[name] for name in first.weights)
    assert np.all(scale == 1)
    assert np.all(shift == 5)
    assert np.all(mean == 3)
    assert np.all(variance == 4)


def test_values_are_written_once():
    for name in ("caffenet", "squeezenet", "googlenet"):
        param = NETS[name](1, train=True)
        with Net(param, "train") as net:
            operations = Description(net, param).operations
        written = [op.output for op in operations]
        assert len(set(written)) == len(written)
        known = {"data", "label"}
        for op in operations:
            assert known.issuperset(op.inputs)
            known.add(op.output)


def test_pooling_says_how_far_it_reaches_over_the_end():
    param = NETS["googlenet"](1)
    with Net(param, "test") as net:
        pools = [op for op in Description(net, param).operations if op.kind == "max_pool"]
    assert pools[0].how == {"kernel": 3, "stride": 2, "pad": 0, "end": 1}  # 112 to 56
    assert pools[2].how == {"kernel": 3, "stride": 1, "pad": 1, "end": 1}  # 28 to 28


def test_differences_are_relative_to_the_reach_of_ours():
    assert difference([1.0, 3.0], [1.0, 3.003]) == pytest.approx(1e-3)
    assert difference([-2.0, 3.0], [-2.0, 3.5]) == pytest.approx(0.1)
    assert difference([0.5, 0.25], [0.5, 0.125]) == pytest.approx(1.0)  # by logarithms
    assert difference([1.0], [1.0, 2.0]) == float("inf")


def test_our_worker_computes_and_trains(tmp_path):
    prepare(Case("lenet", 2), tmp_path / "inference")
    prepare(Case("lenet", 2, train=True), tmp_path / "training", checked=True)
    workers = [
        Worker(OURS, command_of(OURS, Path(), tmp_path / mode, mode == "training", 1), 1)
        for mode in ("inference", "training")
    ]
    try:
        for worker in workers:
            assert worker.answer()["version"]
        probabilities = workers[0].ask("check")
        assert sum(probabilities) == pytest.approx(2)
        losses = workers[1].ask("check")
        assert losses[2] < losses[0]
        assert min(workers[1].ask("go 2")["wall"]) > 0
    finally:
        for worker in workers:
            worker.close()


def peer(folder: Path, name: str, numbers: object) -> Worker:
    words = {"workers": str(WORKERS), "log": str(folder / "log"), "name": name, "numbers": numbers}
    return Worker(name, [sys.executable, "-c", PEER.format(**words)], 2)


def test_workers_take_turns_and_wrong_ones_are_found(tmp_path):
    workers = {
        OURS: peer(tmp_path, "a", [1.0, 2.0]),
        "right": peer(tmp_path, "b", [1.0, 2.001]),
        "wrong": peer(tmp_path, "c", [1.0, 2.1]),
    }
    try:
        for name, worker in workers.items():
            assert worker.answer()["version"] == "7.1", name
        assert disagreements(workers) == {"wrong": "differs from ours by 0.05"}
        good = {name: workers[name] for name in (OURS, "right")}
        times = take_turns(good, {OURS: "1", "right": "2"}, threads=2, rounds=3)
        assert [len(each.rounds) for each in times.values()] == [3, 3]
        assert times["right"].version == "2"
        log = (tmp_path / "log").read_text()
        turns = log.replace("a" * 200, "A").replace("b" * 200, "B")
        assert turns.endswith("ABABAB")
    finally:
        for worker in workers.values():
            worker.close()


def test_a_program_that_ends_says_why():
    worker = Worker("late", [sys.executable, "-c", "raise SystemExit('no such net')"], 1)
    try:
        with pytest.raises(WorkerFailed, match="late: no such net"):
            worker.answer()
    finally:
        worker.close()


def test_a_round_counts_by_its_median_and_the_best_step():
    times = Times("1")
    times.add([0.003, 0.001, 0.002])
    times.add([0.004])
    assert times.rounds == [2, 4]
    assert (times.median, times.minimum) == (3, 1)


def test_tables_show_ratios_and_are_read_back():
    times = {OURS: Times("1", [2.0, 4.0, 2.5], 2.0), "slow": Times("2", [4.0, 9.0, 6.0], 4.0)}
    result = Result(Case("lenet", 64), 1, False, times, {"broken": "differs"})
    assert result.ratio("slow") == pytest.approx(2.25)
    assert result.ratio_of_minima("slow") == 2
    text = tables.table([result], ["slow", "broken", "absent"])
    assert "| lenet b64 inference | 2.5 | 2.25 (2.00) | failed | - |" in text.splitlines()
    assert tables.from_json(tables.to_json([result])) == [result]
    assert json.loads(tables.to_json([result]))["failures"] == {"broken": "differs"}


def test_the_environment_is_in_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = environment.folder()
    assert made.parent == tmp_path / "caffe_sdk" / "bench"
    (made / "bin").mkdir(parents=True)
    (made / "ready").touch()
    assert environment.ready() == made / "bin" / "python"  # nothing is installed again


def test_cases_name_nets_that_there_are():
    assert {case.net for case in CASES} == set(NETS)
    assert len(set(CASES)) == len(CASES)
