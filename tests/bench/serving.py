"""Serving under load: what batches gain, how long clients wait, what the server itself costs, and whether it leaks.

::

    python tests/bench/serving.py batching --net caffenet --clients 64
    python tests/bench/serving.py overhead --net squeezenet
    python tests/bench/serving.py request --net squeezenet --threads 2
    python tests/bench/serving.py batching --grpc
    python tests/bench/serving.py soak --requests 10000 --grpc
    python tests/bench/serving.py contexts --net caffenet

Everything is in this process: clients are threads that send a request of one item, wait for its result, and send the
next; with ``--grpc`` they are Triton's, in a process of their own. What is compared takes turns, round by round, and
ratios of medians count: others may be at work on the machine.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from caffe_sdk.net import Net  # noqa: E402
from caffe_sdk.serving import InferRequest, Options, Repository, ServedModel  # noqa: E402
from caffe_sdk.threads import num_threads  # noqa: E402
from tests.bench import one_request  # noqa: E402
from tests.bench.served_models import link, put  # noqa: E402

TOLERANCE = 2e-3
"""How far a served result may be from a direct forward pass, as a part of the largest: sizes compute differently."""


class Load(NamedTuple):
    """What clients saw in one round."""

    rate: float
    """Items a second."""
    waits: list[float]
    """Seconds from request to result."""

    @property
    def p99(self) -> float:
        """Seconds within which 99 of 100 results came."""
        return float(np.percentile(self.waits, 99))


def item(model: ServedModel, seed: int) -> InferRequest:
    """A request of one random item."""
    generator = np.random.default_rng(seed)
    (spec,) = model.inputs
    return InferRequest({spec.name: generator.normal(size=(1, *spec.shape[1:])).astype(np.float32)})


def load(send: Callable[[int], object], clients: int, seconds: float) -> Load:
    """Clients that send one request after the other for some seconds, at least one each; ``send`` gets the client's
    number."""
    waits: list[list[float]] = [[] for _ in range(clients)]
    end = time.monotonic() + seconds

    def work(number: int) -> None:
        while not waits[number] or time.monotonic() < end:
            began = time.monotonic()
            send(number)
            waits[number].append(time.monotonic() - began)

    threads = [threading.Thread(target=work, args=[number]) for number in range(clients)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = [wait for each in waits for wait in each]
    return Load(len(every) / (time.monotonic() - began), every)


def batching(
    net: str, clients: int, seconds: float, rounds: int, delay_ms: float, largest: int, grpc: bool = False
) -> list[str]:
    """Batches against requests computed one by one."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        put(root, net, "together", max_batch_size=largest, max_queue_delay_ms=delay_ms)
        link(root, "together", "alone", max_batch_size=1)
        with served(root, clients, grpc) as (repository, address):
            together, alone = repository.get("together"), repository.get("alone")
            request = item(together, 0)
            found: dict[str, list[Load]] = {"together": [], "alone": []}
            for _ in range(rounds):
                for model in (together, alone):
                    if grpc:
                        loaded = load_from_elsewhere(address, model.name, clients, seconds)
                    else:
                        loaded = load(lambda _: model.infer(request), clients, seconds)  # noqa: B023
                    found[model.name].append(loaded)
            return batching_words(found, together, delay_ms)


@contextmanager
def served(root: Path, clients: int, grpc: bool) -> Iterator[tuple[Repository, str]]:
    """A repository with all models ready, and the address of its server if there shall be one."""
    if not grpc:
        with Repository(root) as repository:
            repository.poll()
            yield repository, ""
        return
    from caffe_sdk.server import Options as ServerOptions
    from caffe_sdk.server import start

    with start(ServerOptions("127.0.0.1:0", models=str(root), workers=2 * clients, grace=0)) as server:
        found = server.backend.repository
        assert found is not None
        while not found.ready():
            time.sleep(0.05)
        yield found, server.address


