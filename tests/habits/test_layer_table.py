"""docs/layers.md says what the code says, and leaves out no type and no parameter."""

from __future__ import annotations

import importlib.util
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

from caffe_sdk.layers import REGISTRY, Layer
from caffe_sdk.layers.base import layer


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """The tool, as a module."""
    path = Path(__file__).resolve().parents[2] / "tools" / "layer_table.py"
    spec = importlib.util.spec_from_file_location("layer_table", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["--check"]) == 0, capsys.readouterr().err


def test_every_type_is_on_the_page(tool: ModuleType) -> None:
    page = tool.PAGE.read_text()
    for name in tool.types():
        assert f"| [{name}](#{name.lower()}) |" in page
        assert f"\n## {name}\n" in page


def test_a_page_that_is_out_of_date_is_told(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tool, "PAGE", tmp_path / "layers.md")
    assert tool.main(["--check"]) == 1
    assert "run tools/layer_table.py" in capsys.readouterr().err
    assert tool.main([]) == 0
    assert tool.main(["--check"]) == 0


def test_a_type_without_a_docstring_is_told(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("caffe_sdk.layers.base.REGISTRY", dict(REGISTRY))
    monkeypatch.setitem(REGISTRY, "Silent", type("Silent", (Layer,), {"__module__": "caffe_sdk.layers.silent"}))
    assert tool.main(["--check"]) == 1
    assert "no docstring: Silent" in capsys.readouterr().err


def test_types_of_others_are_left_out(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTRY, "Theirs", Layer)

    @layer("Theirs")
    class Theirs(Layer):
        """Not ours."""

    assert "Theirs" not in tool.types()


@pytest.mark.parametrize("name", sorted(name for name, kind in REGISTRY.items() if "caffe_sdk" in kind.__module__))
def test_the_parameters_are_those_the_code_reads(tool: ModuleType, name: str) -> None:
    others = [Layer, object, *(kind for other, kind in REGISTRY.items() if other != name)]
    sources = [inspect.getsource(kind) for kind in REGISTRY[name].__mro__ if kind not in others]
    read = set(re.findall(r"config\.(\w+_param)\b", "\n".join(sources)))
    assert read <= {*tool.parameters(name), "transform_param", "data_param"}  # of these many read a field or two
