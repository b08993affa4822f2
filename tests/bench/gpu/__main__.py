"""The command: everything there is to know of a GPU in a bounded time, written as it comes.

::

    python -m tests.bench.gpu --minutes 10 --report gpu-bench.md

Each part is a process of its own with its own limit, so that none that fails or hangs takes the others with it. The
report stands in a .md file and beside it, with all numbers, in a .json file.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.bench.gpu import report as words
from tests.bench.gpu.differences import Difference
from tests.bench.gpu.operations import Measured
from tests.bench.gpu.report import Report
from tests.bench.gpu.turns import MEASURED, PRECISIONS, USUAL, WORKERS, How, Row, groups, measure
from tests.bench.models import NETS
from tests.bench.peers import environment
from tests.bench.peers.rounds import WorkerFailed

ROOT = Path(__file__).resolve().parents[3]
NETS_MEASURED = ("caffenet", "googlenet", "vgg16", "resnet50")
LIMITS = {"device": 60, "golden": 150, "differences": 120, "transfers": 90, "operations": 180}
"""Seconds of a part at most."""
OPERATIONS_IN = ("float32", "float16")
"""Precisions that operations are measured in one by one."""


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", default="cuda", help="whose (default: %(default)s; 'simulated' without a GPU)")
    parser.add_argument("--minutes", type=float, default=10, help="what all may take together (default: %(default)s)")
    parser.add_argument("--report", type=Path, default=Path("gpu-bench.md"), help="default: %(default)s")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="do only these")
    parser.add_argument("--nets", nargs="+", choices=NETS, default=NETS_MEASURED)
    parser.add_argument("--inference", nargs="*", type=int, default=[1, 64, 256], help="sizes of batches")
    parser.add_argument("--training", nargs="*", type=int, default=[64, 256], help="sizes of batches")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=USUAL)
    parser.add_argument("--rounds", type=int, default=7, help="how often everybody has a turn (default: %(default)s)")
    parser.add_argument("--python", type=Path, help="a Python with PyTorch (default: one that is found or made)")
    parser.add_argument("--alone", action="store_true", help="measure nobody else")
    parser.add_argument("--worker", type=Path, default=WORKERS / "pytorch.py", help="what runs the other program")
    parser.add_argument("--only", default="", help="of the table of cases, those whose names have this in them")
    return parser.parse_args(given)


def run(command: Sequence[str], engine: str, limit: float, options: Mapping[str, str] | None = None) -> tuple[str, str]:
    """What a part's process says, as far as it came, and why it did not come to its end, if so."""
    environment = {**os.environ, "CAFFE_ENGINE": engine, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    environment.update(options or {})
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, complaint = process.communicate(timeout=max(1.0, limit))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with all that it has started
        return process.communicate()[0], f"ended after {limit:.0f} s"
    failed = process.returncode != 0
    return said, f"exit status {process.returncode}: {complaint.strip()[-600:]}" if failed else ""


def with_failure(lines: list[str], failure: str) -> list[str]:
    """A section's lines, and what went wrong."""
    return [*lines, "", "Not complete:", *words.quoted(failure)] if failure else lines


class Bench:
    """The parts, and the time they have."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self.end = time.monotonic() + 60 * asked.minutes
        self.report = Report(f"The {asked.engine} engine on a GPU", asked.report)

    def device(self, limit: float) -> None:
        """What there is."""
        said, failure = run([sys.executable, "-m", "caffe_sdk.cli", "device_query"], self.asked.engine, limit)
        facts = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
        found = {name: value.strip() for name, value in facts.items()}
        self.report.put("Device", with_failure(words.quoted(said), failure), found)

    def golden(self, limit: float) -> None:
        """BVLC Caffe's numbers."""
        script = Path(os.environ.get("CAFFE_SHARED", ROOT.parent / "shared")) / "golden" / "check.py"
        if not script.is_file():
            self.report.put("Golden vectors of BVLC Caffe", [f"They are not here ({script})."], None)
            return
        said, failure = run([sys.executable, str(script), "--module", "caffe_sdk", "--gpu"], self.asked.engine, limit)
        last = said.strip().splitlines()[-20 if failure else -1 :]
        self.report.put("Golden vectors of BVLC Caffe", with_failure(words.quoted("\n".join(last)), failure), last[-1:])

    def differences(self, limit: float) -> None:
        """The table of cases."""
        command = [sys.executable, "-m", "tests.bench.gpu.differences", self.asked.only]
        said, failure = run(command, self.asked.engine, limit)
        found = [Difference(**json.loads(line)) for line in said.splitlines() if line.endswith("}")]
        data = [dataclasses.asdict(each) for each in found]
        self.report.put("Table of cases", with_failure(words.differences(found), failure), data)

    def transfers(self, limit: float) -> None:
        """What moves in training."""
        found, failures = {}, []
        for net in self.asked.nets[:2]:
            command = [sys.executable, "-m", "tests.bench.gpu.transfers", net, "2"]
            said, failure = run(command, self.asked.engine, limit / 2)
            if failure:
                failures.append(f"{net}: {failure}")
            else:
                found[net] = json.loads(said.strip().splitlines()[-1])
        self.report.put("Transfers", with_failure(words.transfers(found), "\n".join(failures)), found)

    def operations(self, limit: float) -> None:
        """Each by our own kernels and by cuDNN."""
        asked, found, failures, until = self.asked, [], [], time.monotonic() + limit
        sizes = {"inference": asked.inference, "training": asked.training}
        for group in groups(asked.nets, asked.inference, asked.training, asked.precisions):
            if group.precision not in OPERATIONS_IN:
                continue
            batch = str(sorted(sizes[group.way])[len(sizes[group.way]) // 2])
            command = [sys.executable, "-m", "tests.bench.gpu.operations", group.net, batch, group.way]
            options = {**PRECISIONS[group.precision], **MEASURED, "CAFFE_CUDNN": "all"}
            said, failure = run(command, asked.engine, until - time.monotonic(), options)
            found += [Measured(**json.loads(line)) for line in said.splitlines() if line.endswith("}")]
            failures += [f"{group}: {failure}"] if failure else []
        data = [dataclasses.asdict(each) for each in found]
        self.report.put("Operations", with_failure(words.operations(found), "\n".join(failures)), data)

    def speed(self, limit: float) -> None:
        """Beside PyTorch, until the time is over."""
        asked, until = self.asked, time.monotonic() + limit
        python, why = (None, "nobody else was asked for") if asked.alone else other_python(asked.python, limit / 3)
        how = How(asked.engine, python, asked.worker, asked.rounds)
        notes = [] if python else ["", f"PyTorch is not measured: {why}."]
        rows: list[Row] = []
        with tempfile.TemporaryDirectory() as nets:
            for group in groups(asked.nets, asked.inference, asked.training, asked.precisions):
                if time.monotonic() > until:
                    notes += ["", f"There was no time left for {group} and what comes after it."]
                    break
                print(group, flush=True)
                try:
                    for row in measure(group, how, until, Path(nets)):
                        rows.append(row)
                        self.report.put("Speed", [*words.speed(rows), *notes], words.data_of(rows))
                except (WorkerFailed, OSError) as failure:
                    notes += ["", f"{group}:", *words.quoted(str(failure))]
        self.report.put("Speed", [*words.speed(rows), *notes], words.data_of(rows))


PARTS: dict[str, Callable[[Bench, float], None]] = {
    "device": Bench.device,
    "golden": Bench.golden,
    "differences": Bench.differences,
    "transfers": Bench.transfers,
    "operations": Bench.operations,
    "speed": Bench.speed,
}


def other_python(asked: Path | None, limit: float) -> tuple[Path | None, str]:
    """A Python whose PyTorch can use the GPU: the one asked for, this one, the system's, or one of an environment that
    is made for it; None with the reason, where there is none to be had in so many seconds.
    """
    if asked:
        return asked, ""
    system = shutil.which("python3", path="/usr/local/bin:/usr/bin:/opt/conda/bin")
    made = environment.folder() / "bin" / "python"
    for python in (sys.executable, system, made):
        if python and _has_torch(Path(python)):
            return Path(python), ""
    program = "from tests.bench.peers import environment; environment.ready()"
    _, failure = run([sys.executable, "-c", program], "cpu", limit)
    return (made, "") if _has_torch(made) else (None, failure or "what was installed finds no GPU")


def _has_torch(python: Path) -> bool:
    """Whether a Python has a PyTorch that finds a GPU."""
    program = "import torch; raise SystemExit(not torch.cuda.is_available())"
    return python.exists() and subprocess.run([python, "-c", program], capture_output=True, check=False).returncode == 0


def main(given: Sequence[str] | None = None) -> None:
    """Do all parts; each has its limit, and the last one all the time that is left."""
    bench = Bench(arguments(given))
    for name in bench.asked.parts:
        left = bench.end - time.monotonic()
        if left <= 0:
            bench.report.put(name.capitalize(), ["There was no time left for it."], None)
            continue
        print(name, flush=True)
        try:
            PARTS[name](bench, min(left, LIMITS.get(name, left)))
        except Exception as error:  # noqa: BLE001 - the other parts are worth having
            bench.report.put(name.capitalize(), ["Failed:", *words.quoted(f"{type(error).__name__}: {error}")], None)
    print(f"The report is in {bench.asked.report}.")


if __name__ == "__main__":
    main()
