"""How exact gradients are: those of float32 nets against the same net in float64, by the reference operations.

::

    python tests/bench/gradients.py caffenet googlenet resnet50 --batch 2 --pytorch

For every parameter the error is the norm of the difference over the norm of the gradient. Compared are the ways to
convolve: what the rule chooses, oneDNN's direct convolutions everywhere (which PyTorch computes with too), Winograd's
filtering wherever it can be, the portable engine, the reference operations in float32, and with ``--pytorch`` PyTorch
itself, from the environment of `peers`. Further columns are the errors by the rule over those by direct convolution,
and those by the rule and by the portable engine over PyTorch's.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from caffe_sdk import engine
from caffe_sdk.engine.cpu import choice
from caffe_sdk.memory import Array
from caffe_sdk.net import Net
from tests.bench.models import NETS
from tests.bench.peers.description import Description
from tests.bench.peers.environment import ready

WAYS = ("rule", "direct", "winograd", "portable", "reference")
PYTORCH = "pytorch"
WORKER = Path(__file__).resolve().parent / "peers" / "workers" / "gradients.py"
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
        if way == PYTORCH:
            gradients = _by_pytorch(net, config, image, label)
        else:
            with _computing(way):
                gradients = _gradients(net, image, label)
        pairs = zip(gradients, expected, strict=True)
        found[way] = np.array([np.linalg.norm(g - e) / np.linalg.norm(e) for g, e in pairs if e.any()])
    return found


def _by_pytorch(net: Net, config: Any, image: Array, label: Array) -> list[Array]:
    """What PyTorch finds, in the order of the net's parameters; zeros for statistics, which have no gradients."""
    description = Description(net, config)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        operations = [vars(operation) for operation in description.operations]
        (folder / "net.json").write_text(json.dumps({"operations": operations}))
        np.savez(folder / "weights.npz", **description.weights)
        np.save(folder / "data.npy", image.astype(np.float32))
        np.save(folder / "label.npy", label)
        subprocess.run([ready(), WORKER, folder, folder / "gradients.npz"], check=True)
        with np.load(folder / "gradients.npz") as found:
            by_name = {_ours(name): found[name] for name in found.files}
    parameters = ((f"{layer}/{i}", blob) for layer, blobs in net.params.items() for i, blob in enumerate(blobs))
    return [by_name.get(name, 0 * blob.data).astype(np.float64).ravel() for name, blob in parameters]


def _ours(name: str) -> str:
    """The parameter that a weight of a described net is: scale and shift are those of the Scale after a BatchNorm."""
    layer, what = name.rsplit("/", 1)
    return f"{layer.replace('bn', 'scale', 1)}/{('scale', 'shift').index(what)}" if what in ("scale", "shift") else name


@contextmanager
def _computing(way: str) -> Iterator[None]:
    with engine.selection.use(way if way in ("portable", "reference") else "cpu"), choice.forced(way):
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
    parser.add_argument("--pytorch", action="store_true", help="compare with PyTorch as well")
    given = parser.parse_args()
    ways = (*WAYS, PYTORCH) if given.pytorch else WAYS
    ratios = [("rule", "direct")] + [(way, PYTORCH) for way in ("rule", "portable") if given.pytorch]
    titles = (f"{way:>12s}" for way in ways), (f"{f'{way}/{other}':>18s}" for way, other in ratios)
    print(f"{'net':12s}{'':8s}" + "".join(itertools.chain(*titles)))
    for name in given.nets:
        errors = errors_of(name, given.batch, ways)
        for what, of in (("median", np.median), ("worst", np.max)):
            figures = [f"{of(errors[way]):12.2e}" for way in ways]
            figures += [f"{of(errors[way]) / of(errors[other]):18.2f}" for way, other in ratios]
            print(f"{name:12s}{what:8s}" + "".join(figures), flush=True)


if __name__ == "__main__":
    main()
