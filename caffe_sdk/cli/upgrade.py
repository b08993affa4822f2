"""Caffe's tools ``upgrade_net_proto_text``, ``upgrade_net_proto_binary``, ``upgrade_solver_proto_text``: IN and OUT.

The exit status is 0 when all went well, 1 when something had to be left out or the files are not named, and an error's
own when there is one (`caffe_sdk.errors` lists them).
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from caffe_sdk.app import upgrade
from caffe_sdk.cli.main import guarded


def upgrade_net_proto_text() -> int:
    """Upgrade a net's prototxt."""
    return _run("upgrade_net_proto_text", "net_proto_file", upgrade.upgrade_net_text)


def upgrade_net_proto_binary() -> int:
    """Upgrade a caffemodel."""
    return _run("upgrade_net_proto_binary", "net_proto_file", upgrade.upgrade_net_binary)


def upgrade_solver_proto_text() -> int:
    """Upgrade a solver's prototxt."""
    return _run("upgrade_solver_proto_text", "solver_proto_file", upgrade.upgrade_solver_text)


def _run(program: str, what: str, task: Callable[[str, str], bool]) -> int:
    if len(sys.argv) != 3:
        print(f"Usage: {program} {what}_in {what}_out", file=sys.stderr)
        return 1
    return guarded(program, lambda: 0 if task(sys.argv[1], sys.argv[2]) else 1)
