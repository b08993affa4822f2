"""Who holds what: the clients of a server, their nets and solvers, what these take, and when they are let go.

A client is whoever uses one session name under one token. Nets and solvers are held in the session under their handles;
here is to whom each belongs. A client's objects go when its last lease ends, or when it has no lease and is idle for
too long. Objects are seen by whoever has the same token; where no tokens are asked for, by whoever knows the handle.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod

from caffe_sdk.app.session import Session, void
from caffe_sdk.app.size import Size, size_of_net
from caffe_sdk.errors import LimitError
from caffe_sdk.net import Net
from caffe_sdk.server.security.limits import Limits

log = logging.getLogger(__name__)

BYTES = 4  # of a number
PERIOD = 1.0  # seconds between two looks for clients that are idle


class Client:
    """Whoever uses one session name under one token, what is held for it, and whether it is there."""

    def __init__(self, identity: str, name: str, now: float) -> None:
        self.identity, self.name, self.last = identity, name, now
        self.held: dict[int, tuple[str, int]] = {}
        """By handle: "nets" or "solvers", and bytes."""
        self.calls = self.leases = 0
        self.own = 0  # of the calls: those about nets and solvers of its own
        self.arriving = 0  # bytes of its requests over HTTP

    def __str__(self) -> str:
        return f"client '{self.name or 'without a name'}'" + (f" of {self.identity}" if self.identity else "")


class Clients:
    """The clients of a server. All of it may be used from any thread."""

    def __init__(self, session: Session, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._session, self._clock = session, clock
        self._lock = threading.Lock()  # of the tables; never held while anything computes
        self._clients: dict[tuple[str, str], Client] = {}
        self._owners: dict[int, Client] = {}
        self._holder: dict[int, int] = {}  # by net: the object it counts with, itself or its solver
        self._sizes: dict[int, int] = {}  # by net: bytes that are counted for it
        self._endings: list[Callable[[], None]] = []  # what ends each lease
        self._releasing = ThreadPoolExecutor(2, "caffe-release")
        self._ends = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep, name="caffe-clients", daemon=True)
        session.watch(self._look)
        self._sweeper.start()

    # -- calls and leases ----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def calling(self, identity: str, name: str, own: bool = True) -> Iterator[Client]:
        """The client of a call, for as long as the call lasts. LimitError when it makes too many at a time.

        Calls about nets and solvers of its ``own`` count by themselves, those to the models of all by themselves. Those
        of whoever gives no name at all do not count: that may be many clients.
        """
        with self._lock:
            client = self._clients.setdefault((identity, name), Client(identity, name, self._clock()))
            if identity or name:
                self._check_calls(client, own)
            client.calls += 1
            client.own += own
        try:
            yield client
        finally:
            with self._lock:
                client.calls -= 1
                client.own -= own
                client.last = self._clock()
                self._tidy(client)

    @contextlib.contextmanager
    def receiving(self, client: Client) -> Iterator[Callable[[int], None]]:
        """Counts the bytes of a request as they are announced or come, until it is answered.

        What is given raises LimitError when the client would have more memory than it may. To be used within a call of
        the client.
        """
        received = 0

        def more(nbytes: int) -> None:
            nonlocal received
            with self._lock:
                self._check_memory(client, nbytes)
                client.arriving += nbytes
                received += nbytes

        try:
            yield more
        finally:
            with self._lock:
                client.arriving -= received

    def attach(self, client: Client, end: Callable[[], None]) -> None:
        """A lease begins, which ``end()`` ends. To be called within a call of the client."""
        with self._lock:
            client.leases += 1
            self._endings.append(end)

    def dismiss(self) -> None:
        """End all leases: the server is about to end."""
        with self._lock:
            endings = list(self._endings)
        for end in endings:
            end()

    def detach(self, client: Client, end: Callable[[], None]) -> None:
        """A lease ended: with the last one, everything is let go, by a thread of its own."""
        with self._lock:
            client.leases -= 1
            self._endings.remove(end)
            client.last = self._clock()
            handles = [] if client.leases else self._take(client)
        if handles:
            log.debug("%s is gone: %d objects are let go", client, len(handles))
            with contextlib.suppress(RuntimeError):  # the server has ended, and let everything go
                self._releasing.submit(self._release, handles)

    # -- objects -------------------------------------------------------------------------------------------------------

    def check_room(self, client: Client, kind: str) -> None:
        """Raise LimitError when the client has as many "nets" or "solvers" as it may."""
        with self._lock:
            self._check_count(client, kind)

    def check_blob(self, place: str, nbytes: int) -> None:
        """Raise LimitError for a blob that is larger than any may be."""
        if self.limits.blob and nbytes > self.limits.blob:
            raise LimitError(place, f"takes {nbytes} bytes", f"this server's blobs have at most {self.limits.blob}")

    def check_shape(self, place: str, shape: Sequence[int]) -> None:
        """`check_blob` for the values of a shape; what else may be wrong with it is not looked at."""
        self.check_blob(place, BYTES * prod(max(size, 0) for size in shape))

    def hold(self, client: Client, kind: str, handle: int, size: Size, nets: Mapping[int, int]) -> None:
        """An object of "nets" or "solvers" belongs to a client from now on; ``nets`` are its nets and their bytes.

        LimitError when it is too large, or one too many; then it belongs to nobody. To be called within a call of the
        client.
        """
        self.check_blob(f"blob '{size.largest}'", size.largest_bytes)
        with self._lock:
            self._check_count(client, kind)
            self._check_memory(client, size.total)
            client.held[handle] = kind, size.total
            self._owners.update(dict.fromkeys([handle, *nets], client))
            self._holder.update(dict.fromkeys(nets, handle))
            self._sizes.update(nets)

    def forget(self, handle: int) -> None:
        """An object was let go."""
        with self._lock:
            owner = self._owners.get(handle)
            if owner is not None and handle in owner.held:
                self._disown(owner, handle)
                self._tidy(owner)

    def may_use(self, client: Client, handle: int) -> bool:
        """Whether an object is held for somebody of the same token."""
        with self._lock:
            owner = self._owners.get(handle)
            return owner is not None and owner.identity == client.identity

    def usable(self, client: Client, handle: int, kind: str) -> int:
        """The handle, or HandleError: of another token's objects nothing is told, not even that they are there."""
        if not self.may_use(client, handle):
            raise void(kind, handle)
        return handle

    # -- the end -------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Look for nothing any more."""
        self._ends.set()
        self._sweeper.join()
        self._releasing.shutdown(wait=True)

    def sweep(self) -> None:
        """Let go what belongs to clients that have no lease and were idle for too long."""
        if not self.limits.idle_seconds:
            return
        before = self._clock() - self.limits.idle_seconds
        with self._lock:
            gone = [c for c in self._clients.values() if not c.leases and not c.calls and c.last < before]
            handles = {client: self._take(client) for client in gone}
        for client, of_client in handles.items():
            log.info("%s is idle: %d objects are let go", client, len(of_client))
            self._release(of_client)

    def _sweep(self) -> None:
        while not self._ends.wait(PERIOD):
            self.sweep()

    # -- inside: under the lock ----------------------------------------------------------------------------------------

    def _account(self, client: Client) -> list[Client]:
        """The clients that share one client's limits: those of its token."""
        if not client.identity:
            return [client]
        return [each for each in self._clients.values() if each.identity == client.identity]

    def _check_calls(self, client: Client, own: bool) -> None:
        most = self.limits.calls if own else self.limits.requests
        under_way = sum(each.own if own else each.calls - each.own for each in self._account(client))
        if most and under_way >= most:
            what = "calls" if own else "requests to models"
            raise LimitError(str(client), f"{under_way} {what} are under way", "wait for the end of one")

    def _check_count(self, client: Client, kind: str) -> None:
        most = self.limits.nets if kind == "nets" else self.limits.solvers
        held = sum(of == kind for each in self._account(client) for of, _ in each.held.values())
        if most and held >= most:
            raise LimitError(str(client), f"{held} {kind} are held", "release one before you create another")

    def _check_memory(self, client: Client, more: int) -> None:
        most = self.limits.memory
        account = self._account(client)
        held = sum(nbytes for each in account for _, nbytes in each.held.values())
        held += sum(each.arriving for each in account)
        if most and held + more > most:
            what = f"{more} bytes are needed and {held} are held, of {most} that one client may have"
            raise LimitError(str(client), what, "release what is not used, or take smaller batches")

    def _take(self, client: Client) -> list[int]:
        """The handles of all that a client holds; it holds nothing any more."""
        handles = list(client.held)
        for handle in handles:
            self._disown(client, handle)
        self._tidy(client)
        return handles

    def _disown(self, client: Client, handle: int) -> None:
        del client.held[handle]
        nets = [net for net, holder in self._holder.items() if holder == handle]
        for each in {handle, *nets}:
            self._owners.pop(each, None)
            self._holder.pop(each, None)
            self._sizes.pop(each, None)

    def _tidy(self, client: Client) -> None:
        """Forget a client of whom there is nothing to know."""
        key = client.identity, client.name
        if not client.held and not client.calls and not client.leases and self._clients.get(key) is client:
            del self._clients[key]

    # -- inside: without the lock --------------------------------------------------------------------------------------

    def _release(self, handles: Sequence[int]) -> None:
        for handle in handles:
            self._session.release(handle)

    def _look(self, net: int, held: Net) -> None:
        """A net took other shapes and is about to run: LimitError when it is too large by now."""
        size = size_of_net(held)
        self.check_blob(f"blob '{size.largest}'", size.largest_bytes)
        with self._lock:
            owner = self._owners.get(net)
            if owner is not None:
                self._count_anew(owner, self._holder[net], net, size.total)

    def _count_anew(self, owner: Client, handle: int, net: int, nbytes: int) -> None:
        """A net takes so many bytes by now; it counts by itself, or with its solver."""
        kind, total = owner.held[handle]
        more = nbytes - self._sizes[net]
        if more > 0:
            self._check_memory(owner, more)
        owner.held[handle] = kind, total + more
        self._sizes[net] = nbytes
