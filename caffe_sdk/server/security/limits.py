"""What one client may have of a server."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

HOST_SHARE = 0.5  # of the computer's memory: what one client gets unless the operator says otherwise


def _share_of_memory() -> int:
    try:
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * HOST_SHARE)
    except (AttributeError, OSError, ValueError):  # Windows, or a system that does not tell
        return 2**33


@dataclass(frozen=True)
class Limits:
    """What one client may have; 0 is no limit.

    A client is the holder of a token, or, where the server asks for none, whoever uses one session name.
    """

    blob: int = 2**31 - 1
    """Bytes of one blob's values."""
    memory: int = field(default_factory=_share_of_memory)
    """Bytes of all its nets and solvers, values and gradients, as their shapes tell; half of the computer's."""
    nets: int = 64
    """Nets at a time, those of solvers not counted."""
    solvers: int = 16
    """Solvers at a time."""
    calls: int = 32
    """Calls at a time, streams included, that build, run and train nets of its own."""
    requests: int = 128
    """Requests to models of the repository at a time, streams included, over gRPC and HTTP."""
    call_seconds: float = 0
    """Seconds that a call may take; training ends after the iteration it is at."""
    idle_seconds: float = 3600
    """Seconds after which a client without a lease that makes no call is forgotten, and what it holds let go."""
    stall_seconds: float = 120
    """Seconds after which a call ends whose reader takes nothing of a reply."""
    receive_seconds: float = 120
    """Seconds that a message of a call may take to come, or the body of an HTTP request."""
