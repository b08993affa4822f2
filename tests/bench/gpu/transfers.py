"""How often numbers move between host and GPU in an iteration of training: a line of JSON.

``python -m tests.bench.gpu.transfers NET BATCH``. Data and label go there, the loss comes back, and that should be all.
"""

from __future__ import annotations

import json
import sys

import numpy as np

import caffe_sdk
from caffe_sdk.memory import HOST, transfers
from caffe_sdk.schema.messages import SolverParameter
from tests.bench.models import NETS

WARM, COUNTED = 3, 4


def counted(net: str, batch: int) -> dict[str, float]:
    """Moves in an iteration, by where from and to."""
    param = SolverParameter(base_lr=1e-3, lr_policy="fixed", momentum=0.9, random_seed=1)
    param.net_param.CopyFrom(NETS[net](batch, True))
    with caffe_sdk.get_solver(param) as solver:
        rng = np.random.default_rng(1)
        for iteration in range(WARM + COUNTED):
            if iteration == WARM:
                transfers.clear()
            for name, blob in ((name, solver.net.blobs[name]) for name in ("data", "label")):
                values = rng.integers(0, 10, batch) if name == "label" else rng.standard_normal(blob.count)
                blob.data_memory.write(HOST)[: blob.count] = values
            solver.step(1)
        return {f"{source} to {target}": count / COUNTED for (source, target), count in sorted(transfers.items())}


if __name__ == "__main__":
    print(json.dumps(counted(sys.argv[1], int(sys.argv[2]))))
