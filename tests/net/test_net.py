"""Net: pycaffe's names and manners, whatever engine computes."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk import engine
from caffe_sdk.errors import ArgumentError, GraphError, HandleError, MissingFileError, PrototxtError, ShapeError
from caffe_sdk.memory import transfers
from caffe_sdk.net import Net, first_not_finite
from tests.net.models import CLASSIFIER, classifier, describe


@pytest.fixture(params=["reference", "cpu", "fake"], autouse=True)
def every_engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test runs with every engine."""
    caffe.set_random_seed(7)
    with engine.use(request.param):
        yield


def test_forward_gives_outputs() -> None:
    net = classifier(caffe.TEST)
    out = net.forward(blobs=["conv"])
    assert sorted(out) == ["conv", "label", "prob"]
    np.testing.assert_allclose(out["prob"].sum(1), 1, rtol=1e-5)


def test_forward_takes_inputs_by_name() -> None:
    net = classifier(caffe.TEST)
    want = net.forward()["prob"].copy()
    data = net.blobs["data"].data.copy()
    net.blobs["data"].data[...] = 0
    got = net.forward(data=data, label=np.zeros(4))["prob"]
    np.testing.assert_array_equal(got, want)


def test_parts_of_the_net_run_alone() -> None:
    net = classifier(caffe.TEST)
    want = net.forward()["prob"].copy()
    assert list(net.forward(end="pool")) == ["pool"]
    net.blobs["prob"].data[...] = 0
    np.testing.assert_array_equal(net.forward(start="drop")["prob"], want)
    net.blobs["fc"].data[...] = 0
    np.testing.assert_allclose(net.forward(start="prob", end="prob")["prob"], 0.2, rtol=1e-6)


def test_a_held_view_shows_what_is_computed_and_is_read() -> None:
    net = classifier(caffe.TEST)
    data, prob, weights = net.blobs["data"].data, net.blobs["prob"].data, net.params["fc"][0].data
    net.forward()
    first = prob.copy()
    assert first.any()
    data[...] *= 2
    net.forward()
    assert not np.allclose(prob, first)
    weights[...] = 0
    net.forward()
    np.testing.assert_allclose(prob, 0.2, rtol=1e-6)


def test_gradients_agree_with_differences() -> None:
    net = classifier(caffe.TRAIN)
    net.layer_dict["drop"].rng = np.random.default_rng(0)
    weights = net.params["fc"][0]
    bias = net.params["fc"][1]
    net.clear_param_diffs()
    net.forward_backward()
    scores = net.blobs["fc"].data.copy()
    gradient = bias.diff.copy()
    assert weights.diff.any()
    for k in range(5):
        moved = scores.copy()
        losses = []
        for step in (0.05, -0.05):
            moved[:, k] = scores[:, k] + step
            net.blobs["fc"].data[...] = moved
            net._forward(net._layer_names.index("loss"), len(net.layers) - 1)
            losses.append(net.loss)
        assert (losses[0] - losses[1]) / 0.1 == pytest.approx(gradient[k], rel=2e-2, abs=1e-4)


def test_parameter_gradients_add_up_until_cleared() -> None:
    net = Net(describe(CLASSIFIER.replace('layer { name: "drop" type: "Dropout" bottom: "pool" top: "pool" }', "")), 0)
    net.blobs["data"].data[...] = 1
    net.forward_backward()
    once = [p.blob.diff.copy() for p in net.learnable]
    net.forward_backward()
    for parameter, diff in zip(net.learnable, once, strict=True):
        np.testing.assert_allclose(parameter.blob.diff, 2 * diff, rtol=1e-5, atol=1e-7)
    net.clear_param_diffs()
    assert not any(p.blob.diff.any() for p in net.learnable)


def test_backward_takes_output_diffs() -> None:
    net = Net(describe("force_backward: true " + CLASSIFIER), caffe.TEST)
    net.forward(data=np.ones((4, 1, 8, 8)), label=np.zeros(4))
    diffs = net.backward(prob=np.eye(4, 5), label=np.zeros(4), diffs=["conv"])
    assert sorted(diffs) == ["conv", "data", "label"]
    assert diffs["data"].any()
    part = net.backward(start="prob", end="fc")
    assert list(part) == ["pool"]


