"""Whole files: which nets and phases are checked, what is an error, and that no real file is too much."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffe_sdk.app.check import check
from caffe_sdk.app.check.solvers import apply
from caffe_sdk.errors import CaffeError, MissingFileError, PrototxtError, SolverError
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import SolverParameter
from tests.app.check.models import CONV, DATA, FC, FILLER, GOOD, LOSS, RELU, SOLVER
from tests.golden import real


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(GOOD)


def write(name: str, text: str) -> str:
    Path(name).write_text(text)
    return name


def test_errors_have_their_status() -> None:
    result = check(write("wide", DATA + CONV.replace("kernel_size: 3", "kernel_size: 30") + RELU + FC + LOSS))
    assert result.exit_status == 3
    (error,) = result.errors
    assert "wide: layer 'conv' (Convolution): kernel (30, 30) does not fit input (8, 8)" in str(error)


def test_a_file_that_is_no_model() -> None:
    with pytest.raises(PrototxtError, match="bad:1:7"):
        check(write("bad", "name: nonsense"))
    with pytest.raises(PrototxtError, match=r"bad:1:34.*unknown field 'lr_polic' in SolverParameter"):
        check(write("bad", 'net: "net.prototxt" base_lr: 0.1 lr_polic: "fixed"'))
    with pytest.raises(MissingFileError):
        check("nowhere")


def test_phases_and_stages_are_those_the_net_is_for() -> None:
    only = 'layer { name: "only" type: "Power" bottom: "fc" top: "only" include { phase: TEST stage: "x" } }'
    lone = GOOD.replace(RELU, "") + only
    result = check(write("stages", lone + 'layer { name: "bad" type: "Power" bottom: "only" include { stage: "x" } }'))
    assert ["layer 'bad' (Power): has 0 tops" in str(error) for error in result.errors] == [True]
    assert check("stages", "TRAIN").errors == []
    assert len(check("stages", "TEST").errors) == 1
    assert check("stages", "TEST", 0, ["y"]).errors == []


def test_missing_data_is_a_hint() -> None:
    data = 'layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "no" batch_size: 2 } %s }'
    rest = CONV + RELU + FC.replace(FILLER, "") + LOSS
    known = check(write("known", data % "transform_param { crop_size: 6 }" + rest))
    assert [e.finding.rule for e in known.entries] == ["missing_data", "missing_filler"]
    assert "it is taken for 2 x 3 x 6 x 6" in known.lines()[0]
    unknown = check(write("unknown", data % "" + rest))
    assert [e.finding.rule for e in unknown.entries] == ["missing_data", "missing_filler"]
    assert "shapes are unknown" in unknown.lines()[0]
    broken = check(write("broken", data % "" + rest.replace("ReLU", "RELU").replace('bottom: "label"', "")))
    assert "Unknown layer type: RELU" in str(broken.errors[0])


def test_data_that_is_here_and_damaged(tmp_path: Path) -> None:
    Path("db").mkdir()
    data = 'layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "db" batch_size: 2 } }'
    result = check(write("damaged", data + CONV + RELU + FC + LOSS))
    assert [e.finding.rule for e in result.entries] == ["data"]
    assert "layer 'data' (Data): db: holds neither a LevelDB" in result.lines()[0]
    assert result.exit_status == 1


def test_old_formats_are_a_hint() -> None:
    old = 'input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8 force_backward: true ' + CONV
    result = check(write("old", old))
    assert [(e.finding.rule, e.finding.severity) for e in result.entries] == [("old_format", "hint")]
    assert "upgrade_net_proto_text IN OUT" in result.lines()[0]
    assert result.exit_status == 0


def test_a_solver_and_its_nets() -> None:
    assert check(write("solver.prototxt", SOLVER)).lines() == []
    write("net.prototxt", GOOD.replace(FILLER, "", 1))
    (line,) = check("solver.prototxt").lines()
    assert line.startswith("net.prototxt:5: warning (TRAIN): layer 'conv': weights begin as zeros")
    assert check(write("tuned", SOLVER + ' weights: "w"')).lines() == []  # they are not zeros for long


def test_nets_are_found_from_above_the_solver() -> None:
    Path("models/a").mkdir(parents=True)
    write("models/a/net.prototxt", GOOD)
    deep = write("models/a/solver.prototxt", SOLVER.replace("net.prototxt", "models/a/net.prototxt"))
    assert check(deep).errors == []
    assert check(write("s", SOLVER.replace("net.prototxt", "nowhere"))).exit_status == MissingFileError.exit_status


def test_what_a_solver_cannot_train_by() -> None:
    result = check(write("solver.prototxt", SOLVER.replace("fixed", "nonsense")))
    assert isinstance(result.errors[0], SolverError)
    assert "solver.prototxt: solver: Unknown learning rate policy: nonsense" in str(result.errors[0])
    assert isinstance(check(write("s", SOLVER.replace("net:", "test_net:"))).errors[0], SolverError)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('base_lr: 0 lr_policy: "fixed" max_iter: 1', "base_lr is 0"),
        ('base_lr: -1 lr_policy: "fixed" max_iter: 1', "base_lr is -1"),
        ('base_lr: 1 lr_policy: "fixed" max_iter: 1 momentum: 1', "momentum is 1"),
        ('base_lr: 1 lr_policy: "fixed" max_iter: 1 weight_decay: -1', "weight_decay is -1"),
        ('base_lr: 1 lr_policy: "step" max_iter: 9 stepsize: 9 gamma: 0.1', "stepsize 9 is not reached"),
        ('base_lr: 1 lr_policy: "multistep" max_iter: 9 stepvalue: 5 stepvalue: 3', "stepvalue [5, 3]"),
        ('base_lr: 1 lr_policy: "fixed"', "max_iter is 0"),
        ('base_lr: 1 lr_policy: "fixed" max_iter: 1 snapshot_after_train: false', "nothing is saved"),
    ],
)
def test_solver_rules(text: str, words: str) -> None:
    (found,) = apply(prototxt.parse(text, SolverParameter))
    assert words in found.what


def test_an_unknown_type_of_solver() -> None:
    with pytest.raises(SolverError, match="Unknown solver type: Other"):
        apply(SolverParameter(type="Other"))


@pytest.mark.slow
def test_no_real_file_is_too_much(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shared)
    statuses = set()
    for path in real.files(shared):
        try:
            result = check(path)
        except CaffeError as error:
            pytest.fail(f"{path}: {error}")
        assert all(result.lines())
        statuses.add(result.exit_status)
    assert statuses == {0, 1, 3, 5, 7}