def load_from_elsewhere(address: str, model: str, clients: int, seconds: float) -> Load:
    """`load` by clients over gRPC in another process."""
    command = [sys.executable, __file__, "clients", "--address", address, "--model", model]
    command += ["--clients", str(clients), "--seconds", str(seconds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rate, *waits = map(float, done.stdout.split())
    return Load(rate, waits)


def triton_clients(address: str, model: str, clients: int, seconds: float) -> None:
    """What runs in that process: Triton's client in each thread. Prints the rate, and every wait."""
    import tritonclient.grpc as triton

    stubs = [triton.InferenceServerClient(address) for _ in range(clients)]
    (spec,) = stubs[0].get_model_metadata(model).inputs
    shape = [1, *spec.shape[1:]]
    values = triton.InferInput(spec.name, shape, "FP32")
    values.set_data_from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    found = load(lambda number: stubs[number].infer(model, [values]), clients, seconds)
    print(found.rate, *found.waits)


def batching_words(found: dict[str, list[Load]], model: ServedModel, delay_ms: float) -> list[str]:
    """Rates, their ratio, and the waits beside the time that batches take."""
    rates = {name: [each.rate for each in loads] for name, loads in found.items()}
    batches = model.statistics.snapshot().batches
    sizes = {size: each.compute_infer.count for size, each in sorted(batches.items())}
    often = max(sizes, key=lambda size: size * sizes[size])
    batch = batches[often]
    took = (batch.compute_input.ns + batch.compute_infer.ns + batch.compute_output.ns) / batch.compute_infer.count / 1e9
    limit = delay_ms / 1e3 + 3 * took
    p99 = [each.p99 for each in found["together"]]
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return [
        f"one by one   {words(rates['alone'])} items/s",
        f"in batches   {words(rates['together'])} items/s",
        f"gain         {medians['together'] / medians['alone']:.2f} of medians, "
        f"{max(rates['together']) / max(rates['alone']):.2f} of the best rounds",
        f"p99          {words([1e3 * each for each in p99])} ms; delay and 3 batches of {often}: {1e3 * limit:.0f} ms",
        f"batches      {sizes}",
    ]


def overhead(net: str, rounds: int) -> list[str]:
    """A request of one item against the net's own forward pass."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        put(root, net, "net", max_queue_delay_ms=2)
        with Repository(root) as repository:
            repository.poll()
            model = repository.get("net")
            request = item(model, 0)
            with Net(root / "net/1/deploy.prototxt", "test", weights=root / "net/1/net.caffemodel") as direct:
                times: dict[str, list[float]] = {"served": [], "direct": []}
                for _ in range(rounds):
                    began = time.perf_counter()
                    found = {key: np.array(value) for key, value in direct.forward(None, **request.inputs).items()}
                    middle = time.perf_counter()
                    served = model.infer(request).outputs
                    times["direct"].append(middle - began)
                    times["served"].append(time.perf_counter() - middle)
                wrong = [key for key, value in found.items() if not alike(served[key], value)]
    median = {key: 1e3 * statistics.median(values) for key, values in times.items()}
    least = {key: 1e3 * min(values) for key, values in times.items()}
    more, allowed = median["served"] - median["direct"], 0.1 * median["direct"] + 1
    return [
        f"direct    {median['direct']:.2f} ms, least {least['direct']:.2f}",
        f"served    {median['served']:.2f} ms, least {least['served']:.2f}",
        f"overhead  {more:.2f} ms, least {least['served'] - least['direct']:.2f}; a tenth and 1 ms are {allowed:.2f}",
        f"results   {'are the same' if not wrong else f'DIFFER: {wrong}'}",
    ]


def contexts(net: str, clients: int, seconds: float, rounds: int) -> list[str]:
    """One batch at a time with all threads against two with half of them; each in a process of its own."""
    lines, rates = [], {}
    programs = {}
    for parallel in (1, 2):
        command = [sys.executable, __file__, "serve-rounds", "--net", net, "--clients", str(clients)]
        command += ["--seconds", str(seconds), "--parallel", str(parallel)]
        programs[parallel] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        rates[parallel] = []
    for _ in range(rounds):
        for parallel, program in programs.items():
            assert program.stdin is not None
            assert program.stdout is not None
            program.stdin.write("round\n")
            program.stdin.flush()
            rates[parallel].append([float(word) for word in program.stdout.readline().split()])
    for parallel, program in programs.items():
        program.communicate()
        rate, p99 = zip(*rates[parallel], strict=True)
        lines.append(f"{parallel} at a time  {words(rate)} items/s, p99 {words([1e3 * each for each in p99])} ms")
    gain = statistics.median([each[0] for each in rates[2]]) / statistics.median([each[0] for each in rates[1]])
    return [*lines, f"gain of two   {gain:.2f} of medians"]


def serve_rounds(net: str, clients: int, seconds: float, parallel: int) -> None:
    """A round for each line of the input, for `contexts`."""
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder), net, "net", instances=parallel)
        with Repository(folder, Options(parallel=parallel)) as repository:
            repository.poll()
            model = repository.get("net")
            request = item(model, 0)
            for _ in sys.stdin:
                found = load(lambda _: model.infer(request), clients, seconds)
                print(found.rate, found.p99, flush=True)


def soak(net: str, requests: int, clients: int, grpc: bool = False) -> list[str]:
    """Many requests, a few of them malformed, cancelled or oversized: memory, answers, and who is still alive."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        put(root, net, "net", max_batch_size=16, max_queue_requests=4 * clients)
        with served(root, clients, grpc) as (repository, address):
            model = repository.get("net")
            wanted = answers(root / "net/1", [item(model, seed) for seed in range(32)])
            np.savez(
                root / "wanted.npz",
                **{f"{i} {part}": v for i, pair in enumerate(wanted) for part, v in zip("xy", pair, strict=True)},
            )
            counts: Counter[str] = Counter()
            memory = [resident()]
            for part in range(PARTS):
                share = requests // PARTS
                if grpc:
                    counts += soak_from_elsewhere(address, root / "wanted.npz", clients, share, part)
                else:
                    counts += mixed(lambda: Direct(model), wanted, clients, share, part)
                gc.collect()
                memory.append(resident())
            alive = len(model.infer(item(model, 0)).outputs) > 0
            until = time.monotonic() + 10
            while (pending := model.statistics.snapshot().pending) and time.monotonic() < until:
                time.sleep(0.01)
    growth = memory[-1] / memory[1] - 1
    return [
        f"outcomes  {dict(sorted(counts.items()))}",
        f"memory    {', '.join(f'{each / 1e6:.0f}' for each in memory)} MB; {growth:+.1%} after the first part",
        f"end       {'alive' if alive else 'DEAD'}, {pending} pending",
    ]


PARTS = 5
Pair = tuple[np.ndarray, np.ndarray]
"""A net's input, and what it makes of it."""


class Client(Protocol):
    """Who sends requests of one input."""

    def infer(self, values: np.ndarray) -> np.ndarray:
        """The output for an input."""

    def cancel(self, values: np.ndarray) -> None:
        """Send a request and give it up."""


class Direct:
    """A client in this process."""

    def __init__(self, model: ServedModel) -> None:
        self._model, (self._input,) = model, model.inputs

    def infer(self, values: np.ndarray) -> np.ndarray:
        """The output for an input."""
        (output,) = self._model.infer(InferRequest({self._input.name: values})).outputs.values()
        return output

    def cancel(self, values: np.ndarray) -> None:
        """Send a request and give it up."""
        self._model.submit(InferRequest({self._input.name: values})).cancel()


class Triton:
    """Triton's client."""

    def __init__(self, address: str, model: str) -> None:
        import tritonclient.grpc as triton

        self._triton, self._model = triton, model
        self._stub = triton.InferenceServerClient(address)
        metadata = self._stub.get_model_metadata(model)
        self._input, self._output = metadata.inputs[0].name, metadata.outputs[0].name

    def infer(self, values: np.ndarray) -> np.ndarray:
        """The output for an input."""
        found: np.ndarray = self._stub.infer(self._model, [self._values(values)]).as_numpy(self._output)
        return found

    def cancel(self, values: np.ndarray) -> None:
        """Send a request and give it up."""
        self._stub.async_infer(self._model, [self._values(values)], lambda result, error: None).cancel()

    def _values(self, values: np.ndarray) -> Any:
        tensor = self._triton.InferInput(self._input, values.shape, "FP32")
        tensor.set_data_from_numpy(np.ascontiguousarray(values))
        return tensor


def mixed(make: Callable[[], Client], wanted: Sequence[Pair], clients: int, requests: int, seed: int) -> Counter[str]:
    """So many requests of every kind, shared out among clients; what became of them."""
    counts: Counter[str] = Counter()
    lock = threading.Lock()

    def work(number: int) -> None:
        generator, client = np.random.default_rng([seed, number]), make()
        for _ in range(requests // clients):
            outcome = one(client, wanted, generator)
            with lock:
                counts[outcome] += 1

    threads = [threading.Thread(target=work, args=[number]) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counts


def one(client: Client, wanted: Sequence[Pair], generator: np.random.Generator) -> str:
    """One request, of one of the kinds there are; what became of it."""
    values, answer = wanted[generator.integers(len(wanted))]
    kind = generator.random()
    try:
        if kind < 0.0033:
            client.infer(values[:, :, 1:])
            return "WRONG: a malformed request was answered"
        if kind < 0.0066:
            client.cancel(values)
            return "cancelled"
        if kind < 0.01:
            many = client.infer(np.repeat(values, 100, axis=0))
            return "oversized, right" if alike(many, np.repeat(answer, 100, axis=0)) else "WRONG"
        return "right" if alike(client.infer(values), answer) else "WRONG"
    except Exception as error:
        code = getattr(error, "code", None) or getattr(error, "status", lambda: None)()
        if code is None:
            raise
        return f"refused: {code}"


def soak_from_elsewhere(address: str, wanted: Path, clients: int, requests: int, seed: int) -> Counter[str]:
    """`mixed` by clients over gRPC in another process."""
    command = [
        sys.executable,
        __file__,
        "soak-clients",
        "--address",
        address,
        "--model",
        "net",
        "--wanted",
        str(wanted),
    ]
    command += ["--clients", str(clients), "--requests", str(requests), "--seed", str(seed)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Counter(json.loads(done.stdout))


def soak_clients(address: str, model: str, path: str, clients: int, requests: int, seed: int) -> None:
    """What runs in that process."""
    with np.load(path) as saved:
        wanted = [(saved[f"{i} x"], saved[f"{i} y"]) for i in range(len(saved.files) // 2)]
    print(json.dumps(mixed(lambda: Triton(address, model), wanted, clients, requests, seed)))


def answers(folder: Path, requests: Sequence[InferRequest]) -> list[Pair]:
    """What the net itself makes of requests."""
    with Net(folder / "deploy.prototxt", "test", weights=folder / "net.caffemodel") as net:
        (name,), (output,) = net.inputs, net.outputs
        return [(each.inputs[name], np.array(net.forward(None, **each.inputs)[output])) for each in requests]  # type: ignore[arg-type]


def alike(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether results agree."""
    return a.shape == b.shape and float(np.abs(a - b).max()) <= TOLERANCE * float(np.abs(b).max())


def resident() -> float:
    """Bytes of memory that this process has in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def words(values: Sequence[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):8.1f} ({min(values):.1f} to {max(values):.1f})"


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "what",
        choices=("batching", "overhead", "request", "soak", "contexts", "serve-rounds", "clients", "soak-clients"),
    )
    parser.add_argument("--net", default="", help="a net of tests/bench/models.py")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--delay", type=float, default=2, help="max_queue_delay_ms")
    parser.add_argument("--largest", type=int, default=32, help="max_batch_size")
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--threads", type=int, default=num_threads(), help="that compute, for request")
    parser.add_argument("--grpc", action="store_true", help="clients of another process, over gRPC")
    parser.add_argument("--address", default="", help=argparse.SUPPRESS)
    parser.add_argument("--model", default="", help=argparse.SUPPRESS)
    parser.add_argument("--wanted", default="", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.what == "clients":
        triton_clients(given.address, given.model, given.clients, given.seconds)
        return
    if given.what == "soak-clients":
        soak_clients(given.address, given.model, given.wanted, given.clients, given.requests, given.seed)
        return
    if given.what == "serve-rounds":
        serve_rounds(given.net or "caffenet", given.clients, given.seconds, given.parallel)
        return
    if given.what == "batching":
        net = given.net or "caffenet"
        lines = batching(net, given.clients, given.seconds, given.rounds, given.delay, given.largest, given.grpc)
    elif given.what == "overhead":
        lines = overhead(given.net or "squeezenet", given.rounds)
    elif given.what == "request":
        lines = one_request.measure(given.net or "squeezenet", given.threads, given.rounds)
    elif given.what == "contexts":
        lines = contexts(given.net or "caffenet", given.clients, given.seconds, given.rounds)
    else:
        lines = soak(given.net or "lenet", given.requests, given.clients, given.grpc)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
