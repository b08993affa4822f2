"""Decoding: channel order, kinds of images, and the same answer from every decoder that is installed."""

from __future__ import annotations

import importlib.util
import io

import numpy as np
import pytest
from PIL import Image

from caffe_sdk.data import images
from caffe_sdk.errors import ArgumentError, DataError, DeviceError

INSTALLED = [name for name in ("PIL.Image", "cv2", "simplejpeg") if importlib.util.find_spec(name.split(".")[0])]


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    """An image file with the pixels (height, width[, RGB])."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


@pytest.fixture(params=INSTALLED)
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each installed decoder in turn, Pillow always at hand for what simplejpeg does not read."""
    real = images._module
    keep = {request.param, "PIL.Image"} if request.param == "simplejpeg" else {request.param}
    monkeypatch.setattr(images, "_module", lambda name: real(name) if name in keep else None)
    return str(request.param)


@pytest.mark.usefixtures("decoder")
def test_png_is_exact_and_blue_comes_first(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (5, 7, 3), np.uint8)
    for color in (None, True):
        np.testing.assert_array_equal(images.decode(encoded(pixels), color), pixels[..., ::-1].transpose(2, 0, 1))
    grey = images.decode(encoded(pixels), color=False)
    weighted = pixels @ np.array([0.299, 0.587, 0.114])
    assert grey.shape == (1, 5, 7)
    assert np.abs(grey[0] - weighted).max() <= 1


@pytest.mark.usefixtures("decoder")
def test_grey_png(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (5, 7), np.uint8)
    for color in (None, False):
        np.testing.assert_array_equal(images.decode(encoded(pixels), color), pixels[None])
    np.testing.assert_array_equal(images.decode(encoded(pixels), color=True), np.stack([pixels] * 3))


@pytest.mark.usefixtures("decoder")
def test_transparency_is_a_fourth_channel_unless_colour_is_forced(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (5, 7, 4), np.uint8)
    np.testing.assert_array_equal(images.decode(encoded(pixels)), pixels[..., [2, 1, 0, 3]].transpose(2, 0, 1))
    assert images.decode(encoded(pixels), color=True).shape == (3, 5, 7)


@pytest.mark.usefixtures("decoder")
def test_jpeg_within_a_few_levels(rng: np.random.Generator) -> None:
    smooth = np.add.outer(np.arange(32), np.arange(40))[..., None] * np.array([3, 2, 1]) % 256
    pixels = smooth.astype(np.uint8) // 4 + rng.integers(0, 3, (32, 40, 3), np.uint8)
    got = images.decode(encoded(pixels, "JPEG", quality=98, subsampling=0))
    assert got.shape == (3, 32, 40)
    assert np.abs(got.astype(int) - pixels[..., ::-1].transpose(2, 0, 1)).mean() < 3
    assert images.decode(encoded(pixels, "JPEG"), color=False).shape == (1, 32, 40)


@pytest.mark.usefixtures("decoder")
def test_a_rotation_in_exif_is_not_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    jpeg = encoded(np.zeros((8, 16, 3), np.uint8), "JPEG", exif=exif)
    assert images.decode(jpeg).shape == (3, 8, 16)
    assert images.decode(jpeg, color=True).shape == (3, 8, 16)


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_damaged_images(rng: np.random.Generator, kind: str) -> None:
    image = encoded(rng.integers(0, 256, (50, 50, 3), np.uint8), kind)
    for bad in (b"", b"no image", image[:10], image[:40] + bytes(200)):
        with pytest.raises(DataError, match="image"):
            images.decode(bad)


@pytest.mark.usefixtures("decoder")
def test_sixteen_bits_are_refused() -> None:
    with pytest.raises(DataError, match="8 bits a channel"):
        images.decode(encoded(np.full((4, 4), 40000, np.uint16)))


