"""``caffe data``: databases of the classic data sets."""

from __future__ import annotations

import argparse
import os
import sys

from caffe_sdk.data.mnist import convert_mnist, download_mnist


def run(options: argparse.Namespace) -> int:
    """Make MNIST's two databases and say where they are. What is downloaded stays beside them."""
    progress = Bar() if sys.stderr.isatty() else None
    folder = options.folder
    if options.download:
        folder = os.path.join(options.to, "mnist_idx")
        download_mnist(folder, progress)
    for path in convert_mnist(folder, options.to, options.backend, overwrite=options.overwrite, progress=progress):
        print(path)
    return 0


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
