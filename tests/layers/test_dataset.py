"""Sources that users write: a class of examples as a layer, shuffled, resumed, shared out, and its mistakes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk.errors import DataError, LayerError
from caffe_sdk.layers import REGISTRY, dataset
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import NetParameter

EXAMPLES = """
import numpy as np
from caffe_sdk.layers import dataset

@dataset("Ramps")
class Ramps:
    '''Ramps of grey.'''

    def __init__(self, count=10):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        return np.full((1, 4, 4), i, np.uint8), [i, i / 2]
"""


@pytest.fixture(autouse=True)
def _types_as_found() -> Iterator[None]:
    before = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


def net(type_name: str, phase: int = caffe.TEST, text: str = "batch_size: 4", **python: str) -> caffe.Net:
    words = " ".join(f"{key}: '{value}'" for key, value in python.items())
    layer = f"""layer {{ name: "x" type: "{type_name}" top: "data" top: "label" data_param {{ {text} }}
        transform_param {{ scale: 2 }} python_param {{ {words} }} }}"""
    return caffe.Net(prototxt.parse(layer, NetParameter), phase)


def forward(net: caffe.Net) -> list[int]:
    net.forward()
    labels = net.blobs["label"].data
    np.testing.assert_array_equal(net.blobs["data"].data[:, 0, 0, 0], 2 * labels[:, 0])
    np.testing.assert_array_equal(labels[:, 1], labels[:, 0] / 2)
    return [int(label) for label in labels[:, 0]]


def test_a_module_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ramps_of_grey.py").write_text(EXAMPLES)
    monkeypatch.chdir(tmp_path)
    with net("Ramps", module="ramps_of_grey", param_str='{"count": 6}') as ours:
        assert ours.blobs["label"].shape == (4, 2)
        assert [forward(ours) for _ in range(3)] == [[0, 1, 2, 3], [4, 5, 0, 1], [2, 3, 4, 5]]
        assert "Ramps of grey" in (type(ours.layers[0]).__doc__ or "")


def test_training_shuffles_and_resumes(monkeypatch: pytest.MonkeyPatch) -> None:
    exec(EXAMPLES, {})
    caffe.set_random_seed(5)
    with net("Ramps", caffe.TRAIN) as ours:
        first = [label for _ in range(5) for label in forward(ours)]
        assert sorted(first[:10]) == sorted(first[10:]) == [*range(10)]
        assert first[:10] != first[10:]
        layer = ours.layers[0]
        state = layer.state()
        following = forward(ours)
        layer.restore_state(state)
        assert forward(ours) == following


def test_examples_are_made_by_several_threads() -> None:
    together = threading.Barrier(2, timeout=20)

    @dataset("Pairs")
    class Pairs:
        def __len__(self) -> int:
            return 8

        def __getitem__(self, index: int) -> Any:
            if index:  # the first one is made when the net is
                together.wait()
            return np.zeros((1, 1, 1), np.float64), index

    del Pairs
    with net("Pairs", text="threads: 2 batch_size: 2 prefetch: 0") as ours:
        ours.layers[0].batches().seek(2)
        ours.forward()
        assert ours.blobs["label"].data.tolist() == [2, 3]


class Bad:
    """Examples that go wrong in a way of their own."""

    def __init__(self, way: str) -> None:
        if way == "init":
            raise OSError("no such disk")
        self.way = way

    def __len__(self) -> int:
        return 0 if self.way == "empty" else 3

    def __getitem__(self, index: int) -> Any:
        made: dict[str, Any] = {
            "shape": (np.zeros((4, 4), np.uint8), 0),
            "type": (np.zeros((1, 4, 4), np.int64), 0),
            "label": (np.zeros((1, 4, 4), np.uint8), [[1, 2]]),
            "word": (np.zeros((1, 4, 4), np.uint8), "cat"),
            "one": np.zeros((1, 4, 4), np.uint8),
        }
        return made[self.way]


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("init", "cannot be opened: OSError: no such disk"),
        ("empty", "has no examples"),
        ("shape", r"record '0': pixels of shape \(4, 4\)"),
        ("type", "type int64"),
        ("label", r"a label of shape \(1, 2\)"),
        ("word", "cannot be made: ValueError: could not convert string"),
        ("one", "cannot be made: ValueError: not enough values"),
        ("else", "cannot be made: KeyError: 'else'"),
    ],
)
def test_mistakes_name_the_layer(way: str, words: str) -> None:
    dataset("Bad")(Bad)
    with pytest.raises(DataError, match=words) as caught:
        net("Bad", param_str=f'{{"way": "{way}"}}')
    assert "layer 'x' (Bad)" in str(caught.value)


def test_settings_that_make_no_sense() -> None:
    dataset("Bad")(Bad)
    with pytest.raises(LayerError, match="batch_size: 0"):
        net("Bad", text="batch_size: 0")
    with pytest.raises(DataError, match="cannot be opened: TypeError"):
        net("Bad", param_str='{"color": 1}')
