"""The command line: ``python -m tests.bench.peers --help``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.bench.peers import environment, tables
from tests.bench.peers.cases import CASES
from tests.bench.peers.rounds import OURS, Result, compare

INFERENCE = ("pytorch", "pytorch_channels_last", "onnxruntime", "openvino", "opencv")
TRAINING = ("pytorch", "pytorch_channels_last")


def main() -> None:
    """Measure the cases that were asked for; a table on standard output, progress on standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.peers", description="Time this package and others on the same nets, taking turns."
    )
    parser.add_argument(
        "--only", default="", help="measure only cases that begin or end so: 'caffenet b10', 'training'"
    )
    parser.add_argument("--peers", nargs="+", choices=INFERENCE, default=INFERENCE, help="against whom")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="how many threads (default: 1, then 2)")
    parser.add_argument("--rounds", type=int, default=11, help="how often everybody has a turn (default 11)")
    parser.add_argument("--busy", action="store_true", help="while another process keeps one core busy")
    parser.add_argument("--json", type=Path, help="also add the results to this file, one a line")
    arguments = parser.parse_args()
    python = environment.ready()
    for threads in arguments.threads:
        results: list[Result] = []
        for case in (
            case for case in CASES if str(case).startswith(arguments.only) or str(case).endswith(arguments.only)
        ):
            takers = [peer for peer in arguments.peers if not case.train or peer in TRAINING]
            results.append(compare(case, takers, python, threads, arguments.rounds, arguments.busy))
            _report(results[-1])
            if arguments.json:
                with arguments.json.open("a") as file:
                    file.write(tables.to_json(results[-1:]))
        state = ", one core kept busy by another process" if arguments.busy else ""
        print(f"\n{threads} thread{'s' * (threads > 1)}{state}: time of others / ours, median (of minima)\n")
        print(tables.table(results, arguments.peers), flush=True)


def _report(result: Result) -> None:
    said = [
        f"{peer} {result.ratio(peer):.2f} ({result.ratio_of_minima(peer):.2f})" for peer in result.times if peer != OURS
    ]
    said += [f"{peer} failed: {why}" for peer, why in result.failures.items()]
    ours = result.times[OURS]
    print(f"{result.case}: {ours.median:.3g} ({ours.minimum:.3g}) ms; {', '.join(said)}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
