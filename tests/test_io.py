"""caffe.io: arrays and messages, images and the inputs of nets, to the numbers that pycaffe computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from caffe_sdk import io
from caffe_sdk.errors import ArgumentError, CorruptFileError, DataError, MissingFileError
from caffe_sdk.proto import caffe_pb2

# Messages


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (1, 2, 3, 4), (1, 2, 1, 2, 1), (0, 3)])
def test_arrays_survive_a_blobproto(rng: np.random.Generator, shape: tuple[int, ...]) -> None:
    values, diff = rng.normal(size=(2, *shape))
    blob = io.array_to_blobproto(values, diff)
    assert tuple(blob.shape.dim) == shape
    assert not blob.double_data
    back = io.blobproto_to_array(blob)
    assert (back.shape, back.dtype) == (shape, np.float64)
    np.testing.assert_array_equal(back, values.astype(np.float32))
    if values.size:
        np.testing.assert_array_equal(io.blobproto_to_array(blob, return_diff=True), diff.astype(np.float32))


def test_old_blobs_have_four_axes() -> None:
    blob = caffe_pb2.BlobProto(num=1, channels=2, height=1, width=3, data=range(6))
    np.testing.assert_array_equal(io.blobproto_to_array(blob), np.arange(6.0).reshape(1, 2, 1, 3))


def test_blobs_that_hold_too_little() -> None:
    blob = io.array_to_blobproto(np.zeros((2, 3)))
    with pytest.raises(ArgumentError, match="no diff"):
        io.blobproto_to_array(blob, return_diff=True)
    blob.shape.dim[0] = 3
    with pytest.raises(CorruptFileError, match=r"BlobProto.*shape \(3, 3\)"):
        io.blobproto_to_array(blob)


def test_lists_of_arrays_as_bytes(rng: np.random.Generator) -> None:
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in [(2, 3), (4,)]]
    back = io.blobprotovector_str_to_arraylist(io.arraylist_to_blobprotovector_str(arrays))
    assert len(back) == 2
    for one, other in zip(back, arrays, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(CorruptFileError, match="these 3 bytes"):
        io.blobprotovector_str_to_arraylist(b"abc")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64])
def test_arrays_survive_a_datum(dtype: type) -> None:
    values = np.arange(24).reshape(2, 3, 4).astype(dtype)
    datum = io.array_to_datum(values, label=7)
    assert datum.label == 7
    assert bool(datum.data) == (dtype == np.uint8)
    back = io.datum_to_array(caffe_pb2.Datum.FromString(datum.SerializeToString()))
    assert back.dtype == (np.uint8 if dtype == np.uint8 else np.float64)
    np.testing.assert_array_equal(back, values)
    assert not io.array_to_datum(values).HasField("label")


def test_datums_that_are_no_arrays() -> None:
    with pytest.raises(ArgumentError, match="Incorrect array shape"):
        io.array_to_datum(np.zeros((2, 2)))
    datum = io.array_to_datum(np.zeros((1, 2, 2), np.uint8))
    datum.height = 3
    with pytest.raises(DataError, match="holds 4 values"):
        io.datum_to_array(datum)
    datum.encoded = True
    with pytest.raises(DataError, match="encoded"):
        io.datum_to_array(datum)


# Transformer


def transformer(shape: tuple[int, ...] = (1, 3, 4, 5)) -> io.Transformer:
    made = io.Transformer({"data": shape})
    made.set_transpose("data", (2, 0, 1))
    return made


def test_preprocess_in_pycaffes_order(rng: np.random.Generator) -> None:
    made = transformer()
    made.set_channel_swap("data", (2, 1, 0))
    made.set_raw_scale("data", 255)
    made.set_mean("data", np.array([104.0, 117.0, 123.0]))
    made.set_input_scale("data", 0.5)
    image = rng.random((4, 5, 3)).astype(np.float32)
    kept = image.copy()
    expected = (image[:, :, ::-1].transpose(2, 0, 1) * 255 - np.array([[[104]], [[117]], [[123]]])) * 0.5
    out = made.preprocess("data", image)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(image, kept)
    np.testing.assert_allclose(made.deprocess("data", out[None]), image, atol=1e-6)


def test_nothing_set_changes_nothing(rng: np.random.Generator) -> None:
    made = io.Transformer({"data": (1, 2, 3, 2)})
    image = rng.random((3, 2, 2)).astype(np.float32)
    np.testing.assert_array_equal(made.preprocess("data", image), image)
    np.testing.assert_array_equal(made.deprocess("data", image), image)
    assert made.deprocess("data", [[1, 2]]).dtype == np.float32


def test_any_order_of_axes_and_channels_is_undone(rng: np.random.Generator) -> None:
    made = io.Transformer({"data": (1, 4, 4, 4)})
    made.set_transpose("data", (1, 2, 0))
    made.set_channel_swap("data", (1, 2, 3, 0))
    image = rng.random((4, 4, 4)).astype(np.float32)
    np.testing.assert_array_equal(made.deprocess("data", made.preprocess("data", image)), image)


def test_preprocess_resizes(rng: np.random.Generator) -> None:
    image = rng.random((9, 8, 3)).astype(np.float32)
    expected = io.resize_image(image, (4, 5)).transpose(2, 0, 1)
    np.testing.assert_array_equal(transformer().preprocess("data", image), expected)


def test_a_mean_image_is_resized(rng: np.random.Generator) -> None:
    made = transformer()
    mean = rng.random((3, 8, 10)) * 255
    made.set_mean("data", mean)
    np.testing.assert_allclose(made.mean["data"], mean.reshape(3, 4, 2, 5, 2).mean((2, 4)), rtol=1e-5)
    made.set_mean("data", np.full((3, 2, 2), 7.0))
    assert (made.mean["data"] == 7).all()
    assert made.mean["data"].shape == (3, 4, 5)
    made.set_mean("data", np.ones((4, 5)))
    assert made.preprocess("data", np.ones((4, 5, 3))).max() == 0


def test_what_does_not_fit_the_input() -> None:
    made = transformer()
    with pytest.raises(ArgumentError, match=r"label is not one of the net inputs: \['data'\]"):
        made.preprocess("label", np.zeros((4, 5, 3)))
    with pytest.raises(ArgumentError, match="Transpose order needs"):
        made.set_transpose("data", (0, 1))
    with pytest.raises(ArgumentError, match="Channel swap needs"):
        made.set_channel_swap("data", (0, 1))
    with pytest.raises(ArgumentError, match="Mean channels incompatible with input"):
        made.set_mean("data", np.zeros(4))
    with pytest.raises(ArgumentError, match=r"Mean shape invalid: \(1, 3, 4, 5\)"):
        made.set_mean("data", np.zeros((1, 3, 4, 5)))
    with pytest.raises(ArgumentError, match=r"Mean shape invalid"):
        made.set_mean("data", np.zeros((2, 4, 5)))
    made.set_mean("data", np.zeros(3))
    with pytest.raises(ArgumentError, match=r"does not fit values of shape \(1, 4, 5\)"):
        made.preprocess("data", np.zeros((4, 5, 1)))
    with pytest.raises(ArgumentError, match="give 3 axes"):
        transformer().deprocess("data", np.zeros((4, 5)))


# Images


def saved(folder: Path, pixels: Any, mode: str | None = None, name: str = "image.png") -> Path:
    image = Image.fromarray(np.asarray(pixels)) if mode is None else Image.fromarray(np.asarray(pixels)).convert(mode)
    image.save(folder / name)
    return folder / name


def test_colour_images_are_rgb_from_0_to_1(tmp_path: Path, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (4, 5, 3), np.uint8)
    path = saved(tmp_path, pixels)
    image = io.load_image(str(path))
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, pixels.astype(np.float32) / np.float32(255))
    grey = io.load_image(path, color=False)
    assert grey.shape == (4, 5, 1)
    np.testing.assert_allclose(grey[:, :, 0], pixels @ [0.2125, 0.7154, 0.0721] / 255, rtol=1e-5)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_kind_of_image(tmp_path: Path, mode: str) -> None:
    pixels = np.array([[0, 255], [255, 0]], np.uint8)
    image = pixels.astype(np.uint16) * 257 if mode == "I;16" else pixels
    path = saved(tmp_path, image, None if mode == "I;16" else mode)
    color, grey = io.load_image(path), io.load_image(path, color=False)
    assert (color.shape, grey.shape) == ((2, 2, 3), (2, 2, 1))
    np.testing.assert_allclose(color, np.repeat(pixels[:, :, None], 3, axis=2) / 255)
    np.testing.assert_allclose(grey[:, :, 0], pixels / 255, rtol=1e-6)


def test_files_that_are_no_images(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="Could not open file"):
        io.load_image(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(CorruptFileError, match="not an image"):
        io.load_image(tmp_path / "text.png")
    path = saved(tmp_path, np.zeros((40, 40, 3), np.uint8), name="half.jpg")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CorruptFileError, match=r"half\.jpg"):
        io.load_image(path)


SKIMAGE = [
    (
        (5, 3),
        1,
        [
            [0.13333, 2, 6.53333],
            [5.96667, 3.5, 10.03333],
            [14.66667, 5, 12.83333],
            [13.66667, 10.4, 7.63333],
            [10.4, 11.2, 3.33333],
        ],
    ),
    ((2, 6), 1, [[3.33333, 3.375, 2.875, 3.375, 7, 8.75], [11.45833, 12.75, 11.75, 11.75, 8.5, 4.375]]),
    (
        (4, 4),
        3,
        [
            [0, 0.60725, 4.03337, 7.55686],
            [10.29105, 4.69125, 1.19489, 14.94772],
            [16, 11.54132, 7.47412, 10.95184],
            [11.30627, 11.96668, 14.44618, 0.93053],
        ],
    ),
]
"""Computed by scikit-image 0.26: ``resize`` of the image in 0 to 1, mode "constant", without anti-aliasing."""


@pytest.mark.parametrize(("dims", "order", "expected"), SKIMAGE)
def test_resizing_is_scikit_images(dims: tuple[int, int], order: int, expected: list[list[float]]) -> None:
    image = (np.arange(12.0) ** 2 % 17).reshape(3, 4, 1)
    got = io.resize_image(image, dims, order)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[:, :, 0], expected, atol=2e-5)
    three = io.resize_image(np.concatenate([image, 16 - image, image], axis=2), dims, order)
    np.testing.assert_allclose(three[:, :, 0], expected, atol=2e-5)


def test_other_numbers_of_channels_keep_their_corners() -> None:
    image = np.add.outer(np.arange(3.0), np.arange(5.0))[:, :, None] * np.ones(2)
    got = io.resize_image(image, (5, 9))
    np.testing.assert_allclose(got[:, :, 0], np.add.outer(np.arange(5) / 2, np.arange(9) / 2))
    np.testing.assert_array_equal(got[:, :, 0], got[:, :, 1])


def test_constant_images_and_impossible_ones() -> None:
    assert (io.resize_image(np.full((2, 2, 3), 5.0), (3, 4)) == 5).all()
    for image, dims in [(np.zeros((2, 2)), (1, 1)), (np.zeros((2, 0, 3)), (1, 1)), (np.zeros((2, 2, 3)), (0, 1))]:
        with pytest.raises(ArgumentError, match="cannot make an image"):
            io.resize_image(image, dims)
    with pytest.raises(ArgumentError, match="order 7"):
        io.resize_image(np.zeros((2, 2, 3)), (1, 1), 7)


def test_oversample_takes_ten_crops() -> None:
    images = np.arange(2 * 4 * 5 * 1, dtype=np.float32).reshape(2, 4, 5, 1)
    crops = io.oversample(images, (3, 2))
    assert crops.shape == (20, 3, 2, 1)
    first = images[0]
    for number, (top, left) in enumerate([(0, 0), (0, 3), (1, 0), (1, 3), (0, 1)]):
        expected = first[top : top + 3, left : left + 2]
        np.testing.assert_array_equal(crops[number], expected)
        np.testing.assert_array_equal(crops[number + 5], expected[:, ::-1])
    np.testing.assert_array_equal(crops[10:], crops[:10] + 20)


def test_oversample_wants_images_of_one_shape() -> None:
    for images in ([], [np.zeros((3, 3, 1)), np.zeros((4, 3, 1))], [np.zeros((2, 3, 1))]):
        with pytest.raises(ArgumentError, match="cannot take crops"):
            io.oversample(images, (3, 3))


def test_a_photo_is_prepared_as_caffe_did(shared: Path) -> None:
    """SqueezeNet's input for a photo, as Caffe made it: pixels were rounded after resizing, so by less than one."""
    models = shared / "models"
    with np.load(models / "squeezenet_v1.0" / "cat.caffe_ref.npz") as stored:
        expected = stored["input"]
    made = io.Transformer({"data": expected.shape})
    made.set_transpose("data", (2, 0, 1))
    made.set_channel_swap("data", (2, 1, 0))
    made.set_raw_scale("data", 255)
    made.set_mean("data", np.array([104.0, 117.0, 123.0]))
    image = io.resize_image(io.load_image(models / "cat.jpg"), (256, 256))
    centre = io.oversample([image], expected.shape[2:])[4]
    assert np.abs(made.preprocess("data", centre) - expected[0]).max() < 1
