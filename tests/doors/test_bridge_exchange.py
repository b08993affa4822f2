from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from caffe_sdk.bridge import exchange as module
from caffe_sdk.bridge.exchange import ANSWER, Exchange
from caffe_sdk.bridge.values import NUMERIC, decode, encode
from caffe_sdk.errors import BridgeError, WriteError
from tests.doors.test_bridge_values import same


def test_arrays_through_a_file(tmp_path: Path, rng: np.random.Generator) -> None:
    exchange = Exchange(tmp_path)
    value = [rng.standard_normal((3, 5, 7)).astype("f4"), rng.integers(0, 255, (4, 6)).astype("u1"), "small"]
    data, pieces = encode(value, large=10, chunk=40)
    assert len(pieces) == 12
    exchange.write("r1.mat", pieces)
    assert stat.S_IMODE((tmp_path / "r1.mat").stat().st_mode) == 0o600
    assert same(decode(data, exchange.read("r1.mat")), value)
    assert list(tmp_path.iterdir()) == []


def test_files_as_matlab_saves_them(tmp_path: Path) -> None:
    from scipy.io import savemat

    image = np.asfortranarray(np.arange(24, dtype="f4").reshape(4, 3, 2))  # 4 x 3 x 2 in MATLAB
    savemat(tmp_path / "q1.mat", {"a0": image, "a1": np.array([[1.5, 2.5]])})
    first, second = Exchange(tmp_path).read("q1.mat")
    assert first.shape == (2, 3, 4)
    assert first[1, 2, 3] == image[3, 2, 1]
    assert second.tolist() == [[1.5], [2.5]]


@pytest.mark.parametrize(
    "content", [b"", b"garbage" * 50, b"MATLAB 5.0".ljust(124) + b"\0\x01IM" + b"\x0e\0\0\0\xff\xff\0\0"]
)
def test_a_damaged_file_is_refused_and_removed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "q1.mat").write_bytes(content)
    with pytest.raises(BridgeError, match=r"q1\.mat"):
        decode(b"\x81\x02\x01\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0", Exchange(tmp_path).read("q1.mat"))
    assert not (tmp_path / "q1.mat").exists()


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BridgeError, match=r"q1\.mat"):
        Exchange(tmp_path).read("q1.mat")


def test_files_are_never_written_through_a_link(tmp_path: Path) -> None:
    os.symlink(tmp_path / "elsewhere", tmp_path / "r1.mat")
    with pytest.raises(WriteError, match="set CAFFE_BRIDGE_DIR"):
        Exchange(tmp_path).write("r1.mat", [np.zeros(3)])
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("dtype", NUMERIC)
@pytest.mark.parametrize("count", [1, 7, 8, 1000])
def test_scipy_reads_what_is_written(tmp_path: Path, dtype: str, count: int) -> None:
    first, second = (np.arange(count) % 5).astype(dtype), np.arange(3, dtype="f4")
    Exchange(tmp_path).write(ANSWER, [first, second])
    found = loadmat(tmp_path / ANSWER)
    assert same(found["a0"].astype("?" if dtype == "?" else found["a0"].dtype), first.reshape(-1, 1))
    assert same(found["a1"], second.reshape(-1, 1))


def test_a_shorter_answer_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path)
    exchange.write(ANSWER, [np.ones(5000), np.ones(9)])
    inode = (tmp_path / ANSWER).stat().st_ino
    exchange.write(ANSWER, [np.zeros(3)])
    assert (tmp_path / ANSWER).stat().st_ino == inode
    assert {key: value.tolist() for key, value in loadmat(tmp_path / ANSWER).items() if key[0] == "a"} == {
        "a0": [[0.0]] * 3
    }


def test_only_large_answers_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange(tmp_path)
    exchange.forget()
    exchange.write(ANSWER, [np.ones(1000)])
    exchange.forget()
    assert (tmp_path / ANSWER).exists()
    monkeypatch.setattr(module, "KEPT", 1000)
    exchange.forget()
    assert not (tmp_path / ANSWER).exists()
