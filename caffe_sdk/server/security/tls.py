"""Encryption: the server's certificate, and the authority of its clients' certificates if they must have one (mTLS)."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from caffe_sdk.errors import ArgumentError, CaffeError
from caffe_sdk.schema.files import read_bytes

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tls:
    """Files in PEM: the server's certificate chain, its key, and certificates that sign those of clients."""

    certificate: str
    key: str
    client_authority: str | None = None
    """None: clients need no certificate."""

    def check(self) -> None:
        """Raise FileErrors and ArgumentError unless the files are there, are what they should be, and fit together."""
        self.context()

    def context(self) -> ssl.SSLContext:
        """What Python's own servers (HTTP) take. Raises as `check` does."""
        for path in self._files():
            read_bytes(path)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key, password="")
        except (OSError, ValueError) as error:  # SSLError is an OSError
            what = f"it is no certificate for the key {self.key}: {_words(error)}"
            raise ArgumentError(
                f"{self.certificate}, {self.key}", what, "give PEM files, the key not encrypted"
            ) from None
        if self.client_authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            try:
                context.load_verify_locations(self.client_authority)
            except (OSError, ValueError) as error:
                what = f"there is no certificate in it: {_words(error)}"
                raise ArgumentError(self.client_authority, what, "give a PEM file of authorities") from None
        return context

    def credentials(self) -> grpc.ServerCredentials:
        """What gRPC takes. The files are read again for the connections that come after they changed."""
        self.check()
        follower = _Follower(self)
        required = self.client_authority is not None
        fetch: Any = follower.changed  # None for no change, which the stubs do not know
        return grpc.dynamic_ssl_server_credentials(follower.first, fetch, required)

    def stamp(self) -> tuple[int, ...]:
        """What changes when somebody writes the files or puts others in their place."""
        try:
            return tuple(Path(path).stat().st_mtime_ns for path in self._files())
        except OSError:
            return ()

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """What gRPC calls the files' contents."""
        authority = read_bytes(self.client_authority) if self.client_authority is not None else None
        pair = (read_bytes(self.key), read_bytes(self.certificate))
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=authority)

    def _files(self) -> list[str]:
        return [path for path in (self.certificate, self.key, self.client_authority) if path is not None]


class _Follower:
    """Gives the files anew when they changed and fit together; else those from before stay."""

    def __init__(self, tls: Tls) -> None:
        self._tls, self._stamp = tls, tls.stamp()
        self.first = tls.configuration()

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """The files' contents, or None when nothing changed; gRPC asks before each connection."""
        stamp = self._tls.stamp()
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            self._tls.check()
            configuration = self._tls.configuration()
        except CaffeError as error:
            log.error("the certificate stays as it was: %s", error)
            return None
        log.info("%s was read again", self._tls.certificate)
        return configuration


def _words(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error)
