"""Binary messages: byte for byte what Caffe writes, everything protobuf may write read, damage found and named."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe_sdk.errors import ArgumentError, CorruptFileError, FileError, MissingFileError, WriteError
from caffe_sdk.schema import wire
from caffe_sdk.schema.messages import TRAIN, BlobProto, NetParameter, SolverState
from caffe_sdk.schema.wire import BlobArray, LayerWeights


def joined(parts: list[wire.Part]) -> bytes:
    return b"".join(bytes(part) for part in parts)


def floats(*shape: int) -> Any:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 7


def small_net() -> tuple[Any, list[LayerWeights]]:
    net = NetParameter(name="net")
    net.layer.add(name="data", type="Input", top=["data"])
    conv = net.layer.add(name="conv1", type="Convolution", bottom=["data"], phase=TRAIN)
    conv.param.add(lr_mult=2)
    conv.include.add(phase=TRAIN)
    conv.convolution_param.num_output = 2
    net.layer.add(name="relu1", type="ReLU")
    return net, [
        LayerWeights("conv1", "Convolution", [BlobArray(floats(2, 3, 2, 2), -floats(2, 3, 2, 2)), BlobArray(floats(2))])
    ]


# The same bytes


def test_caffes_own_nets_are_read_and_written_to_the_byte(shared: Path) -> None:
    paths = sorted(shared.rglob("*.caffemodel"))
    for path in paths:
        data = path.read_bytes()
        net = NetParameter.FromString(data)
        read = wire.read_net(path)
        assert joined(wire.encode_net(read.net, read.layers)) == data, path
        assert [(layer.name, layer.type) for layer in net.layer] == [(layer.name, layer.type) for layer in read.layers]
        assert not any(len(layer.blobs) for layer in read.net.layer)
        for layer, weights in zip(net.layer, read.layers, strict=True):
            for proto, blob in zip(layer.blobs, weights.blobs, strict=True):
                assert blob.shape == tuple(proto.shape.dim)
                assert np.array_equal(blob.data.ravel(), np.array(proto.data, np.float32))
    assert len(paths) > 5


def test_caffes_own_states_and_means_too(shared: Path) -> None:
    states, means = sorted(shared.rglob("*.solverstate")), sorted(shared.rglob("*.binaryproto"))
    for path in states:
        read = wire.read_state(path)
        assert joined(wire.encode_state(read.state, read.history)) == path.read_bytes(), path
        assert read.state.iter == 10
        assert len(read.history) == len(SolverState.FromString(path.read_bytes()).history)
    for path in means:
        mean = wire.read_blob(path)
        assert joined(wire.encode_blob(mean)) == path.read_bytes(), path
        assert mean.legacy
        assert mean.shape[0] == 1
    assert states
    assert means


def test_a_net_survives(tmp_path: Path) -> None:
    net, layers = small_net()
    wire.write_net(tmp_path / "a.caffemodel", net, layers)
    data = (tmp_path / "a.caffemodel").read_bytes()
    theirs = NetParameter.FromString(data)
    assert theirs.SerializeToString() == data
    assert np.array_equal(theirs.layer[1].blobs[0].diff, -floats(24))
    read = wire.read_net(tmp_path / "a.caffemodel")
    assert read.net == net
    assert [layer.name for layer in read.layers] == ["data", "conv1", "relu1"]
    assert [len(layer.blobs) for layer in read.layers] == [0, 2, 0]
    weights, bias = read.layers[1].blobs
    assert np.array_equal(weights.data, floats(2, 3, 2, 2))
    assert weights.diff is not None
    assert np.array_equal(weights.diff, -floats(2, 3, 2, 2))
    assert bias.diff is None
    assert bias.shape == (2,)
    assert bias.data.flags.carray, "fit to be a blob's own"


@pytest.mark.parametrize(
    "blob",
    [
        BlobArray(floats(2, 3)),
        BlobArray(floats(2, 3).T, floats(3, 2)),
        BlobArray(floats(2, 3).astype(np.float64), floats(2, 3).astype(np.float64)),
        BlobArray(floats(2, 3), floats(2, 3).astype(np.float64)),
        BlobArray(np.array(3, np.float32)),
        BlobArray(floats(2, 0, 3)),
        BlobArray(floats(1, 1, 2, 3), legacy=True),
        BlobArray(floats(0, 1, 2, 3), legacy=True),
    ],
)
def test_blobs_survive_and_are_protobufs(blob: BlobArray, tmp_path: Path) -> None:
    wire.write_blob(tmp_path / "b", blob)
    data = (tmp_path / "b").read_bytes()
    assert BlobProto.FromString(data).SerializeToString() == data
    read = wire.read_blob(tmp_path / "b")
    assert (read.shape, read.legacy, read.data.dtype) == (blob.shape, blob.legacy, blob.data.dtype)
    assert np.array_equal(read.data, blob.data)
    assert (read.diff is None) == (blob.diff is None)
    if blob.diff is not None and read.diff is not None:
        assert np.array_equal(read.diff, blob.diff)


def test_a_state_survives(tmp_path: Path) -> None:
    state = SolverState(iter=300, learned_net="a.caffemodel", current_step=2)
    wire.write_state(tmp_path / "s", state, [BlobArray(floats(2, 3)), BlobArray(floats(4))])
    read = wire.read_state(tmp_path / "s")
    assert read.state == state
    assert [blob.shape for blob in read.history] == [(2, 3), (4,)]
    data = (tmp_path / "s").read_bytes()
    assert SolverState.FromString(data).SerializeToString() == data


# Other ways to write the same


def test_numbers_with_a_tag_each_and_in_pieces() -> None:
    shape = BlobProto()
    shape.shape.dim.append(3)
    loose = b"".join(b"\x2d" + np.float32(value).tobytes() for value in (1, 2, 3))
    doubles = b"".join(b"\x41" + np.float64(value).tobytes() for value in (1, 2, 3))
    pieces = b"\x2a\x08" + np.array([1, 2], "<f4").tobytes() + b"\x2a\x04" + np.array([3], "<f4").tobytes()
    for numbers in (loose, doubles, pieces, loose[:5] + pieces[2 + 8 :] + b"\x2d" + np.float32(3).tobytes()):
        blob = wire.decode_blob(shape.SerializeToString() + numbers)
        assert blob.data[0] == 1
        assert blob.data[-1] == 3
        assert blob.shape == (3,)


def test_v1_and_v0_nets() -> None:
    net = NetParameter(name="old")
    v1 = net.layers.add(name="conv1", type=4, blobs_lr=[1, 2])
    v1.blobs.add(num=1, channels=1, height=2, width=3, data=[1, 2, 3, 4, 5, 6])
    v0 = net.layers.add(bottom=["conv1"])
    v0.layer.name, v0.layer.type = "ip", "innerproduct"
    v0.layer.blobs.add(num=1, channels=1, height=1, width=2, data=[7, 8])
    net.layers.add(name="relu", type=18)
    read = wire.decode_net(net.SerializeToString())
    assert [(layer.name, layer.type) for layer in read.layers] == [
        ("conv1", "CONVOLUTION"), ("ip", "innerproduct"), ("relu", "RELU"),
    ]  # fmt: skip
    assert read.layers[0].blobs[0].shape == (1, 1, 2, 3)
    assert read.layers[0].blobs[0].legacy
    assert np.array_equal(read.layers[1].blobs[0].data.ravel(), [7, 8])
    assert not read.net.layers[0].blobs
    assert not read.net.layers[1].layer.blobs
    assert read.net.layers[1].layer.type == "innerproduct"
    again = wire.decode_net(joined(wire.encode_net(read.net, read.layers)))
    assert again.net == read.net
    assert np.array_equal(again.layers[1].blobs[0].data, read.layers[1].blobs[0].data)


def test_fields_of_other_programs_are_kept() -> None:
    net, layers = small_net()
    unknown = b"\xfa\xff\x03\x03xyz"
    read = wire.decode_net(joined(wire.encode_net(net, layers)) + unknown)
    assert joined(wire.encode_net(read.net, read.layers)).count(b"xyz") == 1


# What cannot be written


def test_weights_that_do_not_belong() -> None:
    net, layers = small_net()
    with pytest.raises(ArgumentError, match="layer 'conv9' is not in the net, or not in this order"):
        wire.encode_net(net, [*layers, LayerWeights("conv9", "Convolution", [])])
    with pytest.raises(ArgumentError, match="numbers of type int64; convert them to float32 or float64"):
        wire.encode_blob(BlobArray(np.arange(3)))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="four axes, not 2"):
        wire.encode_blob(BlobArray(floats(2, 3), legacy=True))
    with pytest.raises(ArgumentError, match=r"diff has shape \(3, 2\), data \(2, 3\)"):
        wire.encode_blob(BlobArray(floats(2, 3), floats(3, 2)))


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="No such file"):
        wire.write_blob(tmp_path / "none" / "b", BlobArray(floats(3)))
    if os.path.exists("/dev/full"):
        with pytest.raises(WriteError, match="No space left"):
            wire.write_blob("/dev/full", BlobArray(floats(100_000)))


# Damage


def test_a_file_that_is_not_there_or_not_one(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"Could not open file .*none.caffemodel"):
        wire.read_net(tmp_path / "none.caffemodel")
    with pytest.raises(FileError, match="directory"):
        wire.read_net(tmp_path)
    for content, words in (
        (b"", "the file is empty"),
        (b"\x89HDF\r\n\x1a\n" + bytes(88), "this is an HDF5 file, not a protobuf message"),
        (b"version https://git-lfs.github.com/spec/v1\n", "this is text"),
        (b"name: 'LeNet'\n", "give the binary file"),
    ):
        (tmp_path / "x.caffemodel").write_bytes(content)
        with pytest.raises(CorruptFileError, match=words) as caught:
            wire.read_net(tmp_path / "x.caffemodel")
        assert str(tmp_path / "x.caffemodel") in str(caught.value)


def test_a_cut_file_names_the_place(tmp_path: Path) -> None:
    data = joined(wire.encode_net(*small_net()))
    (tmp_path / "cut.caffemodel").write_bytes(data[:120])
    words = (
        r"cut.caffemodel: damaged at byte \d+: blob 0 of layer 'conv1' is cut short: "
        r"a field of 96 bytes begins, and \d+ are left; copy or download it again"
    )
    with pytest.raises(CorruptFileError, match=words):
        wire.read_net(tmp_path / "cut.caffemodel")


@pytest.mark.parametrize(
    ("blob", "words"),
    [
        (
            BlobProto(num=2, channels=1, height=1, width=1, data=[1]),
            r"shape \(2, 1, 1, 1\), which is 2 numbers, and 1 num",
        ),
        (
            BlobProto(shape={"dim": [2]}, data=[1, 2], diff=[1]),
            r"shape \(2,\), which is 2 numbers, and 1 numbers of diff",
        ),
        (BlobProto(shape={"dim": [-1]}, data=[1]), r"the impossible shape \(-1,\)"),
        (BlobProto(shape={"dim": [1] * 33}, data=[1]), "impossible shape"),
        (BlobProto(shape={"dim": [2**40, 2**40]}, data=[1]), "which is 1208925819614629174706176 numbers, and 1"),
        (BlobProto(shape={"dim": [2**62, 2**62, 0]}), "impossible shape"),
        (BlobProto(data=[1, 2]), r"shape \(\), which is 1 numbers, and 2"),
    ],
)
def test_shapes_that_do_not_fit(blob: Any, words: str) -> None:
    with pytest.raises(CorruptFileError, match=words):
        wire.decode_blob(blob.SerializeToString())
    with pytest.raises(CorruptFileError, match="history blob 1"):
        wire.decode_state(SolverState(history=[{"shape": {"dim": [1]}, "data": [1]}, blob]).SerializeToString())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x0a", "cut short inside a number"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "a number in the net has no end"),
        (b"\x00\x01", "no field with tag 0"),
        (b"\x0b\x01", "no field with tag 11"),
        (b"\x0a\x02\xff\xfe", "a name in the net is not UTF-8"),
        (b"\xa2\x06\x04\x0a\x02\xff\xfe", "a name in layer 0 is not UTF-8"),
        (b"\xa2\x06\x06\x32\x04\x0a\x02\xff\xfe", "a name in layer 0 is not UTF-8"),
        (b"\xa2\x06\x04\xb2\x08\x05\x08", "layer 0 is cut short"),
        (b"\xa2\x06\x05\x3a\x03\x2a\x01\x00", "blob 0 of layer 0 holds 0 numbers and 1 bytes more"),
    ],
)
def test_damage_is_named(data: bytes, words: str) -> None:
    with pytest.raises(CorruptFileError, match=words):
        wire.decode_net(data)


def test_every_cut_is_found_or_at_the_end_of_a_layer() -> None:
    data = joined(wire.encode_net(*small_net()))
    whole = []
    for end in range(1, len(data)):
        try:
            whole.append(len(wire.decode_net(data[:end]).layers))
        except CorruptFileError:
            continue
    assert whole == [0, 1, 2]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4), st.booleans())
def test_damaged_bytes_are_an_error_or_a_net(changes: list[tuple[int, int]], old: bool) -> None:
    net, layers = small_net()
    if old:
        v1 = NetParameter(name="old", layers=[{"name": "a", "type": 4}, {"layer": {"name": "conv1", "type": "conv"}}])
        net, layers = v1, layers
    data = bytearray(joined(wire.encode_net(net, layers)))
    for place, value in changes:
        data[place % len(data)] = value
    start = time.process_time()
    for decode in (wire.decode_net, wire.decode_blob, wire.decode_state):
        try:
            decode(bytes(data))
        except CorruptFileError as error:
            assert error.remedy  # noqa: PT017
    assert time.process_time() - start < 1


def test_a_flood_of_fields_is_refused() -> None:
    start = time.process_time()
    with pytest.raises(CorruptFileError, match="more fields than any net"):
        wire.decode_net(b"\x28\x01" * 1_000_000)
    assert time.process_time() - start < 5


# Speed


def test_weights_move_at_the_speed_of_memory(tmp_path: Path) -> None:
    """A quarter of CaffeNet in less than a second of this process's time, most of it reading and writing the file."""
    net = NetParameter(layer=[{"name": "fc6", "type": "InnerProduct"}])
    weights = np.ones((4096, 4096), np.float32)
    start = time.process_time()
    wire.write_net(tmp_path / "w", net, [LayerWeights("fc6", "InnerProduct", [BlobArray(weights)])])
    middle = time.process_time()
    read = wire.read_net(tmp_path / "w").layers[0].blobs[0]
    end = time.process_time()
    assert read.data[-1, -1] == 1
    assert middle - start < 1
    assert end - middle < 1
