"""SqueezeNet in a repository of models, and what clients should get from a server of it."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from caffe_sdk import io
from caffe_sdk.memory import Array
from caffe_sdk.net import Net
from caffe_sdk.preprocessing import Preprocessing
from caffe_sdk.schema.messages import TEST
from caffe_sdk.server import RunningServer

RECORD = '{"version": 1, "channels": "BGR", "mean": [104, 117, 123]}'

SOFTMAX = 'layer { name: "prob" type: "Softmax" bottom: "pool_final" top: "prob" }'


class SqueezeNet:
    """What the clients should get: the net itself, with its image already prepared."""

    def __init__(self, folder: Path, image: bytes) -> None:
        self.image = image
        self._net = Net(folder / "deploy.prototxt", TEST, weights=folder / "squeezenet.caffemodel")
        record = Preprocessing(mean=np.array([104, 117, 123]))
        self.input = record.apply(io.decode_image(image, "image"), (227, 227))[None]
        self.labels = (folder / "labels.txt").read_text().splitlines()

    def forward(self, batch: Array) -> Array:
        """(n, 1000, 1, 1): the net's answer to (n, 3, 227, 227)."""
        self._net.blobs["data"].reshape(*batch.shape)
        self._net.reshape()
        return np.array(self._net.forward(data=batch)["prob"])


def put_squeezenet(shared: Path, root: Path, name: str = "squeezenet", config: str = "") -> Path:
    """Put the model into a repository; gives its version's folder."""
    folder = root / name / "1"
    folder.mkdir(parents=True)
    models = shared / "models"
    for target, source in (
        ("squeezenet.caffemodel", "squeezenet_v1.0/squeezenet_v1.0.caffemodel"),
        ("labels.txt", "synset_words.txt"),
    ):
        (folder / target).symlink_to((models / source).resolve())
    deploy = (models / "squeezenet_v1.0/SqueezeNet_deploy.prototxt").read_text()
    (folder / "deploy.prototxt").write_text(deploy + SOFTMAX)
    (folder / "squeezenet.preprocessing.json").write_text(RECORD)
    if config:
        (root / name / "config.json").write_text(config)
    return folder


def wait_until_ready(server: RunningServer) -> RunningServer:
    """The server, once its models are loaded."""
    repository = server.backend.repository
    assert repository is not None
    until = time.monotonic() + 60
    while not repository.ready():
        assert time.monotonic() < until, repository.index()
        time.sleep(0.01)
    return server
