"""Our caffe.proto against the tables of BVLC Caffe's, and the classes made from it."""

from __future__ import annotations

import csv
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor

from caffe_sdk.data.augment import SIZES
from caffe_sdk.errors import MissingFileError
from caffe_sdk.proto import caffe_pb2
from caffe_sdk.schema import messages
from caffe_sdk.schema.messages import TEST, TRAIN, BlobProto, ConvolutionParameter, LayerParameter, NetParameter, Phase

TYPE_NAMES = {
    value: name.removeprefix("TYPE_").lower()
    for name, value in vars(FieldDescriptor).items()
    if name.startswith("TYPE_")
}


FORKS = {
    # Fields that Caffe does not have, and the fork they come from. A number of our own where a field of
    # Caffe's, or of another fork's, has it.
    ("SolverParameter", "plateau_winsize"): "nvcaffe017",
    ("SolverParameter", "min_lr"): "nvcaffe017",
    ("SolverParameter", "rampup_interval"): "nvcaffe017 1041",
    ("SolverParameter", "rampup_lr"): "nvcaffe017 1042",
    ("SolverParameter", "warmup_iter"): "intel",
    ("SolverParameter", "warmup_start_lr"): "intel",
    ("SolverParameter", "stagelr"): "intel",
    ("SolverParameter", "stageiter"): "intel",
    ("SolverState", "minimum_loss"): "ssd",
    ("SolverState", "iter_last_event"): "ssd",
    ("DataParameter", "threads"): "nvcaffe017",
    **{
        ("TransformationParameter", field): "ssd"
        for field in (
            "crop_h",
            "crop_w",
            "distort_param",
            "emit_constraint",
            "expand_param",
            "noise_param",
            "resize_param",
        )
    },
    ("TransformationParameter", "random_resize_param"): "intel 2015",
    ("TransformationParameter", "random_aspect_ratio_param"): "intel 2016",
    **{
        (message, field.name): "intel"
        for message in ("RandomAspectRatioParameter", "RandomResizeParameter")
        for field in getattr(messages, message).DESCRIPTOR.fields
    },
    ("TransformationParameter", "use_gpu_transform"): "nvcaffe017 1008",
    **{
        ("TransformationParameter", field): f"nvcaffe017 {1010 + number}" if number < 5 else "nvcaffe017"
        for number, field in enumerate((*SIZES, "interpolation_algo_down", "interpolation_algo_up", "allow_upscale"))
    },
    **{
        (message, field.name): "ssd"
        for message in (
            "DistortionParameter",
            "EmitConstraint",
            "ExpansionParameter",
            "NoiseParameter",
            "ResizeParameter",
            "SaltPepperParameter",
        )
        for field in getattr(messages, message).DESCRIPTOR.fields
    },
}
OURS = {("DataParameter", "skip_bad"), ("Datum", "labels"), ("ImageDataParameter", "labels")}
"""Fields that only we have, under numbers that nobody else uses."""


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def type_words(field: FieldDescriptor) -> str:
    if field.message_type is not None:
        return f"message:{field.message_type.full_name}"
    if field.enum_type is not None:
        return f"enum:{field.enum_type.full_name}"
    return TYPE_NAMES[field.type] + (" [packed]" if field.is_packed else "")


def default_agrees(field: FieldDescriptor, written: str) -> bool:
    if not written:
        return not field.has_default_value
    if field.enum_type is not None:
        return bool(field.enum_type.values_by_number[field.default_value].name == written)
    if field.cpp_type == field.CPPTYPE_STRING:
        return bool(field.default_value == written)
    if field.cpp_type == field.CPPTYPE_BOOL:
        return bool(field.default_value is (written == "true"))
    return bool(field.default_value == pytest.approx(float(written), rel=1e-6, abs=0))


def test_every_field_is_caffes(shared: Path) -> None:
    table = rows(shared / "facts" / "caffe_schema.tsv")
    assert [row for row in table if not is_as_written(row)] == []
    assert len(table) == 423
    ours = {
        (message.name, field.name)
        for message in messages.DESCRIPTOR.message_types_by_name.values()
        for field in message.fields
    }
    assert ours == {(row["message"].removeprefix("caffe."), row["field"]) for row in table} | set(FORKS) | OURS


def is_as_written(row: dict[str, str]) -> bool:
    """Whether our field has the number, label, type and default of a row."""
    field = getattr(messages, row["message"].removeprefix("caffe.")).DESCRIPTOR.fields_by_name[row["field"]]
    label = "repeated" if field.is_repeated else "required" if field.is_required else "optional"
    said = (str(field.number), label, type_words(field).replace("caffe.", ""))
    return said == (row["number"], row["label"], row["type"].replace("caffe.", "")) and default_agrees(
        field, row["default"]
    )


