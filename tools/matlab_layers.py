"""Writes caffe.layers, the MATLAB class with a function for every layer type. `--check` only tells whether it is so."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from caffe_sdk.layers import REGISTRY

TARGET = Path(__file__).resolve().parents[1] / "bindings" / "matlab" / "+caffe" / "layers.m"
HEAD = """classdef layers
  %CAFFE.LAYERS  Layers for nets that are written in MATLAB, with a function for every type.
  %   top = caffe.layers.Convolution(bottom, 'num_output', 20, 'kernel_size', 5)
  %   [data, label] = caffe.layers.Data('batch_size', 64, 'source', 'train_lmdb')
  %   First come the tops of other layers, then parameters as in a prototxt: numbers, rows of numbers,
  %   text (names of enums, too: 'pool', 'MAX'), structs for messages, cell arrays of them where there
  %   are several. 'in_place' true lets the layer overwrite what it takes; 'ntop' is the number of tops,
  %   by default as many as are asked for.
  %
  %   Written by tools/matlab_layers.py. A type of your own: caffe.custom_layer('MyType', bottom, ...)
  %
  %   See also caffe.NetSpec, caffe.custom_layer.
  methods (Static)
"""
METHOD = """    function varargout = {name}(varargin)
{words}
      varargout = caffe.internal.make_layer('{name}', max(1, nargout), varargin);
    end
"""


def text() -> str:
    """The file as it should be."""
    methods = []
    for name in sorted(REGISTRY):
        words = (REGISTRY[name].__doc__ or "A layer.").strip().splitlines()[0].strip()
        lines = textwrap.wrap(f"{name.upper()}  {words.encode('ascii', 'replace').decode()}", 100)
        lines = [f"{'  ' if number else ''}{line}" for number, line in enumerate(lines)]
        methods.append(METHOD.format(name=name, words=textwrap.indent("\n".join(lines), " " * 6 + "%")))
    return HEAD + "".join(methods) + "  end\nend\n"


def main() -> int:
    """Write the file, or compare it."""
    if "--check" not in sys.argv:
        TARGET.write_text(text(), encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != text():
        print(f"{TARGET} is not of today: run python tools/matlab_layers.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
