from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from caffe_sdk.server.journal import Journal, JsonFormatter, log_as_json


def test_requests_are_counted_by_kind() -> None:
    journal = Journal()
    for status in ("OK", "OK", "NOT_FOUND"):
        journal.end(journal.begin("grpc", "/a.B/C", None), status)
    counts = journal.counts()
    assert {kind: count.requests for kind, count in counts.items()} == {
        ("grpc", "/a.B/C", "NOT_FOUND"): 1,
        ("grpc", "/a.B/C", "OK"): 2,
    }
    assert all(count.seconds >= 0 for count in counts.values())


@pytest.mark.parametrize("wanted", ["a", "trace-7/3:x=1.2+z", "x" * 128])
def test_the_clients_id_is_kept(wanted: str) -> None:
    assert Journal().begin("http", "GET /", wanted).id == wanted


@pytest.mark.parametrize("wanted", [None, "", "two words", "x" * 129, 'a"b', "é", "a\nb"])
def test_an_id_that_is_no_plain_word_is_replaced(wanted: str | None) -> None:
    assert len(Journal().begin("http", "GET /", wanted).id) == 32


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the package's log writes, as JSON."""
    logger, stream = logging.getLogger("caffe_sdk"), io.StringIO()
    level, handler = logger.level, logging.StreamHandler(stream)
    logger.addHandler(handler)
    log_as_json()
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_each_request_has_a_line(written: io.StringIO) -> None:
    journal = Journal(log=True)
    entry = journal.begin("grpc", "/inference.GRPCInferenceService/ModelInfer", "id-1")
    entry.model, entry.peer, entry.received, entry.sent = "m\n", "ipv4:127.0.0.1:1", 5, 7
    journal.end(entry, "OK")
    line = json.loads(written.getvalue())
    assert line.pop("time").endswith("Z")
    assert line.pop("ms") >= 0
    assert line == {
        "level": "INFO",
        "id": "id-1",
        "door": "grpc",
        "method": "/inference.GRPCInferenceService/ModelInfer",
        "model": "m\n",
        "status": "OK",
        "peer": "ipv4:127.0.0.1:1",
        "received": 5,
        "sent": 7,
    }


def test_other_lines_are_objects_too(written: io.StringIO) -> None:
    try:
        raise ValueError("so it goes")
    except ValueError:
        logging.getLogger("caffe_sdk.x").exception("it failed: %d", 3)
    line = json.loads(written.getvalue())
    assert (line["level"], line["message"]) == ("ERROR", "it failed: 3")
    assert line["at"].startswith("test_journal.py:")
    assert "ValueError: so it goes" in line["error"]


def test_without_a_handler_there_is_one_then() -> None:
    logger, root = logging.getLogger("caffe_sdk"), logging.getLogger()
    mine, roots, level = logger.handlers[:], root.handlers[:], logger.level
    logger.handlers[:], root.handlers[:] = [], []
    try:
        log_as_json()
        assert isinstance(logger.handlers[0].formatter, JsonFormatter)
    finally:
        logger.handlers[:], root.handlers[:] = mine, roots
        logger.setLevel(level)
