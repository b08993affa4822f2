"""Nets in .mat files come back as they were, and what is no such file is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from caffe_sdk.app import mat
from caffe_sdk.app.mat import StoredLayer, StoredNet
from caffe_sdk.errors import CorruptFileError, WriteError
from caffe_sdk.preprocessing import Preprocessing


@pytest.fixture
def net(rng: np.random.Generator) -> StoredNet:
    params = [rng.random((4, 3, 2, 5), np.float32), rng.random(4, np.float32), rng.random((), np.float32)]
    layers = [StoredLayer("fire/1", "Convolution", params), StoredLayer("größe", "Scale", [params[0][:1]])]
    mean = rng.random((3, 6, 7), np.float32)
    return StoredNet('name: "größe"\n', layers, Preprocessing((6, 7), (2, 5), "RGB", mean, 0.5), ["één", "two"])


def test_there_and_back(tmp_path: Path, net: StoredNet) -> None:
    mat.save(tmp_path / "net.mat", net)
    again = mat.load(tmp_path / "net.mat")
    assert (again.prototxt, again.classes) == (net.prototxt, net.classes)
    for mine, theirs in zip(net.layers, again.layers, strict=True):
        assert (mine.name, mine.type) == (theirs.name, theirs.type)
        for one, other in zip(mine.params, theirs.params, strict=True):
            np.testing.assert_array_equal(one.reshape(-1), other.reshape(-1))
    assert net.record is not None
    assert again.record is not None
    np.testing.assert_array_equal(again.record.mean, net.record.mean)
    assert (again.record.resize, again.record.crop, again.record.scale) == ((6, 7), (2, 5), 0.5)


def test_a_file_as_matlab_sees_it(tmp_path: Path, net: StoredNet) -> None:
    mat.save(tmp_path / "net.mat", net._replace(classes=np.array([[3.0], [5.0]])))
    content = loadmat(tmp_path / "net.mat")
    np.testing.assert_array_equal(content["layers"]["params"][0, 0][0, 0], net.layers[0].params[0].T)
    assert content["layers"]["name"][0, 0][0] == "fire/1"
    assert content["classes"].tolist() == [[3], [5]]
    assert mat.load(tmp_path / "net.mat").classes.tolist() == [[3], [5]]  # type: ignore[union-attr]


def test_means_of_one_number_for_a_channel(tmp_path: Path) -> None:
    record = Preprocessing(None, None, "BGR", np.array([1, 2, 3], np.float32))
    mat.save(tmp_path / "net.mat", StoredNet("", [], record))
    again = mat.load(tmp_path / "net.mat")
    assert again.layers == []
    assert again.record is not None
    assert again.record.mean is not None
    assert again.record.mean.tolist() == [1, 2, 3]
    assert again.record.resize is None


def test_files_that_hold_no_net(tmp_path: Path, net: StoredNet) -> None:
    (tmp_path / "text.mat").write_text("x" * 200)
    savemat(tmp_path / "other.mat", {"x": 1})
    savemat(tmp_path / "layers.mat", {"layers": np.ones(3), "prototxt": "a"})
    (tmp_path / "new.mat").write_bytes(b"MATLAB 7.3 MAT-file" + bytes(500))
    for name, words in (("text", "is no net"), ("other", "is no net"), ("layers", "is no net"), ("new", "version 7.3")):
        with pytest.raises(CorruptFileError, match=words):
            mat.load(tmp_path / f"{name}.mat")


def test_blobs_that_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, net: StoredNet) -> None:
    monkeypatch.setattr(mat, "LIMIT", 100)
    with pytest.raises(WriteError, match="less than 2 GB fit"):
        mat.save(tmp_path / "net.mat", net)
    assert not (tmp_path / "net.mat").exists()
