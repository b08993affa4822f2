"""``train.py``, Caffe's Python tool with its flags: several processes train one net."""

from __future__ import annotations

import argparse
import functools
import logging

from caffe_sdk import engine, mode
from caffe_sdk.cli import train as one
from caffe_sdk.cli.flags import make_parser
from caffe_sdk.cli.main import guarded
from caffe_sdk.solver import processes, read_solver
from caffe_sdk.solver.peers import Alone

log = logging.getLogger(__name__)


def train() -> int:
    """``train.py --solver SOLVER``: train or go on training, a process for each of ``--gpus``."""
    parser = argparse.ArgumentParser("train.py", description="Train a net, with a process for each device.")
    parser.add_argument("--solver", required=True, help="solver proto definition")
    parser.add_argument("--snapshot", default="", help="solver snapshot to restore")
    gpus = "list of device ids (default: 0); as many processes train, on the CPU where there is no GPU"
    parser.add_argument("--gpus", type=int, nargs="+", default=[0], help=gpus)
    parser.add_argument("--timing", action="store_true", help="show timing info for compute and communications")
    options = parser.parse_args()
    return guarded("train.py", lambda: _train(options))


def _train(options: argparse.Namespace) -> int:
    read_solver(options.solver)  # what is wrong with it is said once
    count = len(options.gpus)
    log.info("Using devices %s", options.gpus)
    gpus: list[int] = []
    if engine.gpus():
        gpus = mode.gpu_numbers(",".join(map(str, options.gpus)))
    else:
        log.warning("There is no GPU here: %d process%s on the CPU.", count, "" if count == 1 else "es")
    arguments = ["train", "-solver", options.solver, "-snapshot", options.snapshot]
    if options.timing:
        arguments.append("-timing")
    flags = make_parser().parse_args(arguments)
    if count > 1:
        return processes.together(functools.partial(one.rank_on, flags, gpus), count)
    one.use(gpus)
    return one.train(options.solver, flags, Alone())
