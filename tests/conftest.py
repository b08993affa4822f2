"""What every test may use: the shared material, seeded random numbers, and a machine that is not oversubscribed."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

# Before NumPy is first imported: otherwise its BLAS takes every core for itself, beside the engine's own threads.
for _pool in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(_pool, "1")
# Two threads, in the processes that tests start as well: more would wait for each other where runners share the cores.
os.environ.setdefault("OMP_NUM_THREADS", str(min(2, os.cpu_count() or 1)))

import numpy as np
import pytest

from caffe_sdk import threads

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data and numbers computed by BVLC Caffe: $CAFFE_SHARED, or ../shared beside the checkout."""
    folder = Path(os.environ.get("CAFFE_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no shared material (BVLC Caffe's numbers, MNIST, real prototxts) at {folder}; set CAFFE_SHARED")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same in every run and for every test."""
    return np.random.default_rng(20140622)


@pytest.fixture(autouse=True)
def _threads_as_found() -> Iterator[None]:
    """Compute with as many threads afterwards as before: a server divides them for its whole process."""
    before = threads.num_threads()
    yield
    if threads.num_threads() != before:
        threads.set_num_threads(before)


@pytest.fixture(autouse=True)
def _log_as_found() -> Iterator[None]:
    """Leave the package's logger as it was: the command sets level, handlers and propagation for its whole process."""
    logger = logging.getLogger("caffe_sdk")
    level, handlers, propagate = logger.level, logger.handlers[:], logger.propagate
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers
    logger.propagate = propagate
