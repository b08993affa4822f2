"""The tool that takes a request apart; no time is judged."""

from __future__ import annotations

import re

from tests.bench import one_request


def test_every_program_takes_its_turn() -> None:
    lines = one_request.measure("lenet", threads=1, rounds=1)
    assert [line.split()[0] for line in lines] == ["direct", "served", "bare", "echo", "overhead", "statistics"]
    assert re.match(r"overhead +-?\d+\.\d\d ms, of which -?\d", lines[4])
    assert all(float(found) > 0 for found in re.findall(r"compute_\w+ ([\d.]+) ms", lines[5]))
