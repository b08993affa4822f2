"""The nets that speed is measured on, in a folder of models to be served."""

from __future__ import annotations

import json
from pathlib import Path

from google.protobuf import text_format

from caffe_sdk.net import Net
from tests.bench.models import NETS


def put(root: Path, net: str, name: str, **config: object) -> None:
    """Put one of the nets of `models`, with random weights, into a repository."""
    folder = root / name / "1"
    folder.mkdir(parents=True)
    param = NETS[net](1)
    (folder / "deploy.prototxt").write_text(text_format.MessageToString(param))
    with Net(param, "test") as made:
        made.save(folder / "net.caffemodel")
    (root / name / "config.json").write_text(json.dumps(config))


def link(root: Path, of: str, name: str, **config: object) -> None:
    """The same model under another name, served in another way."""
    (root / name).mkdir()
    (root / name / "1").symlink_to(root / of / "1")
    (root / name / "config.json").write_text(json.dumps(config))
