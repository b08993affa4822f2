"""What the services of one server share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from caffe_sdk.app.paths import Inside
from caffe_sdk.app.session import Session
from caffe_sdk.errors import CaffeError
from caffe_sdk.server.clients import Clients
from caffe_sdk.server.journal import Journal
from caffe_sdk.server.options import Options
from caffe_sdk.server.security.access import Access
from caffe_sdk.server.security.tokens import Tokens
from caffe_sdk.server.watchdog import Watchdog
from caffe_sdk.serving import Processors, Repository


@dataclass(frozen=True)
class Backend:
    """How the server serves, the models it keeps, what it holds for whom, and who may call what."""

    options: Options
    repository: Repository | None
    """The models in the options' folder; None where there is none."""
    session: Session
    clients: Clients
    access: Access
    watchdog: Watchdog
    processors: Processors
    """What computes, for the models and for clients' own nets."""
    journal: Journal = field(default_factory=Journal)
    ending: threading.Event = field(default_factory=threading.Event)
    """Set when the server is about to end: it says that it is not ready, and takes calls still."""
    _listeners: list[Callable[[], None]] = field(default_factory=list)

    @classmethod
    def of(cls, options: Options) -> Backend:
        """What the options ask for. Nothing is loaded yet. Raises FileErrors and ArgumentError."""
        access = Access(Tokens(options.tokens) if options.tokens is not None else None)
        processors = Processors(options.repository.parallel)
        try:
            models = options.models
            repository = Repository(models, options.repository, processors) if models is not None else None
        except CaffeError:
            processors.close()
            raise
        folder = options.files if options.files is not None else options.models
        session = Session(Inside(folder, options.modules), processors.run)
        journal = Journal(log=options.log_format == "json")
        clients, watchdog = Clients(session, options.limits), Watchdog(options.limits)
        return cls(options, repository, session, clients, access, watchdog, processors, journal)

    def open(self) -> None:
        """Begin to load the models that are there; each tells in the repository's index what became of it."""
        if self.repository is not None:
            self.repository.watch()

    def listen(self, action: Callable[[], None]) -> None:
        """Do something quick whenever what is ready may have changed: versions come and go, the server is to end."""
        self._listeners.append(action)
        if self.repository is not None:
            self.repository.listen(action)

    def end(self) -> None:
        """The server is about to end."""
        self.ending.set()
        for action in self._listeners:
            action()

    def close(self) -> None:
        """Let everything go."""
        self.session.reset()
        self.clients.close()
        self.watchdog.close()
        if self.repository is not None:
            self.repository.close()
        self.processors.close()
