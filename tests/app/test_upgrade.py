"""Files of older formats become today's, weights and all, in the words of Caffe's tools."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from caffe_sdk.app.upgrade import upgrade_net_binary, upgrade_net_text, upgrade_solver_text
from caffe_sdk.errors import CorruptFileError, LayerError, MissingFileError, WriteError
from caffe_sdk.schema import prototxt, wire
from caffe_sdk.schema.messages import NetParameter, SolverParameter, V1LayerParameter

OLD = """
name: "old"
layers { layer { name: "data" type: "data" source: "db" batchsize: 2 scale: 0.5 } top: "data" top: "label" }
layers { layer { name: "pad" type: "padding" pad: 1 } bottom: "data" top: "pad" }
layers { layer { name: "conv" type: "conv" num_output: 2 kernelsize: 3 } bottom: "pad" top: "conv" }
"""
NEW = """
name: "old"
layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "db" batch_size: 2 }
        transform_param { scale: 0.5 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 2 kernel_size: 3 pad: 1 } }
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Path:
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO)
    return tmp_path


def test_text_of_an_old_net(caplog: pytest.LogCaptureFixture) -> None:
    Path("old").write_text(OLD)
    assert upgrade_net_text("old", "new")
    assert prototxt.read("new", NetParameter) == prototxt.parse(NEW, NetParameter)
    assert "deprecated V0LayerParameter: old" in caplog.text
    assert "Wrote upgraded NetParameter text proto to new" in caplog.text


def test_todays_net_is_written_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    Path("in").write_text(NEW)
    assert upgrade_net_text("in", "out")
    assert prototxt.read("out", NetParameter) == prototxt.parse(NEW, NetParameter)
    assert "File already in latest proto format: in" in caplog.text


def test_what_is_left_out_is_told(caplog: pytest.LogCaptureFixture) -> None:
    Path("old").write_text('layers { layer { name: "r" type: "relu" num_output: 3 } bottom: "x" top: "x" }')
    assert not upgrade_net_text("old", "new")
    assert prototxt.read("new", NetParameter).layer[0].type == "ReLU"
    assert "a relu layer has no option 'num_output'" in caplog.text
    assert "Encountered error(s) while upgrading prototxt; see details above." in caplog.text


def test_weights_stay_as_they_are() -> None:
    rng = np.random.default_rng(0)
    weight = wire.BlobArray(rng.normal(size=(2, 3, 3, 3)).astype(np.float32), legacy=True)
    bias = wire.BlobArray(rng.normal(size=(1, 1, 1, 2)).astype(np.float32), legacy=True)
    old = prototxt.parse(OLD, NetParameter)
    names = [layer.layer.name for layer in old.layers]
    wire.write_net("old", old, [wire.LayerWeights(n, "", [weight, bias] if n == "conv" else []) for n in names])
    assert upgrade_net_binary("old", "new")
    new = wire.read_net("new")
    assert new.net == prototxt.parse(NEW, NetParameter)
    (conv,) = (layer for layer in new.layers if layer.blobs)
    assert (conv.name, conv.type) == ("conv", "Convolution")
    for blob, before in zip(conv.blobs, (weight, bias), strict=True):
        assert blob.legacy
        np.testing.assert_array_equal(blob.data, before.data)


def test_v1_weights_become_v2() -> None:
    net = NetParameter()
    net.layers.add(name="ip", type=V1LayerParameter.INNER_PRODUCT)
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    wire.write_net("old", net, [wire.LayerWeights("ip", "", [wire.BlobArray(values)])])
    assert upgrade_net_binary("old", "new")
    (layer,) = wire.read_net("new").layers
    assert layer.type == "InnerProduct"
    np.testing.assert_array_equal(layer.blobs[0].data, values)


def test_solver(caplog: pytest.LogCaptureFixture) -> None:
    Path("old").write_text('net: "n" solver_type: ADAM')
    assert upgrade_solver_text("old", "new")
    assert prototxt.read("new", SolverParameter) == SolverParameter(net="n", type="Adam")
    assert "already" not in caplog.text
    assert upgrade_solver_text("new", "same")
    assert "File already in latest proto format: new" in caplog.text
    assert Path("same").read_text() == Path("new").read_text()


def test_errors() -> None:
    Path("unknown").write_text('layers { layer { name: "x" type: "convv" } }')
    Path("binary").write_bytes(b"\x80\x81")
    with pytest.raises(MissingFileError, match="nowhere"):
        upgrade_net_text("nowhere", "new")
    with pytest.raises(LayerError, match="unknown: layer 'x': unknown type 'convv'"):
        upgrade_net_text("unknown", "new")
    with pytest.raises(CorruptFileError):
        upgrade_net_text("binary", "new")
    with pytest.raises(CorruptFileError):
        upgrade_net_binary("binary", "new")
    Path("fine").write_text(NEW)
    with pytest.raises(WriteError):
        upgrade_net_text("fine", "no/such/folder/new")
    assert not Path("new").exists()
