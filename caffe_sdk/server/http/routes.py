"""Which path is answered by what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

from aiohttp import web

from caffe_sdk.errors import ArgumentError, UnsupportedError
from caffe_sdk.server import metrics
from caffe_sdk.server.backend import Backend
from caffe_sdk.server.http import body
from caffe_sdk.server.http.plain import plain
from caffe_sdk.server.http.replies import compress, json_reply
from caffe_sdk.server.inference import calls, pb
from caffe_sdk.server.inference.calls import InferCall, Running
from caffe_sdk.server.inference.service import EXTENSIONS, InferenceService
from caffe_sdk.serving import Repository

MODEL = "/v2/models/{model}"
VERSION = MODEL + "/versions/{version}"
ARRIVING: ContextVar[Callable[[int], None]] = ContextVar("arriving")
"""What counts the bytes of the request at hand, and raises LimitError when its client has too many under way."""

LEFT_OUT = {
    "systemsharedmemory": "this server looks into no shared memory",
    "cudasharedmemory": "this server looks into no shared memory",
    "trace": "this server writes no traces",
    "logging": "clients do not change the log's settings",
}
"""Parts of Triton's protocol, and why they are not here."""


class Routes:
    """The handlers. What takes time is done by the threads of ``pool``, so the loop always has a moment for others."""

    def __init__(self, backend: Backend, repository: Repository, pool: ThreadPoolExecutor) -> None:
        self._backend, self._repository, self._pool = backend, repository, pool
        self._service = InferenceService(repository, backend.ending)

    def table(self) -> list[web.RouteDef]:
        """All routes, the more special before the more general."""
        described = [
            web.get(path + part, handler)
            for path in (MODEL, VERSION)
            for part, handler in (
                ("", self.model_metadata),
                ("/ready", self.model_ready),
                ("/config", self.model_config),
                ("/stats", self.model_statistics),
            )
        ]
        return [
            web.get("/metrics", self.metrics),
            web.get("/v2", self.server_metadata),
            *(web.get(path, self.server_live) for path in ("/v2/health/live", "/livez", "/healthz")),
            *(web.get(path, self.server_ready) for path in ("/v2/health/ready", "/readyz")),
            web.get("/v2/models/stats", self.model_statistics),
            *described,
            web.post(MODEL + "/infer", self.infer),
            web.post(VERSION + "/infer", self.infer),
            web.post("/v2/repository/index", self.repository_index),
            web.post("/v2/repository/models/{model}/load", self.load),
            web.post("/v2/repository/models/{model}/unload", self.unload),
            *(web.route("*", f"/v2/{part}{{rest:(/.*)?}}", self.left_out) for part in LEFT_OUT),
        ]

    # -- health and numbers --------------------------------------------------------------------------------------------

    async def server_live(self, _request: web.Request) -> web.Response:
        """GET /v2/health/live: whoever can answer lives."""
        return web.Response()

    async def server_ready(self, _request: web.Request) -> web.Response:
        """GET /v2/health/ready: 503 until every model is loaded, and when the server is about to end."""
        ready = self._service.server_ready(None).ready
        return web.Response(status=200 if ready else 503)

    async def model_ready(self, request: web.Request) -> web.Response:
        """GET /v2/models/{model}/ready: 503 where requests would be refused."""
        return web.Response(status=200 if self._repository.ready(**_named(request)) else 503)

    async def metrics(self, _request: web.Request) -> web.Response:
        """GET /metrics."""
        text = await self._in_thread(metrics.exposition, self._backend)
        return web.Response(body=text.encode(), headers={"Content-Type": metrics.CONTENT_TYPE})

    # -- what there is -------------------------------------------------------------------------------------------------

    async def server_metadata(self, _request: web.Request) -> web.Response:
        """GET /v2."""
        found = plain(self._service.server_metadata(None))
        return json_reply(found | {"extensions": [*EXTENSIONS, "binary_tensor_data"]})

    async def model_metadata(self, request: web.Request) -> web.Response:
        """GET /v2/models/{model}."""
        return json_reply(plain(self._service.model_metadata(pb.ModelMetadataRequest(**_named(request)))))

    async def model_config(self, request: web.Request) -> web.Response:
        """GET /v2/models/{model}/config."""
        return json_reply(plain(self._service.model_config(pb.ModelConfigRequest(**_named(request))).config))

    async def model_statistics(self, request: web.Request) -> web.Response:
        """GET /v2/models/{model}/stats, or of all models /v2/models/stats."""
        return json_reply(plain(self._service.model_statistics(pb.ModelStatisticsRequest(**_named(request)))))

    # -- inference -----------------------------------------------------------------------------------------------------

    async def infer(self, request: web.Request) -> web.Response:
        """POST /v2/models/{model}/infer: given up when the client goes away."""
        data = await self._body(request)
        call, running = await self._in_thread(self._start, request, data)
        try:
            await _done(running)
        except asyncio.CancelledError:
            running.cancel()
            raise
        encoded, sent, encoding = await self._in_thread(
            _finish, running, call, request.headers.get("Accept-Encoding", "")
        )
        reply = web.Response(body=sent, content_type="application/octet-stream" if encoded else "application/json")
        if encoded is not None:
            reply.headers[body.LENGTH_HEADER] = str(encoded)
        if encoding:
            reply.headers["Content-Encoding"] = encoding
        return reply

    def _start(self, request: web.Request, data: bytes) -> tuple[InferCall, Running]:
        """Read a body and hand it to its model; in a thread, for images are decoded and JSON may be long."""
        name, version = request.match_info["model"], request.match_info.get("version", "")
        length = request.headers.get(body.LENGTH_HEADER)
        if length is not None and length.strip() == "0":
            model = self._repository.get(name, version)
            call = body.raw_call(model, data, request.query.get("classification", ""))
        else:
            call = body.to_call(name, version, data, length)
        return call, calls.start(self._repository, call)

    # -- the repository ------------------------------------------------------------------------------------------------

    async def repository_index(self, request: web.Request) -> web.Response:
        """POST /v2/repository/index, with {"ready": true} for those that are ready."""
        entries = await self._entries(request)
        ready = entries.get("ready", False)
        if not isinstance(ready, bool):
            raise ArgumentError("'ready'", f"is {ready!r:.40}", "give true or false")
        found = self._service.repository_index(pb.RepositoryIndexRequest(ready=ready))
        return json_reply([{k: v for k, v in plain(each).items() if v} for each in found.models])

    async def load(self, request: web.Request) -> web.Response:
        """POST /v2/repository/models/{model}/load."""
        message = pb.RepositoryModelLoadRequest(model_name=request.match_info["model"])
        for name in await self._parameters(request):
            message.parameters[name].SetInParent()
        await asyncio.to_thread(self._service.repository_model_load, message)  # slow: not a thread of the pool
        return json_reply({})

    async def unload(self, request: web.Request) -> web.Response:
        """POST /v2/repository/models/{model}/unload."""
        await self._parameters(request)
        message = pb.RepositoryModelUnloadRequest(model_name=request.match_info["model"])
        await asyncio.to_thread(self._service.repository_model_unload, message)
        return json_reply({})

    async def left_out(self, request: web.Request) -> web.Response:
        """Parts of Triton's protocol that are not here."""
        part = request.path.split("/")[2]
        raise UnsupportedError(f"/v2/{part}", LEFT_OUT[part], "send tensors in the request, and read GET /metrics")

    async def _body(self, request: web.Request) -> bytes:
        """All of a body, decompressed. ArgumentError for one that breaks off or is not compressed as it says."""
        most, announced = request.client_max_size, request.content_length or 0
        if announced > most:
            raise web.HTTPRequestEntityTooLarge(most, announced)
        ARRIVING.get()(announced)
        try:
            return await asyncio.wait_for(
                _read(request, announced), self._backend.options.limits.receive_seconds or None
            )
        except asyncio.TimeoutError:
            raise web.HTTPRequestTimeout from None
        except (web.RequestPayloadError, ConnectionError) as error:
            words = " ".join(str(error).split())
            raise ArgumentError("body", f"cannot be read: {words}", "send all of it") from None

    async def _entries(self, request: web.Request) -> Mapping[str, Any]:
        """The object in a body; an empty body is an empty one."""
        data = await self._body(request)
        return body.parse(data) if data else {}

    async def _parameters(self, request: web.Request) -> Mapping[str, Any]:
        return body.parameters_of(await self._entries(request), "the request")

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)


async def _done(running: Running) -> None:
    """Wait until a request has a result or an error, without a thread."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def tell(_pending: object) -> None:
        loop.call_soon_threadsafe(done.set)

    running.pending.add_done_callback(tell)
    await done.wait()


def _finish(running: Running, call: InferCall, accepted: str) -> tuple[int | None, bytes, str]:
    """The length of an answer's JSON if bytes follow it, its body, and how that is compressed."""
    encoded = body.encode(running.answer(), call)
    data, encoding = compress(encoded.data, accepted)
    return encoded.json_length, data, encoding


def _named(request: web.Request) -> dict[str, str]:
    """Model and version of a path; "" where there is none."""
    return {"name": request.match_info.get("model", ""), "version": request.match_info.get("version", "")}


async def _read(request: web.Request, announced: int) -> bytes:
    """A body as it comes; what is beyond the announced bytes, such as what was compressed, counts as well."""
    data, counted = bytearray(), announced
    while chunk := await request.content.readany():
        data += chunk
        if len(data) > request.client_max_size:
            raise web.HTTPRequestEntityTooLarge(request.client_max_size, len(data))
        if len(data) > counted:
            ARRIVING.get()(len(data) - counted)
            counted = len(data)
    return bytes(data)
