"""The flags of ``caffe serve``."""

from __future__ import annotations

import argparse
import re

UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
LIMITS = {
    "blob": "bytes of one blob",
    "memory": "bytes of all nets and solvers (default: half of this computer's)",
    "nets": "nets at a time",
    "solvers": "solvers at a time",
    "calls": "calls at a time about nets and solvers of its own",
    "requests": "requests to models at a time (default: 128)",
}
SECONDS = {
    "call": "a call may take (default: no limit)",
    "idle": "after which a client without a lease that makes no call is forgotten (default: 3600)",
    "stall": "after which a call ends whose reader takes nothing of a reply (default: 120)",
    "receive": "a message of a call, or an HTTP body, may take to come (default: 120)",
}


def add_to(command: argparse.ArgumentParser) -> None:
    """Add the flags to the command's parser."""
    command.add_argument("--address", default="127.0.0.1:50051", help="host:port or unix:path (default: %(default)s)")
    command.add_argument("--http", metavar="ADDRESS", help="host:port for HTTP beside gRPC (default: none)")
    command.add_argument(
        "--models", metavar="DIR", help="folder of models to serve, and in which clients may open files (default: none)"
    )
    command.add_argument(
        "--files", metavar="DIR", help="folder in which clients may open and write files (default: that of the models)"
    )
    text = "look at the folder for new, changed and removed models every so many seconds (default: once)"
    command.add_argument("--poll", metavar="SECONDS", type=seconds, default=0.0, help=text)
    text = "batches computed at a time, which divide the threads (default: %(default)s)"
    command.add_argument("--parallel", metavar="N", type=positive, default=1, help=text)
    text = "serve models with layers written in Python, and with files outside their folders"
    command.add_argument("--allow-code", action="store_true", help=text)
    command.add_argument("--workers", type=int, default=64, help="calls at a time (default: %(default)s)")
    text = "seconds that calls under way have when the server is asked to end (default: %(default)s)"
    command.add_argument("--grace-seconds", metavar="N", type=seconds, default=5.0, help=text)
    command.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="json: a line for each request, an object each (default: %(default)s)",
    )
    _security(command.add_argument_group("who may come"))
    _limits(command.add_argument_group("what one client may have", "0 is no limit; bytes may end in K, M, G or T"))


def _security(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--tls-cert", metavar="FILE", help="the server's certificate, PEM: encrypts all connections")
    group.add_argument("--tls-key", metavar="FILE", help="its key, PEM")
    group.add_argument("--tls-client-ca", metavar="FILE", help="let in only who has a certificate signed by these")
    group.add_argument("--auth", metavar="FILE", help="let in only who has a token: lines of 'name right token'")
    group.add_argument(
        "--allow-module",
        metavar="NAME",
        action="append",
        default=[],
        help="a module whose Python layers clients' nets may have; they run with the server's rights",
    )
    group.add_argument(
        "--insecure",
        action="store_true",
        help="allow an address that other computers can reach without encryption, or without telling who calls",
    )


def _limits(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--max-message", metavar="BYTES", type=amount, default=2**31 - 1, help="bytes of a message (default: 2G - 1)"
    )
    for name, text in LIMITS.items():
        group.add_argument(f"--max-{name}", metavar="N", type=amount, help=text)
    for name, text in SECONDS.items():
        group.add_argument(f"--{name}-seconds", metavar="N", type=seconds, help=f"seconds {text}")


def limits(options: argparse.Namespace) -> dict[str, float]:
    """What the flags say of limits, by the fields of `caffe_sdk.server.security.limits.Limits`."""
    said = {name: getattr(options, f"max_{name}") for name in LIMITS}
    said |= {f"{name}_seconds": getattr(options, f"{name}_seconds") for name in SECONDS}
    return {name: value for name, value in said.items() if value is not None}


def amount(word: str) -> int:
    """A number of something, or of bytes such as 64M."""
    match = re.fullmatch(r"(\d+)([KMGT]?)", word)
    if match is None:
        raise argparse.ArgumentTypeError(f"'{word}' is no number such as 500000, 64M or 2G")
    return int(match[1]) << UNITS[match[2]]


def positive(word: str) -> int:
    """A whole number above 0."""
    if not word.isdecimal() or int(word) == 0:
        raise argparse.ArgumentTypeError(f"'{word}' is no whole number above 0")
    return int(word)


def seconds(word: str) -> float:
    """A number of seconds."""
    if not re.fullmatch(r"\d+(\.\d*)?", word):
        raise argparse.ArgumentTypeError(f"'{word}' is no number of seconds")
    return float(word)
