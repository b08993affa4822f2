"""Real nets and solvers of every age: all parse, upgrade, survive writing; those with known shapes build with them."""

from __future__ import annotations

import json
import math
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from caffe_sdk.errors import CaffeError
from caffe_sdk.graph import build
from caffe_sdk.net import Net
from caffe_sdk.schema import prototxt, upgrade, wire
from caffe_sdk.schema.messages import TEST, NetParameter, SolverParameter
from tests.golden import real

SECONDS = 2.0


def upgraded(path: Path) -> Any:
    message = real.read(path)
    return (upgrade.upgrade_net if isinstance(message, NetParameter) else upgrade.upgrade_solver)(message, str(path))


@pytest.fixture(scope="module")
def expected(shared: Path) -> dict[Path, dict[str, list[int]]]:
    """Blob shapes as Caffe builds them, by path of the net."""
    folder = shared / "prototxt"
    return {folder / name: shapes for name, shapes in json.loads((folder / "expected_shapes.json").read_text()).items()}


def test_every_file_upgrades_and_reads_back_equal(shared: Path) -> None:
    paths = real.files(shared)
    assert len(paths) == 461
    for path in paths:
        for message in (real.read(path), upgraded(path)):
            assert prototxt.parse(prototxt.format(message), type(message)) == message, path
            assert type(message).FromString(message.SerializeToString()) == message, path
            if isinstance(message, NetParameter):
                parts = wire.encode_net(message, [])
                assert wire.decode_net(b"".join(parts)).net == message, path
        if isinstance(message, SolverParameter):
            assert not message.HasField("solver_type"), path
        else:
            assert not upgrade.old_forms(message), path


def differences(net: Any, shapes: dict[str, list[int]]) -> str:
    """What is wrong with a net's blobs, or the time they take; nothing when all is well."""
    start = time.process_time()
    try:
        graph = build(net, TEST)
    except CaffeError as error:
        return str(error)
    seconds = time.process_time() - start
    got = {blob.name: list(blob.shape) for blob in graph.blobs}
    wrong = [
        f"{name}: {got.get(name)}, not {shapes.get(name)}" for name in got | shapes if got.get(name) != shapes.get(name)
    ]
    if not wrong and list(got) != list(shapes):
        wrong = ["another order of blobs"]
    return ", ".join(wrong) or ("" if seconds < SECONDS else f"took {seconds:.1f} s")


def test_nets_have_the_shapes_caffe_gives_them(expected: dict[Path, dict[str, list[int]]]) -> None:
    problems = [
        f"{path}: {words}" for path, shapes in expected.items() if (words := differences(upgraded(path), shapes))
    ]
    assert not problems, "\n".join(problems)


def largest(expected: dict[Path, dict[str, list[int]]]) -> list[Path]:
    """The nets of most layers, and of most values."""
    by_layers = sorted(expected, key=lambda path: len(expected[path]))
    by_values = sorted(expected, key=lambda path: sum(math.prod(shape) for shape in expected[path].values()))
    return [by_layers[-1], by_values[-1]]


def test_the_largest_nets_take_no_memory_before_they_run(expected: dict[Path, dict[str, list[int]]]) -> None:
    for path in largest(expected):
        start = time.process_time()
        with Net(path, TEST) as net:
            assert time.process_time() - start < SECONDS, path
            allocated = {blob.name: blob.data_memory.allocated() for blob in net._blobs}
            assert not any(allocated.values()), path
        tracemalloc.start()
        try:
            with Net(path, TEST):
                taken, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        activations = 4 * sum(math.prod(shape) for shape in expected[path].values())
        assert taken < 32e6 < activations, path
