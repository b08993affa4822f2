"""How exact gradients are: those of float32 nets against the same net in float64, by the reference operations.

::

    python tests/bench/gradients.py caffenet googlenet resnet50 --batch 2

For every parameter the error is the norm of the difference over the norm of the gradient. Compared are the ways to
convolve: what the rule chooses, oneDNN's direct convolutions everywhere (which PyTorch computes with too), Winograd's
filtering wherever it can be, and the reference operations in float32. The last column is the worst parameter's error
by the rule over its error by direct convolution.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from caffe_sdk import engine
from caffe_sdk.engine.cpu import choice
from caffe_sdk.memory import Array
from caffe_sdk.net import Net
from tests.bench.models import NETS

WAYS = ("rule", "direct", "winograd", "reference")
Errors = dict[str, Array]
"""The error of each parameter's gradient, by the way it was computed."""


def errors_of(name: str, batch: int, ways: tuple[str, ...] = WAYS) -> Errors:
    """The errors of all gradients of a net, in the order of its parameters."""
    config = NETS[name](batch, True)
    for layer in config.layer:
        if layer.type == "Dropout":
            layer.dropout_param.dropout_ratio = 0  # masks are drawn differently in float64
    exact = Net(config, "train", dtype=np.float64)
    rng = np.random.default_rng(1)
    image, label = rng.standard_normal(exact.blobs["data"].shape), rng.integers(0, 10, batch)
    for blob in (blob for blobs in exact.params.values() for blob in blobs):
        blob.data[...] = blob.data.astype(np.float32)  # weights that nets of both kinds can have
    expected = _gradients(exact, image, label)
    found: Errors = {}
    for way in ways:
        net = Net(config, "train")
        for blobs, others in zip(net.params.values(), exact.params.values(), strict=True):
            for blob, other in zip(blobs, others, strict=True):
                blob.data[...] = other.data
        with _computing(way):
            gradients = _gradients(net, image, label)
        pairs = zip(gradients, expected, strict=True)
        found[way] = np.array([np.linalg.norm(g - e) / np.linalg.norm(e) for g, e in pairs if e.any()])
    return found


@contextmanager
def _computing(way: str) -> Iterator[None]:
    with engine.selection.use("reference" if way == "reference" else "cpu"), choice.forced(way):
        yield


def _gradients(net: Net, image: Array, label: Array) -> list[Array]:
    net.blobs["data"].data[...] = image
    net.blobs["label"].data[...] = label
    net.clear_param_diffs()
    net.forward_backward()
    return [blob.diff.astype(np.float64).ravel() for blobs in net.params.values() for blob in blobs]


def main() -> None:
    """Read the command line, compute and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="+", choices=NETS, metavar="net")
    parser.add_argument("--batch", type=int, default=2)
    given = parser.parse_args()
    print(f"{'net':12s}{'':8s}" + "".join(f"{way:>12s}" for way in WAYS) + "   rule/direct")
    for name in given.nets:
        errors = errors_of(name, given.batch)
        for what, of in (("median", np.median), ("worst", np.max)):
            print(f"{name:12s}{what:8s}" + "".join(f"{of(errors[way]):12.2e}" for way in WAYS), end="")
            print(f"{of(errors['rule']) / of(errors['direct']):14.2f}", flush=True)


if __name__ == "__main__":
    main()
