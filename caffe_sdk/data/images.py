"""Decoding of PNG and JPEG images to the pixels Caffe works on, and back: BGR, (channels, height, width), uint8.

The first installed decoder is taken: simplejpeg (JPEG only, fastest), OpenCV (Caffe's own), Pillow. They agree within a
few grey levels for JPEG and exactly for PNG. A rotation noted in EXIF is not applied, as the pixels are trained on as
stored.
"""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np

from caffe_sdk.data.datum import Buffer, Pixels
from caffe_sdk.data.kernels import kernels
from caffe_sdk.errors import ArgumentError, DataError, DeviceError

JPEG = b"\xff\xd8\xff"
VECTOR = 32  # bytes that libjpeg-turbo writes at once


def decode(image: Buffer, color: bool | None = None) -> Pixels:
    """The pixels of an encoded image: (channels, height, width), contiguous.

    ``color`` True gives 3 channels, False 1 channel, None what the image has (grey 1, colour 3, with transparency 4),
    which is what Caffe does without force_color and force_gray. Raises DataError for bytes that are no image of 8 bits
    a channel and DeviceError where no decoder is installed; the caller adds source and key.
    """
    return planar(decode_together(image, color))


def decode_together(image: Buffer, color: bool | None = None, room: Pixels | None = None) -> Pixels:
    """What `decode` gives, as decoders leave it: a view of memory (height, width, channels), which saves a copy.

    ``room``, the result for another image that nobody needs any more, may be overwritten where it has the right size.
    """
    pixels = None
    if bytes(image[:3]) == JPEG:
        pixels = _decode_simplejpeg(image, color, room)
    if pixels is None:
        pixels = _decode_opencv(image, color)
    if pixels is None:
        pixels = _decode_pillow(image, color)
    if pixels is None:
        raise DeviceError("images", "no image decoder is installed", "pip install pillow")
    if pixels.dtype != np.uint8:
        raise DataError("image", f"has values of type {pixels.dtype}", "Caffe reads images of 8 bits a channel")
    return pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1)


def together(pixels: Pixels) -> Pixels | None:
    """Pixels (channels, height, width) as contiguous (height, width, channels), if that is how they lie in memory."""
    turned = pixels.transpose(1, 2, 0)
    return turned if turned.flags.c_contiguous and not pixels.flags.c_contiguous else None


def planar(pixels: Pixels) -> Pixels:
    """Pixels (channels, height, width), copied if their channels do not lie one after the other."""
    turned = together(pixels)
    if turned is None:
        return pixels
    planes = np.empty(pixels.shape, pixels.dtype)
    kernels().split(turned, planes)
    return planes


def _module(name: str) -> Any:
    """A decoder's module, or None where it is not installed or cannot be loaded."""
    try:
        __import__(name)
    except ImportError:
        return None
    return sys.modules[name]


def _decode_simplejpeg(image: Buffer, color: bool | None, room: Pixels | None) -> Pixels | None:
    simplejpeg = _module("simplejpeg")
    if simplejpeg is None:
        return None
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(image)
        if space not in ("Gray", "YCbCr", "RGB"):
            return None  # CMYK needs a conversion that the other decoders know
        pixels: Pixels
        if color is False or (color is None and space == "Gray"):
            pixels = simplejpeg.decode_jpeg(image, "GRAY")
        else:
            buffer = None
            if room is not None and room.shape == (3, height, width) and room.flags.writeable:
                buffer = together(room)
            pixels = simplejpeg.decode_jpeg(image, "BGR", buffer=_askew(height, width) if buffer is None else buffer)
        return pixels
    except (ValueError, MemoryError) as error:
        raise DataError("image", f"the JPEG does not decode ({error})") from None


