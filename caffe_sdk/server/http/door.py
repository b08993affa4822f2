"""The HTTP server: a thread with an event loop, beside gRPC's."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aiohttp import web

from caffe_sdk.errors import BridgeError
from caffe_sdk.server.backend import Backend
from caffe_sdk.server.http.replies import error_reply, refusal
from caffe_sdk.server.http.routes import Routes
from caffe_sdk.server.journal import ID_HEADER
from caffe_sdk.serving import Repository

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Result = TypeVar("Result")

THREADS = 8
"""Requests that are decoded or encoded at a time; while models compute, requests hold no thread."""
CHUNK = 2**20  # bytes that are read from a connection at a time; aiohttp's own 64 KB make large bodies slow
REPLY_SECONDS = 300.0
"""How long a client may take to read a reply."""
SHORTEST_GRACE = 0.01  # seconds; aiohttp takes 0 for no limit


class HttpDoor:
    """Answers HTTP from a thread of its own until it is stopped."""

    def __init__(
        self, backend: Backend, repository: Repository, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> None:
        """Listens when this returns, port 0 on any free one. BridgeError when the address cannot be had."""
        self._backend = backend
        self._pool = ThreadPoolExecutor(THREADS, "caffe-http")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="caffe-http", daemon=True)
        self._thread.start()
        self._runner: web.AppRunner | None = None
        try:
            self.port = self._run(self._open(repository, host, port, tls))
        except OSError as error:
            self.stop()
            remedy = "choose another port, or end the program that has it"
            raise BridgeError(f"{host}:{port}", f"cannot listen there: {error.strerror}", remedy) from None
        self.address = f"{'https' if tls else 'http'}://{host}:{self.port}"

    def stop(self) -> None:
        """Take no more requests, and end those under way within the options' grace."""
        if self._runner is not None:
            self._run(self._runner.cleanup())
        self._run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._pool.shutdown()

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self, repository: Repository, host: str, port: int, tls: ssl.SSLContext | None) -> int:
        """Begin to listen; gives the port."""
        app = web.Application(middlewares=[self._answer], client_max_size=self._backend.options.max_message)
        app.add_routes(Routes(self._backend, repository, self._pool).table())
        grace = max(self._backend.options.grace, SHORTEST_GRACE)
        runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, read_bufsize=CHUNK, shutdown_timeout=grace
        )
        await runner.setup()
        self._runner = runner
        site = web.TCPSite(runner, host.strip("[]"), port, ssl_context=tls)
        await site.start()
        return int(runner.addresses[0][1])

    async def _send(self, request: web.Request, reply: web.StreamResponse) -> None:
        """Send a reply, or hang up on a client that does not take it."""
        await reply.prepare(request)
        try:
            await asyncio.wait_for(reply.write_eof(), REPLY_SECONDS)
        except asyncio.TimeoutError:
            if request.transport is not None:
                request.transport.abort()
            raise asyncio.CancelledError from None

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Around every handler: rights before anything is read, errors as JSON, a note in the journal."""
        resource = request.match_info.route.resource
        path = resource.canonical if resource is not None else request.raw_path.partition("?")[0]
        method = f"{request.method} {path}" if resource is not None else "(no such path)"
        entry = self._backend.journal.begin("http", method, request.headers.get(ID_HEADER))
        entry.peer, entry.model = str(request.remote), request.match_info.get("model", "")
        status = "499"  # the client went away, unless there is an answer
        try:
            try:
                self._backend.access.admit_path(path, request.headers.get("Authorization"))
                reply = await handler(request)
            except web.HTTPException as error:
                reply = refusal(error)
            except asyncio.TimeoutError:
                reply = refusal(web.HTTPRequestTimeout())
            except Exception as error:  # noqa: BLE001 - the client is told and the server lives on
                reply = error_reply(error)
            reply.headers[ID_HEADER] = entry.id
            entry.received = request.content_length or 0
            entry.sent = reply.content_length or 0
            await self._send(request, reply)
            status = str(reply.status)
            return reply
        finally:
            self._backend.journal.end(entry, status)
