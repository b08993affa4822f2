"""docs/check.md names every rule, and its example works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from caffe_sdk.app.check import RULES, check
from tests.app.check.models import CONV, DATA, FC, GOOD, LOSS

ELSEWHERE = {"data", "iterations", "missing_data", "old_format", "rates"}


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs" / "check.md").read_text()


def test_every_rule_is_on_the_page(page: str) -> None:
    cells = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(cells))) == set(RULES) | ELSEWHERE


def test_a_finding_looks_as_shown(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    softmax = 'layer { name: "prob" type: "Softmax" bottom: "fc" top: "p" }\n\n'
    Path("net.prototxt").write_text(DATA + CONV + FC + softmax + LOSS.replace('"fc"', '"p"'))
    assert check("net.prototxt").lines()[0] in page


def test_the_rule_of_ones_own(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("caffe_sdk.app.check.rules.RULES", RULES.copy())
    Path("net.prototxt").write_text(GOOD.replace("ReLU", "TanH"))
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(example, "check.md", "exec"), {})
    assert "layer 'relu': is a TanH; use a ReLU [no_tanh]" in capsys.readouterr().out
