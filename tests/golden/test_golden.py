"""Layers against numbers that BVLC Caffe 1.0 computed, through pycaffe's interface, on every engine.

The numbers and the script that compares them are in the shared material (golden/check.py says what a case holds).
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

import caffe_sdk
from caffe_sdk.engine import names, use
from caffe_sdk.layers import REGISTRY


@pytest.fixture(scope="session")
def golden(shared: Path) -> Path:
    return shared / "golden"


@pytest.fixture(scope="session")
def check(golden: Path) -> ModuleType:
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("golden_check", golden / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("engine", [*names(), "fake", "simulated"])
@pytest.mark.parametrize("kind", [*sorted(REGISTRY), "Net"])
def test_layers(
    golden: Path, check: ModuleType, kind: str, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All cases of a layer type; of whole nets those that are made of layers there are."""
    problems = []
    for path in sorted((golden / "layers").glob(f"{kind}_*.npz")):
        case = check.load(path)
        types = set(re.findall(r'type: "(\w+)"', str(case["prototxt"])))
        if not types <= set(REGISTRY):
            continue
        folder = tmp_path / path.stem
        folder.mkdir()
        monkeypatch.chdir(folder)
        caffe_sdk.set_random_seed(1)
        with use(engine):
            problems += [f"{path.stem}: {problem}" for problem in check.layer_case(caffe_sdk, case)]
    assert not problems, "\n".join(problems)
