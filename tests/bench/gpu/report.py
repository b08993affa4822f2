"""What was measured, as Markdown and JSON, written anew whenever there is more."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.gpu.differences import BACKWARD, FORWARD, Difference
from tests.bench.gpu.operations import Measured
from tests.bench.gpu.turns import OURS, Row

DAY = 86400
PAPER = 40e6
"""Images a day that the paper on Caffe says CaffeNet computes on a K40."""
EAGER, ALONE = 1.0, 1.2
"""How much quicker than PyTorch step by step we want to be: with any batch, and with a single image."""


class Report:
    """Sections by their names, each with its lines and its data."""

    def __init__(self, title: str, path: Path) -> None:
        self._title, self._path = title, path
        self._sections: dict[str, tuple[list[str], Any]] = {}

    def put(self, section: str, lines: Sequence[str], data: Any) -> None:
        """Add a section, or replace it, and write both files."""
        self._sections[section] = (list(lines), data)
        text = [f"# {self._title}", ""]
        for name, (said, _) in self._sections.items():
            text += [f"## {name}", "", *said, ""]
        self._path.write_text("\n".join(text), encoding="utf-8")
        data = {name: data for name, (_, data) in self._sections.items()}
        self._path.with_suffix(".json").write_text(json.dumps(data, indent=1), encoding="utf-8")


def quoted(text: str) -> list[str]:
    """Lines as they are."""
    return ["```", *text.strip().splitlines(), "```"]


def differences(found: Sequence[Difference]) -> list[str]:
    """How many cases agree, and the worst of them."""
    if not found:
        return ["Nothing was compared."]
    wrong = [each for each in found if not each.agrees]
    worst = [max((getattr(each, way) for each in found), default=0.0) for way in ("forward", "backward")]
    lines = [
        f"{len(found) - len(wrong)} of {len(found)} cases agree with the reference engine to {FORWARD:g} forward and "
        f"{BACKWARD:g} backward, of the largest number. Largest differences: {worst[0]:.1e} forward, "
        f"{worst[1]:.1e} backward.",
    ]
    if wrong:
        lines += ["", "| case | forward | backward | |", "| --- | ---: | ---: | --- |"]
        lines += [f"| {each.case} | {each.forward:.1e} | {each.backward:.1e} | {each.failure} |" for each in wrong]
    return lines


def transfers(found: dict[str, dict[str, float]]) -> list[str]:
    """Moves in an iteration, net by net."""
    lines = ["Moves in an iteration of training; data and label come from the host, the loss goes there.", ""]
    for net, moves in found.items():
        said = ", ".join(f"{count:g} {way}" for way, count in moves.items()) or "none"
        lines.append(f"- {net}: {said}")
    return lines


def operations(found: Sequence[Measured]) -> list[str]:
    """A line for each operation of each net: how long all of its steps take, and by cuDNN those that it can."""
    lines = [
        "Milliseconds of all steps of a kind, in a graph. Of the steps that cuDNN can compute: ours / cuDNN's; above 1",
        "cuDNN is quicker, and would be taken with `CAFFE_CUDNN=search`, but where it leaves something out. Each shape",
        "by itself is in the .json file.",
        "",
        "| net | | precision | step | steps | ours, ms | by cuDNN | ours, ms | cuDNN, ms | ratio | |",
        "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    groups: dict[tuple[str, ...], list[Measured]] = {}
    for each in found:
        groups.setdefault((each.net, each.way, each.precision, each.step), []).append(each)
    for names, alike in groups.items():
        lines.append(f"| {' | '.join(names)} | {_count(alike)} | {_ms(alike, 'ours')} | {_compared(alike)} |")
    return lines


def _compared(alike: Sequence[Measured]) -> str:
    both = [each for each in alike if each.theirs]
    if not both:
        return "0 | | | |"
    ratio = sum(each.count * each.ours for each in both) / sum(each.count * each.theirs for each in both)
    without = "; ".join(dict.fromkeys(each.without for each in both if each.without))
    return f"{_count(both)} | {_ms(both, 'ours')} | {_ms(both, 'theirs')} | {ratio:.2f} | {without}"


def _count(alike: Sequence[Measured]) -> int:
    return sum(each.count for each in alike)


def _ms(alike: Sequence[Measured], side: str) -> str:
    return f"{1e3 * sum(each.count * getattr(each, side) for each in alike):.3f}"


def speed(rows: Sequence[Row]) -> list[str]:
    """A line for each case: our milliseconds, and how much longer PyTorch takes, by medians and (by minima)."""
    lines = [
        "Milliseconds are medians; a step ends when the GPU has done it. Ratios: PyTorch's time / ours, the median of",
        "the rounds (of minima); above 1 we are faster. PyTorch: channels_last, cudnn.benchmark, fused SGD.",
        "Ours: CAFFE_CUDNN_SEARCH, algorithms that give the same bits every time.",
        "",
        "| net | batch | | precision | ms | images/s | PyTorch | as a graph | |",
        "| --- | ---: | --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in rows:
        begin = f"| {row.net} | {row.batch} | {row.way} | {row.precision} |"
        why = "; ".join(f"{name}: {words}" for name, words in row.failures.items()).replace("\n", " ").replace("|", "/")
        if OURS not in row.times:
            lines.append(f"{begin} | | | | {why} |")
            continue
        ratios = " | ".join(_ratios(row, peer) for peer in ("eager", "graph"))
        lines.append(f"{begin} {row.times[OURS].median:.3g} | {row.images:,.0f} | {ratios} | {why} |")
    return [*lines, "", *summary(rows)]


def _ratios(row: Row, peer: str) -> str:
    return f"{row.ratio(peer):.2f} ({row.ratio_of_minima(peer):.2f})" if peer in row.times else ""


def summary(rows: Sequence[Row]) -> list[str]:
    """What was aimed at, and CaffeNet beside the paper."""
    lines = []
    compared = [row for row in rows if "eager" in row.times]
    if compared:
        alone = [row for row in compared if row.batch == 1]
        reached = sum(row.ratio("eager") >= EAGER for row in compared)
        lines.append(f"- as fast as PyTorch step by step: {reached} of {len(compared)}")
        reached = sum(row.ratio("eager") >= ALONE for row in alone)
        lines.append(f"- {ALONE} times as fast with a single image: {reached} of {len(alone)}")
    timed = [row for row in rows if row.net == "caffenet" and row.way == "inference" and OURS in row.times]
    for precision in dict.fromkeys(row.precision for row in timed):
        best = max((row for row in timed if row.precision == precision), key=lambda row: row.images)
        day = best.images * DAY
        lines.append(
            f"- CaffeNet in {precision}, batches of {best.batch}: {day / 1e6:,.0f} million images a day, "
            f"{day / PAPER:,.0f} times the paper's {PAPER / 1e6:.0f} million"
        )
    return lines


def data_of(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as JSON has them."""
    return [dataclasses.asdict(row) for row in rows]
