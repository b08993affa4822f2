"""``python -m caffe_sdk.server``: the same as ``caffe serve``."""

from __future__ import annotations

import argparse
import logging
import sys

from caffe_sdk.errors import CaffeError
from caffe_sdk.server import Options, serve


def main(arguments: list[str] | None = None) -> int:
    """Serve until asked to end; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m caffe_sdk.server", description="Serve nets and solvers over gRPC.")
    parser.add_argument("--address", default=Options.address, help="host:port or unix:path (default: %(default)s)")
    parser.add_argument("--models", metavar="DIR", help="folder in which clients may open files (default: none)")
    parser.add_argument("--workers", type=int, default=Options.workers, help="calls at a time (default: %(default)s)")
    parser.add_argument("--max-message", type=int, default=Options.max_message, help="bytes (default: %(default)s)")
    parser.add_argument("--insecure", action="store_true", help="allow an address that other computers can reach")
    options = Options(**vars(parser.parse_args(arguments)))
    logging.basicConfig(level=logging.INFO, format="%(levelname).1s %(asctime)s %(message)s")
    try:
        serve(options, lambda server: print(f"listening on {server.address}", flush=True))
    except CaffeError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
