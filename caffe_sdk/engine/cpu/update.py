"""Stochastic gradient descent in one pass, on weights that stay in oneDNN's layouts."""

from __future__ import annotations

import importlib.util

from caffe_sdk.engine.reference.update import Update
from caffe_sdk.memory import HOST, Place, Tensor

HAS_NUMBA = importlib.util.find_spec("numba") is not None


class FastUpdate(Update):
    """An update is one loop over weight, diff and history where the weight is. What a layout pads is 0 and stays 0."""

    def sgd_update(
        self,
        weight: Tensor,
        diff: Tensor,
        history: Tensor,
        rate: float,
        momentum: float,
        decay: float,
        l1: bool,
        scale: float,
    ) -> None:
        """history = momentum history + rate (scale diff + decay weight);  diff = history;  weight -= history."""
        tensors = (weight, diff, history)
        whole = all(tensor.count == tensor.memory.count for tensor in tensors)
        if not (HAS_NUMBA and whole and weight.count):
            super().sgd_update(weight, diff, history, rate, momentum, decay, l1, scale)
            return
        from caffe_sdk.engine.cpu import kernels

        place = meeting_place(weight, diff)
        arrays = [tensor.memory.update(place) for tensor in tensors]
        loop = kernels.sgd_l1 if l1 else kernels.sgd
        loop(*arrays, *map(weight.memory.dtype.type, (rate, momentum, decay, scale)))


def meeting_place(weight: Tensor, diff: Tensor) -> Place:
    """Where an update costs least: a place of the weight's, the gradient's too if it can be, rather not the host."""
    places = [place for place in weight.memory.fresh if place is not HOST and not place.derived]
    both = [place for place in places if place in diff.memory.fresh]
    return (both or places or [HOST])[0]
