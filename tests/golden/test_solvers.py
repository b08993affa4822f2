"""Real solvers of every age whose nets are here too: each is constructed, its data replaced by inputs of its shapes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from caffe_sdk.app.stand_ins import PARAMETERS, with_stand_ins
from caffe_sdk.errors import CaffeError
from caffe_sdk.schema import upgrade
from caffe_sdk.schema.messages import LayerParameter, NetParameter, SolverParameter
from caffe_sdk.solver import get_solver
from tests.golden import real

RECORDS = {"siamese": (2, 28, 28), "mnist": (1, 28, 28), "cifar": (3, 32, 32), "hdf5_classification": (4,)}
"""Shapes of records whose layers do not tell them, by a part of their source."""
WITHOUT = {
    "BVLC+caffe@intel/models/intel_optimized_models/alexnet/solver_gabor_init.prototxt": "Unknown filler name: gabor",
    "muupan+dqn-in-the-caffe/dqn_solver.prototxt": "bottom 1 has shape (32, 18, 1, 1), bottom 0 (32, 18)",
}
"""Solvers of forks, and why they are not constructed: a filler of Intel's, and blobs that always had four axes. BVLC
Caffe 1.0 refuses both."""


def solvers(shared: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Solver files all of whose nets are there, and these: train net first."""
    for path in real.files(shared):
        message = real.read(path)
        if not isinstance(message, SolverParameter):
            continue
        named = [getattr(message, field) for field in ("net", "train_net") if message.HasField(field)]
        nets = [found(path, name, shared / "prototxt") for name in [*named, *message.test_net]]
        if nets and all(nets):
            yield path, [net for net in nets if net]


def found(solver: Path, net: str, top: Path) -> Path | None:
    """A net seen from the folder that Caffe would be started in: the solver's, or one above it."""
    folders = [folder for folder in solver.parents if top in folder.parents]
    return next((folder / net for folder in folders if (folder / net).exists()), None)


def without_data(path: Path) -> Any:
    """A net whose layers that read are Input layers."""
    net, _ = with_stand_ins(upgrade.upgrade_net(real.read(path), str(path)))
    assert isinstance(net, NetParameter)
    for layer in net.layer:
        if layer.type in PARAMETERS:
            param = getattr(layer, PARAMETERS[layer.type])
            record = next(shape for part, shape in RECORDS.items() if part in param.source)
            new = LayerParameter(
                name=layer.name, type="Input", top=layer.top, include=layer.include, exclude=layer.exclude
            )
            for shape in ((param.batch_size, *record), (param.batch_size,))[: len(layer.top)]:
                new.input_param.shape.add(dim=shape)
            layer.CopyFrom(new)
    return net


def with_nets(path: Path, nets: list[Path]) -> Any:
    """A solver's description with its nets in it."""
    param = SolverParameter()
    param.CopyFrom(upgrade.upgrade_solver(real.read(path)))
    kind = "net_param" if param.HasField("net") else "train_net_param"
    getattr(param, kind).CopyFrom(without_data(nets[0]))
    for field in ("net", "train_net", "test_net", "weights"):
        param.ClearField(field)
    for net in nets[1:]:
        param.test_net_param.add().CopyFrom(without_data(net))
    return param


def test_every_solver_is_constructed(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    constructed, failed = 0, {}
    for path, nets in solvers(shared):
        param = with_nets(path, nets)
        param.snapshot_prefix = "s"
        try:
            with get_solver(param) as solver:
                assert solver.net.learnable, path
                assert len(solver.test_nets) == len(param.test_iter), path
                assert solver.lr > 0, path
            constructed += 1
        except CaffeError as error:
            failed[str(path.relative_to(shared / "prototxt"))] = str(error)
    assert failed.keys() == WITHOUT.keys(), failed
    for name, words in WITHOUT.items():
        assert words in failed[name]
    assert constructed == 84
