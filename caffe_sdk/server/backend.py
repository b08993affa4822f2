"""What the services of one server share."""

from __future__ import annotations

from dataclasses import dataclass

from caffe_sdk.app.session import Session
from caffe_sdk.server.options import Options
from caffe_sdk.server.security.access import Access


@dataclass(frozen=True)
class Backend:
    """How the server serves, what it holds for its clients, and who may call what."""

    options: Options
    session: Session
    access: Access
