"""How a server serves."""

from __future__ import annotations

from dataclasses import dataclass, field

from caffe_sdk.rpc.transport import MAX_MESSAGE
from caffe_sdk.server.security.limits import Limits
from caffe_sdk.server.security.tls import Tls
from caffe_sdk.serving import Options as RepositoryOptions


@dataclass(frozen=True)
class Options:
    """How a server serves."""

    address: str = "127.0.0.1:50051"
    """Host and port, port 0 for any free one; or ``unix:/path``."""
    http: str | None = None
    """Host and port of the HTTP door, port 0 for any free one; None: there is none."""
    models: str | None = None
    """The folder of models that are served to everybody (`caffe_sdk.serving.Repository`)."""
    repository: RepositoryOptions = field(default_factory=RepositoryOptions)
    """How that folder is followed, and how its models share the processors."""
    files: str | None = None
    """The folder in which clients may open and write files, by default that of the models; without either they send
    text and bytes."""
    modules: tuple[str, ...] = ()
    """Modules whose layers, written in Python, clients' nets may have: they run in the server, with its rights."""
    workers: int = 64
    """Calls that build, run and train nets of clients at a time, streams of progress included; others wait."""
    max_message: int = MAX_MESSAGE
    """Bytes a message may have, either way; protobuf ends at 2 GiB."""
    insecure: bool = False
    """Whether to listen beyond this computer although there is no encryption, or nothing that tells who calls."""
    tls: Tls | None = None
    """The certificates with which the server shows who it is, and encrypts; None: it does neither."""
    tokens: str | None = None
    """A file of the tokens with which clients show who they are (`caffe_sdk.server.security.tokens`); None: anybody who
    can connect may call everything."""
    limits: Limits = field(default_factory=Limits)
    """What one client may have."""
    log_format: str = "text"
    """``text``; or ``json``: every line of the log is an object, and there is one for each request
    (`caffe_sdk.server.journal`)."""
    grace: float = 5.0
    """Seconds that calls under way are given when the server ends."""

    @property
    def certified(self) -> bool:
        """Whether every client shows a certificate, and with it a name."""
        return self.tls is not None and self.tls.client_authority is not None
