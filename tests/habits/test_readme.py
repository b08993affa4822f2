"""What the README and the quickstart tell a newcomer to type is typed here, in order, and works.

It runs in a copy of what a checkout offers, with scikit-learn's digits in MNIST's file format for MNIST, and 20
training steps for 10,000.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tests.habits.pages import RUNNERS, blocks, free_port, printed_by
from tests.habits.sources import ROOT

ITERATIONS = 20
PORT = "50051"
PRELUDE = f"""
caffe() {{
    sed -i -e 's/^max_iter: .*/max_iter: {ITERATIONS}/' -e 's/^test_iter: .*/test_iter: 1/' lenet_solver.prototxt
    command caffe "$@"
}}
"""


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
    changes = {"iter_10000": f"iter_{ITERATIONS}", PORT: free_port()}
    printed = printed_by(ROOT / name, checkout, changes, prelude=PRELUDE, seconds=240, HOME=str(checkout / "home"))
    assert len(printed) == len(blocks(ROOT / name))


def test_documents_have_blocks_in_every_language() -> None:
    languages = {language for name in ("README.md", "docs/quickstart.md") for language, _ in blocks(ROOT / name)}
    assert languages == set(RUNNERS)
