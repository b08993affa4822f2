#!/usr/bin/env python3
"""Write docs/layers.md: every layer type with its bottoms, tops, shapes, formula, parameters and engines.

All of it comes from the code: docstrings and arities from the classes, parameters from proto/caffe.proto, engines from
the operations that the rows of the table of cases (tests/cases) tell an engine to compute.

    tools/layer_table.py           write the page
    tools/layer_table.py --check   write nothing; exit status 1 when the page is out of date or a docstring is missing
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from caffe_sdk.engine.cpu import CpuEngine  # noqa: E402 - the package need not be installed
from caffe_sdk.engine.cpu.compile import PLANNERS  # noqa: E402
from caffe_sdk.engine.operation import OPERATIONS, Recorder  # noqa: E402
from caffe_sdk.engine.reference import ReferenceEngine  # noqa: E402
from caffe_sdk.layers import REGISTRY, Layer  # noqa: E402
from caffe_sdk.schema.messages import FillerParameter, LayerParameter  # noqa: E402
from tests.cases.case import Case, Trial  # noqa: E402
from tests.cases.table import CASES  # noqa: E402

FILLERS = "[FillerParameter](#fillers)"
PAGE = ROOT / "docs" / "layers.md"
FIELDS = LayerParameter.DESCRIPTOR.fields_by_name
MORE_PARAMETERS = {
    "Data": ["transform_param"],
    "Deconvolution": ["convolution_param"],
    "ImageData": ["transform_param"],
    "Im2col": ["convolution_param"],
    "InfogainLoss": ["softmax_param", "loss_param"],
    "LSTM": ["recurrent_param"],
    "RNN": ["recurrent_param"],
    "SigmoidCrossEntropyLoss": ["loss_param"],
    "SoftmaxWithLoss": ["softmax_param", "loss_param"],
    "WindowData": ["transform_param"],
}
"""Parameters that are not named after their type."""

OPENING = """# Layers

Every type a prototxt may name, in the order of the alphabet. `tools/layer_table.py` writes this page from the code, and
`make check` tells when it is out of date.

Shapes are bottoms -> tops, with what may be left out in brackets. Every layer also takes `name`, `type`, `bottom`,
`top`, `phase`, `include`, `exclude`, `param` (a name, `lr_mult` and `decay_mult` for each parameter), `loss_weight` and
`propagate_down`. `engine` and `force_nd_im2col` are accepted wherever models have them, and change nothing.

The reference engine computes every type. The last column tells of the default engine: *cpu* where oneDNN or Numba
compute a layer, *partly cpu* where some of its operations are left to NumPy, *reference* where all are; *host* marks
layers that look at numbers themselves, *none* those that have nothing to compute.

"""


def main(arguments: list[str] | None = None) -> int:
    """Write or check the page; gives the exit status."""
    parser = argparse.ArgumentParser(description="Write docs/layers.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the page is out of date")
    check = parser.parse_args(arguments).check
    silent = [name for name, kind in types().items() if not (kind.__doc__ or "").strip()]
    if silent:
        print(f"no docstring: {', '.join(silent)}", file=sys.stderr)
        return 1
    page = make_page()
    if not check:
        PAGE.write_text(page, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page:
        print("docs/layers.md is out of date: run tools/layer_table.py", file=sys.stderr)
        return 1
    return 0


def types() -> dict[str, type[Layer]]:
    """The package's own layer types, by name."""
    return {name: kind for name, kind in sorted(REGISTRY.items()) if kind.__module__.startswith("caffe_sdk.")}


def make_page() -> str:
    """The whole page."""
    comments = field_comments()
    rows = ["| type | bottoms | tops | formula | shapes | engines |", "| --- | --- | --- | --- | --- | --- |"]
    sections = []
    for name, kind in types().items():
        formula, shapes, _ = docstring(kind)
        cells = (f"[{name}](#{name.lower()})", kind.bottoms, tops(kind), formula, shapes, engines(name, kind))
        rows.append(f"| {' | '.join(escaped(str(cell)) for cell in cells)} |")
        sections.append(section(name, kind, comments))
    fillers = f"## Fillers\n\n{table('FillerParameter', FillerParameter.DESCRIPTOR, comments)}\n"
    return OPENING + "\n".join(rows) + "\n\n" + "\n".join([*sections, fillers])


def tops(kind: type[Layer]) -> str:
    """How many tops a type has."""
    if kind.as_many_tops:
        return "as many as bottoms"
    return f"{kind.tops}, added if not named" if kind.auto_tops else str(kind.tops)


