"""Nets and solvers from files or from text, weights from files or from bytes, as far as paths may be opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from caffe_sdk import preprocessing
from caffe_sdk.app.paths import Paths
from caffe_sdk.errors import ArgumentError, CaffeError
from caffe_sdk.net import Net
from caffe_sdk.preprocessing import Preprocessing
from caffe_sdk.schema import prototxt, wire
from caffe_sdk.schema.messages import TEST, TRAIN, NetParameter, SolverParameter
from caffe_sdk.solver import Solver, get_solver
from caffe_sdk.solver.solver import read_solver

Weights = str | bytes
"""The path of a caffemodel, or its bytes."""

PHASES = {"train": TRAIN, "test": TEST}


class Model(NamedTuple):
    """A description: the path of a prototxt, or its text."""

    path: str | None = None
    text: str | None = None


def build_net(
    model: Model, phase: str, weights: Weights | None, level: int, stages: Sequence[str], paths: Paths
) -> Net:
    """The net of a description, with weights if any are given."""
    if phase not in PHASES:
        raise ArgumentError("phase", f"'{phase}' is no phase", "use 'train' or 'test'")
    net = Net(_net_source(model, paths), PHASES[phase], level, list(stages), where=model.path or "")
    try:
        if weights is not None:
            load_weights(net, weights, paths)
    except CaffeError:
        net.close()
        raise
    return net


def find_record(weights: Weights | None, model: str | None, paths: Paths) -> Preprocessing | None:
    """The record of preprocessing beside the weights or the model, as far as these are paths that may be opened."""
    given = [each for each in (weights, model) if isinstance(each, str)]
    return preprocessing.find(*(paths.resolve(each) for each in given))


def build_solver(model: Model, paths: Paths) -> Solver:
    """The solver of a description."""
    _check_one_given(model)
    if model.path is not None and not paths.confine:
        return get_solver(model.path)
    if model.path is not None:
        param = read_solver(paths.resolve(model.path))
    else:
        param = prototxt.parse(model.text or "", SolverParameter)
    if paths.confine:
        paths.check(param)
        _embed_nets(param, paths)
    return get_solver(param)


def load_weights(net: Net, weights: Weights, paths: Paths) -> list[str]:
    """Load weights into layers of the same names; gives those names."""
    if isinstance(weights, str):
        return net.copy_from(paths.resolve(weights)).copied
    return net.copy_weights(wire.decode_net(weights, "caffemodel").layers, "caffemodel").copied


def weights_bytes(net: Net) -> bytes:
    """A net's weights as the bytes of a caffemodel."""
    return b"".join(net.encode())


def _net_source(model: Model, paths: Paths) -> Any:
    """What to make a Net of: a path, or a NetParameter."""
    _check_one_given(model)
    if model.path is not None and not paths.confine:
        return model.path
    if model.path is not None:
        param = prototxt.read(paths.resolve(model.path), NetParameter)
    else:
        param = prototxt.parse(model.text or "", NetParameter)
    paths.check(param)
    return param


def _embed_nets(param: Any, paths: Paths) -> None:
    """Put a solver's net files into its description, their own paths checked. The order of test nets stays."""
    for field in ("net", "train_net"):
        if param.HasField(field):
            getattr(param, f"{field}_param").CopyFrom(_net_source(Model(path=getattr(param, field)), paths))
            param.ClearField(field)
    for path in param.test_net:
        param.test_net_param.add().CopyFrom(_net_source(Model(path=path), paths))
    param.ClearField("test_net")


def _check_one_given(model: Model) -> None:
    if (model.path is None) == (model.text is None):
        given = "neither path nor text" if model.path is None else "both path and text"
        raise ArgumentError("model", f"{given} given", "give the path of a prototxt, or its text")
