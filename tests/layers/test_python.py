"""Layers written in Python, as pycaffe runs them: shapes, parameters, gradients, and errors that keep their place."""

from __future__ import annotations

import pickle
import sys
import textwrap
import traceback
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import caffe_sdk
from caffe_sdk.engine import names, use
from caffe_sdk.errors import LayerError, ShapeError
from caffe_sdk.net import Net
from caffe_sdk.solver import SGDSolver
from tests.net.models import describe

Write = Callable[[str], str]
numbers = count()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a module to the working directory; gives its name, a new one each time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder])

    def written(text: str) -> str:
        name = f"user_layers_{next(numbers)}"
        header = "import numpy as np\nimport caffe_sdk as caffe\n"
        (tmp_path / f"{name}.py").write_text(header + textwrap.dedent(text))
        return name

    return written


def python(module: str, layer: str, more: str = "", bottoms: str = 'bottom: "x"', top: str = "y") -> str:
    return f"""layer {{ name: "mine" type: "Python" {bottoms} top: "{top}"
        python_param {{ module: "{module}" layer: "{layer}" {more} }} }}"""


INPUT = 'force_backward: true layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } } '

SCALED = """
class Scaled(caffe.Layer):
    def setup(self, bottom, top):
        self.factor = float(self.param_str)
        self.calls = 0
    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)
    def forward(self, bottom, top):
        self.calls += 1
        top[0].data[...] = self.factor * bottom[0].data
    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            bottom[0].diff[...] = self.factor * top[0].diff
    def set_factor(self, factor):
        self.factor = factor
"""


@pytest.mark.parametrize("engine", [*names(), "fake"])
def test_between_other_layers(write: Write, engine: str) -> None:
    power = 'layer {{ name: "{0}" type: "Power" bottom: "{1}" top: "{2}" power_param {{ scale: 2 }} }}'
    text = INPUT + power.format("before", "x", "a")
    text += python(write(SCALED), "Scaled", 'param_str: "10"', 'bottom: "a"', "b") + power.format("after", "b", "y")
    x = np.arange(6.0).reshape(2, 3)
    with use(engine):
        net = Net(describe(text), 0)
        np.testing.assert_allclose(net.forward(x=x)["y"], 40 * x)
        np.testing.assert_allclose(net.backward(y=np.ones((2, 3)))["x"], 40)
        net.layers[2].set_factor(-1)  # as scripts reach the objects of their layers
        np.testing.assert_allclose(net.forward(x=x)["y"], -4 * x)
        net.blobs["x"].reshape(5, 1)
        assert net.forward()["y"].shape == (5, 1)
    assert net.layers[2].calls == 3
    with pytest.raises(AttributeError, match="no_such"):
        net.layers[2].no_such  # noqa: B018


def test_in_place(write: Write) -> None:
    net = Net(describe(INPUT + python(write(SCALED), "Scaled", 'param_str: "3"', top="x")), 0)
    assert net.forward(x=np.ones((2, 3)))["x"].tolist() == [[3] * 3] * 2


def test_a_source_of_data_that_changes_its_shape(write: Write) -> None:
    module = write("""
    class Growing(caffe.Layer):
        def setup(self, bottom, top):
            self.rows = 1
            top[0].reshape(1, 2)
        def reshape(self, bottom, top):
            pass
        def forward(self, bottom, top):
            top[0].reshape(self.rows, 2)
            top[0].data[...] = self.rows
            self.rows += 1
    """)
    power = 'layer { name: "p" type: "Power" bottom: "data" top: "y" power_param { scale: 2 } }'
    net = Net(describe(python(module, "Growing", bottoms="", top="data") + power), 0)
    assert net.blobs["y"].shape == (1, 2)
    assert [net.forward()["y"].tolist() for _ in range(3)] == [[[2 * n] * 2] * n for n in (1, 2, 3)]


LEARNING = """
class Bias(caffe.Layer):
    def setup(self, bottom, top):
        self.blobs.add_blob(3)
        self.blobs[0].data[...] = [1, 2, 3]
    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)
    def forward(self, bottom, top):
        top[0].data[...] = bottom[0].data + self.blobs[0].data
    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[...] += top[0].diff.sum(axis=0)
        bottom[0].diff[...] = top[0].diff
"""


def test_parameters_are_the_nets(write: Write, tmp_path: Path) -> None:
    text = INPUT + python(write(LEARNING), "Bias")
    net = Net(describe(text), 0)
    assert net.params["mine"][0].data.tolist() == [1, 2, 3]
    net.params["mine"][0].data[...] = 7
    assert net.forward(x=np.zeros((2, 3)))["y"].tolist() == [[7] * 3] * 2
    net.clear_param_diffs()
    for _ in range(2):
        net.backward(y=np.ones((2, 3)))
    assert net.params["mine"][0].diff.tolist() == [4] * 3
    net.save(tmp_path / "weights.caffemodel")
    other = Net(describe(text), 0)
    other.copy_from(tmp_path / "weights.caffemodel")
    assert other.forward(x=np.zeros((2, 3)))["y"].tolist() == [[7] * 3] * 2