def test_the_loss_blobs_diff_holds_its_weight() -> None:
    net = Net(describe(CLASSIFIER.replace('top: "loss"', 'top: "loss" loss_weight: 3')), caffe.TRAIN)
    assert net.blobs["loss"].diff == 3
    loss = net._forward(0, len(net.layers) - 1)
    assert loss == pytest.approx(3 * float(net.blobs["loss"].data))
    assert net.loss == pytest.approx(loss)
    assert net.blob_loss_weights["loss"] == 3


def test_the_net_follows_its_inputs_shape() -> None:
    net = classifier(caffe.TEST)
    images = np.random.default_rng(2).normal(size=(7, 1, 8, 8))
    net.blobs["data"].reshape(7, 1, 8, 8)
    net.blobs["label"].reshape(7)
    many = net.forward(data=images, label=np.zeros(7))["prob"].copy()
    assert many.shape == (7, 5)
    net.blobs["data"].reshape(1, 1, 8, 8)
    net.reshape()
    assert net.blobs["prob"].shape == (1, 5)
    net.blobs["data"].data[...] = images[3]
    np.testing.assert_allclose(net.forward()["prob"][0], many[3], rtol=1e-5)


def test_inputs_that_do_not_suit_the_parameters_are_refused() -> None:
    net = classifier(caffe.TEST)
    net.blobs["data"].reshape(4, 1, 12, 12)
    with pytest.raises(ShapeError, match=r"layer 'fc' \(InnerProduct\): the new input wants parameters of shape"):
        net.forward()


def test_forward_all_takes_any_number_of_items() -> None:
    net = classifier(caffe.TEST)
    images = np.random.default_rng(3).normal(size=(10, 1, 8, 8))
    all_of_them = net.forward_all(data=images, label=np.zeros(10))["prob"]
    assert all_of_them.shape == (10, 5)
    np.testing.assert_array_equal(net.forward(data=images[4:8], label=np.zeros(4))["prob"], all_of_them[4:8])


def test_forward_backward_all() -> None:
    net = Net(describe("force_backward: true " + CLASSIFIER), caffe.TEST)
    values = {"data": np.ones((6, 1, 8, 8)), "label": np.zeros(6)}
    outputs, diffs = net.forward_backward_all(**values, prob=np.eye(6, 5))
    assert outputs["prob"].shape == (6, 5)
    assert diffs["data"].shape == (6, 1, 8, 8)


def test_callbacks_come_with_the_layers_index() -> None:
    net = classifier(caffe.TRAIN)
    seen: list[tuple[str, int]] = []
    net.before_forward(lambda i: seen.append(("before", i)))
    net.after_forward(lambda i: seen.append(("after", i)))
    net.before_backward(lambda i: seen.append(("back", i)))
    net.after_backward(lambda i: seen.append(("done", i)))
    loss = net.forward_backward()
    count = len(net.layers)
    assert seen[: 2 * count] == [(moment, i) for i in range(count) for moment in ("before", "after")]
    assert seen[2 * count :] == [(moment, i) for i in reversed(range(count)) for moment in ("back", "done")]
    assert np.isfinite(loss)


def test_a_callback_may_change_what_comes_next() -> None:
    net = classifier(caffe.TEST)
    fc = net._layer_names.index("fc")

    def flatten(layer: int) -> None:
        if layer == fc:
            net.blobs["fc"].data[...] = 0

    net.after_forward(flatten)
    np.testing.assert_allclose(net.forward()["prob"], 0.2, rtol=1e-6)


def test_first_values_depend_on_the_seed_alone() -> None:
    caffe.set_random_seed(3)
    first = classifier(caffe.TRAIN)
    caffe.set_random_seed(3)
    second = classifier(caffe.TRAIN)
    later = second.params["fc"][0].data.copy()  # looked at in another order
    for mine, theirs in zip(first.learnable, second.learnable, strict=True):
        np.testing.assert_array_equal(mine.blob.data, theirs.blob.data)
    np.testing.assert_array_equal(later, second.params["fc"][0].data)