def _askew(height: int, width: int) -> Pixels:
    """Memory for an image (height, width, 3) that begins between two multiples of 32 bytes.

    Rows that begin at one are written past the cache by libjpeg-turbo, and so have to come from memory again to become
    floats. That made an image of 256 x 256 slower by a sixth, whenever its memory happened to begin there.
    """
    size = height * width * 3
    raw = np.empty(size + 2 * VECTOR, np.uint8)
    start = -raw.ctypes.data % VECTOR + VECTOR // 2
    return raw[start : start + size].reshape(height, width, 3)


def _decode_opencv(image: Buffer, color: bool | None) -> Pixels | None:
    cv2 = _module("cv2")
    if cv2 is None:
        return None
    flags = cv2.IMREAD_UNCHANGED
    if color is not None:
        flags = (cv2.IMREAD_COLOR if color else cv2.IMREAD_GRAYSCALE) | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels: Pixels | None = cv2.imdecode(np.frombuffer(image, np.uint8), flags)
    except cv2.error as error:
        raise DataError("image", f"does not decode ({error.err})") from None
    if pixels is None:
        raise DataError("image", f"{len(image)} bytes do not decode", "must be a complete PNG or JPEG image")
    return pixels


def _decode_pillow(image: Buffer, color: bool | None) -> Pixels | None:
    pil = _module("PIL.Image")
    if pil is None:
        return None
    try:
        with pil.open(io.BytesIO(image)) as opened:
            if opened.mode.startswith("I;16"):
                raise DataError("image", "has 16 bits a channel", "Caffe reads images of 8 bits a channel")
            if color is False:
                return _grey(opened)
            return _blue_first(opened.convert(_pillow_mode(opened, color)))
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise DataError("image", f"{len(image)} bytes do not decode ({error})", "must be a complete image") from None


def encode(pixels: Pixels, kind: str) -> bytes:
    """The bytes of an image file for pixels (channels, height, width), BGR or grey.

    ``kind`` is the end of a file's name: 'png', 'jpg' (of quality 95, as OpenCV's), 'bmp', ... OpenCV writes it where
    it is installed, else Pillow. Raises ArgumentError for a kind they do not know.
    """
    cv2 = _module("cv2")
    if cv2 is not None:
        try:
            return bytes(cv2.imencode(f".{kind}", np.ascontiguousarray(pixels.transpose(1, 2, 0)))[1])
        except cv2.error as error:
            raise ArgumentError("image", f"cannot be written as '{kind}' ({error.err})", "use png or jpg") from None
    from PIL import Image

    Image.init()
    form = Image.EXTENSION.get(f".{kind}")
    if form not in Image.SAVE:
        raise ArgumentError("image", f"cannot be written as '{kind}'", "use png or jpg")
    file = io.BytesIO()
    rgb = pixels[0] if len(pixels) == 1 else pixels[::-1].transpose(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(rgb)).save(file, form, quality=95)
    return file.getvalue()


def _grey(image: Any) -> Pixels:
    """One channel, as OpenCV gets it: of a JPEG the brightness that is stored, else a sum, for a PNG that of libpng."""
    image.draft("L", image.size)
    if image.mode in ("1", "L"):
        grey: Pixels = np.asarray(image.convert("L"))
        return grey
    red, green, blue = np.moveaxis(np.asarray(image.convert("RGB"), np.uint32), 2, 0)
    if image.format == "PNG":
        total = (9797 * red + 19234 * green + 3737 * blue) >> 15
    else:
        total = (4899 * red + 9617 * green + 1868 * blue + 8192) >> 14
    return np.asarray(total, np.uint8)


def _blue_first(image: Any) -> Pixels:
    """(height, width, channels) of an image of mode L, RGB or RGBA."""
    order = {"L": "L", "RGB": "BGR", "RGBA": "BGRA"}[image.mode]
    size = image.height, image.width, len(order)
    return np.frombuffer(image.tobytes("raw", order), np.uint8).reshape(size)


def _pillow_mode(image: Any, color: bool | None) -> str:
    if color is not None:
        return "RGB"
    if image.mode in ("1", "L"):
        return "L"
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        return "RGBA"
    return "RGB"
