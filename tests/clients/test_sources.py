"""The clients that are built on few machines: their sources parse, and name what the .proto has.

Rust's tonic and C#'s Grpc.Net.Client come from registries of their own. Both clients are also built and run, C# with
stand-ins, where the rest of what they take can be had: tests.clients.languages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tree_sitter
import tree_sitter_c_sharp
import tree_sitter_rust

from caffe_sdk.rpc import pb

GRAMMARS = {"csharp": tree_sitter_c_sharp.language(), "rust": tree_sitter_rust.language()}
CLIENTS = {"csharp": "Client.cs", "rust": "src/lib.rs"}
CALLS = {
    "csharp": r"client\.(?:Nets|Solvers)\.(\w+?)(?:Async)?\(|(?<![\w.])(?:Nets|Solvers|server)\.(\w+?)Async\(",
    "rust": r"(?:nets|solvers|clone\(\))\s*\.(\w+)\(",
}
SERVICES = (pb.Server, pb.Nets, pb.Solvers)
MESSAGES = pb.FILES[0].message_types_by_name
ENUMS = pb.FILES[0].enum_types_by_name

Node = Any


def parsed(language: str, source: Path) -> Node:
    return tree_sitter.Parser(tree_sitter.Language(GRAMMARS[language])).parse(source.read_bytes()).root_node


def nodes(node: Node, *kinds: str) -> Iterator[Node]:
    """All of some kinds in a tree."""
    if node.type in kinds:
        yield node
    for child in node.children:
        yield from nodes(child, *kinds)


def text(node: Node) -> str:
    return str(node.text.decode())


def camel(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


@pytest.fixture
def client(root: Path, language: str) -> Path:
    return root / "bindings" / "grpc" / language / CLIENTS[language]


@pytest.mark.parametrize("language", CLIENTS)
def test_the_sources_parse(language: str, root: Path) -> None:
    folder = root / "bindings" / "grpc" / language
    sources = [*folder.rglob("*.cs"), *folder.rglob("*.rs")]
    assert len(sources) >= 2
    for source in sources:
        assert not parsed(language, source).has_error, source


@pytest.mark.parametrize("language", CLIENTS)
def test_the_calls_exist(language: str, client: Path) -> None:
    """Every call of the client is one of the service's, and the main ones are there."""
    known = {call.name for service in SERVICES for call in service.methods}
    found = {camel(next(filter(None, match.groups()))) for match in re.finditer(CALLS[language], client.read_text())}
    made = found & known
    assert found - known <= {"Clone", "MaxDecodingMessageSize", "New", "Net", "Solver"}
    assert {"CreateNet", "Forward", "Backward", "SetBlobs", "CreateSolver", "Step", "ReleaseSolver"} <= made


@pytest.mark.parametrize("language", ["rust"])
def test_messages_are_whole_in_rust(language: str, client: Path) -> None:
    """A message has fields of the .proto only, and all of them unless it says where the rest comes from."""
    checked = 0
    for made in nodes(parsed(language, client), "struct_expression"):
        name = text(made.child_by_field_name("name"))
        if not name.startswith("v1::") or name.count("::") > 1:
            continue
        message = MESSAGES[name.removeprefix("v1::")]
        body = made.child_by_field_name("body")
        given = {
            text(each.children[0]).removeprefix("r#") for each in body.children if "field_initializer" in each.type
        }
        rest = any(each.type == "base_field_initializer" for each in body.children)
        given -= {".."}
        known = rust_fields(message)
        assert given <= known, f"{name} has no {given - known}"
        assert rest or given == known, f"{name} lacks {known - given}"
        checked += 1
    assert checked > 15


def rust_fields(message: Any) -> set[str]:
    """The fields of the struct that prost makes: a oneof of several fields is one."""
    return {
        field.containing_oneof.name
        if field.containing_oneof is not None and len(field.containing_oneof.fields) > 1
        else field.name
        for field in message.fields
    }


@pytest.mark.parametrize("language", ["csharp"])
def test_messages_have_these_properties_in_csharp(language: str, client: Path) -> None:
    tree = parsed(language, client)
    made = []
    for node in nodes(tree, "object_creation_expression"):
        name = text(node.child_by_field_name("type"))
        if name.startswith("V1."):
            made.append((MESSAGES[name.removeprefix("V1.")], node.child_by_field_name("initializer")))
    inputs = {call.name: call.input_type for service in SERVICES for call in service.methods}
    for call in nodes(tree, "invocation_expression"):
        name = text(call.child_by_field_name("function")).rpartition(".")[2].removesuffix("Async")
        arguments = call.child_by_field_name("arguments").named_children
        values = [argument.named_children[0] for argument in arguments if argument.named_children]
        if name in inputs and values and values[0].type == "implicit_object_creation_expression":
            made.append((inputs[name], values[0].child_by_field_name("initializer")))
    assert len(made) > 20
    for message, initializer in made:
        given = {} if initializer is None else assigned(initializer)
        wrong = set(given) - properties(message)
        assert not wrong, f"{message.name} has no {wrong}; it has {properties(message)}"


def assigned(initializer: Node) -> dict[str, str]:
    """What an initializer sets, by the properties' names."""
    found = [each for each in initializer.named_children if each.type == "assignment_expression"]
    return {text(each.child_by_field_name("left")): text(each.child_by_field_name("right")) for each in found}


def properties(message: Any) -> set[str]:
    """What protoc calls a message's fields; one called as its message has an underscore behind it."""
    names = {camel(field.name) for field in message.fields}
    return {f"{name}_" if name == message.name else name for name in names}


@pytest.mark.parametrize("language", CLIENTS)
def test_values_of_enumerations_exist(language: str, root: Path) -> None:
    """Of PHASE_TRAIN both languages make Train."""
    found = set()
    for source in (root / "bindings" / "grpc" / language).rglob("*.??*"):
        if source.suffix in (".cs", ".rs"):
            found |= set(re.findall(r"\b[vV]1(?:::|\.)(\w+)(?:::|\.)([A-Z]\w+)\b", source.read_text()))
    named = {(name, value) for name, value in found if name in ENUMS}
    assert {("Phase", "Train"), ("DataType", "Float32")} <= named
    for name, value in named:
        prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper() + "_"
        values = {camel(each.name.removeprefix(prefix).lower()) for each in ENUMS[name].values}
        assert value in values, f"{name} has no {value}; it has {values}"


def test_the_csharp_project_has_what_the_sources_leave_out(root: Path) -> None:
    folder = root / "bindings" / "grpc" / "csharp"
    assert "using System;" not in (folder / "Client.cs").read_text()
    assert "<ImplicitUsings>enable</ImplicitUsings>" in (folder / "CaffeSdk.Client.csproj").read_text()