def test_state_brings_back_random_numbers() -> None:
    net = classifier(caffe.TRAIN)
    state = net.state()
    first = net._forward(0, len(net.layers) - 1)
    assert net._forward(0, len(net.layers) - 1) != first
    net.restore_state(state)
    assert net._forward(0, len(net.layers) - 1) == first


def test_nets_share_weights() -> None:
    train, test = classifier(caffe.TRAIN), classifier(caffe.TEST)
    test.share_with(train)
    before = test.forward()["prob"].copy()
    train.params["fc"][0].data[0] += 1
    assert not np.allclose(test.forward()["prob"], before)


def test_sharing_between_unlike_nets_is_refused() -> None:
    with pytest.raises(ShapeError, match="cannot share weights of layer 'fc'"):
        classifier(caffe.TEST).share_with(Net(describe(CLASSIFIER.replace("num_output: 5", "num_output: 6")), 1))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda net: net.forward(dat=np.zeros(4)), "Input blob arguments do not match net inputs."),
        (lambda net: net.forward(data=np.zeros((3, 1, 8, 8)), label=np.zeros(3)), "Input is not batch sized"),
        (lambda net: net.backward(prob=np.zeros((4, 5))), "Top diff arguments do not match net outputs."),
        (lambda net: net.forward(start="conf"), "there is no layer 'conf'; did you mean 'conv'"),
        (lambda net: net.forward(blobs=["nowhere"]), "there is no blob 'nowhere'"),
        (lambda net: net.forward_all(data=np.zeros((3, 1, 8, 8)), label=np.zeros(2)), "different numbers of items"),
    ],
)
def test_wrong_calls_say_what_would_be_right(call: object, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        call(classifier(caffe.TEST))  # type: ignore[operator]


def test_values_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"blob 'data': values of shape \(4, 2, 8, 8\)"):
        classifier(caffe.TEST).forward(data=np.zeros((4, 2, 8, 8)), label=np.zeros(4))


def test_errors_of_a_file_name_it(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    with pytest.raises(MissingFileError, match="Could not open file"):
        Net(str(path), caffe.TEST)
    path.write_text(CLASSIFIER.replace("kernel_size", "kernel_syze"))
    with pytest.raises(PrototxtError, match=r"net.prototxt:6:.*unknown field 'kernel_syze'"):
        Net(str(path), caffe.TEST)
    path.write_text(CLASSIFIER.replace('bottom: "pool"', 'bottom: "poll"'))
    with pytest.raises(GraphError, match=r"net.prototxt: Unknown bottom blob 'poll'"):
        Net(str(path), caffe.TEST)


def test_a_closed_net_lets_everything_go() -> None:
    with classifier(caffe.TEST) as net:
        net.forward()
    memories = sum(blob.data_memory.allocated() for blob in net.blobs.values())
    assert memories == 0
    with pytest.raises(HandleError, match="the net was closed"):
        net.forward()
    net.close()


def test_a_net_that_is_let_go_is_freed() -> None:
    net = classifier(caffe.TEST)
    net.forward()
    gone = weakref.ref(net)
    del net
    gc.collect()
    assert gone() is None


def test_replay_moves_nothing_but_inputs_and_outputs() -> None:
    net = classifier(caffe.TEST)
    net.forward()
    net.forward()
    before = transfers.copy()
    net.blobs["data"].data[...] = 1
    net.forward()
    moved = transfers - before
    assert sum(count for (source, _), count in moved.items() if source == "host") <= 1
    assert sum(moved.values()) <= 3


def test_the_first_value_that_is_no_number_is_found() -> None:
    net = classifier(caffe.TEST)
    net.forward()
    assert first_not_finite(net) is None
    net.params["fc"][1].data[...] = np.inf
    net.forward()
    assert first_not_finite(net) == ("fc", "fc")
