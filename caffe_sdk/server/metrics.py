"""``GET /metrics``: the server's numbers in the text format of Prometheus.

Those of models have Triton's names but for the prefix, ``caffe_`` for ``nv_``, so dashboards made for it need only that
replaced. https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from caffe_sdk.server.backend import Backend
from caffe_sdk.serving import Repository, ServedModel, Statistics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

STARTED = time.time()

Sample = tuple[Mapping[str, str], float]

PARTS = ("queue", "compute_input", "compute_infer", "compute_output")


def exposition(backend: Backend) -> str:
    """All metrics as of now."""
    families = [*_requests(backend), *_process()]
    held = backend.session.objects()
    families.append(_family("caffe_held_objects", "gauge", "Nets and solvers held for clients.", [
        ({"kind": "net"}, held.nets), ({"kind": "solver"}, held.solvers),
    ]))  # fmt: skip
    if backend.repository is not None:
        families += _models(backend.repository)
    return "".join(families)


def _requests(backend: Backend) -> Iterable[str]:
    counts = {
        (("door", door), ("method", method), ("status", status)): count
        for (door, method, status), count in backend.journal.counts().items()
    }
    number = [(dict(labels), count.requests) for labels, count in counts.items()]
    seconds = [(dict(labels), count.seconds) for labels, count in counts.items()]
    yield _family("caffe_requests_total", "counter", "Requests answered, of every kind.", number)
    yield _family("caffe_request_seconds_total", "counter", "Seconds these requests took together.", seconds)


def _models(repository: Repository) -> Iterable[str]:
    index = repository.index()
    ready = [({"model": each.name, "version": each.version}, float(each.state == "READY")) for each in index]
    yield _family("caffe_model_ready", "gauge", "Whether a version of a model takes requests.", ready)
    served = [
        (model, model.statistics.snapshot())
        for each in index
        if each.state == "READY"
        for model in [repository.get(each.name, each.version)]
    ]
    yield _family("caffe_inference_request_success", "counter", "Inference requests with a result.", [
        (_labels(model), now.success.count) for model, now in served
    ])  # fmt: skip
    yield _family("caffe_inference_request_failure", "counter", "Inference requests that failed, by error code.", [
        (_labels(model) | {"reason": code}, count) for model, now in served for code, count in now.failures.items()
    ])  # fmt: skip
    yield _per_model("caffe_inference_count", "counter", "Items computed.", served, "inference_count")
    yield _per_model("caffe_inference_exec_count", "counter", "Runs of the net.", served, "execution_count")
    yield _per_model("caffe_inference_pending_request_count", "gauge", "Requests without result.", served, "pending")
    yield _family("caffe_inference_request_duration_us", "counter", "Microseconds of requests with a result.", [
        (_labels(model), now.success.ns / 1000) for model, now in served
    ])  # fmt: skip
    for part in PARTS:
        yield _family(f"caffe_inference_{part}_duration_us", "counter", f"Of these: {part.replace('_', ' ')}.", [
            (_labels(model), getattr(now, part).ns / 1000) for model, now in served
        ])  # fmt: skip
    yield _family("caffe_inference_batch_exec_count", "counter", "Runs of the net by items in the batch.", [
        (_labels(model) | {"batch_size": str(size)}, batch.compute_infer.count)
        for model, now in served for size, batch in sorted(now.batches.items())
    ])  # fmt: skip


def _process() -> Iterable[str]:
    yield _family("process_cpu_seconds_total", "counter", "Processor time.", [({}, time.process_time())])
    yield _family("process_start_time_seconds", "gauge", "Since 1970.", [({}, STARTED)])
    pages = Path("/proc/self/statm")
    if pages.exists():  # on Linux
        resident = int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        yield _family("process_resident_memory_bytes", "gauge", "Memory in use.", [({}, resident)])


def _per_model(name: str, kind: str, words: str, served: list[tuple[ServedModel, Statistics]], field: str) -> str:
    return _family(name, kind, words, [(_labels(model), getattr(now, field)) for model, now in served])


def _labels(model: ServedModel) -> dict[str, str]:
    return {"model": model.name, "version": model.version}


def _family(name: str, kind: str, words: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"{name}{{{inside}}} {value!r}" if inside else f"{name} {value!r}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
