"""The four doors, each asked to do the same: Python, the command line, gRPC, Octave."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray

import caffe_sdk as caffe
from caffe_sdk import client
from caffe_sdk.client import ServerFile
from caffe_sdk.errors import CaffeError, of_code
from caffe_sdk.server import Options, start

ROOT = Path(__file__).resolve().parents[2]
Array = NDArray[np.float32]
Failure = tuple[str, str]
"""An error's code and words."""


def environment() -> dict[str, str]:
    """What a door in a process of its own needs to find the package in this checkout."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "CAFFE_PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}


def run_cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "caffe_sdk.cli", *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120, check=False)


def run_octave(folder: Path, program: str) -> str:
    """What an Octave program prints, run in a folder with the client on its path."""
    octave = shutil.which("octave-cli")
    if octave is None:
        pytest.skip("octave-cli is not installed; make test installs it")
    path = ROOT / "bindings" / "matlab"
    command = [octave, "--norc", "--no-history", "--quiet", "--eval", f"addpath('{path}'); {program}"]
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# Probabilities of images by lenet_deploy-like nets with an input "data" and an output "prob"


def python_probabilities(model: Path, weights: Path, images: Array) -> Array:
    with caffe.Net(str(model), str(weights), caffe.TEST) as net:
        return np.asarray(net.forward_all(data=images)["prob"])


def cli_probabilities(model: Path, weights: Path, images: Array) -> Array:
    folder = weights.parent
    np.save(folder / "images.npy", images)
    files = ["-model", str(model), "-weights", str(weights)]
    pairs = ["-input", f"data={folder / 'images.npy'}", "-output", f"prob={folder / 'prob.npy'}"]
    done = run_cli("predict", *files, *pairs)
    assert done.returncode == 0, done.stderr
    return np.asarray(np.load(folder / "prob.npy"))


def grpc_probabilities(model: Path, weights: Path, images: Array) -> Array:
    with start(Options(address="127.0.0.1:0")) as server, client.connect(server.address) as connection:
        net = connection.net(model, "test", weights=weights.read_bytes())
        net.blobs["data"].reshape(*images.shape)
        return np.asarray(net.forward(data=images)["prob"])


def octave_probabilities(model: Path, weights: Path, images: Array) -> Array:
    folder = weights.parent
    scipy.io.savemat(folder / "images.mat", {"images": images.T})
    program = (
        f"load('images.mat'); net = caffe.Net('{model}', '{weights}', 'test');"
        "data = net.blobs('data'); data.reshape(size(images)); net.reshape();"
        "result = net.forward({images}); prob = result{1}; save('-v6', 'prob.mat', 'prob');"
    )
    run_octave(folder, program)
    return np.asarray(scipy.io.loadmat(folder / "prob.mat")["prob"].T)


# What each door says of a model and weights it cannot use


def python_failure(model: Path, weights: Path | None) -> Failure:
    with pytest.raises(CaffeError) as caught:
        caffe.Net(str(model), caffe.TEST, weights=str(weights) if weights else None)
    return caught.value.code, str(caught.value)


def cli_failure(model: Path, weights: Path | None) -> Failure:
    done = run_cli("test", "-model", str(model), "-weights", str(weights or model), "-iterations", "1")
    program, code, words = done.stderr.strip().splitlines()[-1].split(": ", 2)
    assert program == "caffe"
    assert done.returncode == of_code(code).exit_status
    assert "Traceback" not in done.stderr
    return code, words


def grpc_failure(model: Path, weights: Path | None) -> Failure:
    options = Options(address="127.0.0.1:0", models=str(model.parent))
    with start(options) as server, client.connect(server.address) as connection:
        with pytest.raises(CaffeError) as caught:
            connection.net(ServerFile(str(model)), "test", weights=ServerFile(str(weights)) if weights else None)
        connection.information()  # the server lives on
    return caught.value.code, str(caught.value)


def octave_failure(model: Path, weights: Path | None) -> Failure:
    files = f"'{model}', '{weights}'" if weights else f"'{model}'"
    program = (
        f"try, net = caffe.Net({files}, 'test'); disp('no error'); catch e, disp(e.identifier); disp(e.message); end;"
        "v = caffe.version(); assert(ischar(v));"  # the bridge lives on
    )
    identifier, words = run_octave(model.parent, program).strip().split("\n", 1)
    code = "".join(f"_{c.lower()}" if c.isupper() else c for c in identifier.removeprefix("caffe:"))
    return code, words
