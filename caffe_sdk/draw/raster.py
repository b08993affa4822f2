"""A picture as pixels: drawn in bands, larger than it will be, and made smaller, so that edges are smooth."""

from __future__ import annotations

import math
from io import BytesIO
from typing import Any

from caffe_sdk.draw.layout import Point
from caffe_sdk.draw.picture import INK, Curve, Picture, Polygon, Text, font

SCALE = 1.5  # pixels per unit
SMOOTH = 2  # drawn so many times larger
BAND = 1024  # rows of pixels drawn at a time
MOST_PIXELS = 40_000_000  # of larger pictures the scale is smaller
STEPS = 12  # straight pieces of a curve's segment

FORMATS = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "pdf": "PDF"}
"""What Pillow calls the formats of file name extensions."""


def to_raster(picture: Picture, ext: str) -> bytes:
    """The picture in the format of a file name extension, one of `FORMATS`."""
    from PIL import Image

    scale = min(SCALE, math.sqrt(MOST_PIXELS / (picture.width * picture.height)))
    if FORMATS[ext] == "JPEG":
        scale = min(scale, 65000 / max(picture.width, picture.height))
    size = max(1, math.ceil(picture.width * scale)), max(1, math.ceil(picture.height * scale))
    image = Image.new("RGB", size, "white")
    for top in range(0, size[1], BAND):
        band = Image.new("RGB", (size[0] * SMOOTH, min(BAND, size[1] - top) * SMOOTH), "white")
        _Pen(band, scale * SMOOTH, top * SMOOTH).draw(picture)
        image.paste(band.reduce(SMOOTH), (0, top))
    file = BytesIO()
    image.save(file, FORMATS[ext], resolution=96 * scale)
    return file.getvalue()


class _Pen:
    """Draws on one band of the picture, which begins ``top`` pixels down."""

    def __init__(self, band: Any, scale: float, top: int) -> None:
        from PIL import ImageDraw

        self.scale, self.top, self.height = scale, top, band.height
        self.pen = ImageDraw.Draw(band)
        self.line = max(1, round(scale))

    def draw(self, picture: Picture) -> None:
        for item in picture.items:
            if isinstance(item, Text):
                self.text(item)
            elif isinstance(item, Curve):
                self.curve(item)
            else:
                self.polygon(item)

    def at(self, point: Point) -> Point:
        return point[0] * self.scale, point[1] * self.scale - self.top

    def visible(self, points: list[Point]) -> bool:
        """Whether any of this is on the band."""
        rows = [y for _, y in points]
        return min(rows) < self.height + 50 and max(rows) > -50

    def text(self, item: Text) -> None:
        at = self.at(item.at)
        if self.visible([at]):
            letters = font(max(1, round(item.size * self.scale)))
            anchor, halo = "mm" if item.centred else "lm", round(2 * self.scale) if item.halo else 0
            self.pen.text(at, item.words, "black", letters, anchor, stroke_width=halo, stroke_fill="white")

    def polygon(self, item: Polygon) -> None:
        points = [self.at(point) for point in item.points]
        if self.visible(points):
            self.pen.polygon(points, fill=item.fill, outline=INK, width=self.line)

    def curve(self, item: Curve) -> None:
        points = [self.at(point) for point in item.points]
        if not self.visible(points):
            return
        line = [points[0]]
        for i in range(0, len(points) - 1, 3):
            line += [_bezier(points[i : i + 4], step / STEPS) for step in range(1, STEPS + 1)]
        self.pen.line(line, fill=INK, width=self.line, joint="curve")
        for corners in item.arrows():
            self.pen.polygon([self.at(corner) for corner in corners], fill=INK)


def _bezier(points: list[Point], t: float) -> Point:
    """The place at ``t``, from 0 to 1, on the cubic curve of four points."""
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    x, y = (sum(w * point[axis] for w, point in zip(weights, points, strict=True)) for axis in (0, 1))
    return round(x, 2), round(y, 2)  # so that a straight line has no steps where it lies between two pixels
