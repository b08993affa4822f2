"""How much memory inference takes at most, over what the weights are and what the process had before.

::

    python tests/bench/memory.py resnet50 googlenet --batch 1

Each net runs in a process of its own, with one thread, which has run a small net before: libraries and compiled loops
are there. From then on counts what the system says was resident at most while the net is made, its weights are read
from a caffemodel, and it runs three times. ``planned`` is what `net.memory` says of it.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

if __package__:
    from tests.bench.startup import files, measured
else:
    from startup import files, measured

PROGRAM = """
import json, os, sys
import caffe_sdk as caffe

def resident(what):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(what)) * 1024

small = caffe.Net(sys.argv[3], caffe.TEST)
small.forward()
before = resident("VmRSS")
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # forget what was resident at most
net = caffe.Net(sys.argv[1], sys.argv[2], caffe.TEST)
for _ in range(3):
    net.forward()
weights = sum(4 * blob.count for blobs in net.params.values() for blob in blobs)
print(json.dumps({"most": resident("VmHWM") - before, "planned": net.memory.total, "weights": weights}))
"""
SMALL = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 16 dim: 16 dim: 16 } } }
layer { name: "a" type: "Convolution" bottom: "data" top: "a" convolution_param {
  num_output: 64 kernel_size: 3 pad: 1 bias_term: false weight_filler { type: "xavier" } } }
layer { name: "b" type: "BatchNorm" bottom: "a" top: "a" }
layer { name: "c" type: "Scale" bottom: "a" top: "a" scale_param { bias_term: true } }
layer { name: "d" type: "ReLU" bottom: "a" top: "a" }
layer { name: "e" type: "Convolution" bottom: "a" top: "e" convolution_param { num_output: 64 kernel_size: 3 pad: 1 } }
layer { name: "f" type: "Eltwise" bottom: "a" bottom: "e" top: "f" }
layer { name: "g" type: "Pooling" bottom: "f" top: "g" pooling_param { pool: AVE global_pooling: true } }
layer { name: "h" type: "InnerProduct" bottom: "g" top: "h" inner_product_param { num_output: 10 } }
layer { name: "i" type: "Softmax" bottom: "h" top: "i" }
"""


def taken(name: str, batch: int, small: str = SMALL) -> dict[str, float]:
    """The bytes of a net's weights, those planned for all of it, and those resident at most."""
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder) / "small.prototxt"
        before.write_text(small)
        made = files(Path(folder), name, batch)
        measured(PROGRAM, *made, before)  # warms the caches
        return measured(PROGRAM, *made, before)


def main() -> None:
    """Read the command line, measure, and print megabytes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="+", help="nets of tests/bench/models.py")
    parser.add_argument("--batch", type=int, default=1)
    given = parser.parse_args()
    for name in given.nets:
        found = {what: nbytes / 1e6 for what, nbytes in taken(name, given.batch).items()}
        weights = found["weights"]
        print(f"{name} b{given.batch}: weights {weights:.1f} MB", end="")
        for what in ("planned", "most"):
            print(f", {what} {found[what]:.1f} (weights + {found[what] - weights:.1f})", end="")
        print(flush=True)


if __name__ == "__main__":
    main()
