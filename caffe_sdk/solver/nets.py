"""Which nets a solver has: found among the fields of its description, each with the state it is built in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from caffe_sdk.errors import CaffeError, SolverError
from caffe_sdk.net import Net
from caffe_sdk.schema import prototxt, upgrade
from caffe_sdk.schema.messages import TEST, TRAIN, NetParameter, NetState

TRAIN_FIELDS = ("net", "net_param", "train_net", "train_net_param")


class Source(NamedTuple):
    """Where a net comes from: a path or a NetParameter, and how errors name it."""

    net: Any
    where: str


def train_source(param: Any) -> Source:
    """The net to train; SolverError unless exactly one field names it."""
    given = [field for field in TRAIN_FIELDS if param.HasField(field)]
    if len(given) > 1:
        what = f"SolverParameter must not contain more than one of the fields {', '.join(given)}"
        raise SolverError("solver", what, "each specifies a train net: keep one")
    if not given:
        what = "SolverParameter must specify a train net"
        raise SolverError("solver", what, f"use one of the fields {', '.join(TRAIN_FIELDS)}")
    return Source(getattr(param, given[0]), f"train net ({given[0]})")


def testing_sources(param: Any) -> list[Source]:
    """The nets to test with, in Caffe's order: test_net_param, test_net, then net_param or net for each test_iter left.

    SolverError when test_iter, test_state or test_interval do not fit them.
    """
    sources = [Source(net, f"test net #{i} (test_net_param)") for i, net in enumerate(param.test_net_param)]
    sources += [Source(path, f"test net #{i + len(sources)} (test_net)") for i, path in enumerate(param.test_net)]
    generic = next((field for field in ("net_param", "net") if param.HasField(field)), None)
    iterations, named = len(param.test_iter), len(sources)
    if iterations < named or (generic is None and iterations > named):
        raise SolverError(
            "solver",
            f"test_iter must be specified for each test network: given {iterations} times for {named}",
            "give one test_iter per test net",
        )
    if generic is not None:
        sources += [Source(getattr(param, generic), f"test net #{i} ({generic})") for i in range(named, iterations)]
    _check_tests(param, len(sources))
    return sources


def _check_tests(param: Any, tests: int) -> None:
    if param.test_state and len(param.test_state) != tests:
        raise SolverError(
            "solver",
            f"test_state must be unspecified or specified once per test net: given {len(param.test_state)} times "
            f"for {tests}",
            "give one per test net or none",
        )
    if tests and param.test_interval <= 0:
        raise SolverError(
            "solver",
            f"test_interval is {param.test_interval} and there is something to test with",
            "give a test_interval of 1 or more iterations, or remove test_iter",
        )
    for count in param.test_iter:
        if count < 0:
            raise SolverError("solver", f"test_iter is {count}", "give the number of batches to test with")


def build_train_net(param: Any) -> Net:
    """The net to train, in the state of Caffe's precedence: TRAIN < the net's own state < ``train_state``."""
    return _build(train_source(param), TRAIN, param.train_state)


def build_test_nets(param: Any) -> list[Net]:
    """The nets to test with, in the state TEST < the net's own state < ``test_state``."""
    states = list(param.test_state) or [NetState() for _ in param.test_iter]
    nets: list[Net] = []
    try:
        for source, state in zip(testing_sources(param), states, strict=True):
            nets.append(_build(source, TEST, state))
            nets[-1].debug_info = param.debug_info
    except CaffeError:
        for net in nets:
            net.close()
        raise
    return nets


def _build(source: Source, phase: int, extra: Any) -> Net:
    config, where = described(source, phase, extra)
    return Net(config, config.state.phase, where=where)


def described(source: Source, phase: int, extra: Any) -> tuple[Any, str]:
    """A net's upgraded description with its state, which is ``phase`` < its own < ``extra``; and how errors name it."""
    config, where = NetParameter(), source.where
    if isinstance(source.net, str):
        where = source.net
        config.CopyFrom(upgrade.upgrade_net(prototxt.read(where, NetParameter)))
    else:
        config.CopyFrom(upgrade.upgrade_net(source.net))
    state = NetState(phase=phase)
    state.MergeFrom(config.state)
    state.MergeFrom(extra)
    config.state.CopyFrom(state)
    return config, where


def find_files(param: Any, folder: Path) -> None:
    """Make the paths of nets and weights in a SolverParameter those of files that are there, as `find` does."""
    for field in ("net", "train_net"):
        if param.HasField(field):
            setattr(param, field, find(getattr(param, field), folder))
    param.test_net[:] = [find(path, folder) for path in param.test_net]
    param.weights[:] = [find(path.strip(), folder) for paths in param.weights for path in paths.split(",")]


def find(path: str, folder: Path) -> str:
    """A path that counts from the working directory as in Caffe, or else from the solver file's folder."""
    if not os.path.isabs(path) and not os.path.exists(path) and (folder / path).exists():
        return str(folder / path)
    return path
