"""What the server tells of a model: its metadata, its configuration in Triton's terms, its statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe_sdk.server.inference import pb
from caffe_sdk.serving import Duration, ServedModel

PLATFORM = "caffe"
"""Triton's word for what runs a model: ``onnxruntime_onnx``, ``tensorrt_plan``, and so on."""


def metadata(model: ServedModel, versions: Sequence[str]) -> Any:
    """The ModelMetadataResponse of a model of which these versions are ready; sizes of -1 are free."""
    reply = pb.ModelMetadataResponse(name=model.name, versions=versions, platform=PLATFORM)
    for specs, tensors in ((model.inputs, reply.inputs), (model.outputs, reply.outputs)):
        for spec in specs:
            tensors.add(name=spec.name, datatype=spec.datatype, shape=spec.shape)
    return reply


def config(model: ServedModel) -> Any:
    """The ModelConfig message of a model. Sizes are without the batch where there is one, as Triton counts."""
    batched = all(spec.shape[:1] == (-1,) for spec in model.inputs)
    settings = model.config
    reply = pb.ModelConfig(name=model.name, platform=PLATFORM, backend=PLATFORM)
    reply.max_batch_size = settings.max_batch_size if batched else 0
    for spec in model.inputs:
        dims = spec.shape[batched:]
        image = len(dims) == 3
        kind = pb.ModelInput.FORMAT_NCHW if image and batched else pb.ModelInput.FORMAT_NONE
        reply.input.add(name=spec.name, data_type=pb.TYPE_FP32, format=kind, dims=dims)
    for spec in model.outputs:
        dims = spec.shape[spec.shape[:1] == (-1,) and batched :]
        reply.output.add(name=spec.name, data_type=pb.TYPE_FP32, dims=dims or (1,))
    reply.instance_group.add(name=model.name, kind=pb.ModelInstanceGroup.KIND_CPU, count=settings.instances)
    if batched and settings.max_batch_size > 1:
        batching = reply.dynamic_batching
        batching.max_queue_delay_microseconds = round(settings.max_queue_delay_ms * 1000)
        batching.preserve_ordering = False
        batching.priority_levels = settings.priority_levels
        batching.default_priority_level = settings.default_priority
        policy = batching.default_queue_policy
        policy.default_timeout_microseconds = round(settings.default_timeout_ms * 1000)
        policy.allow_timeout_override = True
        policy.max_queue_size = settings.max_queue_requests
    if settings.versions.listed is not None:
        reply.version_policy.specific.versions.extend(settings.versions.listed)
    elif settings.versions.latest is not None:
        reply.version_policy.latest.num_versions = settings.versions.latest
    else:
        reply.version_policy.all.SetInParent()
    reply.parameters["takes_images"].string_value = str(model.takes_images).lower()
    return reply


def statistics(model: ServedModel) -> Any:
    """The ModelStatistics message of a model: counts, and nanoseconds in all."""
    now = model.statistics.snapshot()
    reply = pb.ModelStatistics(
        name=model.name,
        version=model.version,
        last_inference=now.last_inference,
        inference_count=now.inference_count,
        execution_count=now.execution_count,
    )
    parts = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output")
    for part in parts:
        _put(getattr(reply.inference_stats, part), getattr(now, part))
    for part in ("cache_hit", "cache_miss"):
        _put(getattr(reply.inference_stats, part), Duration())
    for size, batch in sorted(now.batches.items()):
        entry = reply.batch_stats.add(batch_size=size)
        for part in parts[3:]:
            _put(getattr(entry, part), getattr(batch, part))
    return reply


def _put(message: Any, duration: Duration) -> None:
    message.SetInParent()
    message.count, message.ns = duration.count, duration.ns
