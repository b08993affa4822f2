"""Programs of the clients in other languages, built where anything changed since."""

from __future__ import annotations

import fcntl
import functools
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from caffe_sdk.server import RunningServer

ROOT = Path(__file__).resolve().parents[2]
BINDINGS = ROOT / "bindings" / "grpc"
ENVIRONMENT = ROOT / ".venv"
LANGUAGES = {
    "cpp": "grpc_cpp_plugin",
    "csharp": "protoc",
    "go": "protoc-gen-go-grpc",
    "java": "grpc_java_plugin",
    "node": "npm",
    "rust": "cargo",
}
"""What each is built with: where that is missing, its tests are skipped."""
RUST = Path(__file__).parent / "rust"
"""The Rust client as a package of Debian's crates."""
DOTNET = Path(__file__).parent / "csharp" / "dotnet.py"
"""Compiles and runs the C# client, with stand-ins for Grpc.Core.Api and Grpc.Net.Client."""


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
    if language == "rust":
        return _built_by_cargo()
    if language == "csharp":
        return _built_by_dotnet()
    with (folder / "Makefile").open() as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        made = subprocess.run(["make", "--silent", "-C", str(folder)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


def _built_by_cargo() -> Path:
    if not (ENVIRONMENT / "crates" / "ready").exists():
        pytest.skip("tonic's crates are not here; `make clients` gets them, on Debian with a cargo")
    made = subprocess.run(
        ["cargo", "build", "--quiet", "--offline", "--examples"], cwd=RUST, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    return RUST / "target" / "debug" / "examples"


def _built_by_dotnet() -> Path:
    ready = ENVIRONMENT / "csharp" / "ready"
    if not ready.exists():
        pytest.skip(".NET is not here; `make clients` gets it, on Debian on x86-64")
    with ready.open() as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        made = subprocess.run([sys.executable, str(DOTNET)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return DOTNET.parent


def command(language: str, program: str) -> list[str]:
    """What runs a client's "example" or "conformance"."""
    folder = client_folder(language)
    if language == "node":
        return ["node", str(folder / f"{program}.js")]
    if language == "rust":
        return [str(folder / program)]
    if language == "csharp":
        return [sys.executable, str(DOTNET), program.capitalize()]
    if language == "java":
        told = subprocess.run(["make", "--silent", "-C", str(folder), "classpath"], capture_output=True, text=True)
        classpath = f"{folder}/{told.stdout.strip()}"
        return ["java", "-XX:TieredStopAtLevel=1", "-cp", classpath, program.capitalize()]
    return [str(folder / "build" / program)]


def address(language: str, server: RunningServer) -> str:
    """A server's address as the programs of a language want it."""
    return f"http://{server.address}" if language in ("csharp", "rust") else server.address
