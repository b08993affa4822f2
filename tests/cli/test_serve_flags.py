"""What the flags of ``caffe serve`` make of a server."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from caffe_sdk.cli import serve, serve_flags
from caffe_sdk.errors import ArgumentError
from caffe_sdk.server import Limits, Options, Tls


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    serve_flags.add_to(parser)
    return parser.parse_args(arguments)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """The options that servers are asked to serve by."""
    asked: list[Options] = []
    monkeypatch.setattr(serve, "serve", lambda options, ready: asked.append(options))
    return asked


def test_flags_are_options(served: list[Options], tmp_path: Path) -> None:
    serve.run(parsed())
    assert served == [Options()]
    words = (
        "--address unix:/x --http h --log-format json --models m --files f --workers 3 --grace-seconds 30"
        " --tls-cert c --tls-key k --tls-client-ca a --auth t"
        " --max-message 64M --max-blob 1G --max-memory 2T --max-nets 5 --max-solvers 0 --max-calls 7"
        " --max-requests 9 --call-seconds 1.5 --idle-seconds 60 --stall-seconds 0 --receive-seconds 5"
    )
    serve.run(parsed(*words.split()))
    limits = Limits(2**30, 2**41, 5, 0, 7, 9, 1.5, 60, 0, 5)
    wanted = Options(
        address="unix:/x",
        http="h",
        models="m",
        files="f",
        workers=3,
        max_message=2**26,
        tls=Tls("c", "k", "a"),
        tokens="t",
        limits=limits,
        log_format="json",
        grace=30,
    )
    assert served[1] == wanted


@pytest.mark.parametrize("words", ["--tls-cert c", "--tls-key k", "--tls-client-ca a"])
def test_certificates_need_keys(served: list[Options], words: str) -> None:
    with pytest.raises(ArgumentError, match="--tls-cert and --tls-key are not both given"):
        serve.run(parsed(*words.split()))


@pytest.mark.parametrize("words", ["--max-blob 2GB", "--max-blob -1", "--idle-seconds soon", "--call-seconds -1"])
def test_numbers_that_are_none(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(*words.split())
    told = capsys.readouterr().err
    assert "is no number" in told or "expected one argument" in told
