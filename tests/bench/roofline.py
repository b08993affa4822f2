"""How near the layers of nets come to what the machine can do: a roofline picture, one thread.

::

    python tests/bench/roofline.py caffenet:1 googlenet:16 --svg docs/images/roofline.svg

A point is a step of the compiled net that multiplies by weights: across, the floating point operations for each byte it
must move (its inputs, weights and outputs once); up, the operations a second. Its area is its share of the net's time.
Operations are counted by the definition of the layer, so filtering after Winograd, which needs fewer, may be above the
roof. The roof is measured: a product of large matrices, and a sum over an array larger than the caches.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from caffe_sdk.app.profile import multiply_adds, peak
from caffe_sdk.engine.operation import Call
from caffe_sdk.threads import set_num_threads
from tests.bench.layers import filled

STREAM = 1 << 30  # bytes
KINDS = {"winograd": "#0f8f63", "inner product": "#c2571a", "direct": "#2368b8"}
"""How a product is computed, and its colour."""
WIDTH, HEIGHT, LEFT, TOP, GAP = 400, 300, 62, 44, 70
ACROSS, UP = (0.25, 1024.0), (1.0, 1024.0)  # of the axes: operations a byte, and GFLOP/s


@dataclass(frozen=True)
class Point:
    """A step: its layers, how it computes, operations a byte and a second, and its share of the net's time."""

    name: str
    kind: str
    intensity: float
    rate: float
    share: float


def points(name: str, batch: int, rounds: int) -> list[Point]:
    """The steps of a net in inference that multiply by weights, each by its quickest run."""
    with filled(name, batch, False) as net:
        names = {layer.where: layer.name for layer in net.layers}
        net.forward()
        runs = [net._timed(False, time.thread_time) for _ in range(rounds + 1)][1:]
    quickest = np.min([[seconds for _, seconds in run] for run in runs], axis=0)
    found: dict[tuple[Call, ...], tuple[list[str], float]] = {}
    for (step, _), seconds in zip(runs[0], quickest, strict=True):
        means, before = found.get(step.calls, ([], 0.0))
        found[step.calls] = ([*means, step.means], before + seconds)
    return [
        Point(
            name=names.get(calls[0].where, ""),
            kind=_kind(calls, means),
            intensity=2 * sum(map(multiply_adds, calls)) / moved(calls),
            rate=2 * sum(map(multiply_adds, calls)) / seconds,
            share=seconds / quickest.sum(),
        )
        for calls, (means, seconds) in found.items()
        if any(map(multiply_adds, calls))
    ]


def moved(calls: Sequence[Call]) -> int:
    """Bytes of everything that calls read or write, each memory once."""
    memories = {t.memory for call in calls for t in (*call.reads(), *call.writes())}
    return sum(4 * memory.count for memory in memories)


def _kind(calls: Sequence[Call], means: Sequence[str]) -> str:
    if any("winograd" in each for each in means):
        return "winograd"
    return "inner product" if calls[0].name.startswith("inner") else "direct"


