"""The Data layer: blobs filled from a database, in order, from any position."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format

from caffe_sdk.blob import Blob
from caffe_sdk.data import datum
from caffe_sdk.data.databases import create_database
from caffe_sdk.engine import select
from caffe_sdk.errors import DataError, LayerError, MissingFileError
from caffe_sdk.layers import Layer, create
from caffe_sdk.schema.messages import TRAIN, LayerParameter
from tests.layers import making

ENGINE = select("reference")


@pytest.fixture
def seven(tmp_path: Path) -> Path:
    """Seven records of (1, 2, 3), of values 10 i and label i."""
    with create_database(tmp_path / "seven", "LMDB") as writer:
        for i in range(7):
            writer.put(b"%08d" % i, datum.encode(np.full((1, 2, 3), 10 * i, np.uint8), i))
    return tmp_path / "seven"


def made(source: Path | str, tops: int = 2, text: str = "data_param { batch_size: 3 backend: LMDB }") -> Layer:
    config = LayerParameter(name="digits", type="Data")
    config.top.extend(["data", "label"][:tops])
    text_format.Merge(text, config)
    config.data_param.source = str(source)
    return create(config, TRAIN, np.random.default_rng(1))


def step(layer: Layer, top: list[Blob]) -> list[float]:
    layer.forward(ENGINE, [], top)
    return [float(v) for v in top[0].data[:, 0, 0, 0]]


def tops(layer: Layer) -> list[Blob]:
    return [Blob(shape) for shape in layer.shapes([])[: len(layer.config.top)]]


def test_batches_follow_each_other_and_begin_again(seven: Path) -> None:
    layer = made(seven)
    assert layer.shapes([]) == [(3, 1, 2, 3), (3,)]
    top = tops(layer)
    assert step(layer, top) == [0, 10, 20]
    assert list(top[1].data) == [0, 1, 2]
    assert step(layer, top) == [30, 40, 50]
    assert step(layer, top) == [60, 0, 10]
    layer.close()


def test_label_may_be_left_out(seven: Path) -> None:
    layer = made(seven, tops=1)
    assert step(layer, tops(layer)) == [0, 10, 20]
    layer.close()


def test_transform(seven: Path) -> None:
    text = "data_param { batch_size: 2 backend: LMDB } transform_param { scale: 0.5 mean_value: 10 crop_size: 2 }"
    layer = made(seven, text=text)
    assert layer.shapes([])[0] == (2, 1, 2, 2)
    assert step(layer, tops(layer)) == [-5, 0]
    layer.close()


def test_state_takes_the_stream_up_where_it_was(seven: Path) -> None:
    text = "data_param { batch_size: 2 backend: LMDB rand_skip: 5 } transform_param { crop_size: 1 mirror: true }"
    layer = made(seven, text=text)
    top = tops(layer)
    step(layer, top)
    state = layer.state()
    following = [step(layer, top) for _ in range(4)]
    layer.close()

    config = layer.config
    again = create(config, TRAIN, np.random.default_rng(2))  # another seed, until the state is restored
    again.restore_state(state)
    assert [step(again, tops(again)) for _ in range(4)] == following
    again.close()


def test_blobs_follow_the_shape_of_the_records(tmp_path: Path) -> None:
    with create_database(tmp_path / "two", "LMDB") as writer:
        for i, size in enumerate((2, 2, 3, 3)):
            writer.put(b"%d" % i, datum.encode(np.full((1, size, size), i, np.uint8), i))
    layer = made(tmp_path / "two", text="data_param { batch_size: 2 backend: LMDB }")
    top = tops(layer)
    assert step(layer, top) == [0, 1]
    assert step(layer, top) == [2, 3]
    assert top[0].shape == (2, 1, 3, 3)
    layer.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data_param { backend: LMDB }", "batch_size: 0"),
        ("data_param { batch_size: 1 } transform_param { mean_value: 1 mean_file: 'm' }", "mean_file and mean_value"),
    ],
)
def test_parameters_that_make_no_sense(text: str, words: str) -> None:
    with pytest.raises(LayerError, match=rf"^layer 'digits' \(Data\): .*{words}"):
        made("anywhere", text=text)


def test_no_source() -> None:
    with pytest.raises(LayerError, match="has no source"):
        made("")


def test_missing_database_is_said_when_shapes_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=rf"^layer 'digits' \(Data\): {tmp_path}"):
        made(tmp_path / "nowhere").shapes([])


def test_bad_record_names_layer_source_and_key(tmp_path: Path) -> None:
    with create_database(tmp_path / "bad", "LMDB") as writer:
        writer.put(b"good", datum.encode(np.zeros((1, 2, 2), np.uint8), 0))
        writer.put(b"later", b"\xff\xff")
    layer: Any = made(tmp_path / "bad", text="data_param { batch_size: 1 backend: LMDB }")
    top = tops(layer)
    layer.forward(ENGINE, [], top)
    with pytest.raises(DataError, match=rf"^layer 'digits' \(Data\): {tmp_path}.*'later'"):
        layer.forward(ENGINE, [], top)
    layer.close()


# -- DummyData ---------------------------------------------------------------------------------------------------------


def dummy(text: str, tops: int = 1) -> Layer:
    return making.made("DummyData", f"dummy_data_param {{ {text} }}", 0, tops)


def begun(layer: Layer) -> list[Blob]:
    top = [Blob(shape) for shape in layer.shapes([])]
    layer.reshape([], top)
    return top


def test_constants_stay_what_somebody_writes_into_them() -> None:
    layer = dummy("data_filler { value: 3 } shape { dim: 2 dim: 3 }")
    (top,) = begun(layer)
    assert top.data_memory.allocated() == 0
    assert (top.data == 3).all()
    top.data[0] = 5
    layer.reshape([], [top])
    layer.forward(ENGINE, [], [top])
    assert (top.data[0] == 5).all()
    top.reshape(4, 3)
    layer.reshape([], [top])
    assert (top.data == 3).all()
    layer.backward(ENGINE, [top], [], [])


def test_random_values_are_drawn_anew() -> None:
    layer = dummy("data_filler { type: 'gaussian' } data_filler { value: 1 } shape { dim: 50 }", tops=2)
    top = begun(layer)
    steps = []
    for _ in range(2):
        layer.forward(ENGINE, [], top)
        steps.append(top[0].data.copy())
    assert (steps[0] != steps[1]).all()
    assert (top[1].data == 1).all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shape { dim: 2 }", [(2,), (2,)]),
        ("shape { dim: 2 } shape { dim: 3 dim: 4 }", [(2,), (3, 4)]),
        ("num: 5 channels: 1 channels: 2 height: 3 width: 4", [(5, 1, 3, 4), (5, 2, 3, 4)]),
    ],
)
def test_dummy_shapes(text: str, expected: list[tuple[int, ...]]) -> None:
    assert dummy(text, tops=2).shapes([]) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "shape is given 0 times for 2 tops"),
        ("shape { dim: 1 } " * 3, "shape is given 3 times for 2 tops"),
        ("num: 1 channels: 1 height: 1", "width is given 0 times for 2 tops"),
        ("num: 1 shape { dim: 1 }", "has shape and num"),
        ("shape { dim: 1 }" + " data_filler { }" * 3, "data_filler is given 3 times for 2 tops"),
    ],
)
def test_dummy_parameters_that_make_no_sense(text: str, words: str) -> None:
    with pytest.raises(LayerError, match=rf"^layer 'it' \(DummyData\): {words}"):
        dummy(text, tops=2).shapes([])


def test_dummy_filler_is_checked_with_the_shape() -> None:
    with pytest.raises(LayerError, match="Unknown filler name: nonsense"):
        begun(dummy("shape { dim: 1 } data_filler { type: 'nonsense' }"))
