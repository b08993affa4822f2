"""Running what a page of the documents tells its reader to type: its blocks as one shell script.

Bash blocks are taken as they stand, Python and Octave blocks handed to their interpreters. Blocks without a language
(what a person does once: install, `make`) are left out.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

RUNNERS = {
    "bash": "{code}",
    "python": "python - <<'END'\n{code}END",
    "octave": "octave-cli --quiet --eval \"$(cat <<'END'\n{code}END\n)\"",
}
SIGN = "\n=== block "


def blocks(page: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a page that name a language which can be run: (language, code)."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [(language, code) for language, code in found if language in RUNNERS]


def free_port() -> str:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


def printed_by(
    page: Path, folder: Path, changes: Mapping[str, str], *, prelude: str = "", seconds: float = 120, **variables: str
) -> list[str]:
    """What each block prints when they run in a folder, in order; all must succeed.

    ``changes`` are made to the code of blocks, ``prelude`` comes before them, ``variables`` to the environment. What a
    block leaves running in the background ends with the page.
    """
    parts = ["set -euo pipefail", prelude]
    for number, (language, code) in enumerate(blocks(page), 1):
        for old, new in changes.items():
            code = code.replace(old, new)
        parts += [f"echo; echo '{SIGN.strip()} {number} ({language})'", RUNNERS[language].format(code=code)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(
            ["bash", "-c", "\n".join(parts)],
            cwd=folder,
            env={**os.environ, "PATH": path, **variables},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(timeout=seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.seek(0)
        text = log.read()
    assert status == 0, text
    return text.split(SIGN)[1:]
