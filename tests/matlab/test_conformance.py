"""The scenarios that every client plays, played in Octave: the same arrays, the same codes of errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.clients.conformance import SCENARIOS, Notes, SessionPlayer, play, scenarios, without
from tests.matlab import octave

UNABLE = ("parts of nets", "names that go as they are", "released nets that can be asked")


def test_octave_plays_the_scenarios(tmp_path: Path) -> None:
    octave.run(f"conformance('{SCENARIOS}', 'notes.json');", tmp_path, CAFFE_ENGINE="cpu")
    text = (tmp_path / "notes.json").read_text()
    notes: Notes = json.loads(text, parse_float=lambda digits: float(np.float32(digits)))
    assert notes == of_matcaffe(without(play(SessionPlayer), UNABLE))


def of_matcaffe(notes: Notes) -> Notes:
    """The notes but for the layers that weights went into, which MatCaffe's copy_from does not tell."""
    for scenario in scenarios()["scenarios"]:
        for index, step in enumerate(scenario["steps"]):
            if step["verb"] == "copy_from" and isinstance(notes.get(scenario["name"], [])[index], list):
                notes[scenario["name"]][index] = None
    return notes
