"""``caffe serve``: nets and solvers for clients over gRPC."""

from __future__ import annotations

import argparse

from caffe_sdk.server import Options, serve


def run(options: argparse.Namespace) -> int:
    """Serve until asked to end."""
    serve(
        Options(
            address=options.address,
            models=options.models,
            workers=options.workers,
            max_message=options.max_message,
            insecure=options.insecure,
        ),
        lambda server: print(f"listening on {server.address}", flush=True),
    )
    return 0
