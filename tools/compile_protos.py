#!/usr/bin/env python3
"""Compile the messages: proto/ -> caffe_sdk/schema/descriptors/.

Each entry of proto/ becomes one descriptor set: ``caffe.proto`` gives ``caffe.binpb``, a folder gives one set of all
the .proto files in it. A set holds everything it imports, so ``caffe_sdk.schema.messages.load`` needs nothing else.

    tools/compile_protos.py           write the sets
    tools/compile_protos.py --check   write nothing; exit status 1 when a set is missing, out of date or left over
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
DESCRIPTORS = ROOT / "caffe_sdk" / "schema" / "descriptors"


def compile_entry(entry: Path) -> bytes:
    """The descriptor set of a .proto file, or of all .proto files in a folder. Ends the program when protoc fails."""
    sources = [entry] if entry.is_file() else sorted(entry.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        well_known = Path(grpc_tools.__file__).parent / "_proto"
        options = [f"-I{PROTO}", f"-I{well_known}", "--include_imports", f"--descriptor_set_out={out}"]
        if protoc.main(["protoc", *options, *map(str, sources)]) != 0:
            sys.exit(f"{entry.relative_to(ROOT)} does not compile: protoc's words are above")
        return out.read_bytes()


def main(arguments: list[str] | None = None) -> int:
    """Compile or check every entry of proto/; gives the exit status."""
    parser = argparse.ArgumentParser(description="Compile proto/ into caffe_sdk/schema/descriptors/.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a set is out of date")
    check = parser.parse_args(arguments).check

    entries = [entry for entry in sorted(PROTO.iterdir()) if entry.suffix == ".proto" or any(entry.rglob("*.proto"))]
    wanted = {f"{entry.stem}.binpb": compile_entry(entry) for entry in entries}
    stale = [name for name, data in wanted.items() if not _holds(DESCRIPTORS / name, data)]
    left_over = [path.name for path in sorted(DESCRIPTORS.glob("*.binpb")) if path.name not in wanted]
    if check:
        for name in stale:
            print(f"{name} is out of date: run tools/compile_protos.py", file=sys.stderr)
        for name in left_over:
            print(f"{name} has no source in proto/: remove it", file=sys.stderr)
        return 1 if stale or left_over else 0
    for name in stale:
        DESCRIPTORS.mkdir(parents=True, exist_ok=True)
        (DESCRIPTORS / name).write_bytes(wanted[name])
        print(f"{DESCRIPTORS.relative_to(ROOT) / name} written")
    return 0


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


if __name__ == "__main__":
    sys.exit(main())
