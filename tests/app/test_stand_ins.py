"""Layers whose data is not here give way to Input layers of the shapes they state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffe_sdk.app.stand_ins import missing_source, with_stand_ins
from caffe_sdk.graph import build
from caffe_sdk.schema import prototxt, wire
from caffe_sdk.schema.messages import TRAIN, NetParameter


def net(layer: str) -> Any:
    return prototxt.parse(f'layer {{ name: "data" top: "data" top: "label" {layer} }}', NetParameter)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (
            'type: "Data" data_param { source: "no" batch_size: 4 } transform_param { crop_size: 9 }',
            [(4, 3, 9, 9), (4,)],
        ),
        (
            'type: "Data" data_param { source: "no" batch_size: 4 } transform_param { crop_size: 9 force_gray: true }',
            [(4, 1, 9, 9), (4,)],
        ),
        (
            'type: "Data" data_param { source: "no" batch_size: 4 } transform_param { mean_file: "mean" }',
            [(4, 2, 5, 6), (4,)],
        ),
        (
            'type: "ImageData" image_data_param { source: "no" batch_size: 4 new_height: 5 new_width: 6 }',
            [(4, 3, 5, 6), (4,)],
        ),
        (
            'type: "ImageData" image_data_param { source: "no" batch_size: 4 new_height: 5 new_width: 6 is_color: 0 }',
            [(4, 1, 5, 6), (4,)],
        ),
        ('type: "WindowData" window_data_param { source: "no" batch_size: 4 crop_size: 7 }', [(4, 3, 7, 7), (4,)]),
        ('type: "Data" data_param { source: "no" batch_size: 4 }', None),
        ('type: "Data" data_param { source: "no" batch_size: 4 } transform_param { mean_file: "no" }', None),
        ('type: "HDF5Data" hdf5_data_param { source: "no" batch_size: 4 }', None),
    ],
)
def test_shapes(layer: str, shapes: list[tuple[int, ...]] | None, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    wire.write_blob("mean", wire.BlobArray(np.zeros((1, 2, 5, 6), np.float32), legacy=True))
    new, (missing,) = with_stand_ins(net(layer))
    assert (missing.layer, missing.source) == ("data", "no")
    assert (list(missing.shapes) if missing.shapes else None) == shapes
    if shapes is not None:
        assert [blob.shape for blob in build(new, TRAIN).blobs] == shapes
    else:
        assert new == net(layer)


def test_what_is_there_stays(tmp_path: Path) -> None:
    described = net(f'type: "Data" data_param {{ source: "{tmp_path}" }}')
    assert missing_source(described.layer[0]) is None
    assert with_stand_ins(described) == (described, [])


def test_the_rules_of_the_layer_stay() -> None:
    described = net(
        'type: "Data" data_param { source: "no" batch_size: 1 } transform_param { crop_size: 2 } include {}'
    )
    assert with_stand_ins(described)[0].layer[0].include == described.layer[0].include
