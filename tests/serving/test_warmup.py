"""What a trial tells before a version is ready."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from caffe_sdk.errors import LimitError
from caffe_sdk.serving.contexts import Contexts, Sizes
from caffe_sdk.serving.deploy import deploy
from caffe_sdk.serving.folder import files_of
from caffe_sdk.serving.processors import Processors
from caffe_sdk.serving.warmup import items_are_apart, warm_up
from tests.serving.models import SMALL, SUM, put

SHARED = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "norm" type: "BatchNorm" bottom: "data" top: "norm" batch_norm_param { use_global_stats: false } }
"""
INDEXED = """
layer { name: "words" type: "Input" top: "words" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "embed" type: "Embed" bottom: "words" top: "y" embed_param { input_dim: 2 num_output: 4
        weight_filler { type: "uniform" } } }
"""
ACROSS = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "prob" type: "Softmax" bottom: "data" top: "prob" softmax_param { axis: 0 } }
"""


@pytest.fixture
def processors() -> Iterator[Processors]:
    processors = Processors()
    yield processors
    processors.close()


@pytest.mark.parametrize(
    ("text", "apart"), [(SMALL, True), (SUM, True), (INDEXED, True), (SHARED, False), (ACROSS, False)]
)
def test_whether_items_may_share_a_batch(tmp_path: Path, processors: Processors, text: str, apart: bool) -> None:
    deployed = deploy(files_of(put(tmp_path, text=text)))
    assert deployed.together  # as far as shapes tell
    assert items_are_apart(deployed, Contexts(deployed, 1 << 30, "here"), processors) == apart


def test_every_size_is_known_afterwards(tmp_path: Path, processors: Processors) -> None:
    deployed, sizes = deploy(files_of(put(tmp_path))), Sizes(4)
    contexts = Contexts(deployed, 1 << 30, "here")
    warm_up(deployed, contexts, sizes, processors)
    assert sorted(sizes._measured) == [1, 2, 4]
    assert len(contexts._kept) == 3


def test_a_net_that_needs_too_much_memory(tmp_path: Path, processors: Processors) -> None:
    deployed = deploy(files_of(put(tmp_path)))
    with pytest.raises(LimitError, match=r"here: 4 items take [\d,]+ bytes, and a batch may take 100"):
        warm_up(deployed, Contexts(deployed, 100, "here"), Sizes(4), processors)
