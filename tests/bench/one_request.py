"""What one request over gRPC costs beside the net's own forward pass, and what part of that is gRPC's and the client's.

::

    python tests/bench/serving.py request --net squeezenet --threads 2

Programs in processes of their own take turns, in blocks of a few calls:

* ``direct``: the net runs forward, in process;
* ``served``: Triton's stock client asks ``caffe serve``;
* ``bare``: it asks a gRPC server of a few lines around the same net, which can do nothing else: no batches, models,
  limits, deadlines, statistics or log;
* ``echo``: it asks the same few lines without the net, which answer zeros.

So ``bare`` without ``direct`` is what gRPC, Python's threads and the client take, and ``served`` without ``bare`` is
the server's own share. An echo is quicker: nobody sleeps meanwhile, and the caches have nothing else to hold.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from caffe_sdk.net import Net  # noqa: E402
from tests.bench.served_models import put  # noqa: E402

BLOCK = 20
"""Calls in a row: enough for a program to find its caches as it left them, and few enough for all to be alike."""
PHOTO = 2**20
"""Numbers of an array that the client makes and drops at first, as one that decodes photos does. From then on the C
library keeps memory of that size for it; without, it asks the system for every request's anew, which takes 0.7 ms."""
SERVERS = ("served", "bare", "echo")
PARTS = ("queue", "compute_input", "compute_infer", "compute_output")


class Worker:
    """One of the programs: it is asked by lines, and answers by lines of JSON."""

    def __init__(self, threads: int, *command: str) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "CAFFE_NUM_THREADS": str(threads)}
        self._process = subprocess.Popen(
            [sys.executable, __file__, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def ask(self, line: str) -> Any:
        """The answer to a line."""
        to, answers = self._pipes()
        to.write(line + "\n")
        to.flush()
        return json.loads(answers.readline())

    def end(self) -> None:
        """Let the program end."""
        self._process.communicate()

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        to, answers = self._process.stdin, self._process.stdout
        assert to is not None
        assert answers is not None
        return to, answers


def measure(net: str, threads: int, rounds: int) -> list[str]:
    """Time one request to a net of `models`; what came of it in words."""
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder), net, "net")
        return _words(*_times(Path(folder), threads, rounds))


