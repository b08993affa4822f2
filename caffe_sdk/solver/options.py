"""What one may want of a training that SolverParameter has no field for."""

from __future__ import annotations

from dataclasses import dataclass

from caffe_sdk.errors import ArgumentError


@dataclass(frozen=True)
class Options:
    """Wishes beyond a solver's description. None of them changes what an iteration computes.

    ArgumentError for numbers below 0.
    """

    watch: str = ""
    """Which output of a test net says how good the weights are, for the options below: its name, and ``:max`` or
    ``:min`` behind it for what is better. By default ``accuracy`` where a test net puts that out, else the loss."""
    patience: int = 0
    """Stop early, after so many tests in a row without a better value; 0 never."""
    keep_last: int = 0
    """Keep the last so many snapshots of this training and delete older ones; 0 keeps all."""
    keep_best: bool = False
    """Save a snapshot after each test with a better value than before, and keep the best one."""
    skip_mismatch: bool = False
    """Begin with what fits of the description's ``weights``: a layer whose shapes differ learns from scratch."""

    def __post_init__(self) -> None:
        for name in ("patience", "keep_last"):
            value = getattr(self, name)
            if value < 0:
                raise ArgumentError(name, f"is {value}", "give 0 or more")

    @property
    def watches(self) -> bool:
        """Whether anything depends on how good the weights are."""
        return bool(self.watch or self.patience or self.keep_best)
