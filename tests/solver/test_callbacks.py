"""Functions of the user's are called in the order they were added, at their moments."""

from __future__ import annotations

import caffe_sdk as caffe
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import SolverParameter
from caffe_sdk.solver.callbacks import Callbacks
from tests.net.models import CLASSIFIER

SOLVER = f'base_lr: 0.01 lr_policy: "fixed" max_iter: 2 train_net_param {{ {CLASSIFIER} }}'


def test_each_has_lists_of_its_own() -> None:
    first, second = Callbacks(), Callbacks()
    first.on_start.append(list)
    assert second == Callbacks()
    assert first != second


def test_two_functions_an_iteration() -> None:
    solver = caffe.SGDSolver(prototxt.parse(SOLVER, SolverParameter))
    seen: list[str] = []
    solver.add_callback(lambda: seen.append("start"), lambda: seen.append("gradients"))
    solver.add_callback(lambda: seen.append("second start"), lambda: seen.append("second gradients"))
    solver.step(2)
    assert seen == ["start", "second start", "gradients", "second gradients"] * 2
