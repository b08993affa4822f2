"""Random numbers: one root seed, and a generator of its own for every net.

Every net draws from its own generator, so nets in several threads do not disturb each other, and a snapshot can store
exactly where a net's generator stands.
"""

from __future__ import annotations

import secrets
import threading
from typing import Any

import numpy as np

Generator = np.random.Generator

_lock = threading.Lock()
_root = np.random.SeedSequence(secrets.randbits(64))


def set_random_seed(seed: int) -> None:
    """Start all randomness anew from ``seed``: nets built afterwards in the same order are the same."""
    global _root
    with _lock:
        _root = np.random.SeedSequence(seed & (2**64 - 1))


def spawn() -> Generator:
    """A new generator, independent of all others."""
    with _lock:
        (child,) = _root.spawn(1)
    return np.random.Generator(np.random.PCG64(child))


def get_state(generator: Generator) -> dict[str, Any]:
    """Where a generator stands, as plain numbers and strings that JSON can hold."""
    state = generator.bit_generator.state
    return {**state, "state": dict(state["state"])}


def set_state(generator: Generator, state: dict[str, Any]) -> None:
    """Put a generator where `get_state` found it."""
    generator.bit_generator.state = state
