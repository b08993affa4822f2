"""Who computes: so many threads, whatever models the batches are of, first come first served."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class Processors:
    """``parallel`` threads that compute, one batch each at a time.

    Every operation is divided among all threads there are (`caffe_sdk.threads`): what is computed beside it only waits
    for the same processors. So there is one line for all models. And all of a server's computing is in these threads:
    OpenMP has helpers for each thread that computes, and lets all of them sleep at once, instead of in a while, when
    there are more than processors, which makes a net of small layers take twice the time.
    """

    def __init__(self, parallel: int = 1) -> None:
        self._pool = ThreadPoolExecutor(parallel, "caffe-compute")

    def run(self, work: Callable[[], Result]) -> Result:
        """Do some work when its turn comes, and give what it gives or raises. Not to be called by work."""
        return self._pool.submit(work).result()

    def close(self) -> None:
        """End the threads, when what they were given is done."""
        self._pool.shutdown()
