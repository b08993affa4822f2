"""Every member of pycaffe's classes and modules is there, and takes the arguments that scripts give it."""

from __future__ import annotations

import inspect
import re
from functools import reduce
from typing import Any

import pytest

import caffe_sdk as caffe
from caffe_sdk import layers as L
from caffe_sdk.compat import caffe as compat
from caffe_sdk.proto import caffe_pb2
from tests.compat.members import MEMBERS, SIGNATURES
from tests.compat.test_names import ROWS, names


def reach(name: str) -> Any:
    return reduce(getattr, name.split("."), caffe)


def spelt(function: Any) -> list[str]:
    """Arguments as they stand in the table: names with defaults, and stars."""
    parameters = list(inspect.signature(function).parameters.values())
    if parameters and parameters[0].name == "self":
        del parameters[0]
    words = []
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            words.append("*")
        elif parameter.kind is parameter.VAR_KEYWORD:
            words.append("**")
        elif parameter.kind is not parameter.KEYWORD_ONLY:
            default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
            words.append(f"{parameter.name}{default}")
    return words


@pytest.mark.parametrize("name", SIGNATURES)
def test_it_is_there_and_takes_pycaffes_arguments(name: str) -> None:
    wanted = list(filter(None, SIGNATURES[name].split(", ")))
    found = spelt(reach(name))
    more = found[len(wanted) :] if wanted[-1:] != ["**"] else [word for word in found if word not in wanted]
    assert [word for word in found if word not in more] == wanted
    assert all("=" in word for word in more), f"{name} wants more than pycaffe: {more}"
    assert inspect.getdoc(reach(name)), f"{name} has no docstring"


def test_what_objects_and_modules_have() -> None:
    n = caffe.NetSpec()
    n.data = L.DummyData(shape={"dim": [1, 2]})
    n.ip = L.InnerProduct(n.data, num_output=1)
    n.loss = L.EuclideanLoss(n.ip, n.ip)
    timer = caffe.Timer()
    timer.start()
    with caffe.get_solver(caffe_pb2.SolverParameter(train_net_param=n.to_proto(), lr_policy="fixed")) as solver:
        owners = {
            "Net": solver.net,
            "Blob": solver.net.blobs["data"],
            "LayerOfNet": solver.net.layers[0],
            "Layer": caffe.Layer(),
            "Solver": solver,
            "SolverParameter": solver.param,
            "Timer": timer,
        }
        for owner, members in MEMBERS.items():
            for member in members.split():
                assert hasattr(owners.get(owner) or reach(owner), member), f"{owner}.{member}"
    for kind in ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"):
        assert {"step", "solve", "restore", "snapshot"} <= set(dir(getattr(caffe, f"{kind}Solver")))


def test_import_caffe_reaches_them_all() -> None:
    for name in SIGNATURES:
        assert reduce(getattr, name.split("."), compat) is not None


def test_the_table_in_the_docs_has_every_member() -> None:
    written = {name for row in ROWS for name in names(row[0])}
    looked_at = {f"{owner}.{m}" for owner in ("Net", "Blob") for m in MEMBERS[owner].split() if m[0] != "_"}
    assert not {*SIGNATURES, *looked_at} - written


def test_reprs_tell_what_it_is() -> None:
    n = caffe.NetSpec()
    n.data, n.label = L.Data(ntop=2)
    n.loss = L.SoftmaxWithLoss(n.data, n.label)
    assert repr(n) == "<NetSpec: data, label, loss>"
    assert repr(n.label) == "<Top 1 of Data>"
    assert repr(n.label.fn) == "<Function Data: 0 inputs, 2 tops>"
    assert repr(caffe.io.Transformer({"data": (1, 3, 4, 4)})) == "<Transformer data: (1, 3, 4, 4)>"
    assert re.fullmatch(r"<Timer: not run>", repr(caffe.Timer()))
    timer = caffe.Timer()
    timer.start()
    timer.stop()
    assert re.fullmatch(r"<Timer: [\d.]+ ms>", repr(timer))
