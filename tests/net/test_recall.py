"""Nobody can tell that blobs were not kept: any script sees the same numbers as on an engine that keeps all."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk import engine
from caffe_sdk.blob import Blob
from caffe_sdk.engine.cuda.program import CudaProgram
from caffe_sdk.engine.cuda.simulated import SimulatedBuffer
from caffe_sdk.engine.operation import Program
from caffe_sdk.layers import base
from caffe_sdk.memory import HOST, Array, SyncedMemory
from caffe_sdk.net import Net
from caffe_sdk.net.recall import Lean
from tests.net.models import describe
from tests.net.random_nets import SIZE, random_net


@pytest.fixture(autouse=True, params=["cpu", "simulated"])
def _set_up(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    monkeypatch.setitem(base.REGISTRY, "Doubling", Doubling)
    with engine.use(request.param):
        yield


class Doubling(base.Layer):
    """y = 2 x, computed on the host."""

    type = "Doubling"
    on_host = True

    def forward(self, engine: Any, bottom: Any, top: Any) -> None:
        top[0].data[...] = 2 * bottom[0].data

    def backward(self, engine: Any, top: Any, needs: Any, bottom: Any) -> None:
        if needs[0]:
            bottom[0].diff[...] = 2 * top[0].diff


class Script:
    """The same random steps on a net that may lose numbers and on one that keeps everything, seeing the same."""

    def __init__(self, seed: int) -> None:
        self.draw = np.random.default_rng(seed)
        host = "Doubling" if self.draw.random() < 0.3 else ""
        text = "force_backward: true\n" + random_net(self.draw, int(self.draw.integers(6, 24)), host)
        caffe.set_random_seed(seed)
        self.whole, self.lean = (Net(describe(text), caffe.TEST) for _ in range(2))
        self.whole._executor.may_lose = False
        for name, blobs in self.whole.params.items():
            for mine, other in zip(blobs, self.lean.params[name], strict=True):
                if self.whole.layer_dict[name].type == "BatchNorm":
                    mine.data[...] = self.draw.uniform(0.5, 2, mine.shape)
                other.data[...] = mine.data
        self.views: dict[str, list[Array]] = {}
        self.lost = 0
        self.write("data")

    def on_both(self, do: Any) -> list[Any]:
        return [do(net) for net in (self.whole, self.lean)]

    def any_blob(self) -> str:
        return str(self.draw.choice(list(self.lean.blobs)))

    def same(self, seen: list[Array], what: str) -> None:
        wanted, got = seen
        largest = np.abs(wanted).max(initial=0) + 1e-6
        np.testing.assert_allclose(got / largest, wanted / largest, atol=1e-4, err_msg=what)

    # -- steps ----------------------------------------------------------------------------------------------------

    def forward(self) -> None:
        self.on_both(lambda net: net._forward(0, len(net.layers) - 1))
        lost = {memory for lean in leans(self.lean) for memory in lean.hooks if not memory.fresh}
        self.lost += len(lost)

    def part(self) -> None:
        layers = len(self.lean.layers)
        first, last = sorted(int(i) for i in self.draw.integers(0, layers, 2))
        self.on_both(lambda net: net._forward(first, last))

    def read(self) -> None:
        name = self.any_blob()
        self.same(self.on_both(lambda net: net.blobs[name].data.copy()), f"data of {name}")

    def glance(self) -> None:
        name = self.any_blob()
        self.same(self.on_both(lambda net: net.blobs[name].data_memory.read(HOST).copy()), f"glance at {name}")

    def write(self, name: str = "") -> None:
        name = name or self.any_blob()
        values = self.draw.normal(size=self.lean.blobs[name].shape)

        def put(net: Net) -> None:
            net.blobs[name].data[...] = values

        self.on_both(put)

    def new_input(self) -> None:
        self.write("data")

    def touch(self) -> None:
        """Change one number."""
        name = self.any_blob()

        def change(net: Net) -> None:
            net.blobs[name].data.flat[0] = 0.5

        self.on_both(change)

    def change_weight(self) -> None:
        params = self.lean.params
        if params:
            name = str(self.draw.choice(list(params)))
            index = int(self.draw.integers(0, len(params[name])))

            def change(net: Net) -> None:
                net.params[name][index].data[...] *= 0.9

            self.on_both(change)

    def hold(self) -> None:
        name = self.any_blob()
        self.views[name] = self.on_both(lambda net: net.blobs[name].data)

    def write_held(self) -> None:
        for name, pair in self.views.items():
            self.same(pair, f"held view of {name}")
            values = self.draw.normal(size=pair[0].shape)
            for view in pair:
                view[...] = values

    def look_held(self) -> None:
        for name, pair in self.views.items():
            self.same(pair, f"held view of {name}")

    def let_go(self) -> None:
        self.views.clear()

    def reshape(self) -> None:
        self.views.clear()
        batch = int(self.draw.integers(1, 4))

        def change(net: Net) -> None:
            net.blobs["data"].reshape(batch, 3, SIZE, SIZE)
            net.reshape()

        self.on_both(change)
        self.write("data")
        self.forward()

    def backward(self) -> None:
        values = [self.draw.normal(size=self.lean.blobs[name].shape) for name in self.lean.outputs]

        def back(net: Net) -> Array:
            net.clear_param_diffs()
            for name, value in zip(net.outputs, values, strict=True):
                net.blobs[name].diff[...] = value
            net._backward(len(net.layers) - 1, 0)
            return net.blobs["data"].diff.copy()

        self.same(self.on_both(back), "gradient of the input")


def leans(net: Net) -> list[Lean]:
    """The programs of a net that do not keep everything."""
    return [lean for _, _, lean in net._executor._leans.values() if lean is not None]


STEPS = [Script.forward] * 6 + [Script.new_input] * 4 + [Script.read, Script.part, Script.write, Script.touch] * 2
STEPS += [Script.glance, Script.change_weight, Script.hold, Script.write_held, Script.look_held]
STEPS += [Script.let_go, Script.reshape]


@pytest.mark.parametrize("seed", range(40))
def test_any_script_sees_what_an_engine_sees_that_keeps_everything(seed: int) -> None:
    script = Script(seed)
    script.forward()
    for step in script.draw.permutation(np.repeat(np.arange(len(STEPS)), 2)):
        STEPS[step](script)
    script.forward()
    script.backward()
    for name in script.lean.blobs:
        script.same(script.on_both(lambda net, name=name: net.blobs[name].data), name)
    script.forward()
    script.backward()


def test_most_random_nets_lose_blobs() -> None:
    """Else the test above would prove nothing."""
    scripts = [Script(seed) for seed in range(20)]
    for script in scripts:
        script.forward()
    assert sum(script.lost > 3 for script in scripts) > 10


def poison(program: Program) -> None:
    """Write NaN all over the room for what a program loses, where it is there."""
    if isinstance(program, CudaProgram):
        room = program._area._room
        area = room._array if isinstance(room, SimulatedBuffer) else None
    else:
        area = program.arena._area  # type: ignore[attr-defined]
    if area is not None:
        area.view(np.uint8)[...] = 0xFF


@pytest.mark.parametrize("seed", range(20))
def test_nothing_left_from_before_matters(seed: int) -> None:
    """Rooms that are used again hold anything when a run begins; here, NaN."""
    script = Script(seed)
    script.forward()
    for found in leans(script.lean):
        poison(found.program)
    script.forward()
    for name in script.lean.outputs:
        script.same(script.on_both(lambda net, name=name: net.blobs[name].data), name)


# -- one thing at a time -------------------------------------------------------------------------------------------

CHAIN = """
force_backward: true
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 8 dim: 20 dim: 20 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 32 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "norm" type: "LRN" bottom: "conv1" top: "norm" }
layer { name: "conv2" type: "Convolution" bottom: "norm" top: "conv2"
        convolution_param { num_output: 32 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "conv3" type: "Convolution" bottom: "conv2" top: "conv3"
        convolution_param { num_output: 32 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "pool" type: "Pooling" bottom: "conv3" top: "pool" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip"
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
BLOBS = ["conv1", "norm", "conv2", "conv3", "pool"]


def chain(seed: int = 1) -> Net:
    caffe.set_random_seed(seed)
    net = Net(describe(CHAIN), caffe.TEST)
    net.blobs["data"].data[...] = np.random.default_rng(seed).normal(size=net.blobs["data"].shape)
    return net


def expected(net: Net) -> dict[str, Array]:
    """All blobs of a net, computed by the reference engine on a net of its own."""
    other = Net(describe(CHAIN), caffe.TEST)
    other.reshape()
    for name, blobs in net.params.items():
        for mine, its in zip(blobs, other.params[name], strict=True):
            its.data_memory.write(HOST)[...] = mine.data_memory.read(HOST)
    other.blobs["data"].reshape(*net.blobs["data"].shape)
    other.blobs["data"].data[...] = net.blobs["data"].data_memory.read(HOST).reshape(net.blobs["data"].shape)
    with engine.use("reference"):
        other.forward()
    return {name: blob.data.copy() for name, blob in other.blobs.items()}


def lost(net: Net) -> set[str]:
    """Names of blobs whose numbers are nowhere."""
    memories = {memory for lean in leans(net) for memory, hook in lean.hooks.items() if memory.lost_to(hook)}
    return {name for name, blob in net.blobs.items() if blob.data_memory in memories}


def close(got: Array, wanted: Array) -> None:
    np.testing.assert_allclose(got, wanted, atol=1e-5 * np.abs(wanted).max())


def test_blobs_between_are_lost_and_outputs_kept() -> None:
    net = chain()
    net.forward()
    assert lost(net) == {*BLOBS, "ip"}
    ends = {"data": 8 * 400, "prob": 5}
    for name, blob in net.blobs.items():
        memory = blob.data_memory
        assert memory.allocated() == 4 * ends.get(name, 0) * len(memory.places)
        assert bool(memory.places) == (name in ends)


def test_what_is_asked_for_once_is_kept_from_then_on() -> None:
    net = chain()
    net.forward()
    wanted = expected(net)
    for name in ("conv2", "pool"):
        close(net.blobs[name].data, wanted[name])
    assert lost(net) == {"conv1", "norm", "conv3", "ip"}
    net.forward()
    assert lost(net) == {"conv1", "norm", "conv3", "ip"}
    (program,) = leans(net)
    assert not {net.blobs[name].data_memory for name in ("conv2", "pool")} & program.program.lost
    for name in BLOBS:
        close(net.blobs[name].data, wanted[name])
    net.forward()
    assert lost(net) <= {"ip"}
    net.blobs["data"].reshape(2, 8, 20, 20)
    net.forward()
    assert lost(net) <= {"ip"}, "another batch makes nobody forget what is looked at"


def test_blobs_are_those_of_the_last_forward_whatever_changed_since() -> None:
    net = chain()
    net.forward()
    wanted = expected(net)
    net.blobs["data"].data[...] = 7
    net.blobs["prob"].data[...] = 0.5
    close(net.blobs["conv1"].data, wanted["conv1"])
    assert (net.blobs["prob"].data == 0.5).all(), "outputs are not computed again"
    assert (net.blobs["data"].data == 7).all()
    net.params["conv1"][0].data[...] = 0
    net.params["ip"][0].data[...] = 0
    close(net.blobs["conv3"].data, wanted["conv3"])
    assert not net.params["conv1"][0].data.any()


def test_weights_larger_than_what_was_lost_are_not_copied() -> None:
    net = chain()
    net.forward()
    (lean,) = leans(net)
    wanted = expected(net)
    assert lean.recall.allocated() == lean.recall.room
    for blobs in net.params.values():
        for blob in blobs:
            blob.data_memory.write(HOST)[...] = 0
    assert 0 < lean.recall.allocated() - lean.recall.room <= 1.5 * lean.recall.budget
    close(net.blobs["conv2"].data, wanted["conv2"])
    net.forward()
    net.blobs["data"].data[...] = 3
    for lean in leans(net):
        assert lean.recall.allocated() == lean.recall.room


def test_what_is_written_into_a_view_of_the_input_changes_no_blob_behind_it() -> None:
    net = chain()
    view = net.blobs["data"].data
    names = iter(["conv2", "pool", "norm"])
    for names_left in (3, 2, 1):
        net.forward()
        assert lost(net) or names_left == 1, "what is left may take as much room as all of it"
        wanted = expected(net)
        view[...] += 1
        name = next(names)
        close(net.blobs[name].data, wanted[name])
        net.blobs["data"].data_memory.clear()
        close(net.blobs["conv3"].data, wanted["conv3"])
        view[...] = np.random.default_rng(3).normal(size=view.shape)


def test_a_view_of_a_weight_keeps_everything() -> None:
    net = chain()
    view = net.params["conv1"][0].data
    for _ in range(2):
        net.forward()
        assert not lost(net)
        wanted = expected(net)
        view[...] *= 2
        close(net.blobs["conv2"].data, wanted["conv2"])
    held = sum(blob.data_memory.allocated() for blob in net.blobs.values())
    del view
    net.forward()
    assert lost(net)
    assert sum(blob.data_memory.allocated() for blob in net.blobs.values()) < held / 2


def test_a_view_of_a_blob_between_shows_every_run() -> None:
    net = chain()
    view = net.blobs["conv2"].data
    for factor in (1, 2):
        net.blobs["data"].data[...] *= factor
        net.forward()
        close(view, expected(net)["conv2"])
        assert "conv1" in lost(net)


def test_backward_after_forward_in_the_phase_test() -> None:
    net = chain()
    whole = chain()
    whole._executor.may_lose = False
    for _ in range(2):
        gradients = []
        for each in (net, whole):
            each.clear_param_diffs()
            each.forward()
            gradient = np.linspace(-1, 1, 5).reshape(1, 5)
            gradients.append([each.backward(prob=gradient)["data"].copy(), each.params["conv1"][0].diff.copy()])
        for mine, its in zip(*gradients, strict=True):
            np.testing.assert_allclose(mine, its, atol=1e-5 * np.abs(its).max())
    assert not leans(net), "what goes backward once may do so again"


def test_layers_by_name_start_from_what_was_lost() -> None:
    net = chain()
    net.forward()
    wanted = expected(net)
    net.blobs["prob"].data[...] = 0
    close(net.forward(start="conv3")["prob"], wanted["prob"])
    assert net.forward(end="conv2")["conv2"].shape == (1, 32, 20, 20)
    close(net.blobs["conv2"].data, wanted["conv2"])
    close(net.blobs["pool"].data, wanted["pool"])


def test_callbacks_see_every_blob() -> None:
    net = chain()
    net.forward()
    wanted = expected(net)
    seen: dict[str, Array] = {}
    net.after_forward(lambda i: seen.update({t: net.blobs[t].data.copy() for t in list(net.top_names.values())[i]}))
    net.forward()
    for name in ("norm", "conv2", "pool", "prob"):
        close(seen[name], wanted[name])


def test_nets_that_share_weights() -> None:
    net, other = chain(), chain(2)
    other.share_with(net)
    net.forward()
    other.forward()
    wanted, of_other = expected(net), expected(other)
    net.params["conv2"][0].data[...] = 0
    close(net.blobs["conv2"].data, wanted["conv2"])
    close(other.blobs["conv3"].data, of_other["conv3"])
    other.forward()
    assert not other.blobs["conv2"].data.any()


def test_other_weights_for_a_net_that_ran() -> None:
    net, other = chain(), chain(2)
    net.forward()
    wanted = expected(net)
    net.share_with(other)
    close(net.blobs["conv3"].data, wanted["conv3"])
    net.forward()
    close(net.blobs["conv3"].data, expected(net)["conv3"])


def test_random_numbers_are_drawn_once() -> None:
    text = CHAIN.replace('"LRN"', '"Dropout"')
    with Net(describe(text), caffe.TRAIN) as net:
        net._executor.may_lose = True
        net.forward()
        assert not lost(net)


def test_a_run_that_fails_loses_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    net = chain()
    net.forward()
    (lean,) = leans(net)
    net.blobs["data"].data[...] *= 2
    monkeypatch.setattr(lean.program, "run", lambda between: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        net.forward()
    assert lost(net) == {*BLOBS, "ip"}
    close(net.blobs["conv2"].data, expected(net)["conv2"])


def test_a_blob_outlives_its_net() -> None:
    net = chain()
    net.forward()
    wanted = expected(net)["conv2"]
    blob: Blob = net.blobs["conv2"]
    del net
    gc.collect()
    close(blob.data, wanted)


def test_what_ran_is_freed_without_the_garbage_collector() -> None:
    gc.disable()
    try:
        net = chain()
        net.forward()
        memory: weakref.ref[SyncedMemory] = weakref.ref(net.blobs["conv2"].data_memory)
        weight = weakref.ref(net.params["conv2"][0].data_memory)
        (recall,) = (weakref.ref(lean.recall) for lean in leans(net))
        net.close()
        assert (memory(), weight(), recall()) == (None, None, None)
    finally:
        gc.enable()


def test_reshaping_leaves_nothing_behind() -> None:
    net = chain()
    net.forward()
    for batch in (2, 3) * 10:
        net.blobs["data"].reshape(batch, 8, 20, 20)
        net.forward()
    assert len(net.params["conv1"][0].data_memory.watchers) <= 2
