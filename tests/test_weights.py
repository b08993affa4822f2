"""Weights go by layer name, and all of them fit or none is changed."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk.blob import Blob
from caffe_sdk.errors import WeightsError
from caffe_sdk.schema.messages import NetParameter
from caffe_sdk.schema.wire import BlobArray, LayerWeights
from caffe_sdk.weights import as_array, copy_weights
from tests.net.models import classifier


def blob(*shape: int) -> Blob:
    return Blob(shape)


def stored(*shape: int, value: float = 1, legacy: bool = False) -> BlobArray:
    return BlobArray(np.full(shape, value, np.float32), legacy=legacy)


def test_layers_go_by_name(caplog: pytest.LogCaptureFixture) -> None:
    target: dict[str, list[Blob]] = {"a": [blob(2, 3), blob(2)], "b": [blob(4)], "bare": []}
    source = [LayerWeights("a", "", [stored(2, 3), stored(2, value=2)]), LayerWeights("z", "", [stored(1)])]
    source.append(LayerWeights("bare", "", []))
    with caplog.at_level(logging.INFO, "caffe_sdk"):
        report = copy_weights(source, target, "file")
    assert (report.copied, report.new, report.ignored, report.mismatched) == (["a"], ["b"], ["z"], [])
    assert target["a"][0].data.sum() == 6
    assert target["a"][1].data.sum() == 4
    assert not target["b"][0].data.any()
    assert [record.getMessage() for record in caplog.records] == ["Ignoring source layer z"]


def test_old_four_axis_blobs_fit_what_they_mean() -> None:
    target = {"fc": [blob(2, 3), blob(2)]}
    source = [LayerWeights("fc", "", [stored(1, 1, 2, 3, legacy=True), stored(1, 1, 1, 2, legacy=True)])]
    copy_weights(source, target, "file")
    assert target["fc"][0].data.all()


@pytest.mark.parametrize(
    ("blobs", "words"),
    [
        ([stored(2, 3)], "Incompatible number of blobs for layer 'fc': 1 in the source, 2 in the net"),
        (
            [stored(3, 2), stored(2)],
            r"Cannot copy param 0 weights from layer 'fc'; shape mismatch. Source param shape is 3 2 \(6\); "
            r"target param shape is 2 3 \(6\); To learn this layer's parameters from scratch",
        ),
        ([stored(2, 3), stored(1, 2)], "Cannot copy param 1"),
        ([stored(2, 3, 1, 1, legacy=True), stored(2)], "Cannot copy param 0"),
    ],
)
def test_what_does_not_fit_changes_nothing(blobs: list[BlobArray], words: str) -> None:
    target = {"first": [blob(1)], "fc": [blob(2, 3), blob(2)]}
    with pytest.raises(WeightsError, match=words) as error:
        copy_weights([LayerWeights("first", "", [stored(1)]), LayerWeights("fc", "", blobs)], target, "net.caffemodel")
    assert str(error.value).startswith("net.caffemodel: ")
    assert not target["first"][0].data.any()


def test_layers_that_do_not_fit_may_keep_their_values(caplog: pytest.LogCaptureFixture) -> None:
    target = {"first": [blob(1)], "fc": [blob(2, 3), blob(2)], "new": [blob()], "few": [blob(1), blob(1)]}
    source = [
        LayerWeights("first", "", [stored(1)]),
        LayerWeights("data", "", []),
        LayerWeights("fc", "", [stored(4, 3), stored(2)]),
        LayerWeights("few", "", [stored(1)]),
        LayerWeights("old", "", [stored(1, 1, 2, 1, legacy=True)]),
    ]
    report = copy_weights(source, target, "net.caffemodel", skip_mismatch=True)
    assert str(report).splitlines() == [
        "Weights of net.caffemodel: 1 copied, 1 new, 1 ignored, 2 mismatched",
        "  layer  weights     source   net",
        "  first  copied      1        1",
        "  fc     mismatched  4x3, 2   2x3, 2",
        "  new    new         -        ()",
        "  few    mismatched  1        1, 1",
        "  old    ignored     1x1x2x1  -",
    ]
    assert target["first"][0].data.all()
    assert not target["fc"][1].data.any()
    assert "Layer 'fc' keeps its values: those of net.caffemodel have other shapes" in caplog.text


def test_gradients_are_kept_when_asked_for() -> None:
    one = blob(2)
    one.diff[...] = 3
    assert as_array(one).diff is None
    saved = as_array(one, diffs=True).diff
    assert saved is not None
    assert saved.tolist() == [3, 3]


def test_a_saved_net_is_loaded_again(tmp_path: Path) -> None:
    net = classifier(caffe.TEST)
    want = net.forward()["prob"].copy()
    path = tmp_path / "net.caffemodel"
    net.save(path)
    again = classifier(caffe.TEST)
    assert again.copy_from(path).copied == ["conv", "fc"]
    np.testing.assert_array_equal(again.forward()["prob"], want)
    assert b"".join(net.encode()) == path.read_bytes()
    message = NetParameter.FromString(path.read_bytes())
    assert [(layer.name, len(layer.blobs)) for layer in message.layer if layer.blobs] == [("conv", 2), ("fc", 2)]


def test_weights_given_away_are_not_copied() -> None:
    blob = Blob((2, 3))
    source = BlobArray(np.arange(6, dtype=np.float32).reshape(2, 3))
    copy_weights([LayerWeights("a", "", [source])], {"a": [blob]}, "file", give=True)
    assert np.shares_memory(blob.data, source.data)
    other = Blob((2, 3))
    copy_weights([LayerWeights("a", "", [source])], {"a": [other]}, "file")
    assert not np.shares_memory(other.data, source.data)
    assert (other.data == blob.data).all()
