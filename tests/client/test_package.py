"""The client as a package of its own: built, unpacked, and used without the rest."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from caffe_sdk.server import Options, start
from tests.app.texts import NET

PROBE = """
import sys
from pathlib import Path
import numpy as np
import caffe_sdk
from caffe_sdk import client
from caffe_sdk.client import aio

assert Path(caffe_sdk.__file__).is_relative_to(sys.argv[2]), caffe_sdk.__file__
with client.connect(sys.argv[1]) as server:
    net = server.net(Path(sys.argv[3]))
    print(net.forward(data=np.ones((4, 1, 6, 6)))["prob"].shape, net._description.message.preprocessing.channels)
print(*sorted({name.split(".")[0] for name in sys.modules} & {"scipy", "numba", "h5py", "lmdb", "PIL", "aiohttp"}))
"""


@pytest.fixture
def unpacked(root: Path, tmp_path: Path) -> Path:
    """What pip would install of bindings/grpc/python."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=root / "bindings" / "grpc" / "python", check=True, capture_output=True)
    (wheel,) = tmp_path.glob("caffe_sdk_client-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
        metadata = archive.read(next(name for name in archive.namelist() if name.endswith("METADATA"))).decode()
    needs = set(re.findall(r"^Requires-Dist: (\w+)", metadata, re.MULTILINE))
    assert needs == {"grpcio", "numpy", "protobuf"}
    return tmp_path / "site"


def test_the_client_alone(unpacked: Path, tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "net.preprocessing.json").write_text('{"version": 1, "channels": "GRAY"}')
    assert not list(unpacked.rglob("engine"))
    assert not list(unpacked.rglob("layers"))
    with start(Options("127.0.0.1:0", grace=0)) as server:
        command = [sys.executable, "-c", PROBE, server.address, str(unpacked), str(tmp_path / "net.prototxt")]
        environment = {"PYTHONPATH": str(unpacked), "PATH": ""}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
    assert (done.stdout, done.stderr) == ("(4, 5) GRAY\n\n", "")
