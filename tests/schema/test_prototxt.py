"""Prototxt text: the same messages as protobuf's own parser, and errors that say where, what and how to mend it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe_sdk.errors import CaffeError, CorruptFileError, FileError, MissingFileError, PrototxtError
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import (
    BlobProto,
    Datum,
    FillerParameter,
    LayerParameter,
    NetParameter,
    PoolingParameter,
    SolverParameter,
)

LENET_START = """name: "LeNet"
layer {
  name: "conv1"  # the first
  type: "Convolution"
  param { lr_mult: 1 } param { lr_mult: 2 }
  convolution_param {
    num_output: 20
    kernel_size: 5
    weight_filler { type: "xavier" }
  }
}
"""


def net(text: str) -> Any:
    return prototxt.parse(text, NetParameter, "net.prototxt")


def layer(text: str) -> Any:
    return net(f"layer {{ {text} }}").layer[0]


# The same messages


def real_files(shared: Path) -> Iterator[Path]:
    files = sorted((shared / "prototxt").rglob("*"))
    return (path for path in files if path.suffix in (".prototxt", ".pt"))


def test_real_files_read_as_protobuf_reads_them(shared: Path) -> None:
    read = 0
    for path in real_files(shared):
        text = path.read_text(errors="replace")
        for kind in (NetParameter, SolverParameter):
            try:
                wanted = text_format.Parse(text, kind())
            except text_format.ParseError:
                with pytest.raises(PrototxtError):
                    prototxt.parse(text, kind)
                continue
            assert prototxt.parse(text, kind) == wanted, path
            read += 1
    assert read >= 461


NUMBERS = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32, allow_nan=False),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(allow_nan=False),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
}


@st.composite
def messages(draw: st.DrawFn, kind: Any, depth: int = 4) -> Any:
    message = kind()
    for field in draw(
        st.lists(st.sampled_from(list(kind.DESCRIPTOR.fields)), max_size=4, unique_by=lambda f: f.number)
    ):
        if field.message_type is not None and depth == 0:
            continue
        for _ in range(draw(st.integers(0, 3)) if field.is_repeated else 1):
            if field.message_type is not None:
                target = getattr(message, field.name)
                value = draw(messages(type(target.add() if field.is_repeated else target), depth - 1))
                (target[-1] if field.is_repeated else target).CopyFrom(value)
                continue
            if field.enum_type is not None:
                value = draw(st.sampled_from([v.number for v in field.enum_type.values]))
            elif field.type == FieldDescriptor.TYPE_BYTES:
                value = draw(st.binary(max_size=8))
            elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
                value = draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
            else:
                value = draw(NUMBERS[field.cpp_type])
            if field.is_repeated:
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)
    for field in kind.DESCRIPTOR.fields:
        if field.is_required and not message.HasField(field.name):
            setattr(message, field.name, 1)
    return message


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([NetParameter, SolverParameter, Datum, BlobProto]).flatmap(messages), st.booleans())
def test_any_message_survives_text(message: Any, other: bool) -> None:
    assert prototxt.parse(prototxt.format(message), type(message)) == message
    text = text_format.MessageToString(
        message, as_one_line=other, as_utf8=not other, use_short_repeated_primitives=not other, pointy_brackets=other
    )
    assert prototxt.parse(text, type(message)) == message


def test_structure() -> None:
    assert net("") == NetParameter()
    wanted = NetParameter(input=["a", "b"], input_dim=[1, 2, 3])
    for text in (
        'input: "a" input: "b" input_dim: 1 input_dim: 2 input_dim: 3',
        "input: ['a', \"b\"]; input_dim: [1,2,3],",
        'input:"a"input:"b"input_dim:[1,\n2 # two\n,3]input_dim:[]',
        '\ufeffinput:["a","b"]\r\ninput_dim\t:[1,2,3]#end',
    ):
        assert net(text) == wanted
    blocks = 'layer { name: "x" } layer: { name: "y" } layer < name: "z" >'
    assert net(blocks) == net('layer: [{ name: "x" }, < name: "y" >, { name: "z" }]')
    assert layer("relu_param { }").HasField("relu_param")


def test_merging_into_a_message() -> None:
    message = NetParameter(name="old", input=["a"])
    assert prototxt.parse('name: "new" input: "b" state { level: 1 }', message) is message
    assert (message.name, list(message.input), message.state.level) == ("new", ["a", "b"], 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3.0), ("-3", -3.0), ("- 3", -3.0), ("0", 0.0), ("-0", -0.0), ("1.", 1.0), (".5", 0.5), ("1e-3", 1e-3),
        ("1E+3", 1e3), ("1.5f", 1.5), ("2f", 2.0), ("2F", 2.0), ("inf", math.inf), ("-inf", -math.inf),
        ("Infinity", math.inf), ("inff", math.inf), ("1e99", math.inf), ("18446744073709551616", 2.0**64),
    ],
)  # fmt: skip
def test_real_numbers(text: str, value: float) -> None:
    read = layer(f"power_param {{ power: {text} }}").power_param.power
    assert (read, math.copysign(1, read)) == (pytest.approx(value), math.copysign(1, value))


def test_not_a_number_is_a_number() -> None:
    assert math.isnan(layer("power_param { power: nan }").power_param.power)
    assert math.isnan(layer("power_param { power: -NaN }").power_param.power)


def test_whole_numbers_bools_and_enums() -> None:
    assert list(net("input_dim: [0x1F, 017, 0, -0x10, -2147483648]").input_dim) == [31, 15, 0, -16, -(2**31)]
    for text in ("true", "True", "t", "1", "0x1"):
        assert net(f"force_backward: {text}").force_backward is True
    for text in ("false", "False", "f", "0"):
        assert net(f"force_backward: {text}").force_backward is False
    for text in ("AVE", "1", "0x1"):
        assert layer(f"pooling_param {{ pool: {text} }}").pooling_param.pool == PoolingParameter.AVE


def test_strings() -> None:
    assert net('name: "it\'s" \' a\' "\\"b\\"" # c\n \'d\'').name == 'it\'s a"b"d'
    assert net(r'name: "\n\t\\\?\x41\101\u00e9\U0001F600"').name == "\n\t\\?AAé😀"
    assert net('name: "中文 é"').name == "中文 é"
    assert net(r'name: "\344\270\255"').name == "中"
    assert prototxt.parse(r'data: "\000\xff\7"', Datum).data == b"\x00\xff\x07"


# Errors


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("layer {\n convolution_param {\n  num_ouput: 20 } }", 3, 3,
         r"unknown field 'num_ouput' in ConvolutionParameter; did you mean 'num_output'\?"),
        ("layer { num_output: 20 }", 1, 9, "it belongs in 'convolution_param' or 'embed_param' or"),
        ("layer {\n name: 'a'\nlayer { name: 'b' }", 3, 1, r"is a '}' missing\? 'layer' was opened on line 1"),
        ("frobnicate: 1", 1, 1, "its fields are name, input, input_shape"),
        ("layer { frobnicate: 1 }", 1, 9, "unknown field 'frobnicate' in LayerParameter; remove it"),
        ("layer { name: conv1 }", 1, 15, "'name' takes a string, not 'conv1'; write it in quotes: \"conv1\""),
        ("name: 3", 1, 7, "'name' takes a string, not '3'"),
        ("name: 'a\n'", 1, 7, "the string of 'name' is not closed; close it with ' on the same line"),
        ("input_dim: '3'", 1, 12, "takes a whole number, not '3'; write it without quotes, for example input_dim: 1"),
        ("input_dim: 3.5", 1, 12, "takes a whole number, not '3.5'"),
        ("input_dim: -", 1, 12, "takes a whole number, not '-'"),
        ("input_dim: +3", 1, 12, r"takes a whole number, not '\+'"),
        ("input_dim: 1_000", 1, 12, "takes a whole number, not '1_000'"),
        ("input_dim: 089", 1, 12, "takes a whole number, not '089'"),
        ("input_dim: " + "9" * 5000, 1, 12, r"takes a whole number, not '9{37}\.\.\.'"),
        ("input_dim: 2147483648", 1, 12, "2147483648 is out of range .* from -2147483648 to 2147483647"),
        ("layer { convolution_param { pad: -1 } }", 1, 35, "-1 is out of range for 'pad' .* from 0 to 4294967295"),
        ("force_backward: yes", 1, 17, "takes true or false, not 'yes'; for example force_backward: true"),
        ("force_backward: 2", 1, 17, "takes true or false, not '2'"),
        ("force_backward: -1", 1, 17, "takes true or false, not '-'"),
        ("layer { pooling_param { pool: AVG } }", 1, 31,
         "'pool' takes one of PoolMethod, not 'AVG'; its values are MAX, AVE, STOCHASTIC"),
        ("layer { pooling_param { pool: 3 } }", 1, 31, "its values are MAX, AVE, STOCHASTIC"),
        ("layer { pooling_param { pool: 'MAX' } }", 1, 31, "write it without quotes, for example pool: MAX"),
        ("layer { power_param { power: x } }", 1, 30, "takes a number, not 'x'; for example power: 0.5"),
        ("layer { power_param { power: 010 } }", 1, 30, "takes a number, not '010'"),
        ("layer { pooling_param { kernel_size: [3] } }", 1, 25, r"not a list; write the value without \[ \]"),
        ("name: 'a'\nname: 'b'", 2, 1, "'name' is given twice in one NetParameter, first on line 1; keep one"),
        ("state { } state { }", 1, 11, "'state' is given twice in one NetParameter"),
        ("input_dim: [1 2]", 1, 15, r"the list of 'input_dim' has no ',' or '\]' here"),
        ("input_dim: [1,]", 1, 15, r"takes a whole number, not '\]'"),
        ("layer {\n name: 'a'\n", 3, 1, "ends inside 'layer', which was opened on line 1; add the missing '}'"),
        ("layer {\n >", 2, 2, "'>' does not close 'layer', which was opened on line 1; write '}'"),
        ("name: 'a' }", 1, 11, "'}' closes no block"),
        ("layer: 3", 1, 8, "'layer' is a block, and '3' does not open one; write layer { ... }"),
        ("name 'a'", 1, 6, "'name' is not followed by ':'; write name: \"...\""),
        ("layer\n\n{ clip_param { min: 1 } }", 3, 3, "ClipParameter lacks the required field 'max'; add max:"),
        ("name:", 1, 6, "'name' takes a string, not the end of the text"),
        ("'a'", 1, 1, "'a' stands where a field name should; write fields as name: value"),
        ("3: 4", 1, 1, "'3' stands where"),
        ("name: 'a' @", 1, 11, "'@' stands where"),
        ("\0", 1, 1, r"the character U\+0000 stands where"),
        (r"name: 'C:\q'", 1, 7, r"\\q is not an escape; write a backslash as \\\\"),
        (r"name: '\777'", 1, 7, r"\\777 is more than a byte"),
        (r"name: '\ud800'", 1, 7, r"\\ud800 is not a character"),
        (r"name: '\xff'", 1, 7, "the value of 'name' is not UTF-8"),
    ],
)  # fmt: skip
def test_mistakes(text: str, line: int, column: int, words: str) -> None:
    with pytest.raises(PrototxtError, match=words) as caught:
        net(text)
    assert str(caught.value).startswith(f"net.prototxt:{line}:{column}: ")
    assert (caught.value.line, caught.value.column) == (line, column)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_text_is_a_prototxt_error_or_a_message(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(LENET_START)))
    end = data.draw(st.integers(start, min(len(LENET_START), start + 12)))
    pieces = st.sampled_from([*"{}<>[]:;,-\"'\\#\0\n0x1.e é", "name", "layer", "inf", "1e9", "0x"])
    text = LENET_START[:start] + "".join(data.draw(st.lists(pieces, max_size=6))) + LENET_START[end:]
    try:
        message = net(text)
    except PrototxtError:
        return
    assert text_format.Parse(prototxt.format(message), NetParameter()) == message


def test_a_long_line_of_quotes_is_refused_quickly() -> None:
    with pytest.raises(PrototxtError):
        net("name: " + '"\\' * 200_000)


# Files


def test_files_round_trip(tmp_path: Path) -> None:
    message = net(LENET_START)
    prototxt.write(message, tmp_path / "net.prototxt")
    assert prototxt.read(tmp_path / "net.prototxt", NetParameter) == message
    assert prototxt.format(FillerParameter(type="gaussian", std=0.01)) == 'type: "gaussian"\nstd: 0.01\n'


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"Could not open file .*none.prototxt"):
        prototxt.read(tmp_path / "none.prototxt", NetParameter)
    with pytest.raises(FileError, match="directory"):
        prototxt.read(tmp_path, NetParameter)
    (tmp_path / "weights").write_bytes(b"\x0a\x05LeNet\xa2\x06\xff")
    with pytest.raises(CorruptFileError, match="not UTF-8"):
        prototxt.read(tmp_path / "weights", NetParameter)
    (tmp_path / "bad.prototxt").write_text("nam: 'x'")
    with pytest.raises(CaffeError, match=f"^{tmp_path / 'bad.prototxt'}:1:1: unknown field 'nam'"):
        prototxt.read(tmp_path / "bad.prototxt", NetParameter)


def test_lines_of_layers() -> None:
    text = LENET_START + 'layer: [{ name: "a" },\n { name: "b" param { name: "w" } }]\nlayer { name: "a" }\n'
    assert prototxt.layer_lines(text) == {"conv1": 2, "a": 12, "b": 13}
    assert prototxt.layer_lines('layers {\n layer { name: "v0" } }\nlayers { name: "v1" }') == {"v0": 1, "v1": 3}


def test_layer_alone() -> None:
    assert prototxt.parse("name: 'x' type: 'ReLU'", LayerParameter).type == "ReLU"
