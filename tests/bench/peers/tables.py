"""Results as tables in Markdown, and as JSON that can be read back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from tests.bench.peers.cases import Case
from tests.bench.peers.rounds import OURS, Result, Times


def table(results: Sequence[Result], peers: Sequence[str]) -> str:
    """A row a case: our milliseconds, and for each peer the median of the rounds' ratios and the ratio of minima.

    Above 1 we are faster.
    """
    lines = [f"| | {OURS}, ms | " + " | ".join(peers) + " |", "|---|---|" + "---|" * len(peers)]
    for result in results:
        cells = [_ratios(result, peer) for peer in peers]
        lines.append(f"| {result.case} | {_number(result.times[OURS].median)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _ratios(result: Result, peer: str) -> str:
    if peer not in result.times:
        return "failed" if peer in result.failures else "-"
    return f"{result.ratio(peer):.2f} ({result.ratio_of_minima(peer):.2f})"


def _number(milliseconds: float) -> str:
    return f"{milliseconds:.3g}" if milliseconds < 100 else f"{milliseconds:.0f}"


def to_json(results: Sequence[Result]) -> str:
    """One result a line."""
    return "".join(json.dumps(dataclasses.asdict(result)) + "\n" for result in results)


def from_json(text: str) -> list[Result]:
    """What `to_json` wrote."""
    return [_result(json.loads(line)) for line in text.splitlines()]


def _result(found: dict[str, Any]) -> Result:
    times = {peer: Times(**each) for peer, each in found["times"].items()}
    return Result(Case(**found["case"]), found["threads"], found["busy"], times, found["failures"])
