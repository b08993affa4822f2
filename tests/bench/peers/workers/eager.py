"""A described net in PyTorch: a module for each operation, called in order, values let go of after their last use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class Eager(nn.Module):
    """The net that a folder describes; with ``channels_last`` in the memory format that PyTorch advises."""

    def __init__(self, folder: Path, channels_last: bool) -> None:
        super().__init__()
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        operations = json.loads((folder / "net.json").read_text())["operations"]
        last = {value: i for i, op in enumerate(operations) for value in op["inputs"]}
        self.steps = []
        with np.load(folder / "weights.npz") as weights:
            for i, op in enumerate(operations):
                tensors = [self.tensor(weights[name]) for name in op["weights"]]
                run = MAKERS[op["kind"]](tensors, op["how"])
                if isinstance(run, nn.Module):
                    self.add_module(op["output"].replace(".", "_"), run)
                done = [value for value in set(op["inputs"]) if last[value] == i]
                self.steps.append((run, op["inputs"], op["output"], done))

    def tensor(self, array: Any) -> torch.Tensor:
        """An array as a tensor in the memory format of the net."""
        tensor = torch.from_numpy(array)
        return tensor.contiguous(memory_format=self.format) if tensor.dim() == 4 else tensor

    def forward(self, data: torch.Tensor, label: torch.Tensor | None = None) -> Any:
        """The net's result."""
        values = {"data": data, "label": label}
        for run, inputs, output, done in self.steps:
            values[output] = run(*[values[name] for name in inputs])
            for name in done:
                del values[name]
        return values[output]


def _with(module: nn.Module, tensors: list[torch.Tensor]) -> nn.Module:
    """A module with these values for its parameters and buffers, in order."""
    for name, tensor in zip(("weight", "bias", "running_mean", "running_var"), tensors, strict=False):
        if isinstance(getattr(module, name), nn.Parameter):
            setattr(module, name, nn.Parameter(tensor))
        else:
            getattr(module, name).copy_(tensor)
    return module


def _convolution(tensors: list[torch.Tensor], how: dict[str, Any]) -> nn.Module:
    outputs, inputs = tensors[0].shape[:2]
    sizes = (inputs * how["group"], outputs, how["kernel"], how["stride"], how["pad"])
    return _with(nn.Conv2d(*sizes, groups=how["group"], bias=len(tensors) > 1), tensors)


def _dense(tensors: list[torch.Tensor], how: dict[str, Any]) -> nn.Module:
    outputs, inputs = tensors[0].shape
    return nn.Sequential(nn.Flatten(), _with(nn.Linear(inputs, outputs, bias=len(tensors) > 1), tensors))


def _batch_norm(tensors: list[torch.Tensor], how: dict[str, Any]) -> nn.Module:
    return _with(nn.BatchNorm2d(len(tensors[0]), how["epsilon"]), tensors)


def _concat(tensors: list[torch.Tensor], how: dict[str, Any]) -> Callable[..., Any]:
    return lambda *values: torch.cat(values, 1)


MAKERS: dict[str, Callable[[list[torch.Tensor], dict[str, Any]], Callable[..., Any]]] = {
    "convolution": _convolution,
    "dense": _dense,
    "batch_norm": _batch_norm,
    "max_pool": lambda _, how: nn.MaxPool2d(how["kernel"], how["stride"], how["pad"], ceil_mode=True),
    "average_pool": lambda _, how: nn.AvgPool2d(how["kernel"], how["stride"], how["pad"], ceil_mode=True),
    "lrn": lambda _, how: nn.LocalResponseNorm(how["size"], how["alpha"], how["beta"], how["k"]),
    "relu": lambda _, how: nn.ReLU(inplace=True),
    "dropout": lambda _, how: nn.Dropout(how["ratio"]),
    "add": lambda _, how: torch.add,
    "concat": _concat,
    "softmax": lambda _, how: nn.Softmax(1),
    "loss": lambda _, how: functional.cross_entropy,
}
"""What makes each kind of operation from its weights and numbers."""
