"""The calls of ``inference.GRPCInferenceService``; those that are about models are answered over HTTP too.

A method's name is that of the call in the .proto, in lower case with underscores.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from typing import Any

from caffe_sdk import __version__
from caffe_sdk.errors import ArgumentError, UnsupportedError
from caffe_sdk.server.call import Call, idle, wired
from caffe_sdk.server.inference import calls, descriptions, messages, pb
from caffe_sdk.server.inference.stream import Stream
from caffe_sdk.server.inference.wire import Reply, Request, decode, encode, encode_in_stream
from caffe_sdk.serving import Repository

NAME = "caffe-sdk"
EXTENSIONS = ("classification", "model_configuration", "model_repository", "schedule_policy", "statistics")
"""Of Triton's extensions of the protocol those that are here; over HTTP ``binary_tensor_data`` is, too."""


class InferenceService:
    """All calls, on one repository of models. Raises CaffeErrors; what carries them to the client is not here."""

    def __init__(self, repository: Repository, ending: threading.Event) -> None:
        """``ending`` is set when the server is about to end."""
        self.repository, self._ending = repository, ending

    # -- health --------------------------------------------------------------------------------------------------------

    def server_live(self, _request: Any, _call: Call | None = None) -> Any:
        """ServerLive: whoever can answer lives."""
        return pb.ServerLiveResponse(live=True)

    def server_ready(self, _request: Any, _call: Call | None = None) -> Any:
        """ServerReady: whether every model is loaded, and the server is not about to end."""
        return pb.ServerReadyResponse(ready=self.repository.ready() and not self._ending.is_set())

    def model_ready(self, request: Any, _call: Call | None = None) -> Any:
        """ModelReady: whether requests for a model will be taken. No error where there is none."""
        return pb.ModelReadyResponse(ready=bool(request.name) and self.repository.ready(request.name, request.version))

    # -- what there is -------------------------------------------------------------------------------------------------

    def server_metadata(self, _request: Any, _call: Call | None = None) -> Any:
        """ServerMetadata."""
        return pb.ServerMetadataResponse(name=NAME, version=__version__, extensions=EXTENSIONS)

    def model_metadata(self, request: Any, _call: Call | None = None) -> Any:
        """ModelMetadata."""
        model = self.repository.get(request.name, request.version)
        ready = [each.version for each in self.repository.index() if each.name == model.name and each.state == "READY"]
        return descriptions.metadata(model, ready)

    def model_config(self, request: Any, _call: Call | None = None) -> Any:
        """ModelConfig."""
        model = self.repository.get(request.name, request.version)
        return pb.ModelConfigResponse(config=descriptions.config(model))

    def model_statistics(self, request: Any, _call: Call | None = None) -> Any:
        """ModelStatistics: of the version named, of all that are ready where none is, of all models without a name."""
        reply = pb.ModelStatisticsResponse()
        if request.name:
            self.repository.get(request.name, request.version)
        for each in self.repository.index():
            named = request.name in ("", each.name) and request.version in ("", each.version)
            if named and each.state == "READY":
                model = self.repository.get(each.name, each.version)
                reply.model_stats.append(descriptions.statistics(model))
        return reply

    # -- inference -----------------------------------------------------------------------------------------------------

    @wired(decode, encode)
    def model_infer(self, request: Request, call: Call) -> Reply:
        """ModelInfer: given up when the client cancels, goes away or runs out of time."""
        running = calls.start(self.repository, messages.to_call(request), call.remaining())
        call.when_over(running.cancel)
        return messages.to_reply(running.answer())

    @idle
    @wired(decode, encode_in_stream)
    def model_stream_infer(self, requests: Iterator[Request], call: Call) -> Generator[Reply, None, None]:
        """ModelStreamInfer: many requests at a time, answered in their order; errors do not end the stream."""
        return Stream(self.repository, requests, call).replies()

    # -- the repository ------------------------------------------------------------------------------------------------

    def repository_index(self, request: Any, _call: Call | None = None) -> Any:
        """RepositoryIndex: every version, or those that are ready."""
        _refuse_repository(request)
        reply = pb.RepositoryIndexResponse()
        for each in self.repository.index():
            if each.state == "READY" or not request.ready:
                reply.models.add(name=each.name, version=each.version, state=each.state, reason=each.reason)
        return reply

    def repository_model_load(self, request: Any, _call: Call | None = None) -> Any:
        """RepositoryModelLoad: from the server's folder; a client gives neither configuration nor files."""
        _refuse_repository(request)
        for name in request.parameters:
            if name == "config" or name.startswith("file:"):
                remedy = "put it into the server's folder of models"
                raise UnsupportedError(f"parameter '{name[:80]}'", "models come from the server's folder only", remedy)
        self.repository.load(request.model_name)
        return pb.RepositoryModelLoadResponse()

    def repository_model_unload(self, request: Any, _call: Call | None = None) -> Any:
        """RepositoryModelUnload. The parameter ``unload_dependents`` changes nothing: no model depends on another."""
        _refuse_repository(request)
        self.repository.unload(request.model_name)
        return pb.RepositoryModelUnloadResponse()

    # -- what others do ------------------------------------------------------------------------------------------------

    def system_shared_memory_status(self, _request: Any, _call: Call | None = None) -> Any:
        """SystemSharedMemoryStatus."""
        raise _no_shared_memory()

    def system_shared_memory_register(self, _request: Any, _call: Call | None = None) -> Any:
        """SystemSharedMemoryRegister."""
        raise _no_shared_memory()

    def system_shared_memory_unregister(self, _request: Any, _call: Call | None = None) -> Any:
        """SystemSharedMemoryUnregister."""
        raise _no_shared_memory()

    def cuda_shared_memory_status(self, _request: Any, _call: Call | None = None) -> Any:
        """CudaSharedMemoryStatus."""
        raise _no_shared_memory()

    def cuda_shared_memory_register(self, _request: Any, _call: Call | None = None) -> Any:
        """CudaSharedMemoryRegister."""
        raise _no_shared_memory()

    def cuda_shared_memory_unregister(self, _request: Any, _call: Call | None = None) -> Any:
        """CudaSharedMemoryUnregister."""
        raise _no_shared_memory()

    def trace_setting(self, _request: Any, _call: Call | None = None) -> Any:
        """TraceSetting."""
        raise UnsupportedError("traces", "this server writes none", "ask for ModelStatistics, or GET /metrics")

    def log_settings(self, _request: Any, _call: Call | None = None) -> Any:
        """LogSettings."""
        raise UnsupportedError("log settings", "clients do not change them", "ask the operator: caffe serve --help")


def _refuse_repository(request: Any) -> None:
    if request.repository_name:
        what = f"there is none of the name '{request.repository_name[:80]}'"
        raise ArgumentError("repository", what, "leave the name empty")


def _no_shared_memory() -> UnsupportedError:
    return UnsupportedError("shared memory", "this server looks into none", "send tensors in the request")
