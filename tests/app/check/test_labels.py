"""Labels in the data against the classes of the net."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffe_sdk.app.check import check
from caffe_sdk.app.check.labels import look
from caffe_sdk.data.databases import write_arrays
from caffe_sdk.schema.messages import LayerParameter
from tests.app.check.models import CONV, FC, LOSS

DATA = 'layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "db" batch_size: 2 } }'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def found(labels: list[int], loss: str = LOSS) -> list[str]:
    """What the rule says of a net of five classes with this data."""
    write_arrays("db", np.zeros((len(labels), 3, 8, 8), np.uint8), np.array(labels))
    Path("net.prototxt").write_text(DATA + CONV + FC + loss)
    result = check("net.prototxt")
    assert not result.errors
    return [f"{e.finding.severity}: {e.finding.what}; {e.finding.remedy}" for e in result.entries]


def test_labels_that_fit() -> None:
    assert found([0, 1, 2, 3, 4]) == []


def test_labels_that_count_from_one() -> None:
    (words,) = found([1, 2, 3, 4, 5])
    assert words.startswith("warning: has 5 classes, and the labels go from 1 to 5; count labels from 0 to 4")


def test_negative_labels_may_be_ignored() -> None:
    assert len(found([-1, 0, 4])) == 1
    ignoring = LOSS.replace("top:", "loss_param { ignore_label: -1 } top:")
    Path("db").rename("old")
    assert found([-1, 0, 4], ignoring) == []


def test_classes_without_labels() -> None:
    (words,) = found([0, 1, 2])
    assert words.startswith("hint: has 5 classes, and the labels go from 0 to 2: some classes are never seen")


def test_lists_of_images_have_labels() -> None:
    Path("list").write_text("a b.png 3\nc.png 7\n")
    layer = LayerParameter(type="ImageData")
    layer.image_data_param.source = "list"
    seen = look(layer)
    assert seen is not None
    assert (seen.lowest, seen.highest, seen.count, seen.all_seen) == (3, 7, 2, True)


def test_no_labels_to_be_had() -> None:
    Path("empty").mkdir()
    missing, damaged, other = (LayerParameter(type=kind) for kind in ("Data", "Data", "Input"))
    missing.data_param.source, damaged.data_param.source = "nowhere", "empty"
    assert [look(layer) for layer in (missing, damaged, other)] == [None, None, None]


def test_many_records_are_not_all_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caffe_sdk.app.check.labels.RECORDS", 2)
    assert found([0, 1, 2, 9]) == []


def test_numbers_of_another_kind_are_no_classes(tmp_path: Path) -> None:
    layer = LayerParameter(type="ImageData")
    layer.image_data_param.source = str(tmp_path / "list.txt")
    (tmp_path / "list.txt").write_text("a.png 1 7\n")
    assert look(layer) is not None
    layer.image_data_param.labels = 2
    assert look(layer) is None
