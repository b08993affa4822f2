"""Every call of the .proto can be made, waiting and awaited, with the same verbs."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from caffe_sdk.client import asks, connection, description, files, link, models, net, solver
from caffe_sdk.client.aio import connection as aio_connection
from caffe_sdk.client.aio import link as aio_link
from caffe_sdk.client.aio import models as aio_models
from caffe_sdk.client.aio import net as aio_net
from caffe_sdk.client.aio import solver as aio_solver
from caffe_sdk.errors import MissingFileError
from caffe_sdk.rpc import pb

PAIRS = {
    "client": (connection.Client, aio_connection.AsyncClient, {"release"}),  # what is forgotten is not awaited
    "net": (net.RemoteNet, aio_net.AsyncNet, {"get", "set", "reshape_blob", "layers", "layer_dict"}),
    "solver": (solver.RemoteSolver, aio_solver.AsyncSolver, {"iter", "max_iter", "training"}),
    "models": (models.RemoteModels, aio_models.AsyncModels, set[str]()),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_both_clients_have_the_same_verbs(pair: str) -> None:
    waiting, awaited, only_waiting = PAIRS[pair]
    verbs = {name for name in vars(waiting) if not name.startswith("_")} - only_waiting
    for name in verbs:
        mine, other = (inspect.getattr_static(kind, name) for kind in (waiting, awaited))
        if callable(mine):
            given = [list(inspect.signature(each).parameters.values()) for each in (mine, other)]
            assert [(p.name, p.default, p.kind) for p in given[0]] == [(p.name, p.default, p.kind) for p in given[1]]


def test_connecting_takes_the_same() -> None:
    assert [*inspect.signature(connection.connect).parameters] == [
        *inspect.signature(aio_connection.connect).parameters
    ]


def test_every_call_can_be_made() -> None:
    named = set(re.findall(r'"([A-Z]\w+)"', "".join(inspect.getsource(m) for m in (asks, connection))))
    calls = {call.name for service in (pb.Server, pb.Models, pb.Nets, pb.Solvers) for call in service.methods}
    assert calls - named == {"GetWeights"}  # DownloadWeights does the same for weights of any size


def test_files_go_along(tmp_path: Path) -> None:
    (tmp_path / "a.prototxt").write_text('name: "a"')
    (tmp_path / "a.preprocessing.json").write_text('{"version": 1, "resize": [4, 5], "mean": [1, 2, 3]}')
    request = pb.CreateNetRequest(model=files.model_message(tmp_path / "a.prototxt"))
    files.put_record(request, None, tmp_path / "a.prototxt")
    assert (request.model.text, list(request.preprocessing.resize)) == ('name: "a"', [4, 5])
    assert list(request.preprocessing.mean.shape) == [3]
    assert files.model_message(files.ServerFile("x")).path == "x"
    assert files.image_bytes([b"1", tmp_path / "a.prototxt"]) == [b"1", b'name: "a"']
    with pytest.raises(MissingFileError):
        files.weights_bytes(tmp_path / "none")


def test_what_a_run_gives() -> None:
    layers = [pb.Layer(name="l", tops=["a", "b"])]
    told = description.Description(pb.Net(net=3, phase=pb.PHASE_TRAIN, layers=layers, outputs=["z"]))
    assert (told.handle, told.phase, told.tops(None), told.tops("l"), told.tops("none")) == (
        3,
        0,
        ["z"],
        ["a", "b"],
        [],
    )


def test_connections_are_links() -> None:
    for kind, link_kind in ((connection.Client, link.Link), (aio_connection.AsyncClient, aio_link.AsyncLink)):
        assert {name for name in vars(link_kind) if not name.startswith("_")} <= set(dir(kind))
