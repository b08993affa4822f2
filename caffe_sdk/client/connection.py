"""A connection whose calls wait for their replies."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import grpc

from caffe_sdk.client import asks
from caffe_sdk.client.asks import Ask
from caffe_sdk.client.channel import OPEN, Security, Target, chunked_from, closed, error_of, nobody, stubs
from caffe_sdk.client.files import Model, Weights
from caffe_sdk.client.models import RemoteModels
from caffe_sdk.client.net import RemoteNet
from caffe_sdk.client.solver import RemoteSolver
from caffe_sdk.errors import CaffeError, DeadlineError
from caffe_sdk.rpc import pb
from caffe_sdk.rpc.transport import MAX_MESSAGE

Reply = TypeVar("Reply")


def connect(
    address: str,
    timeout: float = 10.0,
    max_message: int = MAX_MESSAGE,
    *,
    security: Security = OPEN,
    compress: bool = False,
) -> Client:
    """A client of the server at ``host:port`` or ``unix:path``.

    ``timeout`` is how many seconds the server may take to answer the first time, ``max_message`` how many bytes a
    message may have. ``compress`` sends messages as gzip does, which pays where the network is slow and values are far
    from random. Raises BridgeError when nobody answers, CredentialsError and AccessError when the server refuses.
    """
    client = Client(Target(address, security, max_message, compress))
    try:
        client.open(timeout)
    except CaffeError:
        client.close()
        raise
    return client


class Client:
    """A connection. Nets and solvers made through it live on the server until they are released, at the latest when
    the connection ends.
    """

    def __init__(self, target: Target) -> None:
        self.target, self.address = target, target.address
        self.limit = chunked_from(target.max_message)
        """Bytes of values up to which they go in one message, and beyond which in chunks."""
        self._channel = target.open(grpc)
        self._stubs = stubs(self._channel)
        self._releasing: set[Any] = set()
        self._lease: Any = None
        self.models = RemoteModels(self)

    def open(self, timeout: float) -> None:
        """See that the server is there, and take a lease, by which it knows that this client lives."""
        try:
            information = self.call("GetInformation", pb.GetInformationRequest(), timeout=timeout, wait_for_ready=True)
        except DeadlineError:
            raise nobody(self.address) from None
        self.limit = chunked_from(self.target.max_message, information.limits.message)
        self._lease = self.stream("Attach", pb.AttachRequest())
        next(self._lease)

    def net(
        self,
        model: Model,
        phase: str | int = "test",
        weights: Weights | None = None,
        level: int = 0,
        stages: Sequence[str] = (),
    ) -> RemoteNet:
        """A new net, in phase "train" or "test" (or TRAIN, TEST)."""
        return RemoteNet(self, self.run(asks.create_net(model, phase, weights, level, stages)))

    def solver(self, model: Model) -> RemoteSolver:
        """A new solver."""
        return RemoteSolver(self, self.run(asks.create_solver(model)))

    def information(self) -> Any:
        """The server's ``Information`` message: version, what computes there, what is held and what may be held."""
        return self.run(asks.information())

    def close(self) -> None:
        """End the connection; the server lets go what was made through it."""
        if self._lease is not None:
            self._lease.close()
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- calls ---------------------------------------------------------------------------------------------------------

    def run(self, ask: Ask[Reply]) -> Reply:
        """Make a call with one reply, and read it."""
        return ask.read(self.call(ask.name, ask.request))

    def gather(self, ask: Ask[Reply]) -> Reply:
        """Make a call with a stream of replies, and read them all together."""
        return ask.read(self.stream(ask.name, ask.request))

    def each(self, ask: Ask[Reply]) -> Iterator[Reply]:
        """Make a call with a stream of replies at once, and read each; closing the iterator cancels the call."""
        return _read(self.stream(ask.name, ask.request), ask)

    def call(self, name: str, request: Any, **how: Any) -> Any:
        """Make a call of ``proto/caffe_sdk/v1`` by its name, ``how`` being what gRPC takes; gives the reply."""
        try:
            return self._stubs[name](request, metadata=self.target.metadata, **how)
        except grpc.RpcError as error:
            raise error_of(error, self.address) from None
        except ValueError as error:
            raise closed(self.address, error) from None

    def stream(self, name: str, request: Any) -> Generator[Any, None, None]:
        """Make a call that answers with a stream, at once; closing the iterator cancels the call."""
        try:
            call = self._stubs[name](request, metadata=self.target.metadata)
        except ValueError as error:
            raise closed(self.address, error) from None
        return self._replies(call)

    def _replies(self, call: Any) -> Generator[Any, None, None]:
        try:
            yield from call
        except grpc.RpcError as error:
            raise error_of(error, self.address) from None
        finally:
            call.cancel()

    def release(self, ask: Ask[None]) -> None:
        """Let an object on the server go, without waiting for it."""
        with suppress(ValueError):  # the connection was closed already
            stub: Any = self._stubs[ask.name]
            answer = stub.future(ask.request, metadata=self.target.metadata)
            self._releasing.add(answer)  # gRPC cancels a call that nobody holds
            answer.add_done_callback(self._releasing.discard)


def _read(replies: Generator[Any, None, None], ask: Ask[Reply]) -> Iterator[Reply]:
    try:
        for reply in replies:
            yield ask.read(reply)
    finally:
        replies.close()
