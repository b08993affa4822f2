"""What the services of one server share."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from caffe_sdk.app.session import Session
from caffe_sdk.server.options import Options
from caffe_sdk.server.security.access import Access
from caffe_sdk.serving import Repository


@dataclass(frozen=True)
class Backend:
    """How the server serves, what it holds for its clients, and who may call what."""

    options: Options
    session: Session
    access: Access
    repository: Repository | None = None
    """The models of the folder ``options.models``; None without one."""
    ending: threading.Event = field(default_factory=threading.Event)
    """Set when the server is about to end: it says that it is not ready, and takes calls still."""