@pytest.mark.usefixtures("decoder")
def test_cmyk_jpeg_becomes_colour() -> None:
    file = io.BytesIO()
    Image.new("CMYK", (8, 8), (0, 0, 0, 255)).save(file, "JPEG")
    assert images.decode(file.getvalue()).shape == (3, 8, 8)


@pytest.mark.usefixtures("decoder")
def test_as_decoders_leave_it(rng: np.random.Generator) -> None:
    """The same pixels, in the room of another image only where that is one of the same size that may be written."""
    first, second = (encoded(rng.integers(0, 256, (8, 16, 3), np.uint8), "JPEG") for _ in range(2))
    want = images.decode(second)
    assert images.together(want) is None
    assert images.planar(want) is want
    room = images.decode_together(first)
    assert images.together(room) is not None
    np.testing.assert_array_equal(images.planar(images.decode_together(second, room=room)), want)

    small, grey = images.decode_together(encoded(np.zeros((8, 8, 3), np.uint8), "JPEG")), images.decode(first, False)
    for other in (small, grey, want, np.broadcast_to(room[:1], room.shape)):
        kept = other.copy()
        np.testing.assert_array_equal(images.decode_together(first, room=other), images.decode(first))
        np.testing.assert_array_equal(other, kept)


@pytest.mark.parametrize("size", [(8, 8), (37, 53), (256, 256)])
def test_memory_for_an_image_begins_between_vectors(size: tuple[int, int]) -> None:
    """libjpeg-turbo writes aligned rows past the cache. The memory is taken again for the next image."""
    first = images.decode_together(encoded(np.zeros((*size, 3), np.uint8), "JPEG"))
    second = images.decode_together(encoded(np.full((*size, 3), 255, np.uint8), "JPEG"), room=first)
    assert second.ctypes.data == first.ctypes.data
    assert second.ctypes.data % 32 == 16
    assert (second == 255).all()


def test_jpeg_too_large_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a damaged header says may be more than there is."""

    def empty(*shape: object) -> None:
        raise MemoryError("Unable to allocate 12.0 GiB")

    image = encoded(np.zeros((8, 8, 3), np.uint8), "JPEG")
    monkeypatch.setattr(images.np, "empty", empty)
    with pytest.raises(DataError, match=r"does not decode .*12\.0 GiB"):
        images.decode_together(image)


def test_no_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_module", lambda name: None)
    with pytest.raises(DeviceError, match="pip install pillow"):
        images.decode(encoded(np.zeros((2, 2), np.uint8)))


@pytest.mark.parametrize("decoder", ["PIL.Image"], indirect=True)
@pytest.mark.usefixtures("decoder")
def test_grey_of_a_colour_image_is_that_of_opencv() -> None:
    """libpng's sum for PNG, OpenCV's own elsewhere: by ourselves where Pillow decodes."""
    pixels = np.random.default_rng(5).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    red, green, blue = pixels.astype(int).transpose(2, 0, 1)
    png, bmp = images.decode(encoded(pixels), color=False)[0], images.decode(encoded(pixels, "BMP"), color=False)[0]
    np.testing.assert_array_equal(png, (9797 * red + 19234 * green + 3737 * blue) >> 15)
    np.testing.assert_array_equal(bmp, (4899 * red + 9617 * green + 1868 * blue + 8192) >> 14)


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize("kind", ["png", "bmp", "jpg"])
def test_what_is_encoded_is_decoded(kind: str) -> None:
    smooth = np.add.outer(np.arange(16), np.arange(12)).astype(np.uint8) * 8
    for pixels in (smooth[None], np.stack([smooth, smooth // 2, 255 - smooth])):
        back = images.decode(images.encode(pixels, kind), color=len(pixels) == 3)
        assert np.abs(back.astype(int) - pixels).max() <= (12 if kind == "jpg" else 0)
    with pytest.raises(ArgumentError, match="cannot be written as 'doc'"):
        images.encode(smooth[None], "doc")
