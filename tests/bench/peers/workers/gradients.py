"""The gradients of a described net by PyTorch in float32. Arguments: the net's folder, the file they are put into."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from eager import Eager


def main() -> None:
    """Run forwards and backwards once, and save each parameter's gradient under its weight's name."""
    folder, result = Path(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    net = Eager(folder, channels_last=False)
    net.train()
    data, label = (torch.from_numpy(np.load(folder / f"{name}.npy")) for name in ("data", "label"))
    net(data, label).backward()
    modules = dict(net.named_children())
    gradients = {}
    for op in json.loads((folder / "net.json").read_text())["operations"]:
        module = modules.get(op["output"].replace(".", "_"))
        parameters = module.parameters() if module is not None else ()
        gradients |= {name: each.grad.numpy() for name, each in zip(op["weights"], parameters, strict=False)}
    np.savez(result, **gradients)


main()
