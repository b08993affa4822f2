"""Octave's numbers are Python's: arrays element by element, one loss curve of a prototxt and a seed at three doors."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

import caffe_sdk as caffe
from caffe_sdk import client
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import BlobProto, NetParameter, SolverParameter
from caffe_sdk.server import Options, start
from tests.matlab import octave

NET = """
force_backward: true
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 3 dim: 2 dim: 5 dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 6 kernel_h: 3 kernel_w: 2 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param { num_output: 7 weight_filler { type: "xavier" } bias_filler { type: "uniform" } } }
"""
TRAINED = """
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
  shape { dim: 8 dim: 5 } shape { dim: 8 }
  data_filler { type: "gaussian" } data_filler { type: "uniform" min: 0 max: 2.999 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "drop" type: "Dropout" bottom: "ip" top: "drop" dropout_param { dropout_ratio: 0.3 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "drop" bottom: "label" top: "loss" }
"""
SOLVER = """
net: "net.prototxt" base_lr: 0.05 momentum: 0.9 weight_decay: 0.001 lr_policy: "step" gamma: 0.5 stepsize: 8
display: 1 max_iter: 20 random_seed: 11 snapshot: 10 snapshot_prefix: "snap" average_loss: 1
"""


def test_arrays_element_by_element(tmp_path: Path, rng: np.random.Generator) -> None:
    (tmp_path / "net.prototxt").write_text(NET)
    data = rng.standard_normal((3, 2, 5, 4)).astype("f4")
    diff = rng.standard_normal((3, 7)).astype("f4")
    with caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST) as net:
        net.save(str(tmp_path / "net.caffemodel"))
        wanted = {"ip": net.forward(data=data)["ip"], "conv": net.blobs["conv"].data.copy()}
        wanted["gradient"] = net.backward(ip=diff)["data"]
        params = {f"{name}{k}": blob.data.copy() for name in net.params for k, blob in enumerate(net.params[name])}
    from scipy.io import savemat

    savemat(tmp_path / "given.mat", {"data": data.T, "diff": diff.T})
    script = """
      given = load('given.mat'); net = caffe.Net('net.prototxt', 'net.caffemodel', 'test');
      ip = net.forward({given.data}){1}; conv = net.blobs('conv').get_data(); gradient = net.backward({given.diff}){1};
      conv0 = net.params('conv', 1).get_data(); conv1 = net.params('conv', 2).get_data();
      ip0 = net.params('ip', 1).get_data(); ip1 = net.params('ip', 2).get_data();
      back = net.blobs('data').get_data(); net.save('again.caffemodel');
      save('-v6', 'got.mat', 'ip', 'conv', 'gradient', 'conv0', 'conv1', 'ip0', 'ip1', 'back');
    """
    octave.run(script, tmp_path)
    got = loadmat(tmp_path / "got.mat")
    assert np.array_equal(got["back"].T, data)
    for name, values in params.items():
        assert np.array_equal(got[name].T.reshape(values.shape), values), name
    for name, values in wanted.items():
        np.testing.assert_allclose(got[name].T, values, rtol=1e-4, atol=1e-5, err_msg=name)
    with caffe.Net(str(tmp_path / "net.prototxt"), str(tmp_path / "again.caffemodel"), caffe.TEST) as net:
        assert np.array_equal(net.params["conv"][0].data, params["conv0"])
    saved = NetParameter.FromString((tmp_path / "again.caffemodel").read_bytes())
    assert not any(blob.diff for layer in saved.layer for blob in layer.blobs)


@pytest.fixture
def solver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A solver's file in the current folder."""
    (tmp_path / "net.prototxt").write_text(TRAINED)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "solver.prototxt"


def test_one_loss_curve_in_python_over_grpc_and_in_octave(solver: Path) -> None:
    with caffe.get_solver(str(solver)) as trained:
        losses = [event.loss for event in trained.events() if type(event).__name__ == "Iteration"]
        weights = trained.net.params["ip"][0].data.copy()

    param = prototxt.parse(solver.read_text(), SolverParameter)
    prototxt.parse(Path(param.net).read_text(), param.net_param)
    for field in ("net", "snapshot", "snapshot_prefix"):
        param.ClearField(field)
    param.snapshot_after_train = False
    with start(Options("127.0.0.1:0", grace=0)) as server, client.connect(server.address) as remote:
        distant = remote.solver(prototxt.format(param))
        over_grpc = [event.loss for event in distant.events() if event.DESCRIPTOR.name == "Iteration"]

    script = """
      solver = caffe.Solver('solver.prototxt');
      log = evalc('solver.solve()'); disp(log);
      weights = solver.net.params('ip', 1).get_data(); test_nets = numel(solver.test_nets);
      again = caffe.Solver('solver.prototxt'); again.restore('snap_iter_10.solverstate');
      assert(again.iter() == 10);
      evalc('again.step(10)'); resumed = again.net.params('ip', 1).get_data();
      save('-v6', 'got.mat', 'weights', 'test_nets', 'resumed');
    """
    log = octave.run(script, solver.parent, CAFFE_ENGINE="cpu")
    printed = [float(number) for number in re.findall(r"Iteration \d+ \([^)]*\), loss = (\S+)", log)]
    got = loadmat(solver.parent / "got.mat")

    assert len(losses) == 20
    np.testing.assert_allclose(over_grpc, losses, rtol=1e-5)
    np.testing.assert_allclose(printed, losses, rtol=1e-4)  # six digits
    np.testing.assert_allclose(got["weights"].T, weights, rtol=1e-4, atol=1e-6)
    assert np.array_equal(got["resumed"], got["weights"])
    assert got["test_nets"].item() == 0


def test_means_of_both(tmp_path: Path, rng: np.random.Generator) -> None:
    mean = rng.random((3, 6, 5), np.float32)  # [5 6 3] in MATLAB
    blob = caffe.io.array_to_blobproto(mean[np.newaxis])
    (tmp_path / "python.binaryproto").write_bytes(blob.SerializeToString())
    script = """
      mean_data = caffe.io.read_mean('python.binaryproto');
      check_equal(size(mean_data), [5 6 3]);
      caffe.io.write_mean(mean_data, 'octave.binaryproto');
    """
    octave.run(script, tmp_path)
    written = BlobProto.FromString((tmp_path / "octave.binaryproto").read_bytes())
    assert (written.num, written.channels, written.height, written.width) == (1, 3, 6, 5)
    assert np.array_equal(caffe.io.blobproto_to_array(written)[0], mean)
