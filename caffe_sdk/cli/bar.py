"""A progress bar for commands that read and write data."""

from __future__ import annotations

import os
import sys


class Bar:
    """A progress bar that starts anew whenever something else is made."""

    def __init__(self) -> None:
        from tqdm import tqdm

        self.bar = tqdm(file=sys.stderr, dynamic_ncols=True, unit_scale=True)
        self.what = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        """``done`` of ``total`` of ``what`` are done."""
        if what != self.what:
            self.what = what
            self.bar.reset(total)
            self.bar.set_description(os.path.basename(what))
        self.bar.update(done - self.bar.n)


def bar() -> Bar | None:
    """A bar for whoever watches a terminal; None where nobody does."""
    return Bar() if sys.stderr.isatty() else None
