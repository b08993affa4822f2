"""Entry point: find the command, run it, and turn errors into words and an exit status."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence

from caffe_sdk import logs
from caffe_sdk.cli.flags import make_parser
from caffe_sdk.errors import CaffeError, CancelledError, InternalError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` (``sys.argv`` by default) name; returns the exit status.

    0 when all went well, an error's own exit status when not (`caffe_sdk.errors` lists them).
    """
    parser = make_parser()
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if not arguments:  # as in Caffe, no command is no error
        parser.print_help(sys.stderr)
        return 0
    options = parser.parse_args(arguments)

    def command() -> int:
        return int(importlib.import_module(f"caffe_sdk.cli.{options.module}").run(options) or 0)

    return guarded("caffe", command)


def guarded(program: str, command: Callable[[], int]) -> int:
    """Run a command, its log on stderr; errors become a line there, which begins with ``program``, and their status."""
    logs.init_log()
    try:
        return command()
    except KeyboardInterrupt:
        return CancelledError.exit_status
    except CaffeError as error:
        return _tell(program, error)
    except BrokenPipeError:  # whoever read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the last place that can put words to it
        logging.getLogger("caffe_sdk").debug("%s", traceback.format_exc())
        return _tell(program, InternalError(program, f"{type(error).__name__}: {error}", "please report this"))


def _tell(program: str, error: CaffeError) -> int:
    print(f"{program}: {error.code}: {error}", file=sys.stderr)
    return error.exit_status
