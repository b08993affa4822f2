"""What a run of calls does to memories: which it needs, which it makes, and whether it could be run again."""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np

from caffe_sdk.engine.operation import Call
from caffe_sdk.memory import SyncedMemory


class Flow:
    """Follows the numbers through calls, once."""

    def __init__(self, calls: Sequence[Call]) -> None:
        made: dict[SyncedMemory, None] = {}
        needed: dict[SyncedMemory, None] = {}
        for call in calls:
            whole = {t.memory for t in call.overwrites() if t.count == t.memory.count}
            for tensor in (*call.reads(), *call.writes()):
                memory = tensor.memory
                if memory not in made and (memory not in whole or any(t.memory is memory for t in call.reads())):
                    needed[memory] = None
            made.update((t.memory, None) for t in call.writes())
        self.needed = list(needed)
        """Memories whose numbers from before matter, in the order they are met."""
        self.made = list(made)
        """Memories that are written."""
        self.random = any(isinstance(value, np.random.Generator) for call in calls for value in call.arguments.values())
        """Whether numbers are drawn."""
        self.repeatable = not self.random and needed.keys().isdisjoint(made)
        """Whether running the calls again gives the same again: nothing random, nothing needed is overwritten."""

    def lost(self, keep: Set[SyncedMemory]) -> set[SyncedMemory]:
        """Memories that only what is between the calls depends on, when what is in ``keep`` is wanted afterwards."""
        return set(self.made) - set(self.needed) - keep