def test_fields_of_forks_are_the_forks_and_clash_with_nothing(shared: Path) -> None:
    caffes = {(row["message"], row["number"]) for row in rows(shared / "facts" / "caffe_schema.tsv")}
    table = {(row["fork"], row["message"], row["field"]): row for row in rows(shared / "facts" / "fork_schema.tsv")}
    own = [(message, field, source) for (message, field), source in FORKS.items() if " " not in source]
    kept = {(message, table[source, message, field]["number"]): field for message, field, source in own}
    for (message, field), source in FORKS.items():
        fork, _, number = source.partition(" ")
        row = table[fork, message, field]
        taken = {(f"caffe.{message}", row["number"]), (message, row["number"])} & caffes
        assert bool(number) == (bool(taken) or kept.get((message, row["number"]), field) != field)
        row["number"] = number or row["number"]
        assert is_as_written(row), (row, source)
        assert (message, row["number"]) not in caffes


def test_every_enum_value_is_caffes(shared: Path) -> None:
    table = {(row["enum"], row["value"]): int(row["number"]) for row in rows(shared / "facts" / "caffe_enums.tsv")}
    assert len(table) == 111
    for row in rows(shared / "facts" / "fork_schema.tsv"):  # those of a fork's message that is ours too
        if row["fork"] == "nvcaffe017" and row["message"].startswith(
            ("enum EmitConstraint.", "enum ResizeParameter.", "enum TransformationParameter.")
        ):
            table["caffe." + row["message"].removeprefix("enum "), row["field"]] = int(row["number"])
    enums = list(messages.DESCRIPTOR.enum_types_by_name.values())
    for message in messages.DESCRIPTOR.message_types_by_name.values():
        enums += message.enum_types
    assert {(enum.full_name, value.name): value.number for enum in enums for value in enum.values} == table


def test_committed_descriptor_sets_are_up_to_date(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(root / "tools" / "compile_protos.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_names_of_caffe_are_attributes() -> None:
    net = NetParameter(name="net")
    net.layer.add(name="conv", type="Convolution").convolution_param.kernel_size.append(3)
    assert NetParameter.FromString(net.SerializeToString()) == net
    assert (TRAIN, TEST, Phase.Name(TEST)) == (0, 1, "TEST")
    assert LayerParameter().convolution_param.engine == ConvolutionParameter.DEFAULT
    assert {"NetParameter", "SolverParameter", "TRAIN", "load"} <= set(dir(messages))
    with pytest.raises(AttributeError, match="NetParametr"):
        messages.NetParametr  # noqa: B018


def test_messages_travel_between_processes() -> None:
    net = NetParameter(name="net")
    assert pickle.loads(pickle.dumps(net)) == net


def test_a_set_that_is_not_there() -> None:
    with pytest.raises(MissingFileError, match=r"Could not open file .*nothing.binpb"):
        messages.load("nothing")


def test_caffe_pb2_has_the_names_scripts_import() -> None:
    assert caffe_pb2.NetParameter is NetParameter
    assert caffe_pb2.TRAIN == TRAIN
    assert caffe_pb2.V1LayerParameter.LayerType.Name(caffe_pb2.V1LayerParameter.DATA) == "DATA"
    assert caffe_pb2._NETPARAMETER is NetParameter.DESCRIPTOR
    assert caffe_pb2._FILLERPARAMETER_VARIANCENORM.values_by_name["FAN_OUT"].number == 1
    scope: dict[str, object] = {}
    exec("from caffe_sdk.proto.caffe_pb2 import *", scope)
    assert scope["BlobProto"] is BlobProto
    assert scope["TEST"] == TEST
    assert {"Datum", "_DATUM"} <= set(dir(caffe_pb2))
    with pytest.raises(AttributeError, match="Nothing"):
        caffe_pb2.Nothing  # noqa: B018


def test_another_caffe_proto_lives_in_the_same_process() -> None:
    other = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
    blob = other.message_type.add(name="BlobProto")
    blob.field.add(name="raw", number=1, type=FieldDescriptor.TYPE_BYTES, label=FieldDescriptor.LABEL_OPTIONAL)
    descriptor_pool.Default().AddSerializedFile(other.SerializeToString())
    theirs = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName("caffe.BlobProto"))
    assert theirs(raw=b"x").SerializeToString() == b"\x0a\x01x"
    assert "raw" not in BlobProto.DESCRIPTOR.fields_by_name
    assert BlobProto.FromString(BlobProto(num=2).SerializeToString()).num == 2


def test_import_is_quick() -> None:
    """Less than 60 ms of this process's own time, beyond what protobuf's modules take."""
    code = (
        "import time, google.protobuf.message_factory, google.protobuf.descriptor_pb2\n"
        "import google.protobuf.internal.enum_type_wrapper\n"
        "start = time.process_time(); import caffe_sdk.schema.messages; print(time.process_time() - start)"
    )
    times = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(3)]
    assert min(times) < 0.06
