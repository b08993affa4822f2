"""The reference engine against other words for the same thing: SciPy, plain loops, numbers worked out by hand.

Gradients are checked by differences in tests/cases.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import signal, special

from caffe_sdk.engine.geometry import ConvolutionGeometry, PoolingGeometry
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.engine.reference.convolution import rolled, unrolled
from caffe_sdk.errors import DataError
from caffe_sdk.memory import HOST, Array, Tensor, new_tensor

ENGINE = ReferenceEngine()
FLT_MIN = np.finfo(np.float32).tiny
FLT_MAX = np.finfo(np.float32).max


def tensor(values: Any, dtype: Any = np.float64) -> Tensor:
    array = np.asarray(values, dtype)
    made = new_tensor(array.shape, dtype)
    made.memory.write(HOST)[...] = array.reshape(-1)
    return made


def values(tensor: Tensor) -> Array:
    return ENGINE.read(tensor).copy()


# -- convolution -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", [(9,), (6, 7), (5, 4, 6)])
def test_convolution_is_correlation(rng: np.random.Generator, space: tuple[int, ...]) -> None:
    axes = len(space)
    x, weight, bias = rng.normal(size=(2, 3, *space)), rng.normal(size=(4, 3, *(3,) * axes)), rng.normal(size=4)
    geometry = ConvolutionGeometry((3,) * axes, (1,) * axes, (0,) * axes, (1,) * axes)
    out = geometry.output_size(space)
    y = new_tensor((2, 4, *out), np.float64)
    ENGINE.convolution(tensor(x), tensor(weight), tensor(bias), y, geometry)
    for n, o in np.ndindex(2, 4):
        np.testing.assert_allclose(values(y)[n, o], signal.correlate(x[n], weight[o], "valid")[0] + bias[o])


def test_stride_pad_dilation_and_group(rng: np.random.Generator) -> None:
    """Against the definition, place by place."""
    x, weight = rng.normal(size=(1, 4, 8, 7)), rng.normal(size=(6, 2, 3, 2))
    geometry = ConvolutionGeometry((3, 2), (2, 1), (2, 1), (2, 3), group=2)
    oh, ow = geometry.output_size((8, 7))
    y = new_tensor((1, 6, oh, ow), np.float64)
    ENGINE.convolution(tensor(x), tensor(weight), None, y, geometry)
    got = values(y)
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (1, 1)))
    for o, i, j in np.ndindex(6, oh, ow):
        first = o // 3 * 2
        seen = padded[0, first : first + 2, 2 * i : 2 * i + 5 : 2, j : j + 4 : 3]
        np.testing.assert_allclose(got[0, o, i, j], (seen * weight[o]).sum())


def test_rolling_is_the_transpose_of_unrolling(rng: np.random.Generator) -> None:
    geometry = ConvolutionGeometry((3, 2), (2, 1), (1, 1), (1, 2), group=2)
    x = rng.normal(size=(2, 4, 6, 5))
    columns = unrolled(x, geometry)
    other = rng.normal(size=columns.shape)
    assert (columns * other).sum() == pytest.approx((x * rolled(other, x.shape, geometry)).sum())


def test_weight_gradients_add_up() -> None:
    geometry = ConvolutionGeometry((1, 1), (1, 1), (0, 0), (1, 1))
    x, dy = tensor(np.full((1, 1, 2, 2), 3)), tensor(np.ones((1, 1, 2, 2)))
    dweight, dbias = tensor([[[[100]]]]), tensor([10])
    ENGINE.convolution_grad_weight(x, dy, dweight, None, geometry)
    ENGINE.convolution_grad_weight(x, dy, None, dbias, geometry)
    assert values(dweight).item() == 112
    assert values(dbias).item() == 14


# -- pooling -----------------------------------------------------------------------------------------------------------

POOLINGS = [
    PoolingGeometry((2, 2), (2, 2), (0, 0)),
    PoolingGeometry((3, 3), (2, 2), (1, 1)),
    PoolingGeometry((3, 2), (1, 3), (2, 1)),
    PoolingGeometry((3, 3), (2, 2), (0, 0), ceil=False),
    PoolingGeometry((4, 4), (3, 3), (3, 3)),
]


@pytest.mark.parametrize("geometry", POOLINGS, ids=str)
def test_pooling_looks_at_its_windows(rng: np.random.Generator, geometry: PoolingGeometry) -> None:
    x = rng.normal(size=(2, 3, 7, 8))
    out = geometry.output_size((7, 8))
    y, mask, average = (new_tensor((2, 3, *out), t) for t in (np.float64, np.int32, np.float64))
    ENGINE.max_pool(tensor(x), y, mask, geometry)
    ENGINE.average_pool(tensor(x), average, geometry)
    for i, j in np.ndindex(*out):
        top, bottom, height = geometry.window(i, 7, 0)
        left, right, width = geometry.window(j, 8, 1)
        seen = x[:, :, top:bottom, left:right]
        np.testing.assert_array_equal(values(y)[:, :, i, j], seen.max(axis=(2, 3)))
        np.testing.assert_allclose(values(average)[:, :, i, j], seen.sum(axis=(2, 3)) / (height * width))
    flat = x.reshape(2, 3, 56)
    chosen = np.take_along_axis(flat, values(mask).reshape(2, 3, -1), axis=2)
    np.testing.assert_array_equal(chosen.reshape(values(y).shape), values(y))


def test_first_of_equal_maxima_is_chosen() -> None:
    y, mask = new_tensor((1, 1, 1, 2)), new_tensor((1, 1, 1, 2), np.int32)
    ENGINE.max_pool(tensor(np.ones((1, 1, 3, 4)), np.float32), y, mask, PoolingGeometry((3, 2), (1, 2), (0, 0)))
    assert values(mask).tolist() == [[[[0, 2]]]]


def test_windows_outside_the_image() -> None:
    """Stride 2 and kernel 1 over 4 values give a third window past the end, as in Caffe."""
    geometry = PoolingGeometry((1, 1), (2, 2), (0, 0))
    x = tensor(np.arange(16).reshape(1, 1, 4, 4), np.float32)
    y, mask = new_tensor((1, 1, 3, 3)), new_tensor((1, 1, 3, 3), np.int32)
    ENGINE.max_pool(x, y, mask, geometry)
    assert values(y)[0, 0].tolist() == [[0, 2, -FLT_MAX], [8, 10, -FLT_MAX], [-FLT_MAX] * 3]
    assert values(mask)[0, 0].tolist() == [[0, 2, -1], [8, 10, -1], [-1] * 3]
    dx = new_tensor((1, 1, 4, 4))
    ENGINE.max_pool_grad(tensor(np.ones((1, 1, 3, 3)), np.float32), mask, dx, geometry)
    assert values(dx).sum() == 4
    ENGINE.average_pool(x, y, geometry)
    assert values(y)[0, 0].tolist() == [[0, 2, 0], [8, 10, 0], [0, 0, 0]]


def test_not_a_number_comes_out_of_the_window_it_is_in() -> None:
    x = np.zeros((1, 1, 2, 4))
    x[0, 0, 0, 3] = np.nan
    y = new_tensor((1, 1, 1, 2), np.float64)
    ENGINE.max_pool(tensor(x), y, None, PoolingGeometry((2, 2), (2, 2), (0, 0)))
    np.testing.assert_array_equal(values(y), [[[[0, np.nan]]]])


# -- neurons -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neurons_are_the_functions_of_their_names(dtype: Any) -> None:
    x = np.linspace(-30, 30, 61).astype(dtype)
    given = tensor(x, dtype)
    tolerance = 1e-6 if dtype == np.float32 else 1e-12
    expected = {
        ("relu", 0.0): np.maximum(x, 0),
        ("relu", 0.25): np.where(x > 0, x, 0.25 * x),
        ("sigmoid",): special.expit(x),
        ("tanh",): np.tanh(x),
        ("elu", 0.5): np.where(x > 0, x, 0.5 * (np.exp(np.minimum(x, 0)) - 1)),
        ("swish", 2.0): x * special.expit(2 * x),
        ("bnll",): np.log1p(np.exp(x)),
        ("clip", -1.0, 2.5): np.minimum(np.maximum(x, -1), 2.5),
        ("threshold", 3.0): (x > 3) * 1.0,
        ("absolute",): np.abs(x),
        ("power", 2.0, 0.5, 1.0): (0.5 * x + 1) ** 2,
        ("exponential", 0.5, 1.0): np.exp(0.5 * x + 1),
        ("logarithm", 2.0, 1.0, 31.0): 2 * np.log(x + 31),
    }
    for (name, *parameters), result in expected.items():
        y = new_tensor(x.shape, dtype)
        getattr(ENGINE, name)(given, y, *parameters)
        assert values(y).dtype == dtype
        np.testing.assert_allclose(values(y), result, rtol=tolerance, atol=tolerance, err_msg=name)


def test_relu_of_infinities() -> None:
    y = new_tensor((3,), np.float64)
    ENGINE.relu(tensor([-np.inf, np.inf, np.nan]), y, 0.0)
    np.testing.assert_array_equal(values(y), [0, np.inf, np.nan])


def test_dropout_keeps_the_mean_and_forgets_what_it_dropped(rng: np.random.Generator) -> None:
    x, y, mask = tensor(np.full(100_000, 3.0)), new_tensor((100_000,), np.float64), new_tensor((100_000,))
    ENGINE.dropout(x, y, mask, 0.4, rng)
    assert abs((values(mask) == 0).mean() - 0.4) < 0.01
    assert set(np.unique(values(mask))) == {np.float32(0), np.float32(1 / 0.6)}
    assert abs(values(y).mean() - 3) < 0.05
    first = values(mask)
    ENGINE.dropout(x, y, mask, 0.4, rng)
    assert (values(mask) != first).any()


# -- softmax and what follows it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_softmax(rng: np.random.Generator, axis: int) -> None:
    x = rng.normal(size=(3, 4, 5)) * 50 + 1000
    y = new_tensor(x.shape, np.float64)
    ENGINE.softmax(tensor(x), y, axis)
    np.testing.assert_allclose(values(y), special.softmax(x, axis))


PROB = np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125], [0.0, 0.5, 0.5], [1.0, 0.0, 0.0]])


@pytest.mark.parametrize(
    ("normalization", "ignore", "divisor"),
    [
        ("VALID", None, 4),
        ("FULL", None, 4),
        ("BATCH_SIZE", None, 4),
        ("NONE", None, 1),
        ("VALID", 0, 2),
        ("FULL", 0, 4),
        ("BATCH_SIZE", 0, 4),
        ("NONE", 0, 1),
    ],
)
def test_loss_and_its_normalizers(normalization: str, ignore: int | None, divisor: int) -> None:
    labels = [1, 1, 0, 0]
    terms = [-math.log(max(PROB[n, label], FLT_MIN)) for n, label in enumerate(labels) if label != ignore]
    loss, dx = new_tensor((), np.float64), new_tensor((4, 3), np.float64)
    ENGINE.softmax_loss(tensor(PROB), tensor(labels), loss, 1, ignore, normalization)
    assert values(loss).item() == pytest.approx(sum(terms) / divisor)
    ENGINE.softmax_loss_grad(tensor(PROB), tensor(labels), tensor(2.0), dx, 1, ignore, normalization)
    expected = PROB - np.eye(3)[labels]
    expected[[label == ignore for label in labels]] = 0
    np.testing.assert_allclose(values(dx), 2 * expected / divisor)


def test_everything_ignored_is_divided_by_1() -> None:
    loss, dx = tensor(5.0), tensor(np.ones((2, 3)))
    ENGINE.softmax_loss(tensor(PROB[:2]), tensor([7, 7]), loss, 1, 7, "VALID")
    ENGINE.softmax_loss_grad(tensor(PROB[:2]), tensor([7, 7]), tensor(1.0), dx, 1, 7, "VALID")
    assert values(loss).item() == 0
    assert not values(dx).any()


@pytest.mark.parametrize(("wrong", "words"), [(3, "3"), (-1, "-1"), (math.nan, "nan"), (1e9, "1e\\+09")])
def test_labels_that_are_no_class(wrong: float, words: str) -> None:
    labels, out = tensor([1, wrong]), new_tensor((), np.float64)
    message = f"^label: {words} is not one of 3 classes; give 0 to 2"
    with pytest.raises(DataError, match=message):
        ENGINE.softmax_loss(tensor(PROB[:2]), labels, out, 1, None, "VALID")
    with pytest.raises(DataError, match=message):
        ENGINE.softmax_loss_grad(tensor(PROB[:2]), labels, tensor(1.0), tensor(PROB[:2]), 1, None, "VALID")
    with pytest.raises(DataError, match=message):
        ENGINE.accuracy(tensor(PROB[:2]), labels, out, None, 1, 1, None)


def accuracy(scores: Any, labels: Any, top_k: int = 1, ignore: int | None = None) -> tuple[float, list[float]]:
    top, per_class = new_tensor((), np.float64), new_tensor((np.shape(scores)[1],), np.float64)
    ENGINE.accuracy(tensor(scores), tensor(labels), top, per_class, 1, top_k, ignore)
    return values(top).item(), values(per_class).tolist()


def test_accuracy() -> None:
    scores = [[3, 2, 1], [1, 3, 2], [1, 2, 3], [3, 1, 2]]
    assert accuracy(scores, [0, 1, 2, 1]) == (0.75, [1, 0.5, 1])
    assert accuracy(scores, [0, 1, 2, 2], top_k=2) == (1, [1, 1, 1])
    assert accuracy(scores, [0, 1, 2, 1], ignore=1) == (1, [1, 0, 1])
    assert accuracy(scores, [1, 1, 1, 1], ignore=1) == (0, [0, 0, 0])


def test_ties_and_nonsense_are_never_right() -> None:
    assert accuracy(np.zeros((4, 3)), [0, 1, 2, 0]) == (0, [0, 0, 0])
    assert accuracy([[1, 1, 0]], [0], top_k=2) == (1, [1, 0, 0])
    assert accuracy(np.full((2, 3), np.nan), [0, 1]) == (0, [0, 0, 0])


# -- the rest ----------------------------------------------------------------------------------------------------------


def test_copy_changes_type_and_shape() -> None:
    y = new_tensor((3, 2))
    ENGINE.copy(tensor([[1, 2, 3], [4, 5, 6]], np.int32), y)
    assert values(y).tolist() == [[1, 2], [3, 4], [5, 6]]
    assert values(y).dtype == np.float32


def test_sums_and_products() -> None:
    a, b, c, y = tensor([1, 2]), tensor([3, 5]), tensor([7, 11]), new_tensor((2,), np.float64)
    ENGINE.add_all([a, b, c], y)
    assert values(y).tolist() == [11, 18]
    ENGINE.weighted_sum([a, b], y, (2.0, -1.0))
    assert values(y).tolist() == [-1, -1]
    ENGINE.product([a, b, c], y)
    assert values(y).tolist() == [21, 110]
    ENGINE.scale(a, y, 0.5)
    assert values(y).tolist() == [0.5, 1]
    ENGINE.fill(y, 4.0)
    assert values(y).tolist() == [4, 4]


def test_maximum_of_equals() -> None:
    """The second of two, the first of the others: Caffe's order."""
    y, mask = new_tensor((3,), np.float64), new_tensor((3,), np.int32)
    ENGINE.maximum([tensor([1, 1, 2]), tensor([1, 0, 1]), tensor([1, 1, 1])], y, mask)
    assert values(y).tolist() == [1, 1, 2]
    assert values(mask).tolist() == [1, 0, 0]


@pytest.mark.parametrize("l1", [False, True])
@pytest.mark.parametrize(("scale", "decay"), [(1.0, 0.0), (0.5, 0.0), (1.0, 0.1), (0.5, 0.1)])
def test_sgd_update(scale: float, decay: float, l1: bool) -> None:
    weight, diff, history = (np.array(v) for v in ([1.0, -2.0], [0.5, 0.25], [0.1, -0.1]))
    a, b, c = tensor(weight), tensor(diff), tensor(history)
    ENGINE.sgd_update(a, b, c, rate=0.01, momentum=0.9, decay=decay, l1=l1, scale=scale)
    gradient = scale * diff + decay * (np.sign(weight) if l1 else weight)
    step = 0.9 * history + 0.01 * gradient
    np.testing.assert_allclose(values(c), step)
    np.testing.assert_allclose(values(b), step)
    np.testing.assert_allclose(values(a), weight - step)
