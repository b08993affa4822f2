"""Programs of the clients in other languages, built where anything changed since."""

from __future__ import annotations

import fcntl
import functools
import shutil
import subprocess
from pathlib import Path

import pytest

BINDINGS = Path(__file__).resolve().parents[2] / "bindings" / "grpc"
LANGUAGES = {"cpp": "grpc_cpp_plugin", "go": "protoc-gen-go-grpc", "java": "grpc_java_plugin", "node": "npm"}
"""What each is built with: where that is missing, its tests are skipped."""


@functools.cache
def client_folder(language: str) -> Path:
    """The folder of a language's client, which is built."""
    if shutil.which(LANGUAGES[language]) is None:
        pytest.skip(f"{LANGUAGES[language]} is not installed; `make clients` installs what the clients are built with")
    folder = BINDINGS / language
    if language == "node":
        if not (folder / "node_modules" / "typescript").is_dir():
            pytest.skip("the client's libraries are not installed; `make clients` installs them")
        return folder
    with (folder / "Makefile").open() as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        made = subprocess.run(["make", "--silent", "-C", str(folder)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


def command(language: str, program: str) -> list[str]:
    """What runs a client's "example" or "conformance"."""
    folder = client_folder(language)
    if language == "node":
        return ["node", str(folder / f"{program}.js")]
    if language == "java":
        told = subprocess.run(["make", "--silent", "-C", str(folder), "classpath"], capture_output=True, text=True)
        classpath = f"{folder}/{told.stdout.strip()}"
        return ["java", "-XX:TieredStopAtLevel=1", "-cp", classpath, program.capitalize()]
    return [str(folder / "build" / program)]
