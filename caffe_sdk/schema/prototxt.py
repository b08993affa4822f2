"""Prototxt: messages as text, in and out.

Reading follows protobuf's text format as Caffe reads it. A mistake is a PrototxtError that says where it stands, what
is wrong and what would be right; protobuf's own parser knows the first and some of the second.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple, NoReturn, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from caffe_sdk.errors import PrototxtError
from caffe_sdk.schema.files import PathLike, read_text, write_bytes
from caffe_sdk.schema.messages import NetParameter
from caffe_sdk.schema.tokens import Token, line_and_column, real_number, tokenize, unquote, whole_number

M = TypeVar("M", bound=Message)

RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
BOOLS = {"true": True, "True": True, "t": True, "false": False, "False": False, "f": False}
CLOSING = {"{": "}", "<": ">"}


def read(path: PathLike, kind: type[M]) -> M:
    """The message of a prototxt file. Raises what :func:`parse` and :func:`caffe_sdk.schema.files.read_text` do."""
    return parse(read_text(path), kind, str(path))


def write(message: Message, path: PathLike) -> None:
    """Write a message as prototxt, whole or not at all. Raises WriteError."""
    write_bytes(path, format(message).encode())


def format(message: Message) -> str:
    """A message as prototxt, the way protobuf prints it: fields in the order of their numbers, two spaces a level."""
    from google.protobuf import text_format

    return text_format.MessageToString(message, as_utf8=True)


def parse(text: str, kind: type[M] | M, where: str = "prototxt") -> M:
    """The message that a text describes.

    ``kind`` is a message class, or a message that the text is merged into. ``where`` names the text in errors.

    The format: ``name: value`` and ``name { ... }`` or ``name < ... >`` (a colon before a block is optional), lists
    ``name: [1, 2]``, comments from ``#``, and a comma or semicolon after any field. Numbers are decimal, 0x1f or 017;
    reals also 1.5f, inf and nan; bools true, false, t, f, 1 and 0; enums a name or a number; strings in single or
    double quotes, neighbours joined. A field that is not repeated is given once.

    Raises:
        PrototxtError: with line and column, for text that is not such a message.
    """
    message = kind() if isinstance(kind, type) else kind
    _Parser(text.removeprefix("\ufeff"), where).whole(message)
    return message


def layer_lines(text: str) -> dict[str, int]:
    """The line on which each layer of a net's prototxt begins, by the layer's name, for errors that point at it.

    It reads the text again, so call it when there is something to report. Raises what :func:`parse` does.
    """
    net = parse(text, NetParameter)
    names = [layer.name for layer in net.layer] + [layer.name or layer.layer.name for layer in net.layers]
    lines: list[int] = []
    depth, name = 0, ""
    for token in tokenize(text):
        if token.kind == "name" and depth == 0:
            name = token.text
        elif token.kind == "mark" and token.text in CLOSING:
            if depth == 0 and name in ("layer", "layers"):
                lines.append(line_and_column(text, token.offset)[0])
            depth += 1
        elif token.kind == "mark" and token.text in CLOSING.values():
            depth -= 1
    return dict(reversed(list(zip(names, lines, strict=True))))


class Block(NamedTuple):
    """A block the parser is in."""

    name: str  # of its field; empty for the whole text
    message: Any
    opened: int  # offset of its name
    closing: str
    seen: dict[str, int]  # where each field that is not repeated was given


@functools.cache
def _fields(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    return {field.name: field for field in descriptor.fields}


class _Parser:
    """Walks the words of a text once, filling a message."""

    def __init__(self, text: str, where: str) -> None:
        self.text, self.where = text, where
        self.tokens = tokenize(text)
        self.at = 0
        self.blocks: list[Block] = []

    # Words

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.tokens[self.at]
        self.at += token.kind != "end"
        return token

    def skip(self, *marks: str) -> bool:
        """Step over the next word if it is one of these marks."""
        token = self.tokens[self.at]
        found = token.kind == "mark" and token.text in marks
        self.at += found
        return found

    # Structure

    def whole(self, message: Message) -> None:
        self.fill(Block("", message, 0, "", {}))

    def fill(self, block: Block) -> None:
        """Fields up to the end of the block."""
        self.blocks.append(block)
        fields = _fields(block.message.DESCRIPTOR)
        while (token := self.take()).kind == "name":
            field = fields.get(token.text)
            if field is None:
                self.unknown_field(token)
            self.field(field, token)
            self.skip(",", ";")
        if token.text != block.closing or token.kind == "string":
            self.not_a_field(token)
        for field in fields.values():
            if field.is_required and not block.message.HasField(field.name):
                place = f"{block.message.DESCRIPTOR.name} lacks the required field '{field.name}'"
                self.fail(block.opened, place, f"add {field.name}: <{_type_words(field)}>")
        self.blocks.pop()

    def field(self, field: FieldDescriptor, name: Token) -> None:
        """What follows a field's name."""
        block = self.blocks[-1]
        if not field.is_repeated and block.seen.setdefault(field.name, name.offset) != name.offset:
            line, _ = line_and_column(self.text, block.seen[field.name])
            place = f"'{field.name}' is given twice in one {block.message.DESCRIPTOR.name}, first on line {line}"
            self.fail(name.offset, place, "keep one: it is not a list")
        colon = self.skip(":")
        if not colon and field.message_type is None:
            self.fail(
                self.next.offset, f"'{field.name}' is not followed by ':'", f"write {field.name}: {_example(field)}"
            )
        add = self.block if field.message_type is not None else self.scalar
        if not self.skip("["):
            add(field, name)
            return
        if not field.is_repeated:
            self.fail(name.offset, f"'{field.name}' is one value, not a list", "write the value without [ ]")
        if not self.skip("]"):
            add(field, name)
            while not self.skip("]"):
                if not self.skip(","):
                    self.fail(self.next.offset, f"the list of '{field.name}' has no ',' or ']' here", "add it")
                add(field, name)

    def block(self, field: FieldDescriptor, name: Token) -> None:
        opening = self.take()
        if opening.kind != "mark" or opening.text not in CLOSING:
            what = f"'{field.name}' is a block, and {_words(opening)} does not open one"
            self.fail(opening.offset, what, f"write {field.name} {{ ... }}")
        message = self.blocks[-1].message
        if field.is_repeated:
            inner = getattr(message, field.name).add()
        else:
            inner = getattr(message, field.name)
            inner.SetInParent()
        self.fill(Block(field.name, inner, name.offset, CLOSING[opening.text], {}))

    def scalar(self, field: FieldDescriptor, name: Token) -> None:
        message, value = self.blocks[-1].message, self.value(field)
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)

    # Values

    def value(self, field: FieldDescriptor) -> int | float | str | bytes:
        """The value of a scalar field."""
        token = self.take()
        kind = field.cpp_type
        if kind == FieldDescriptor.CPPTYPE_STRING:
            return self.string(field, token)
        sign = -1 if token == ("mark", "-", token.offset) else 1
        word = self.take() if sign < 0 else token
        if word.kind in ("name", "number"):
            if kind == FieldDescriptor.CPPTYPE_ENUM:
                return self.enum(field, word, sign)
            if kind in RANGES:
                return self.integer(field, word, sign)
            if kind == FieldDescriptor.CPPTYPE_BOOL:
                truth = BOOLS.get(word.text, whole_number(word.text))
                if truth in (0, 1) and sign > 0:
                    return bool(truth)
            else:
                real = real_number(word.text)
                if real is not None:
                    return math.copysign(real, sign)
        self.wrong_type(field, token)

    def integer(self, field: FieldDescriptor, word: Token, sign: int) -> int:
        number = whole_number(word.text)
        if number is None:
            self.wrong_type(field, word)
        low, high = RANGES[field.cpp_type]
        if not low <= sign * number <= high:
            what = f"{sign * number} is out of range for '{field.name}' ({_type_words(field)})"
            self.fail(word.offset, what, f"give a number from {low} to {high}")
        return sign * number

    def enum(self, field: FieldDescriptor, word: Token, sign: int) -> int:
        enum: Any = field.enum_type
        if word.text in enum.values_by_name and sign > 0:
            return int(enum.values_by_name[word.text].number)
        number = whole_number(word.text)
        if number is not None and sign * number in enum.values_by_number:
            return sign * number
        self.wrong_type(field, word)

    def string(self, field: FieldDescriptor, token: Token) -> str | bytes:
        """A string of one or more quoted words."""
        if token.kind != "string":
            self.wrong_type(field, token)
        parts = [self.unquoted(token)]
        while self.next.kind == "string":
            parts.append(self.unquoted(self.take()))
        value = b"".join(parts)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return value
        try:
            return value.decode()
        except UnicodeDecodeError:
            self.fail(token.offset, f"the value of '{field.name}' is not UTF-8", "write characters instead of escapes")

    def unquoted(self, token: Token) -> bytes:
        try:
            return unquote(token.text)
        except ValueError as error:
            self.fail(token.offset, str(error), "write a backslash as \\\\")

    # What can be wrong

    def fail(self, offset: int, what: str, remedy: str) -> NoReturn:
        line, column = line_and_column(self.text, offset)
        raise PrototxtError(self.where, what, remedy, line, column)

    def unknown_field(self, token: Token) -> NoReturn:
        """A name that the block's message does not have: misspelt, or written in the wrong block."""
        import difflib

        block, name = self.blocks[-1], token.text
        fields = _fields(block.message.DESCRIPTOR)
        what = f"unknown field '{name}' in {block.message.DESCRIPTOR.name}"
        close = difflib.get_close_matches(name, fields, n=1, cutoff=0.75)
        inside = [field.name for field in fields.values() if field.message_type and name in _fields(field.message_type)]
        if close:
            remedy = f"did you mean '{close[0]}'?"
        elif any(name in _fields(outer.message.DESCRIPTOR) for outer in self.blocks[:-1]):
            line, _ = line_and_column(self.text, block.opened)
            remedy = f"is a '{block.closing}' missing? '{block.name}' was opened on line {line}"
        elif inside:
            remedy = "it belongs in " + " or ".join(f"'{field}'" for field in inside[:3])
        elif len(fields) <= 16:
            remedy = "its fields are " + ", ".join(fields)
        else:
            remedy = "remove it, or write it in the block it belongs to"
        self.fail(token.offset, what, remedy)

    def not_a_field(self, token: Token) -> NoReturn:
        """Something else than a field or the end of the block."""
        block = self.blocks[-1]
        line, _ = line_and_column(self.text, block.opened)
        if token.kind == "end":
            what = f"the text ends inside '{block.name}', which was opened on line {line}"
            self.fail(token.offset, what, f"add the missing '{block.closing}'")
        if token.text in CLOSING.values() and token.kind == "mark":
            if block.closing:
                what = f"'{token.text}' does not close '{block.name}', which was opened on line {line}"
                self.fail(token.offset, what, f"write '{block.closing}'")
            self.fail(token.offset, f"'{token.text}' closes no block", "remove it, or open the block it belongs to")
        self.fail(token.offset, f"{_words(token)} stands where a field name should", "write fields as name: value")

    def wrong_type(self, field: FieldDescriptor, token: Token) -> NoReturn:
        """A word that is no value of the field."""
        if token.kind == "bad" and token.text in "\"'":
            what = f"the string of '{field.name}' is not closed"
            self.fail(token.offset, what, f"close it with {token.text} on the same line")
        what = f"'{field.name}' takes {_type_words(field)}, not {_words(token)}"
        if token.kind == "string" and field.cpp_type != FieldDescriptor.CPPTYPE_STRING:
            remedy = f"write it without quotes, for example {field.name}: {_example(field)}"
        elif token.kind == "name" and field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            remedy = f'write it in quotes: "{token.text}"'
        elif field.enum_type is not None:
            remedy = "its values are " + ", ".join(value.name for value in field.enum_type.values)
        else:
            remedy = f"for example {field.name}: {_example(field)}"
        self.fail(token.offset, what, remedy)


def _words(token: Token) -> str:
    """A token as errors show it."""
    if token.kind == "end":
        return "the end of the text"
    if token.kind == "bad" and not token.text.isprintable():
        return f"the character U+{ord(token.text):04X}"
    text = token.text if len(token.text) <= 40 else token.text[:37] + "..."
    return text if token.kind == "string" else f"'{text}'"


def _type_words(field: FieldDescriptor) -> str:
    """What a field takes, in words."""
    if field.enum_type is not None:
        return f"one of {field.enum_type.name}"
    if field.cpp_type in RANGES:
        return "a whole number" if RANGES[field.cpp_type][0] else "a whole number, not negative"
    return {FieldDescriptor.CPPTYPE_BOOL: "true or false", FieldDescriptor.CPPTYPE_STRING: "a string"}.get(
        field.cpp_type, "a number"
    )


def _example(field: FieldDescriptor) -> str:
    """A value that a field would take."""
    if field.enum_type is not None:
        return str(field.enum_type.values[0].name)
    return {FieldDescriptor.CPPTYPE_BOOL: "true", FieldDescriptor.CPPTYPE_STRING: '"..."'}.get(
        field.cpp_type, "1" if field.cpp_type in RANGES else "0.5"
    )