def bandwidth() -> float:
    """Bytes a second that one thread reads, at its best."""
    array = np.ones(STREAM // 4, np.float32)
    quickest = math.inf
    for _ in range(5):
        began = time.thread_time()
        array.max()
        quickest = min(quickest, time.thread_time() - began)
    return STREAM / quickest


# -- the picture -------------------------------------------------------------------------------------------------------


def _x(intensity: float) -> float:
    low, high = map(math.log2, ACROSS)
    return LEFT + WIDTH * (math.log2(min(max(intensity, ACROSS[0]), ACROSS[1])) - low) / (high - low)


def _y(rate: float) -> float:
    low, high = map(math.log2, UP)
    return TOP + HEIGHT * (high - math.log2(min(max(rate / 1e9, UP[0]), UP[1]))) / (high - low)


def _text(x: float, y: float, words: str, anchor: str = "middle", size: int = 12, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" {more}>{words}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def panel(title: str, steps: Sequence[Point], most: float, stream: float) -> str:
    """One net's steps under the roof of ``most`` operations and ``stream`` bytes a second."""
    parts = [_text(LEFT + WIDTH / 2, TOP - 16, title, size=15, more='font-weight="bold"')]
    for power in range(0, 11, 2):
        parts += [_line(LEFT, _y(1e9 * 2**power), LEFT + WIDTH, _y(1e9 * 2**power), "#dddddd")]
        parts += [_text(LEFT - 8, _y(1e9 * 2**power) + 4, str(2**power), "end")]
    for power in range(-2, 11, 2):
        parts += [_line(_x(2**power), TOP, _x(2**power), TOP + HEIGHT, "#dddddd")]
        parts += [_text(_x(2**power), TOP + HEIGHT + 18, f"{2.0**power:g}")]
    ridge, low = most / stream, max(ACROSS[0], UP[0] * 1e9 / stream)
    parts += [_line(_x(low), _y(low * stream), _x(ridge), _y(most), "#333333", 2)]
    parts += [_line(_x(ridge), _y(most), LEFT + WIDTH, _y(most), "#333333", 2)]
    parts += [_text(LEFT + 6, _y(most) - 6, f"{most / 1e9:.0f} GFLOP/s, {stream / 1e9:.1f} GB/s", "start")]
    for step in sorted(steps, key=lambda step: -step.share):
        place = f'cx="{_x(step.intensity):.1f}" cy="{_y(step.rate):.1f}" r="{3 + 22 * math.sqrt(step.share):.1f}"'
        tip = f"<title>{step.name}: {step.rate / 1e9:.0f} GFLOP/s, {step.share:.1%} of the time</title>"
        colour = KINDS[step.kind]
        parts.append(f'<circle {place} fill="{colour}" fill-opacity="0.45" stroke="{colour}">{tip}</circle>')
    parts += _labels(steps)
    parts.append(_text(LEFT + WIDTH / 2, TOP + HEIGHT + 38, "operations for each byte moved"))
    return "\n".join(parts)


def _labels(steps: Sequence[Point]) -> list[str]:
    """The names of the steps that take longest, as far as they do not cover each other."""
    placed: list[tuple[float, float]] = []
    labels = []
    for step in sorted(steps, key=lambda step: -step.share)[:8]:
        x, y = _x(step.intensity), _y(step.rate) - 6 - 22 * math.sqrt(step.share)
        if all(abs(x - other) > 80 or abs(y - above) > 22 for other, above in placed):
            placed.append((x, y))
            labels.append(_text(x, y, step.name, size=11))
    return labels


def picture(panels: Sequence[str]) -> str:
    """Panels side by side, with what colours mean below, as SVG."""
    wide, high = len(panels) * (LEFT + WIDTH) + (len(panels) - 1) * (GAP - LEFT) + 24, TOP + HEIGHT + 84
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-family="sans-serif" fill="#222222">',
        f'<rect width="{wide}" height="{high}" fill="white"/>',
        _text(16, TOP + HEIGHT / 2, "GFLOP/s", more=f'transform="rotate(-90 16 {TOP + HEIGHT / 2})"'),
        *(f'<g transform="translate({i * (WIDTH + GAP)} 0)">\n{each}\n</g>' for i, each in enumerate(panels)),
    ]
    for i, (kind, colour) in enumerate(KINDS.items()):
        x, y = LEFT + 150 * i, high - 18
        parts.append(f'<circle cx="{x + 6}" cy="{y - 4}" r="6" fill="{colour}" fill-opacity="0.45" stroke="{colour}"/>')
        parts.append(_text(x + 18, y, kind, "start"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    """Read the command line, measure, print the points and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="+", metavar="NET:BATCH", help="of tests/bench/models.py")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--svg", type=Path, required=True)
    arguments = parser.parse_args()
    set_num_threads(1)
    most, stream = peak(), bandwidth()
    print(f"peak {most / 1e9:.1f} GFLOP/s, {stream / 1e9:.1f} GB/s")
    panels = []
    for each in arguments.nets:
        name, batch = each.split(":")
        steps = points(name, int(batch), arguments.rounds)
        for step in steps:
            words = f"{step.intensity:8.2f} a byte {step.rate / 1e9:7.1f} GFLOP/s {step.share:6.1%}"
            print(f"{words}  {step.kind:13s} {step.name}")
        panels.append(panel(f"{name}, batch {batch}", steps, most, stream))
    arguments.svg.write_text(picture(panels), encoding="utf-8")


if __name__ == "__main__":
    main()
