"""What comes before speed: the import, the first forward pass of CaffeNet, and Python's share of the later ones.

::

    python tests/bench/startup.py --rounds 5

Each round is a process of its own with one thread, and seconds are the processor's, so that others on the machine do
not count. Caches are warm: what Numba compiles is on disk from an earlier round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

IMPORT = """
import sys, time
began = time.process_time()
import caffe_sdk
import json
took = time.process_time() - began
heavy = sorted({"numba", "scipy", "grpc", "h5py", "matplotlib", "PIL"} & sys.modules.keys())
print(json.dumps({"import": took, "heavy": heavy}))
"""
FORWARD = """
import sys, time
began = time.process_time()
import json
import numpy as np
import caffe_sdk as caffe
imported = time.process_time()
net = caffe.Net(sys.argv[1], sys.argv[2], caffe.TEST)
made = time.process_time()
net.forward(data=np.ones(net.blobs["data"].shape, np.float32))
first = time.process_time()
last, rounds = len(net.layers) - 1, int(sys.argv[3])
whole, steps = [], []
for _ in range(rounds):
    start = time.thread_time()
    net._forward(0, last)
    whole.append(time.thread_time() - start)
    steps.append(sum(seconds for _, seconds in net._timed(False, time.thread_time)))
share = 1 - min(steps) / min(whole)
print(json.dumps({"make": made - imported, "run": first - made, "first": first - imported, "share": share}))
"""


def measured(program: str, *arguments: object) -> dict[str, float]:
    """What a program prints that runs in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CAFFE_NUM_THREADS": "1"}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def files(folder: Path, name: str, batch: int) -> tuple[Path, Path]:
    """The description and the weights of one of the nets of `models`."""
    from google.protobuf import text_format

    from caffe_sdk.net import Net
    from tests.bench.models import NETS

    param = NETS[name](batch)
    description, weights = folder / "net.prototxt", folder / "net.caffemodel"
    description.write_text(text_format.MessageToString(param))
    with Net(param, "test") as net:
        net.save(weights)
    return description, weights


def main() -> None:
    """Read the command line, measure, and print medians and minima."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--net", default="caffenet", help="a net of tests/bench/models.py (default caffenet)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = files(Path(folder), arguments.net, 1)
        measured(FORWARD, *made, 1)  # warms the caches
        imports = [measured(IMPORT) for _ in range(arguments.rounds)]
        forwards = [measured(FORWARD, *made, 100) for _ in range(arguments.rounds)]
    print(f"import caffe_sdk            {_words([each['import'] for each in imports])}, loading {imports[0]['heavy']}")
    print(f"make the net, load weights  {_words([each['make'] for each in forwards])}")
    print(f"first forward pass          {_words([each['run'] for each in forwards])}")
    print(f"both                        {_words([each['first'] for each in forwards])}")
    shares = [each["share"] for each in forwards]
    print(f"later, outside of the steps {statistics.median(shares):.1%} (least {min(shares):.1%})")


def _words(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1e3:8.1f} ms (least {min(seconds) * 1e3:.1f})"


if __name__ == "__main__":
    main()