def test_shared_parameters_have_the_values_of_their_owner(write: Write) -> None:
    module = write(LEARNING)
    shared = 'param { name: "bias" }'
    first = python(module, "Bias").replace("python_param", shared + " python_param")
    second = first.replace('"mine"', '"other"').replace('top: "y"', 'top: "z"')
    net = Net(describe(INPUT + first + second), 0)
    assert net.params["other"][0].data_memory is net.params["mine"][0].data_memory
    assert net.forward(x=np.zeros((2, 3)))["z"].tolist() == [[1, 2, 3]] * 2


def test_a_solver_trains_it(write: Write, tmp_path: Path) -> None:
    loss = write("""
    class Half(caffe.Layer):
        def setup(self, bottom, top):
            assert self.phase == caffe.TRAIN
        def reshape(self, bottom, top):
            top[0].reshape(1)
        def forward(self, bottom, top):
            top[0].data[...] = (bottom[0].data ** 2).sum() / 2
        def backward(self, top, propagate_down, bottom):
            bottom[0].diff[...] = bottom[0].data * top[0].diff[0]
    """)
    layers = python(write(LEARNING), "Bias") + python(loss, "Half", bottoms='bottom: "y"', top="loss")
    text = INPUT.replace("force_backward: true", "") + layers.replace('top: "loss"', 'top: "loss" loss_weight: 1')
    (tmp_path / "net.prototxt").write_text(text)
    (tmp_path / "solver.prototxt").write_text('net: "net.prototxt" base_lr: 0.25 lr_policy: "fixed" max_iter: 9')
    solver = SGDSolver("solver.prototxt")
    solver.step(3)
    np.testing.assert_allclose(solver.net.params["mine"][0].data, np.array([1, 2, 3]) / 8)


def test_members_are_set(write: Write) -> None:
    module = write("""
    class Plain(caffe.Layer):
        def __init__(self, param, *more):
            super().__init__(param, *more)
            self.name_then = param.name
        def setup(self, bottom, top):
            assert self.param_str_ == self.param_str
            self.seen = (self.name_then, self.param_str, self.phase, self.type, len(self.blobs), len(bottom), len(top))
        def reshape(self, bottom, top):
            top[0].reshape()
        def forward(self, bottom, top):
            top[0].data[()] = self.phase
    """)
    net = Net(describe(python(module, "Plain", 'param_str: "words"', bottoms="")), caffe_sdk.TEST)
    assert net.layers[0].seen == ("mine", "words", 1, "Python", 0, 0, 1)
    assert net.forward()["y"] == 1


ERRORS = """
class Broken(caffe.Layer):
    def setup(self, bottom, top):
        if self.param_str == "setup":
            raise Exception("Need two inputs.")
    def reshape(self, bottom, top):
        top[0].reshape(-1 if self.param_str == "reshape" else 1)
    def forward(self, bottom, top):
        np.zeros(3).reshape(2)

class Empty(caffe.Layer):
    def reshape(self, bottom, top):
        top[0].reshape(1)

class Impossible(caffe.Layer):
    def __init__(self, param):
        raise ValueError("no")

class NoLayer:
    pass
"""


def built(module: str, layer: str, param: str = "") -> Net:
    return Net(describe(INPUT + python(module, layer, f'param_str: "{param}"')), 0)


def test_errors_keep_their_place(write: Write, tmp_path: Path) -> None:
    module = write(ERRORS)
    where = r"layer 'mine' \(Python\): "
    with pytest.raises(
        LayerError, match=rf"{where}{module}.Broken.setup raised Exception: Need two inputs. \({tmp_path}/.*, line 7\)"
    ):
        built(module, "Broken", "setup")
    with pytest.raises(ShapeError, match=rf"{where}blob 'y': shape \(-1,\) has a negative axis"):
        built(module, "Broken", "reshape")
    with pytest.raises(LayerError, match=rf"{where}{module}.Impossible.* raised ValueError: no"):
        built(module, "Impossible")
    with pytest.raises(LayerError, match=rf"{where}{module}.Broken.forward raised ValueError: .*, line 11\)") as caught:
        built(module, "Broken").forward()
    assert "np.zeros(3).reshape(2)" in "".join(traceback.format_exception(caught.value))
    with pytest.raises(LayerError, match="a layer must define forward"):
        built(module, "Empty").forward()
    net = built(module, "Empty")
    with pytest.raises(LayerError, match="a layer with gradients must define backward"):
        net.backward(y=np.ones(1))


