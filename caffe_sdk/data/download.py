"""Fetching a file from the first mirror that gives it whole: resumed after a break, checked, put in place at once."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Sequence
from pathlib import Path

from caffe_sdk.data.databases import Progress
from caffe_sdk.errors import FileError, WriteError

TRIES = 3  # of each mirror
PAUSE = 1.0  # seconds before the second try; twice as long before each following one
TIMEOUT = 30.0  # seconds without a byte
CHUNK = 1 << 16
GZIP = b"\x1f\x8b"


def fetch(
    urls: Sequence[str], path: Path, sha256: str, progress: Progress | None = None, *, packed: bool = False
) -> None:
    """Download to ``path`` from the first of ``urls`` that gives a file of this checksum; does nothing if it is there.

    The checksum is that of the content, unpacked if it is a .gz, so it does not matter how a mirror has packed it; with
    ``packed`` that of the file as it is. What an attempt has got stays beside the path as ``.part``, and the next one,
    even in another process, goes on from there. Raises FileError with the reason of each mirror, and WriteError where
    the folder cannot be written.
    """
    if path.is_file() and checksum(path, packed) == sha256:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(str(path.parent), f"cannot be made ({error.strerror})", "choose another folder") from None
    part = path.with_name(path.name + ".part")
    reasons = []
    for url in urls:
        reason = _fetch_from(url, part, sha256, progress, packed)
        if reason is None:
            os.replace(part, path)
            return
        reasons.append(f"{url}: {reason}")
    raise FileError(str(path), "could not be downloaded (" + "; ".join(reasons) + ")", "download it by other means")


def checksum(path: Path, packed: bool = False) -> str:
    """SHA-256 of a file's content, unpacked if it is a .gz and not ``packed``; empty for one that cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as raw:
            unpack = raw.read(2) == GZIP and not packed
        with gzip.open(path) if unpack else open(path, "rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except (OSError, EOFError, zlib.error):
        return ""
    return digest.hexdigest()


def _fetch_from(url: str, part: Path, sha256: str, progress: Progress | None, packed: bool) -> str | None:
    """Fill ``part`` from one mirror; None if that went well, else the last reason why not."""
    reason = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            _receive(url, part, progress)
        except urllib.error.HTTPError as error:
            reason = f"{error.code} {error.reason}"
            if error.code == 416:  # what we have is longer than the file
                part.unlink(missing_ok=True)
            elif error.code < 500:
                return reason
            continue
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", None) or error) or type(error).__name__
            continue
        if checksum(part, packed) == sha256:
            return None
        reason = "the checksum is wrong"
        part.unlink(missing_ok=True)
    return reason


def _receive(url: str, part: Path, progress: Progress | None) -> None:
    """Append what is missing of the file to ``part``. Raises OSError if the connection ends early."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        if response.status != 206:
            have = 0  # the server sends the whole file again
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else 0
        with open(part, "ab" if have else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                if progress:
                    progress(url, have, total)
    if have < total:
        raise OSError(f"the connection ended after {have} of {total} bytes")
