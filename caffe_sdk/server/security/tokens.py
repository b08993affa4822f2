"""The file of tokens: who may do what, one client a line, with a name, a right, and the token or its digest::

    # name    right   token
    camera-7  infer   sha256:6ca13d52ca70c883e0f0bb101e425a89e8624de51db2d2392593af6a84118090
    lab       train   correct-horse-battery-staple

The digest is ``printf %s TOKEN | sha256sum``. The file is read again as soon as it changes; one that is wrong then is
logged, and what was read before stays in force.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import threading
from dataclasses import dataclass
from pathlib import Path

from caffe_sdk.errors import ArgumentError, CaffeError
from caffe_sdk.schema.files import read_text
from caffe_sdk.server.security.rights import Right, right_of

log = logging.getLogger(__name__)

DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")
SHORTEST = 8  # characters: less can be guessed over the network


@dataclass(frozen=True)
class Identity:
    """Who makes a call, and what they may do."""

    name: str
    right: Right


class Tokens:
    """A file of tokens, as it is now. Raises FileErrors and ArgumentError when it cannot be used at the start."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._stamp = self._now()
        self._known = parse(read_text(self.path), path)

    def find(self, token: str) -> Identity | None:
        """Whose token it is. How long that takes tells nothing about the tokens: all are compared, byte by byte."""
        self._follow()
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        found = None
        for known, identity in self._known.items():
            if hmac.compare_digest(known, digest):
                found = identity
        return found

    def _now(self) -> tuple[int, int, int]:
        """What changes when somebody writes the file or puts another in its place."""
        try:
            stat = self.path.stat()
        except OSError:
            return 0, 0, 0
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _follow(self) -> None:
        """Read the file again if it changed."""
        stamp = self._now()
        with self._lock:
            if stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                self._known = parse(read_text(self.path), str(self.path))
            except CaffeError as error:
                log.error("the tokens stay as they were: %s", error)
            else:
                log.info("%s was read again: %d tokens", self.path, len(self._known))


def parse(text: str, where: str) -> dict[bytes, Identity]:
    """The identities by the digests of their tokens. ArgumentError with the line for what is no such file."""
    known: dict[bytes, Identity] = {}
    for number, line in enumerate(text.splitlines(), 1):
        parts = line.split("#", 1)[0].split()
        if not parts:
            continue
        place = f"{where}:{number}"
        if len(parts) != 3:
            raise ArgumentError(place, f"{len(parts)} words", "give name, right and token, with spaces between them")
        name, right, token = parts
        digest = _digest(token, place)
        if digest in known:
            raise ArgumentError(place, f"{name} has the token of {known[digest].name}", "give each one of its own")
        try:
            known[digest] = Identity(name, right_of(right))
        except ArgumentError as error:
            raise ArgumentError(place, error.what, error.remedy) from None
    return known


def _digest(token: str, place: str) -> bytes:
    """The SHA-256 digest of a token, which may be written down itself. The words never show the token."""
    if token.startswith("sha256:"):
        written = DIGEST.fullmatch(token)
        if written is None:
            raise ArgumentError(place, "what follows sha256: is no digest", "give 64 hexadecimal digits")
        return bytes.fromhex(written.group(1))
    if len(token) < SHORTEST:
        raise ArgumentError(place, f"a token of {len(token)} characters", f"give {SHORTEST} or more, made by chance")
    return hashlib.sha256(token.encode()).digest()