def docstring(kind: type[Layer]) -> tuple[str, str, str]:
    """What a type computes, its shapes where they are said in one place, and the rest of the docstring."""
    text = inspect.cleandoc(kind.__doc__ or "").replace("``", "`")
    first, _, rest = text.partition("\n\n")
    formula, _, shapes = first.replace("\n", " ").partition("  ")
    return formula, shapes.strip(), rest


def section(name: str, kind: type[Layer], comments: dict[str, str]) -> str:
    """All there is to say of a type."""
    formula, shapes, rest = docstring(kind)
    parts = [f"## {name}", formula, f"Shapes: {shapes}" if shapes else "", rest]
    parts += [table(field, FIELDS[field].message_type, comments) for field in parameters(name)]
    return "\n\n".join(filter(None, parts)) + "\n"


def parameters(name: str) -> list[str]:
    """The fields of LayerParameter that a type reads: that of its own name, and more."""
    own = [field for field in FIELDS if field.replace("_", "") == f"{name.lower()}param"]
    fields = own + MORE_PARAMETERS.get(name, [])
    return [field for field in fields if any(shown(FIELDS[field].message_type))]


def shown(message: Any) -> Iterator[Any]:
    """The fields of a parameter that have an effect."""
    return (field for field in message.fields if field.name not in ("engine", "force_nd_im2col"))


def table(title: str, message: Any, comments: dict[str, str]) -> str:
    """The fields of a message with their defaults."""
    rows = [f"| `{title}` | type | default | |", "| --- | --- | --- | --- |"]
    for each in shown(message):
        comment = comments.get(f"{message.name}.{each.name}", "")
        rows.append(f"| `{each.name}` | {kind_of(each)} | {default(each)} | {escaped(comment)} |")
    return "\n".join(rows)


def kind_of(field: Any) -> str:
    """The type of a field, in words."""
    if field.enum_type is not None:
        return " or ".join(value.name for value in field.enum_type.values)
    if field.message_type is not None:
        name = FILLERS if field.message_type.name == "FillerParameter" else str(field.message_type.name)
    else:
        name = {
            "INT": "integer",
            "UINT": "integer, not negative",
            "FLOAT": "real",
            "DOUBLE": "real",
            "BOOL": "boolean",
        }.get(NAMES[field.cpp_type].rstrip("0123456789"), "text")
    return f"{name}, repeated" if field.is_repeated else name


NAMES = {
    value: name.removeprefix("CPPTYPE_")
    for name, value in vars(type(FIELDS["name"])).items()
    if name.startswith("CPPTYPE_")
}


def default(field: Any) -> str:
    """What a field is when it is not given."""
    if not field.has_default_value:
        return ""
    value = field.default_value
    if field.enum_type is not None:
        return str(field.enum_type.values_by_number[value].name)
    if isinstance(value, bool):
        return str(value).lower()
    return (
        f'"{value}"' if isinstance(value, str) and value else f"{value:g}" if isinstance(value, float) else str(value)
    )


def field_comments() -> dict[str, str]:
    """What proto/caffe.proto says of fields, by "Message.field"."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        source = ROOT / "proto" / "caffe.proto"
        options = [f"-I{source.parent}", "--include_source_info", f"--descriptor_set_out={out}", str(source)]
        if protoc.main(["protoc", *options]) != 0:
            sys.exit("proto/caffe.proto does not compile: protoc's words are above")
        (file,) = FileDescriptorSet.FromString(out.read_bytes()).file
    found = {}
    for location in file.source_code_info.location:
        match list(location.path):
            case [4, message, 2, field]:
                words = location.trailing_comments or location.leading_comments
                name = f"{file.message_type[message].name}.{file.message_type[message].field[field].name}"
                found[name] = " ".join(words.split())
    return found


# -- engines ---------------------------------------------------------------------------------------------------------


def engines(name: str, kind: type[Layer]) -> str:
    """Who computes a type on the default engine."""
    if kind.on_host:
        return "host"
    told = set().union(*(operations(case) for case in CASES if case.type == name), set())
    fast = {operation for operation in told if operation in PLANNERS or overridden(operation)}
    if not told:
        return "none"
    return "cpu" if fast == told else "partly cpu" if fast else "reference"


def overridden(operation: str) -> bool:
    """Whether the cpu engine has a method of its own for an operation."""
    return getattr(CpuEngine, operation) is not getattr(ReferenceEngine, operation)


def operations(case: Case) -> set[str]:
    """The operations a case tells an engine to compute."""
    recorder: Any = Recorder()
    trial = Trial(case, recorder, programs=False)
    trial.layer.forward(recorder, trial.bottom, trial.top)
    trial.layer.backward(recorder, trial.top, trial.needs, trial.bottom)
    assert {call.name for call in recorder.calls} <= set(OPERATIONS)
    return {call.name for call in recorder.calls}


def escaped(text: str) -> str:
    """A text as a cell of a table."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
