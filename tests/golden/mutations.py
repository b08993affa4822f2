"""Mutated nets and solvers, the same ones for the same numbers, and what becomes of them.

Run as a program it makes the mutants of a range of numbers from a folder of prototxts, with limits on memory and time,
and prints a JSON line for each: ``python -m tests.golden.mutations FOLDER FIRST LAST``.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from caffe_sdk import engine
from caffe_sdk.app.check import check
from caffe_sdk.app.describe import describe
from caffe_sdk.app.stand_ins import with_stand_ins
from caffe_sdk.errors import CaffeError
from caffe_sdk.graph import build, cost
from caffe_sdk.net import Net
from caffe_sdk.schema import prototxt, upgrade
from caffe_sdk.schema.messages import TEST, TRAIN, LayerParameter, NetParameter, SolverParameter
from caffe_sdk.solver import get_solver
from tests.cases.case import Case
from tests.cases.table import CASES
from tests.golden import real

MESSAGE = FieldDescriptor.CPPTYPE_MESSAGE
SECONDS = 2.0
BYTES = 1 << 30
LONGEST = 40_000  # bytes of a file: longer ones are left out, they are made of the same
SMALL = 50e6  # a net of so few bytes and multiply-adds is run too
NUMBERS = (
    -1,
    0,
    1,
    2,
    3,
    7,
    255,
    65536,
    2**31 - 1,
    -(2**31),
    2**32 - 1,
    2**63 - 1,
    1e-30,
    1e30,
    float("nan"),
    float("inf"),
)

SMALL_NET = """
layer { name: "data" type: "DummyData" top: "data" top: "label"
        dummy_data_param { shape { dim: 2 dim: 1 dim: 6 dim: 6 } shape { dim: 2 } data_filler { type: "gaussian" }
                           data_filler { type: "constant" } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""


# -- what is mutated -------------------------------------------------------------------------------------------------


def bases(folder: Path) -> list[Path]:
    """The files to begin with: real ones, and those of the package."""
    ours = sorted((Path(__file__).resolve().parents[2] / "caffe_sdk" / "models").rglob("*.prototxt"))
    return [path for path in [*real.files(folder), *ours] if path.stat().st_size < LONGEST]


def mutant(paths: list[Path], number: int) -> tuple[str, Any]:
    """The text of a mutant, and the class of the message that it is meant to be."""
    rng = random.Random(number)
    message = net_of(rng.choice(CASES)) if rng.random() < 0.4 else prepared(rng.choice(paths))
    kind, text = type(message), prototxt.format(message)
    if rng.random() < 0.2:
        return mutate_text(text, rng), kind
    changed = kind()
    changed.CopyFrom(message)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        mutate_message(changed, rng)
    return prototxt.format(changed), kind


def net_of(case: Case) -> Any:
    """A net with the layer of a case."""
    net, config = NetParameter(force_backward=True), case.config()
    data = net.layer.add(name="bottoms", type="Input", top=config.bottom)
    for shape in case.bottoms:
        data.input_param.shape.add(dim=shape)
    if not case.bottoms:
        del net.layer[:]
    config.ClearField("phase")
    net.layer.add().CopyFrom(config)
    return net


@functools.cache
def prepared(path: Path) -> Any:
    """The net or solver of a file, changed so that it can be built here, and with a batch of 1 if that goes."""
    message = real.read(path)
    if isinstance(message, SolverParameter):
        return with_small_net(message)
    for size in (32, 227):
        for batch in (1, None):
            net = with_data(message, size, batch)
            if any(builds(net, phase) for phase in (TRAIN, TEST)):
                return net
    return message


def builds(net: Any, phase: int) -> bool:
    """Whether a net has a graph."""
    try:
        return bool(build(upgrade.upgrade_net(net), phase))
    except CaffeError:
        return False


def with_small_net(solver: Any) -> Any:
    """A solver with a net that is there."""
    new = SolverParameter()
    new.CopyFrom(solver)
    for field in ("net", "train_net", "test_net", "test_iter", "test_state", "weights", "net_param"):
        new.ClearField(field)
    new.net_param.CopyFrom(prototxt.parse(SMALL_NET, NetParameter))
    new.snapshot_prefix = "snapshot"
    return new


def with_data(net: Any, size: int, batch: int | None) -> Any:
    """A net without the data it would read: images of a ``size`` where it says none, a ``batch`` of them."""
    new, missing = with_stand_ins(upgrade.upgrade_net(net))
    for layer in new.layer:
        if layer.name in [stand_in.layer for stand_in in missing if stand_in.shapes is None] and layer.type != "Input":
            source = LayerParameter(name=layer.name, type="Input", top=layer.top, include=layer.include)
            for place in range(len(layer.top)):
                source.input_param.shape.add(dim=[4] if place else [4, 3, size, size])
            layer.CopyFrom(source)
        for shape in layer.input_param.shape if batch and layer.HasField("input_param") else ():
            shape.dim[:1] = [batch]
    return new if missing or batch else net


# -- how -------------------------------------------------------------------------------------------------------------


def mutate_text(text: str, rng: random.Random) -> str:
    """A text with a piece dropped, doubled, moved or made nonsense."""
    lines = text.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    mutation = rng.randrange(5)
    if mutation == 0:
        del lines[at : at + rng.choice((1, 1, 3))]
    elif mutation == 1:
        lines.insert(at, lines[rng.randrange(len(lines))])
    elif mutation == 2:
        lines[at], lines[0] = lines[0], lines[at]
    elif mutation == 3:
        lines[at] = lines[at].replace(":", rng.choice(("", "::", ": -", ': "', ": [", ": {")), 1)
    else:
        cut = rng.randrange(len(text))
        return text[:cut] + rng.choice(("", "{", "}", '"', "\0", "#", "\xff", "9" * 400, "{" * 3000)) + text[cut + 1 :]
    return "".join(lines)


def mutate_message(message: Any, rng: random.Random) -> None:
    """Drop, double, negate or blow up one field somewhere in a message."""
    places = list(fields(message))
    if not places:
        return
    numbers = [place for place in places if place[1].cpp_type not in (FieldDescriptor.CPPTYPE_STRING, MESSAGE)]
    owner, field = rng.choice(numbers if numbers and rng.random() < 0.6 else places)
    value = getattr(owner, field.name)
    if rng.random() < 0.2:
        owner.ClearField(field.name)
    elif field.is_repeated:
        mutate_list(value, field, rng)
    elif field.message_type is None:
        put(lambda new: setattr(owner, field.name, new), other(value, field, rng))


def mutate_list(values: Any, field: Any, rng: random.Random) -> None:
    """Drop, double, swap or change entries of a repeated field."""
    at = rng.randrange(len(values))
    mutation = rng.randrange(4)
    if mutation == 0:
        del values[at]
    elif mutation == 1:
        values.extend([values[at]] * rng.choice((1, 1, 2, 40)))
    elif field.message_type is not None:
        kept = list(values)
        rng.shuffle(kept)
        copies = [type(each).FromString(each.SerializeToString()) for each in kept]
        del values[:]
        values.extend(copies)
    else:
        put(lambda new: values.__setitem__(at, new), other(values[at], field, rng))


def other(value: Any, field: Any, rng: random.Random) -> Any:
    """Another value for a field."""
    if field.enum_type is not None:
        return rng.choice(field.enum_type.values).number
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return rng.choice(("", "data", "label", "loss", value + value, "x" * 5000, "\n", "Python", "Silence", "../.."))
    if isinstance(value, bytes):
        return b"\xff"
    return rng.choice((-value, value * 2, value * 1000, value + 1, *NUMBERS))


def put(change: Callable[[Any], None], value: Any) -> None:
    """Set a value, as a whole number if need be; what no such field can hold leaves it as it was."""
    for candidate in (value, int(value)) if isinstance(value, float) and abs(value) < 2**63 else (value,):
        try:
            change(candidate)
            return
        except (ValueError, TypeError):
            continue


def fields(message: Any) -> Iterator[tuple[Any, Any]]:
    """Every field that is set in a message and below it, with the message it stands in."""
    for field, value in message.ListFields():
        yield message, field
        if field.message_type is not None:
            for child in value if field.is_repeated else [value]:
                yield from fields(child)


# -- what becomes of them --------------------------------------------------------------------------------------------


class TooSlow(BaseException):
    """A mutant took longer than it may."""


def try_mutant(text: str, kind: Any, phase: int) -> str:
    """Build what the text describes, and run it if it is small. Anything but a CaffeError is let through."""
    try:
        message = prototxt.parse(text, kind)
        if kind is SolverParameter:
            solver = get_solver(message)
            try:
                if solver.param.iter_size > 100 or cost(solver.net.graph).multiply_adds > SMALL:
                    return "built"
                solver.step(1)
            finally:
                solver.close()
            return "trained"
        with Net(message, phase) as net:
            found = cost(net.graph)
            str(net)
            if max(found.total, found.multiply_adds) > SMALL:
                return "built"
            net.forward_backward()
            return "run"
    except CaffeError as error:
        return error.code if str(error) else "failed"


def look_at(text: str) -> None:
    """Check and describe what a text describes, as commands do. Anything but a CaffeError is let through."""
    path = Path("mutant.prototxt")
    path.write_text(text)
    for command in (check, describe):
        with contextlib.suppress(CaffeError):
            command(path)


def outcome(paths: list[Path], number: int) -> dict[str, Any]:
    """What became of a mutant: "run", "built", "trained", an error's code, or "failed" with the reason."""
    text, kind = mutant(paths, number)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        if number % 4 == 0:
            look_at(text)
        return {"number": number, "outcome": try_mutant(text, kind, (TRAIN, TEST)[number % 2])}
    except TooSlow:
        return {"number": number, "outcome": "failed", "why": f"took more than {SECONDS} s of the processor"}
    except BaseException:  # noqa: BLE001 - whatever it is, it is what is looked for
        return {"number": number, "outcome": "failed", "why": traceback.format_exc(limit=-6)}
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _too_slow(*_: object) -> None:
    raise TooSlow


def limit_memory() -> None:
    """Let this process have so much memory more than it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main(arguments: list[str]) -> None:
    """Try the mutants of a range of numbers."""
    paths = bases(Path(arguments[0]))
    with Net(prototxt.parse(SMALL_NET, NetParameter), TRAIN) as warm:
        warm.forward_backward()
    assert engine.current()
    signal.signal(signal.SIGPROF, _too_slow)
    limit_memory()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for number in range(int(arguments[1]), int(arguments[2])):
            print(json.dumps(outcome(paths, number)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
