"""Everything that waits for a GPU, run on one, with a report: ``make test-gpu``.

The same can be tried without a GPU: ``python tools/test_gpu.py --engine simulated --brief``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BENCH = Path(tempfile.gettempdir()) / f"gpu-bench-{os.getpid()}.md"
"""What the benchmark writes; its .json file lies beside it."""
WITHOUT = (("CAFFE_CUDNN", "0"),)
BY_CUDNN = (("CAFFE_CUDNN", "all"),)


@dataclass(frozen=True)
class Part:
    """A command of the report, and what of its output is kept: the last line, or all."""

    title: str
    command: list[str]
    whole: bool = False
    options: tuple[tuple[str, str], ...] = ()
    """Variables of the environment."""


def parts(engine: str, brief: bool) -> list[Part]:
    """What is run. ``brief`` shows in seconds that all of it can be."""
    pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
    only = " and InnerProduct" if brief else ""
    convolved = f"{engine} and {'Deconvolution' if brief else 'onvolution'}"
    waits = [["--kind", kind, "--batch", "256", "--records", "512"] for kind in (() if brief else ("leveldb", "jpeg"))]
    little = ["--nets", "lenet", "--inference", "1", "--training", "2", "--rounds", "1", "--precisions", "float32"]
    bench = ["-m", "tests.bench.gpu", "--engine", engine, "--report", str(BENCH)]
    little += ["--only", "InnerProduct", "--alone", "--parts", "differences", "speed"]
    bench += little if brief else ["--minutes", "10"]
    return [
        Part("Device", ["-m", "caffe_sdk.cli", "device_query"], whole=True),
        Part("Table of cases", [*pytest, "tests/cases", "-k", engine + only]),
        Part("Convolutions without cuDNN", [*pytest, "tests/cases", "-k", convolved], options=WITHOUT),
        Part("All that cuDNN can compute", [*pytest, "tests/cases", "-k", engine + only], options=BY_CUDNN),
        Part("Golden vectors of BVLC Caffe", [*pytest, "tests/golden/test_golden.py", "-k", engine + only]),
        Part("The engine's own tests", [*pytest, "tests/engine/cuda/test_fusion.py" if brief else "tests/engine/cuda"]),
        *([] if brief else [Part("Training in 16 bits", [*pytest, "tests/solver/test_scaling.py"])]),
        Part("Batches sent ahead", [*pytest, "tests/layers/test_ahead.py", "-k", engine]),
        *[Part(f"Waiting for data: {words[1]}", ["tests/bench/stall.py", *words]) for words in waits],
        Part("Speed, numbers and transfers", bench),
    ]


def main() -> int:
    """Run all parts and write the report; 1 if any of them failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="cuda", choices=["cuda", "simulated"])
    parser.add_argument("--report", default="gpu-report.md")
    parser.add_argument("--brief", action="store_true", help="a little of everything")
    options = parser.parse_args()
    report, failed = [f"# The {options.engine} engine\n"], 0
    for part in parts(options.engine, options.brief):
        print(part.title, flush=True)
        environment = {**os.environ, "CAFFE_ENGINE": options.engine, **dict(part.options)}
        done = subprocess.run(
            [sys.executable, *part.command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        failed += done.returncode != 0
        lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines()
        kept = lines if part.whole or done.returncode else lines[-1:]
        print("\n".join(kept[-40:]), flush=True)
        fence = "" if kept and kept[0].startswith("|") else "```"
        report.append("\n".join([f"## {part.title}{': FAILED' if done.returncode else ''}\n", fence, *kept, fence, ""]))
    if BENCH.exists():
        report.append(BENCH.read_text(encoding="utf-8").replace("\n## ", "\n### ").replace("# The", "## The", 1))
    Path(options.report).write_text("\n".join(report), encoding="utf-8")
    print(f"The report is in {options.report}.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
