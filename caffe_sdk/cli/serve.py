"""``caffe serve``: nets and solvers for clients over gRPC."""

from __future__ import annotations

import argparse

from caffe_sdk.server import Options, RunningServer, serve
from caffe_sdk.serving import Options as RepositoryOptions


def run(options: argparse.Namespace) -> int:
    """Serve until asked to end."""
    serve(
        Options(
            address=options.address,
            models=options.models,
            repository=RepositoryOptions(options.poll, options.allow_code, options.parallel),
            workers=options.workers,
            max_message=options.max_message,
            insecure=options.insecure,
            http=options.http,
            log_format=options.log_format,
        ),
        _tell,
    )
    return 0


def _tell(server: RunningServer) -> None:
    for address in (server.address, *(door.address for door in server.doors)):
        print(f"listening on {address}", flush=True)