def _times(root: Path, threads: int, rounds: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Seconds of every call by whom it was made to, and milliseconds of the parts that the server tells of."""
    programs = {name: Worker(threads, name, "--models", str(root)) for name in ("direct", *SERVERS)}
    client = Worker(1, "client", *(part for name in SERVERS for part in (f"--{name}", programs[name].ask("address"))))
    asked = {"direct": (programs["direct"], ""), **{name: (client, f"{name} ") for name in SERVERS}}
    times: dict[str, list[float]] = {name: [] for name in asked}
    for number in range(rounds + 1):
        for name, (worker, words) in asked.items():
            found = worker.ask(f"{words}{BLOCK}")
            times[name] += found if number else []  # the first round warms up
    parts = client.ask("statistics")
    for worker in (client, *programs.values()):
        worker.end()
    return times, parts


def _words(times: dict[str, list[float]], parts: dict[str, float]) -> list[str]:
    medians = {name: 1e3 * statistics.median(values) for name, values in times.items()}
    least = {name: 1e3 * min(values) for name, values in times.items()}
    lines = [
        f"{name:9} {medians[name]:.2f} ms, a quarter within {1e3 * float(np.percentile(values, 25)):.2f}, "
        f"least {least[name]:.2f}"
        for name, values in times.items()
    ]
    more, allowed = medians["served"] - medians["direct"], 0.1 * medians["direct"] + 1
    grpc = medians["bare"] - medians["direct"]
    return [
        *lines,
        f"overhead  {more:.2f} ms, of which {grpc:.2f} are gRPC's and the client's, {more - grpc:.2f} the server's; "
        f"a tenth and 1 ms are {allowed:.2f}",
        "statistics " + ", ".join(f"{name} {value:.2f} ms" for name, value in parts.items()),
    ]


# -- the programs ------------------------------------------------------------------------------------------------------


def _answer(answers: Callable[[str], Any]) -> None:
    for line in sys.stdin:
        print(json.dumps(answers(line.strip())), flush=True)


def _timed(action: Callable[[], object], count: int) -> list[float]:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return times


def _item(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).random(shape, np.float32)


def direct(models: Path) -> None:
    """A net that runs forward in process."""
    version = models / "net/1"
    with Net(version / "deploy.prototxt", "test", weights=version / "net.caffemodel") as net:
        (name,) = net.inputs
        values = _item(net.blobs[name].shape)
        _answer(lambda line: _timed(lambda: net.forward(None, **{name: values}), int(line)))  # type: ignore[arg-type]


def served(models: Path) -> None:
    """The server."""
    from caffe_sdk.server import Options, start

    with start(Options("127.0.0.1:0", models=str(models), grace=0)) as server:
        repository = server.backend.repository
        assert repository is not None
        while not repository.ready():
            time.sleep(0.05)
        _answer(lambda _: server.address)


def bare(models: Path, echo: bool = False) -> None:
    """A gRPC server around the net; with ``echo`` it answers zeros."""
    import grpc

    from caffe_sdk.server.inference import pb

    version = models / "net/1"
    net = Net(version / "deploy.prototxt", "test", weights=version / "net.caffemodel")
    (name,), (output,) = net.inputs, net.outputs
    zeros = np.zeros(net.blobs[output].shape, np.float32)

    def answer(data: bytes, _context: object) -> bytes:
        found = zeros
        if not echo:
            (values,) = pb.ModelInferRequest.FromString(data).raw_input_contents
            item = np.frombuffer(values, np.float32).reshape(net.blobs[name].shape)
            found = net.forward(None, **{name: item})[output]  # type: ignore[arg-type]
        reply = pb.ModelInferResponse(model_name="net", model_version="1", raw_output_contents=[found.tobytes()])
        reply.outputs.add(name=output, datatype="FP32", shape=found.shape)
        return bytes(reply.SerializeToString())

    server = grpc.server(ThreadPoolExecutor(1))
    handler = grpc.unary_unary_rpc_method_handler(answer)
    service = grpc.method_handlers_generic_handler("inference.GRPCInferenceService", {"ModelInfer": handler})
    server.add_generic_rpc_handlers([service])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    _answer(lambda _: f"127.0.0.1:{port}")
    server.stop(0)


def client(addresses: dict[str, str]) -> None:
    """Triton's client."""
    import tritonclient.grpc as triton

    np.ones(PHOTO).sum()
    stubs = {name: triton.InferenceServerClient(address) for name, address in addresses.items()}
    (spec,) = stubs["served"].get_model_metadata("net").inputs
    values = _item((1, *spec.shape[1:]))
    tensor = triton.InferInput(spec.name, list(values.shape), "FP32")
    tensor.set_data_from_numpy(values)

    def answer(line: str) -> Any:
        if line == "statistics":
            found = stubs["served"].get_inference_statistics("net").model_stats[0].inference_stats
            return {name: getattr(found, name).ns / max(1, getattr(found, name).count) / 1e6 for name in PARTS}
        name, count = line.split()
        return _timed(lambda: stubs[name].infer("net", [tensor]), int(count))

    _answer(answer)


def main() -> None:
    """One of the programs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", choices=("direct", *SERVERS, "client"))
    parser.add_argument("--models", type=Path, default=Path())
    for name in SERVERS:
        parser.add_argument(f"--{name}", default="")
    given = parser.parse_args()
    if given.program == "client":
        client({name: getattr(given, name) for name in SERVERS})
    elif given.program in ("bare", "echo"):
        bare(given.models, given.program == "echo")
    else:
        {"direct": direct, "served": served}[given.program](given.models)


if __name__ == "__main__":
    main()
