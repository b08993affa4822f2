"""What the README and the quickstart tell a newcomer to type is typed here, in order, and works.

A document is turned into one shell script: bash blocks as they stand, Python and Octave blocks handed to their
interpreters. Blocks without a language (what a person does once: install, `make`) are left out. The script runs in a
copy of what a checkout offers, with scikit-learn's digits in MNIST's file format for MNIST, and 20 training steps for
10,000.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tests.habits.sources import ROOT

ITERATIONS = 20
RUNNERS = {
    "bash": "{code}",
    "python": "python - <<'END'\n{code}END",
    "octave": "octave-cli --quiet --eval \"$(cat <<'END'\n{code}END\n)\"",
}

PORT = "50051"

PRELUDE = f"""
set -euo pipefail
caffe() {{
    sed -i -e 's/^max_iter: .*/max_iter: {ITERATIONS}/' -e 's/^test_iter: .*/test_iter: 1/' lenet_solver.prototxt
    command caffe "$@"
}}
"""


def blocks(document: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a document that name a language which can be run: (language, code)."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [(language, code) for language, code in found if language in RUNNERS]


def script(document: Path, port: str) -> str:
    """The document as a shell script that says which block it is at, with a port that is free here."""
    parts = [PRELUDE]
    for number, (language, code) in enumerate(blocks(document), 1):
        code = code.replace("iter_10000", f"iter_{ITERATIONS}").replace(PORT, port)
        parts += [f"echo '=== block {number} ({language})'", RUNNERS[language].format(code=code)]
    return "\n".join([*parts, "echo '=== done'"])


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write an array of uint8 in the format of MNIST's files: magic number, dimensions, bytes."""
    header = np.array([0x800 + array.ndim, *array.shape], ">i4")
    path.write_bytes(header.tobytes() + array.astype(np.uint8).tobytes())


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the parts of a checkout that the documents name, and MNIST's four files in ~/mnist."""
    for name in ("caffe_sdk", "bindings"):
        (tmp_path / name).symlink_to(ROOT / name)
    mnist = tmp_path / "home" / "mnist"
    mnist.mkdir(parents=True)
    scans = load_digits()
    images = np.kron(scans.images[:300] * (255 / 16), np.ones((3, 3)))
    images = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    for split, part in (("train", slice(0, 200)), ("t10k", slice(200, 300))):
        write_idx(mnist / f"{split}-images-idx3-ubyte", images[part])
        write_idx(mnist / f"{split}-labels-idx1-ubyte", scans.target[part])
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name", ["README.md", "docs/quickstart.md", "docs/training.md"])
def test_document_does_what_it_says(checkout: Path, name: str) -> None:
    if any(language == "octave" for language, _ in blocks(ROOT / name)) and not shutil.which("octave-cli"):
        pytest.skip("GNU Octave is not installed, and the document has a block for it")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "HOME": str(checkout / "home")}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    with (checkout / "log").open("w+") as log:
        # A session of its own, so that what a block left running in the background ends with it.
        process = subprocess.Popen(
            ["bash", "-c", script(ROOT / name, port)],
            cwd=checkout,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(timeout=240)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.seek(0)
        text = log.read()
    assert status == 0, text
    assert "=== done" in text


def test_documents_have_blocks_in_every_language() -> None:
    languages = {language for name in ("README.md", "docs/quickstart.md") for language, _ in blocks(ROOT / name)}
    assert languages == set(RUNNERS)
