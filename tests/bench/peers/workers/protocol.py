"""How a worker talks: a line says what to do, a line of JSON answers. It needs nothing but Python.

``check`` answers with what the program computes, ``go N`` with the seconds that each of N steps took, by the clock on
the wall and by the processor's. What libraries print goes to the standard error from when this is imported on.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

_answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what libraries print from now on


def serve(version: str, step: Callable[[], object], check: Callable[[], list[float]]) -> None:
    """Answer until the input ends. The first answer, once everything is ready, names the program's version."""
    _say({"version": version})
    for line in sys.stdin:
        order, *number = line.split()
        if order == "check":
            answer: object = check()
        else:
            answer = _timed(step, int(number[0]))
        _say(answer)


def serve_many(
    version: str, build: Callable[[int], dict[str, tuple[Callable[[], object], Callable[[], list[float]]]]]
) -> None:
    """The same for batches of any size: ``build N`` answers with the names of the ways there are to compute a batch.

    The other orders then name a way too: ``check WAY``, ``go N WAY``. What goes wrong is an answer, ``{"error": ...}``.
    """
    _say({"version": version})
    ways: dict[str, tuple[Callable[[], object], Callable[[], list[float]]]] = {}
    for line in sys.stdin:
        order, *more = line.split()
        try:
            if order == "build":
                ways = {}  # what was there before is given back first
                ways = build(int(more[0]))
                answer: object = {"ways": list(ways)}
            elif order == "check":
                answer = ways[more[0]][1]()
            else:
                answer = _timed(ways[more[1]][0], int(more[0]))
        except Exception as error:  # noqa: BLE001 - whoever asks goes on with the next batch
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        _say(answer)


def _timed(step: Callable[[], object], steps: int) -> dict[str, list[float]]:
    wall, processor = [], []
    for _ in range(steps):
        began, spent = time.perf_counter(), time.process_time()
        step()
        wall.append(time.perf_counter() - began)
        processor.append(time.process_time() - spent)
    return {"wall": wall, "processor": processor}


def _say(answer: object) -> None:
    _answers.write(json.dumps(answer) + "\n")
    _answers.flush()
