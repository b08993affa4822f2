"""A stream of requests for inference: many under way at a time, answers in the order of the requests."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Iterator
from queue import SimpleQueue

from caffe_sdk.errors import CaffeError, InternalError
from caffe_sdk.server.call import Call
from caffe_sdk.server.inference import calls, messages, pb
from caffe_sdk.server.inference.calls import Running
from caffe_sdk.server.inference.wire import Reply, Request
from caffe_sdk.serving import Repository

log = logging.getLogger(__name__)

MOST_UNDER_WAY = 64
"""Requests of one stream that are computed at a time; more are left on the wire until answers have been taken."""


class Stream:
    """One stream: a thread reads requests and starts them, the caller of `replies` waits for them one by one."""

    def __init__(self, repository: Repository, requests: Iterator[Request], call: Call) -> None:
        self._repository, self._requests, self._call = repository, requests, call
        self._room = threading.Semaphore(MOST_UNDER_WAY)
        self._started: SimpleQueue[tuple[Request, Running | CaffeError] | None] = SimpleQueue()
        self._under_way: set[Running] = set()
        self._over = threading.Event()

    def replies(self) -> Generator[Reply, None, None]:
        """The replies, in the order of the requests.

        What is wrong with one request is said in its answer, and the stream goes on. When the client goes away, what
        is under way is given up.
        """
        self._call.when_over(self._give_up)
        threading.Thread(target=self._read, name="caffe-stream", daemon=True).start()
        while (step := self._started.get()) is not None:
            yield self._reply(*step)
            self._room.release()

    def _read(self) -> None:
        try:
            for request in self._requests:
                self._room.acquire()
                if self._over.is_set():
                    break
                self._started.put((request, self._start(request)))
        except Exception:  # gRPC raises a bare one when the client goes away
            log.debug("the requests of a stream ended early", exc_info=True)
        self._started.put(None)

    def _start(self, request: Request) -> Running | CaffeError:
        try:
            running = calls.start(self._repository, messages.to_call(request), self._call.remaining())
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told and the stream goes on
            return _known(error)
        self._under_way.add(running)
        if self._over.is_set():
            running.cancel()
        return running

    def _reply(self, request: Request, started: Running | CaffeError) -> Reply:
        try:
            if isinstance(started, CaffeError):
                raise started
            reply = messages.to_reply(started.answer())
            reply.message.parameters["triton_final_response"].bool_param = True
        except Exception as error:  # noqa: BLE001
            message = pb.ModelInferResponse(id=request.message.id, model_name=request.model_name)
            reply = Reply(message, error=str(_known(error)))
        self._under_way.discard(started)
        return reply

    def _give_up(self) -> None:
        """Nobody waits for the answers any more: wake whoever waits for requests or for room."""
        self._over.set()
        for running in list(self._under_way):
            running.cancel()
        self._room.release()
        self._started.put(None)


def _known(error: Exception) -> CaffeError:
    if isinstance(error, CaffeError):
        return error
    log.error("a request of a stream failed in a way it should not", exc_info=error)
    return InternalError("server", f"{type(error).__name__}: {error}", "please report it, with the server's log")
