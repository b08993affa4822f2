"""A thousand nets and solvers with mistakes in them: each is a net, or an error with words; none hangs or crashes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from caffe_sdk.errors import tree
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import TEST, TRAIN, NetParameter, SolverParameter
from tests.golden import mutations

MUTANTS = 1000
OUTCOMES = {"run", "built", "trained"} | {error.code for error in tree()} - {"internal"}

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory and time are Linux's")


@pytest.mark.timeout(960)
def test_every_mutant_is_a_net_or_an_error(shared: Path, root: Path) -> None:
    command = [sys.executable, "-m", "tests.golden.mutations", str(shared), "0", str(MUTANTS)]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("COV_", "COVERAGE_"))}  # in time
    environment = {**kept, "GLOG_minloglevel": "3", "PYTHONPATH": str(root)}
    run = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=900, check=False)
    results = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0, f"crashed after mutant {results[-1]['number'] if results else 'none'}: {run.stderr}"
    wrong = [result for result in results if result["outcome"] not in OUTCOMES]
    assert not wrong, "\n".join(f"mutant {each['number']}: {each.get('why', each['outcome'])}" for each in wrong)
    assert len(results) == MUTANTS
    counts = Counter(result["outcome"] for result in results)
    assert (
        min(counts[kind] for kind in ("run", "built", "trained", "layer", "shape", "graph", "prototxt")) > MUTANTS / 40
    )


def test_mutants_are_the_same_every_time(shared: Path) -> None:
    paths = mutations.bases(shared)
    assert [mutations.mutant(paths, number) for number in range(20)] == [
        mutations.mutant(paths, number) for number in range(20)
    ]


def test_bases_can_be_built(shared: Path) -> None:
    """Without a mutation nets build, so that what is found is found behind the parser."""
    net = prototxt.parse(mutations.SMALL_NET, NetParameter)
    assert mutations.try_mutant(prototxt.format(net), NetParameter, 0) == "run"
    solver = SolverParameter(base_lr=0.01, lr_policy="fixed", max_iter=1, solver_mode=SolverParameter.CPU)
    text = prototxt.format(mutations.with_small_net(solver))
    assert "net_param" in text
    paths = mutations.bases(shared)
    assert len(paths) > 400
    nets = [net for path in paths[::10] if isinstance(net := mutations.prepared(path), NetParameter)]
    assert sum(any(mutations.builds(net, phase) for phase in (TRAIN, TEST)) for net in nets) > 0.9 * len(nets)
