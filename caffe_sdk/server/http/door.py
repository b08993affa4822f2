"""The HTTP server: a thread with an event loop, beside gRPC's.

A request holds no thread while it comes, is computed, or is sent; what is bounded is how long that takes, how many
requests a client has under way and how many bytes they have, and how many connections ask nothing.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aiohttp import web

from caffe_sdk.errors import BridgeError, DeadlineError
from caffe_sdk.server.backend import Backend
from caffe_sdk.server.http.replies import error_reply, refusal
from caffe_sdk.server.http.routes import ARRIVING, Routes
from caffe_sdk.server.journal import ID_HEADER
from caffe_sdk.server.security.rights import Right, of_path
from caffe_sdk.serving import Repository

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Result = TypeVar("Result")

THREADS = 8
"""Requests that are decoded or encoded at a time; while models compute, requests hold no thread."""
CHUNK = 2**20  # bytes that are read from a connection at a time; aiohttp's own 64 KB make large bodies slow
REPLY_SECONDS = 300.0
"""How long a client may take to read a reply."""
FIRST_SECONDS = 20.0
"""How long a connection may take until the headers of its first request are there."""
IDLE_SECONDS = 75.0
"""How long until those of the next one are."""
MOST_IDLE = 512
"""Connections without a request under way; with more, the one that asked nothing for the longest time is closed."""
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
        self._listener: asyncio.AbstractServer | None = None
        self._idle: dict[web.RequestHandler, bool] = {}  # those that are longest first; whether they ever asked
        try:
            self.port = self._run(self._open(repository, host.strip("[]"), port, tls))
        except OSError as error:
            self.stop()
            remedy = "choose another port, or end the program that has it"
            raise BridgeError(f"{host}:{port}", f"cannot listen there: {error.strerror}", remedy) from None
        self.address = f"{'https' if tls else 'http'}://{host}:{self.port}"

    def stop(self) -> None:
        """Take no more requests, and end those under way within the options' grace."""
        if self._runner is not None:
            self._run(self._close(self._runner))
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
        self._runner = runner = web.AppRunner(
            app,
            handler_cancellation=True,
            access_log=None,
            read_bufsize=CHUNK,
            shutdown_timeout=grace,
            keepalive_timeout=IDLE_SECONDS,
        )
        await runner.setup()
        assert runner.server is not None
        connect = functools.partial(self._connection, runner.server)
        self._listener = await self._loop.create_server(
            connect, host, port, ssl=tls, ssl_handshake_timeout=FIRST_SECONDS if tls is not None else None
        )
        return int(self._listener.sockets[0].getsockname()[1])

    async def _close(self, runner: web.AppRunner) -> None:
        if self._listener is not None:
            self._listener.close()
        await runner.cleanup()

    def _connection(self, server: web.Server) -> web.RequestHandler:
        """What follows a new connection."""
        connection = server()
        self._idle[connection] = False
        if len(self._idle) > MOST_IDLE:
            self._loop.call_soon(self._make_room, server)
        self._loop.call_later(FIRST_SECONDS, self._hang_up_on_silence, connection)
        return connection

    def _make_room(self, server: web.Server) -> None:
        """Forget connections that have ended; if too many remain, close those that asked nothing for longest."""
        there = set(server.connections)
        self._idle = {each: asked for each, asked in self._idle.items() if each in there or not asked}
        resting = [each for each in self._idle if each in there]
        for oldest in resting[: max(0, len(resting) - MOST_IDLE)]:
            del self._idle[oldest]
            oldest.force_close()

    def _hang_up_on_silence(self, connection: web.RequestHandler) -> None:
        if self._idle.get(connection) is False:
            del self._idle[connection]
            if connection.transport is not None:  # else it has ended, or is slow to agree on encryption
                connection.force_close()

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
        self._idle.pop(request.protocol, None)
        entry = self._backend.journal.begin("http", method, request.headers.get(ID_HEADER))
        entry.peer, entry.model = str(request.remote), request.match_info.get("model", "")
        status = "499"  # the client went away, unless there is an answer
        try:
            try:
                reply = await self._admitted(request, path, handler)
            except web.HTTPException as error:
                reply = refusal(error)
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
            if request.transport is not None:
                self._idle[request.protocol] = True

    async def _admitted(self, request: web.Request, path: str, handler: Handler) -> web.StreamResponse:
        """Answer a request whose client has the right to it, within the client's limits."""
        clients, seconds = self._backend.clients, self._backend.options.limits.call_seconds
        identity = self._backend.access.admit_path(path, request.headers.get("Authorization"))
        if of_path(path) is Right.OPEN:
            return await handler(request)
        with (
            clients.calling(identity.name, str(request.remote), own=False) as client,
            clients.receiving(client) as more,
        ):
            ARRIVING.set(more)
            try:
                return await (asyncio.wait_for(handler(request), seconds) if seconds else handler(request))
            except asyncio.TimeoutError:
                raise DeadlineError("request", f"took more than {seconds:g} s", "ask for less at a time") from None
