"""ImageData and WindowData in nets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffe_sdk.errors import LayerError, MissingFileError
from caffe_sdk.net import Net
from tests.layers.making import made
from tests.net.models import describe


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(5):
        Image.fromarray(np.full((6, 8, 3), 10 * i, np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "list.txt").write_text("".join(f"{i}.png {i}\n" for i in range(5)))
    windows = "".join(f"# {i}\n{i}.png\n3\n6\n8\n2\n{i + 1} 1 0 0 5 5\n0 0 2 2 5 5\n" for i in range(5))
    (tmp_path / "windows.txt").write_text(windows)
    return tmp_path


def images(folder: Path, more: str = "", transform: str = "scale: 0.1") -> Net:
    return Net(
        describe(f"""layer {{ name: "images" type: "ImageData" top: "data" top: "label"
            image_data_param {{ source: "{folder}/list.txt" root_folder: "{folder}/" batch_size: 2 {more} }}
            transform_param {{ {transform} }} }}"""),
        0,
    )


def windows(folder: Path) -> Net:
    return Net(
        describe(f"""layer {{ name: "windows" type: "WindowData" top: "data" top: "label"
            window_data_param {{ source: "{folder}/windows.txt" root_folder: "{folder}/" batch_size: 8 }}
            transform_param {{ crop_size: 4 mirror: true scale: 7 mean_value: 1 }} }}"""),
        0,
    )


def test_images_come_in_order(folder: Path) -> None:
    with images(folder) as net:
        assert net.blobs["data"].shape == (2, 3, 6, 8)
        assert [net.forward()["label"].tolist() for _ in range(3)] == [[0, 1], [2, 3], [4, 0]]
        np.testing.assert_allclose(net.blobs["data"].data[0], 4)


def test_images_of_another_size(folder: Path) -> None:
    with images(folder, "new_height: 9 new_width: 7 is_color: false", "crop_size: 5") as net:
        assert net.forward()["data"].shape == (2, 1, 5, 5)


def test_shuffled_images_are_resumed(folder: Path) -> None:
    with images(folder, "shuffle: true") as first, images(folder, "shuffle: true") as second:
        first.forward()
        second.restore_state(first.state())
        following = [first.forward()["label"].tolist() for _ in range(6)]
        assert [second.forward()["label"].tolist() for _ in range(6)] == following


def test_windows(folder: Path) -> None:
    with windows(folder) as net, windows(folder) as again:
        first = net.forward()
        assert first["data"].shape == (8, 3, 4, 4)
        assert first["label"][:6].tolist() == [0] * 6
        of_objects = first["data"][6:, 0, 0, 0]
        np.testing.assert_allclose(of_objects, 10 * (first["label"][6:] - 1) - 1)  # as in Caffe, not scaled
        again.restore_state(net.state())
        np.testing.assert_array_equal(net.forward()["data"], again.forward()["data"])


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("ImageData", "", "has no source"),
        ("ImageData", "image_data_param { source: 's' batch_size: 0 }", "batch_size: 0"),
        (
            "ImageData",
            "image_data_param { source: 's' new_width: 3 }",
            "new_height: 0, new_width: 3; give both or none",
        ),
        ("WindowData", "", "has no crop_size"),
        ("WindowData", "transform_param { crop_size: 4 }", "has no source"),
        ("WindowData", "transform_param { crop_size: 4 } window_data_param { context_pad: 2 }", "context_pad: 2 for"),
        ("WindowData", "transform_param { crop_size: 4 } window_data_param { crop_mode: 'fit' }", "crop_mode: 'fit'"),
        ("WindowData", "transform_param { crop_size: 4 } window_data_param { fg_fraction: 2 }", "fg_fraction: 2"),
        ("WindowData", "transform_param { crop_size: 4 } window_data_param { source: 's' }", "batch_size: 0"),
        ("WindowData", "transform_param { crop_size: 4 mean_value: 1 mean_file: 'm' }", "mean_file and mean_value"),
    ],
)
def test_parameters_that_make_no_sense(kind: str, text: str, words: str) -> None:
    with pytest.raises(LayerError, match=rf"^layer 'it' \({kind}\): .*{words}"):
        made(kind, text, bottoms=0, tops=2)


def test_errors_name_the_layer() -> None:
    layer = made("ImageData", "image_data_param { source: 'nowhere.txt' }", bottoms=0, tops=2)
    with pytest.raises(MissingFileError, match=r"^layer 'it' \(ImageData\): Could not open file nowhere.txt"):
        layer.shapes([])
