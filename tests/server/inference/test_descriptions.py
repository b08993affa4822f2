from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from caffe_sdk.server.inference import descriptions, pb
from caffe_sdk.serving import InferRequest, Repository, ServedModel
from tests.serving.models import put


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    put(
        tmp_path,
        max_batch_size=8,
        instances=2,
        priority_levels=3,
        default_priority=2,
        max_queue_delay_ms=1.5,
        default_timeout_ms=20,
        versions="all",
    )
    put(tmp_path, "single", max_batch_size=1, versions=[1])
    with Repository(tmp_path) as repository:
        repository.poll()
        yield repository


def served(repository: Repository, name: str = "small") -> ServedModel:
    return repository.get(name)


def test_a_model_that_batches(repository: Repository) -> None:
    config = descriptions.config(served(repository))
    assert (config.name, config.platform, config.max_batch_size) == ("small", "caffe", 8)
    assert (config.input[0].name, list(config.input[0].dims)) == ("data", [3, 8, 8])
    assert config.input[0].format == pb.ModelInput.FORMAT_NCHW
    assert (config.output[0].name, list(config.output[0].dims)) == ("prob", [5])
    assert config.instance_group[0].count == 2
    batching = config.dynamic_batching
    assert (batching.max_queue_delay_microseconds, batching.priority_levels) == (1500, 3)
    assert batching.default_priority_level == 2
    assert batching.default_queue_policy.default_timeout_microseconds == 20_000
    assert config.version_policy.WhichOneof("policy_choice") == "all"


def test_a_model_that_computes_one_by_one(repository: Repository) -> None:
    config = descriptions.config(served(repository, "single"))
    assert config.WhichOneof("scheduling_choice") is None
    assert list(config.version_policy.specific.versions) == [1]


def test_metadata(repository: Repository) -> None:
    found = descriptions.metadata(served(repository), ["1", "3"])
    assert list(found.versions) == ["1", "3"]
    assert (found.inputs[0].datatype, list(found.inputs[0].shape)) == ("FP32", [-1, 3, 8, 8])
    assert list(found.outputs[0].shape) == [-1, 5]


def test_statistics_of_a_model_that_was_never_asked_and_then_was(repository: Repository, rng: Any) -> None:
    model = served(repository)
    before = descriptions.statistics(model)
    assert before.inference_stats.success.count == 0
    assert before.inference_stats.HasField("cache_hit")
    model.infer(InferRequest({"data": rng.standard_normal((3, 3, 8, 8))}))
    after = descriptions.statistics(model)
    assert (after.inference_count - before.inference_count, after.inference_stats.success.count) == (3, 1)
    assert after.batch_stats[-1].compute_infer.ns > 0
