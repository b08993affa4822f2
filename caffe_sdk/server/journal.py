"""What the server was asked: a line of the log for each request if the operator wants them, and counts for the metrics.

Lines hold neither tensors nor tokens (here it is broken)::

    {"time": "2026-11-23T04:22:33.120Z", "level": "INFO", "id": "5f0c88...", "door": "grpc",
     "method": "/inference.GRPCInferenceService/ModelInfer", "model": "squeezenet", "status": "OK", "ms": 21.4,
     "peer": "ipv4:127.0.0.1:40400", "received": 618412, "sent": 4093}
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone

log = logging.getLogger(__name__)

ID_HEADER = "x-request-id"
"""Where a client says the id of its request, over gRPC as metadata; the answer has it, too."""

ID = re.compile(r"[\w.:/=+-]{1,128}", re.ASCII)


@dataclass
class Count:
    """Requests of one kind, and seconds they took together."""

    requests: int = 0
    seconds: float = 0.0


Kind = tuple[str, str, str]
"""Door, method and status of requests."""


@dataclass
class Entry:
    """One request, while it is answered."""

    door: str
    """``grpc`` or ``http``."""
    method: str
    """gRPC's, or HTTP's with the route: ``POST /v2/models/{model}/infer``."""
    id: str
    peer: str = ""
    model: str = ""
    received: int = 0
    """Bytes of the request's messages or body, as they came out of decompression."""
    sent: int = 0
    began: float = field(default_factory=time.monotonic)


class Journal:
    """Notes every request. Safe to use from any thread."""

    def __init__(self, log: bool = False) -> None:
        """With ``log`` each request has a line in the log."""
        self.writes = log
        self._lock = threading.Lock()
        self._counts: dict[Kind, Count] = {}

    def begin(self, door: str, method: str, wanted_id: str | None) -> Entry:
        """A request has come. Its id is the client's own, or a new one where that is missing or no plain word."""
        known = wanted_id if wanted_id and ID.fullmatch(wanted_id) else os.urandom(16).hex()
        return Entry(door, method, known)

    def end(self, entry: Entry, status: str) -> None:
        """The request is answered: gRPC's name of the status, or HTTP's number."""
        seconds = time.monotonic() - entry.began
        with self._lock:
            count = self._counts.setdefault((entry.door, entry.method, status), Count())
            count.requests += 1
            count.seconds += seconds
        if self.writes:
            request = {
                "id": entry.id,
                "door": entry.door,
                "method": entry.method,
                "model": entry.model[:200],
                "status": status,
                "ms": round(seconds * 1000, 3),
                "peer": entry.peer,
                "received": entry.received,
                "sent": entry.sent,
            }
            log.info("%s %s: %s", entry.method, entry.model, status, extra={"request": request})

    def counts(self) -> dict[Kind, Count]:
        """How many requests of each kind there were, as of now."""
        with self._lock:
            return {kind: Count(count.requests, count.seconds) for kind, count in sorted(self._counts.items())}


class JsonFormatter(logging.Formatter):
    """A line of the log as an object; one about a request has its facts instead of a message."""

    def format(self, record: logging.LogRecord) -> str:
        time_of = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        facts = {"time": time_of.replace("+00:00", "Z"), "level": record.levelname}
        request = getattr(record, "request", None)
        if request is not None:
            return json.dumps(facts | request)
        facts |= {"at": f"{record.filename}:{record.lineno}", "message": record.getMessage()}
        if record.exc_info:
            facts["error"] = self.formatException(record.exc_info)
        return json.dumps(facts)


def log_as_json() -> None:
    """Write whatever the package logs as JSON, where it goes now, or to the standard error."""
    logger = logging.getLogger("caffe_sdk")
    if not logger.handlers and not logging.getLogger().handlers:
        logger.addHandler(logging.StreamHandler())
    logger.setLevel(logging.INFO)
    for handler in logger.handlers or logging.getLogger().handlers:
        handler.setFormatter(JsonFormatter())
