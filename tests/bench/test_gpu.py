"""The benchmark of GPUs: all of it on the simulated device, beside a stand-in for PyTorch; what fails fails alone."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from caffe_sdk.errors import DataError
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import NetParameter
from tests.bench.gpu import __main__ as bench
from tests.bench.gpu import differences, operations, report, transfers, turns
from tests.bench.gpu.differences import Difference
from tests.bench.gpu.operations import Measured
from tests.bench.gpu.turns import Row
from tests.bench.peers.rounds import Times, WorkerFailed
from tests.cases.table import CASES
from tests.engine.cuda.mocked import install

STAND_IN = """
import os, sys
from pathlib import Path
os.environ["CAFFE_ENGINE"] = "reference"
sys.path.insert(0, {workers!r})
import ours
from protocol import serve_many

build = {{"inference": ours.inference, "training": ours.training}}[sys.argv[2]](Path(sys.argv[1]))

def ways(batch):
    if batch == 3:
        raise MemoryError("no room for 3")
    step, check = build(batch)["ours"]
    return {{"eager": (step, check), "graph": (step, lambda: [x + 1 for x in check()])}}

serve_many("9.9", ways)
"""


def test_both_orders_can_be_measured():
    how, asked = turns.How(python=Path("python")), bench.arguments(["--precisions", "float16", "float16-nchw"])
    last, first = turns.groups(["lenet"], [1], [], asked.precisions)
    assert [turns.environment(group, how).get("CAFFE_CHANNELS_LAST") for group in (last, first)] == [None, "0"]
    assert [turns.commands(group, how, Path())["pytorch"][-1] for group in (last, first)] == ["float16"] * 2
    assert set(bench.arguments([]).precisions) == {turns.stored(precision) for precision in turns.PRECISIONS}


@pytest.mark.slow
def test_all_parts_beside_a_stand_in(tmp_path, monkeypatch):
    worker = tmp_path / "stand_in.py"
    worker.write_text(STAND_IN.format(workers=str(turns.WORKERS)))
    monkeypatch.setenv("CAFFE_SHARED", str(tmp_path))
    path = tmp_path / "bench.md"
    little = ["--inference", "1", "3", "--training", "2", "--rounds", "2", "--precisions", "float32", "--nets", "lenet"]
    other = ["--python", sys.executable, "--worker", str(worker), "--only", "InnerProduct"]
    bench.main(["--engine", "simulated", "--report", str(path), *little, *other])
    text, data = path.read_text(), json.loads(path.with_suffix(".json").read_text())
    assert list(data) == [
        "Device",
        "Golden vectors of BVLC Caffe",
        "Table of cases",
        "Transfers",
        "Operations",
        "Speed",
    ]
    assert data["Device"]["Engine"] == "simulated"
    assert "They are not here" in text
    assert data["Transfers"] == {"lenet": {"host to simulated": 2, "simulated to host": 1}}
    assert {each["case"].partition("-")[0] for each in data["Table of cases"]} == {"InnerProduct"}
    assert {each["way"] for each in data["Operations"] if each["step"] == "max_pool"} == {"inference", "training"}
    one, three, trained = data["Speed"]
    assert [(row["batch"], row["way"]) for row in data["Speed"]] == [
        (1, "inference"),
        (3, "inference"),
        (2, "training"),
    ]
    assert set(one["times"]) == {"ours", "eager"}
    assert len(one["times"]["ours"]["rounds"]) == len(one["times"]["eager"]["rounds"]) == 2
    assert one["failures"]["graph"].startswith("differs from ours by")
    assert three["failures"]["pytorch"] == "pytorch: MemoryError: no room for 3"
    assert set(three["times"]) == {"ours"}
    assert {"ours", "eager"} <= set(trained["times"])
    assert "- as fast as PyTorch step by step:" in text


def test_a_part_that_fails_leaves_the_others(tmp_path, monkeypatch):
    def broken(made, limit):
        raise ValueError("broken")

    monkeypatch.setitem(bench.PARTS, "device", broken)
    monkeypatch.setitem(bench.PARTS, "transfers", lambda made, limit: made.report.put("Transfers", ["here"], limit))
    bench.main(["--report", str(tmp_path / "a.md"), "--parts", "device", "transfers", "--minutes", "1"])
    assert (tmp_path / "a.md").read_text().count("ValueError: broken") == 1
    assert "here" in (tmp_path / "a.md").read_text()
    bench.main(["--report", str(tmp_path / "b.md"), "--parts", "transfers", "--minutes", "0"])
    assert "There was no time left for it." in (tmp_path / "b.md").read_text()


def test_a_process_that_hangs_is_ended_with_what_it_started_and_what_it_said_counts():
    program = "import subprocess, sys; print('begun', flush=True); subprocess.run(['sleep', '60'])"
    began = time.monotonic()
    assert bench.run([sys.executable, "-c", program], "reference", 1.0) == ("begun\n", "ended after 1 s")
    assert time.monotonic() - began < 20
    said, failure = bench.run([sys.executable, "-c", "print(1); raise SystemExit('no')"], "reference", 60)
    assert (said, failure) == ("1\n", "exit status 1: no")


def test_a_worker_that_does_not_answer(tmp_path):
    worker = turns.Worker("mute", [sys.executable, "-c", "import time; time.sleep(60)"], 2, limit=0.2)
    with pytest.raises(WorkerFailed, match="mute: no answer in 0 s"):
        worker.answer()
    worker.close()


def row(net="caffenet", batch=1, precision="float32", eager=(3.0, 3.0)):
    made = Row(net, "inference", precision, batch, {"ours": Times("1"), "eager": Times("2")})
    for seconds in eager:
        made.times["ours"].add([0.002, 0.002])
        made.times["eager"].add([seconds / 1e3])
    return made


def test_what_is_said_of_times():
    rows = [
        row(),
        row(batch=64),
        row("vgg16", eager=(1.0, 2.0)),
        Row("lenet", "training", "tf32", 4, failures={"ours": "a|b\nc"}),
    ]
    lines = report.speed(rows)
    assert "| caffenet | 1 | inference | float32 | 2 | 500 | 1.50 (1.50) |  |  |" in lines
    assert "| lenet | 4 | training | tf32 | | | | | ours: a/b c |" in lines
    assert "- as fast as PyTorch step by step: 2 of 3" in lines
    assert "- 1.2 times as fast with a single image: 1 of 2" in lines
    day = "- CaffeNet in float32, batches of 64: 2,765 million images a day, 69 times the paper's 40 million"
    assert day in lines
    assert json.loads(json.dumps(report.data_of(rows)))[0]["times"]["ours"]["minimum"] == 2


def test_what_is_said_of_differences():
    good, bad = Difference("a", 1e-6, 1e-5), Difference("b", 1e-3, 0.0)
    assert "1 of 2 cases agree" in report.differences([good, bad])[0]
    assert "| b | 1.0e-03 | 0.0e+00 |  |" in report.differences([good, bad, Difference("c", 0, 0, "no memory")])
    assert report.differences([]) == ["Nothing was compared."]


def test_a_case_that_cannot_be_computed_says_why(monkeypatch):
    class Broken:
        place = differences.select("reference").place
        name = "broken"

        def compile(self, *arguments, **more):
            raise DataError("it", "is broken", "mend it")

    found = differences.of(next(case for case in CASES if case.type == "ReLU"), Broken())
    assert (found.failure, found.agrees) == ("it: is broken; mend it", False)


def test_differences_and_transfers_of_an_engine(capsys, monkeypatch):
    monkeypatch.setenv("CAFFE_ENGINE", "fake")
    differences.main("ReLU")
    lines = [Difference(**json.loads(line)) for line in capsys.readouterr().out.splitlines()]
    assert lines
    assert all(line.agrees for line in lines)
    assert transfers.counted("lenet", 1)["fake to host"] >= 1


def tiny(batch, train=False):
    """A net of every kind of step that is looked at."""
    end = 'type: "SoftmaxWithLoss" bottom: "label" top: "loss"' if train else 'type: "Softmax" top: "prob"'
    label = f'layer {{ name: "label" type: "Input" top: "label" input_param {{ shape {{ dim: {batch} }} }} }}'
    size = f"dim: {batch} dim: 1 dim: 6 dim: 6"
    three, one = "num_output: 2 kernel_size: 3", "num_output: 3 kernel_size: 1"
    return prototxt.parse(
        f"""layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ {size} }} }} }}
        {label if train else ""}
        layer {{ name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param {{ {three} }} }}
        layer {{ name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param {{ kernel_size: 2 stride: 2 }} }}
        layer {{ name: "d" type: "Convolution" bottom: "p" top: "d" convolution_param {{ {one} }} }}
        layer {{ name: "i" type: "InnerProduct" bottom: "d" top: "i" inner_product_param {{ num_output: 10 }} }}
        layer {{ name: "end" bottom: "i" {end} }}""",
        NetParameter,
    )


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_every_step_is_measured_by_both_sides(monkeypatch, precision):
    """On the mock, whose clock counts what it does; what cuDNN leaves out is said."""
    install(monkeypatch)
    monkeypatch.setitem(operations.NETS, "tiny", tiny)
    for name, value in (("CAFFE_CUDNN", "all"), ("CAFFE_ENGINE", "cuda"), ("CAFFE_PRECISION", precision)):
        monkeypatch.setenv(name, value)
    found = [each for train in (False, True) for each in operations.measured("tiny", 2, train)]
    assert all(each.ours > 0 and each.precision == precision for each in found)
    kinds = {(each.way, each.step): (each.theirs > 0, each.without) for each in found}
    assert kinds["inference", "max_pool"] == (True, "")
    assert kinds["training", "max_pool"] == kinds["training", "max_pool_grad"] == (True, "without the mask")
    assert kinds["training", "convolution_grad_data"] == (True, "")
    assert kinds["training", "softmax_loss"] == (False, "")
    assert kinds["inference", "softmax"] == (precision == "float32", "")


def test_what_is_said_of_operations():
    one = Measured("a", "training", "float32", "lrn", "x 1", 2, 0.003, 0.002, "without the scale")
    other = Measured("a", "training", "float32", "lrn", "x 2", 1, 0.001, 0.0)
    lines = report.operations([one, other, replace(other, step="relu")])
    assert lines[-2] == "| a | training | float32 | lrn | 3 | 7.000 | 2 | 6.000 | 4.000 | 1.50 | without the scale |"
    assert lines[-1] == "| a | training | float32 | relu | 1 | 1.000 | 0 | | | | |"
    assert lines[-1].count("|") == lines[-2].count("|") == lines[-3].count("|")


def test_halves_round_small_probabilities_to_nothing():
    ours, theirs = [0.5, 1e-9], [0.49, 0.0]
    assert turns.distance(Row("a", "inference", "float16", 1), ours, theirs) == pytest.approx(0.01)
    assert turns.distance(Row("a", "inference", "float32", 1), ours, theirs) > 1


def test_the_most_wanted_comes_first():
    found = turns.groups(["a", "b"], [1], [64], ["float32", "tf32"])
    assert [str(group) for group in found[:5]] == [
        *("a inference float32", "b inference float32", "a training float32", "b training float32"),
        "a inference tf32",
    ]


def test_a_python_with_pytorch(monkeypatch, tmp_path):
    assert bench.other_python(tmp_path, 1) == (tmp_path, "")
    monkeypatch.setattr(bench, "_has_torch", lambda python: str(python) == sys.executable)
    assert bench.other_python(None, 1) == (Path(sys.executable), "")
    monkeypatch.setattr(bench, "_has_torch", lambda python: False)
    monkeypatch.setattr(bench, "run", lambda *arguments: ("", "ended after 1 s"))
    assert bench.other_python(None, 1) == (None, "ended after 1 s")
