"""The clients that cannot be built here, for want of their libraries: their sources parse, and their calls exist.

Rust's tonic and C#'s Grpc.Net.Client come from registries of their own, and are not among Debian's packages.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_c_sharp
import tree_sitter_rust

from caffe_sdk.rpc import pb

CLIENTS = {"csharp": (tree_sitter_c_sharp.language(), "*.cs"), "rust": (tree_sitter_rust.language(), "**/*.rs")}
CALLS = {
    "csharp": r"client\.(?:Nets|Solvers)\.(\w+?)(?:Async)?\(|(?<![\w.])(?:Nets|Solvers|server)\.(\w+?)Async\(",
    "rust": r"(?:nets|solvers|clone\(\))\s*\.(\w+)\(",
}


@pytest.mark.parametrize("language", CLIENTS)
def test_the_sources_parse(language: str, root: Path) -> None:
    grammar, files = CLIENTS[language]
    parser = tree_sitter.Parser(tree_sitter.Language(grammar))
    sources = sorted((root / "bindings" / "grpc" / language).glob(files))
    assert sources
    for source in sources:
        tree = parser.parse(source.read_bytes())
        assert not tree.root_node.has_error, source


@pytest.mark.parametrize("language", CLIENTS)
def test_the_calls_exist(language: str, root: Path) -> None:
    """Every call of the client is one of the service's, and the main ones are there."""
    known = {call.name for service in (pb.Server, pb.Nets, pb.Solvers) for call in service.methods}
    _, files = CLIENTS[language]
    text = "".join(source.read_text() for source in (root / "bindings" / "grpc" / language).glob(files))
    found = {_camel(next(filter(None, match.groups()))) for match in re.finditer(CALLS[language], text)}
    made = found & known
    assert found - known <= {"Clone", "MaxDecodingMessageSize", "New", "Net", "Solver"}
    assert {"CreateNet", "Forward", "Backward", "SetBlobs", "CreateSolver", "Step", "ReleaseSolver"} <= made


def _camel(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))