TYPES = """
class Halt(Exception):
    def __init__(self, reason):
        self.reason = reason
    def __str__(self):
        return f"halted: {self.reason}"

class Raising(caffe.Layer):
    def setup(self, bottom, top):
        self.fail("setup")
    def reshape(self, bottom, top):
        self.fail("reshape")
        top[0].reshape(1)
    def forward(self, bottom, top):
        self.fail("forward")
    def backward(self, top, propagate_down, bottom):
        self.fail("backward")
    def fail(self, moment):
        if self.param_str == moment:
            raise Halt("at " + moment)
        if self.param_str.startswith(moment + " "):
            raise eval(self.param_str.split(" ", 1)[1])
"""


@pytest.mark.parametrize("phase", [0, 1], ids=["TRAIN", "TEST"])
@pytest.mark.parametrize("moment", ["setup", "reshape", "forward", "backward"])
def test_exceptions_arrive_as_their_own_type(write: Write, moment: str, phase: int) -> None:
    module = write(TYPES)
    text = INPUT + python(module, "Raising", f'param_str: "{moment}"')

    def run() -> None:
        net = Net(describe(text), phase)
        net.forward()
        net.backward(y=np.ones(1))

    with pytest.raises(LayerError) as caught:
        run()
    halt = sys.modules[module].Halt
    with pytest.raises(
        halt, match=rf"layer 'mine' \(Python\): .*raised Halt: halted: at {moment} \(.*, line 22\)"
    ) as own:
        run()
    assert own.value.reason == f"at {moment}"
    assert type(own.value.__cause__) is halt
    assert (caught.value.code, caught.value.identifier) == ("layer", "caffe:layer")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    "error", [ValueError(1), KeyError("k"), OSError(2, "no"), StopIteration(), RuntimeError("no"), AssertionError()]
)
def test_exceptions_of_python_do_too(write: Write, error: Exception) -> None:
    net = Net(describe(INPUT + python(write(TYPES), "Raising", f'param_str: "forward {error!r}"')), 0)
    with pytest.raises(type(error), match=rf"^layer 'mine' \(Python\): .* raised {type(error).__name__}: ") as caught:
        net.forward()
    assert isinstance(caught.value, LayerError)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="groups of exceptions came with Python 3.11")
def test_exceptions_that_cannot_be_both_arrive_as_errors_of_layers(write: Write) -> None:
    group = "ExceptionGroup('several', [ValueError()])"
    net = Net(describe(INPUT + python(write(TYPES), "Raising", f'param_str: "forward {group}"')), 0)
    with pytest.raises(LayerError, match="raised ExceptionGroup: several") as caught:
        net.forward()
    assert type(caught.value) is LayerError


def test_classes_and_modules_that_are_not_there(write: Write, tmp_path: Path) -> None:
    module = write(ERRORS)
    for name in ("Other", "NoLayer"):
        with pytest.raises(
            LayerError, match=rf"has no class '{name}' that derives .*; there are: Broken, Empty, Impossible"
        ):
            built(module, name)
    with pytest.raises(LayerError, match="has no python_param with module and layer"):
        built(module, "")
    with pytest.raises(LayerError, match=rf"'no_such' does not import: .*; put its folder on PYTHONPATH.*{tmp_path}"):
        built("no_such", "It")
    with pytest.raises(LayerError, match="write 'import caffe_sdk as caffe' there"):
        built(write("import caffe"), "It")
    with pytest.raises(LayerError, match=r"does not import: SyntaxError: .*line 3.*; correct the module"):
        built(write("print 'hello'"), "It")
    with pytest.raises(LayerError, match=r"does not import: ZeroDivisionError: .*line 3\); correct the module"):
        built(write("1 / 0"), "It")


def test_modules_register_types_of_their_own(write: Write) -> None:
    from caffe_sdk.layers import REGISTRY

    module = write("""
    from caffe_sdk.layers import Layer, layer

    @layer("Twice")
    class Twice(Layer):
        def forward(self, engine, bottom, top):
            engine.scale(bottom[0].data_tensor, top[0].data_tensor, 2.0)
    """)
    text = python(module, "").replace('"Python"', '"Twice"').replace('layer: ""', "")
    try:
        net = Net(describe(INPUT + text), 0)
        assert net.forward(x=np.ones((2, 3)))["y"].tolist() == [[2] * 3] * 2
        with pytest.raises(LayerError, match="Unknown layer type: Thrice"):
            Net(describe(INPUT + text.replace("Twice", "Thrice")), 0)
    finally:
        REGISTRY.pop("Twice", None)


def test_names_of_the_package() -> None:
    made: Any = caffe_sdk.Layer()
    assert made.blobs == []
    made.blobs.add_blob(2, 3)
    assert made.blobs[0].shape == (2, 3)
