"""A picture as SVG."""

from __future__ import annotations

from html import escape

from caffe_sdk.draw.layout import Point
from caffe_sdk.draw.picture import INK, Curve, Picture, Polygon, Text

HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" \
width="{width:.0f}" height="{height:.0f}" font-family="Helvetica, Arial, sans-serif">
<title>{title}</title>
<rect width="100%" height="100%" fill="white"/>"""


def to_svg(picture: Picture) -> str:
    """The picture as an SVG document. Details of layers are titles, which browsers show as tooltips."""
    head = HEAD.format(width=picture.width, height=picture.height, title=_text(picture.title))
    return "\n".join([head, *map(_item, picture.items), "</svg>\n"])


def _item(item: Polygon | Curve | Text) -> str:
    if isinstance(item, Polygon):
        title = f"<title>{_text(item.title)}</title>" if item.title else ""
        points = " ".join(map(_point, item.points))
        return f'<polygon points="{points}" fill="{item.fill}" stroke="{INK}">{title}</polygon>'
    if isinstance(item, Curve):
        start, *rest = map(_point, item.points)
        heads = " ".join(f"M{' '.join(map(_point, corners))} Z" for corners in item.arrows())
        line = f'<path d="M{start} C{" ".join(rest)}" fill="none" stroke="{INK}"/>'
        return f'{line}<path d="{heads}" fill="{INK}"/>'
    x, y = item.at
    anchor = "middle" if item.centred else "start"
    # pointer-events: the words must not hide the tooltip of the outline below them
    place = f'x="{x:.1f}" y="{y:.1f}" dy="0.35em" font-size="{item.size}" text-anchor="{anchor}" pointer-events="none"'
    text = f"<text {place}>{_text(item.words)}</text>"
    halo = f'<text {place} stroke="white" stroke-width="4">{_text(item.words)}</text>' if item.halo else ""
    return halo + text


def _point(point: Point) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"


def _text(words: str) -> str:
    """Words as XML allows them: what is no character there is left out."""
    return escape("".join(c for c in words if c.isprintable() or c in "\n\t"))
