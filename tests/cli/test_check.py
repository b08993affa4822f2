"""``caffe check`` and ``caffe summary``: what they print, and their status."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffe_sdk.cli.main import main
from tests.app.check.models import CONV, FILLER, GOOD


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good").write_text(GOOD)
    Path("zeros").write_text(GOOD.replace(FILLER, "", 1))
    Path("wide").write_text(GOOD.replace("kernel_size: 3", "kernel_size: 30"))


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("good", 0, "0 errors, 0 warnings, 0 hints"),
        ("zeros", 1, "zeros:5: warning (TRAIN): layer 'conv': weights begin as zeros"),
        ("wide", 3, "1 errors, 0 warnings, 0 hints"),
        ("nowhere", 5, ""),
    ],
)
def test_check(name: str, status: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", name]) == status
    assert words in capsys.readouterr().out


def test_errors_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "wide"])
    assert "caffe: shape: wide: layer 'conv' (Convolution): kernel (30, 30)" in capsys.readouterr().err


def test_phases_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "zeros", "-phase", "TEST"]) == 0
    assert main(["summary", "good", "-phase=TRAIN"]) == 0
    assert "in phase TRAIN" in capsys.readouterr().out


def test_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", "good"]) == 0
    shown = capsys.readouterr().out
    assert "conv   Convolution" in shown
    assert f"{4 * 6 * 6 * 4 * 27:,}" in shown
    assert main(["summary", "wide"]) == 3
    Path("deploy").write_text(CONV)
    assert main(["summary", "deploy"]) == 3
