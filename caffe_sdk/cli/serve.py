"""``caffe serve``: models, nets and solvers for clients on the network."""

from __future__ import annotations

import argparse

from caffe_sdk.cli import serve_flags
from caffe_sdk.errors import ArgumentError
from caffe_sdk.server import Limits, Options, RunningServer, Tls, serve
from caffe_sdk.serving import Options as RepositoryOptions


def run(options: argparse.Namespace) -> int:
    """Serve until asked to end."""
    serve(
        Options(
            address=options.address,
            http=options.http,
            models=options.models,
            repository=RepositoryOptions(options.poll, options.allow_code, options.parallel),
            files=options.files,
            modules=tuple(options.allow_module),
            workers=options.workers,
            max_message=options.max_message,
            insecure=options.insecure,
            log_format=options.log_format,
            tls=_tls(options),
            tokens=options.auth,
            grace=options.grace_seconds,
            limits=Limits(**serve_flags.limits(options)),  # type: ignore[arg-type] # seconds are floats, the rest ints
        ),
        _ready,
    )
    return 0


def _ready(server: RunningServer) -> None:
    print(f"listening on {server.address}", flush=True)
    for door in server.doors:
        print(f"listening on {door.address}", flush=True)


def _tls(options: argparse.Namespace) -> Tls | None:
    """What the flags say of certificates."""
    given = [options.tls_cert, options.tls_key]
    if not any((*given, options.tls_client_ca)):
        return None
    if not all(given):
        raise ArgumentError("serve", "--tls-cert and --tls-key are not both given", "give both, or neither of --tls-*")
    return Tls(options.tls_cert, options.tls_key, options.tls_client_ca)
