"""Batches that go to a device ahead of the net: the blobs are those of the host, bit for bit, from every source."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from google.protobuf import text_format

from caffe_sdk.blob import Blob
from caffe_sdk.data import datum, images
from caffe_sdk.data.databases import create_database
from caffe_sdk.engine import gpus, select
from caffe_sdk.engine.cuda import CudaEngine
from caffe_sdk.engine.cuda.carrier import CudaCargo
from caffe_sdk.engine.cuda.simulated import SimulatedDevice
from caffe_sdk.errors import DataError, DeviceError
from caffe_sdk.layers import Layer, create
from caffe_sdk.memory import HOST
from caffe_sdk.schema.messages import TEST, TRAIN, LayerParameter
from caffe_sdk.schema.wire import BlobArray, write_blob
from tests.engine.cuda.mocked import COPIES_EARLY, LATE, device, order

RECORDS = 7
BATCHES = 5
SIZE = 3, 8, 9

KINDS = ["bytes", "grey", "floats", "jpeg", "jpeg of many sizes", "png", "bytes with labels"]
TRANSFORMS = {
    "none": "",
    "crop": "crop_size: 5",
    "mirror": "mirror: true",
    "scale": "scale: 0.0125",
    "all": "crop_size: 5 mirror: true scale: 0.3 mean_value: 104.7",
    "three means": "crop_size: 5 mirror: true mean_value: 104.7 mean_value: 1.3 mean_value: 99",
    "mean file": 'mirror: true scale: 0.3 mean_file: "MEAN"',
    "crop of mean file": 'crop_size: 5 mirror: true scale: 0.3 mean_file: "MEAN"',
    "no square": "crop_h: 3 crop_w: 6 mirror: true",
    "grey": "crop_size: 5 force_gray: true mean_value: 3",
    "colour": "crop_size: 5 mirror: true distort_param { brightness_prob: 1 brightness_delta: 30 }",
    "resized": "crop_size: 4 mirror: true resize_param { prob: 1 height: 6 width: 7 interp_mode: LINEAR }",
}


def pixels(kind: str, rng: np.random.Generator) -> Any:
    """A record's."""
    channels, height, width = SIZE
    if kind == "grey":
        return rng.integers(0, 256, (1, height, width), np.uint8)
    if kind == "floats":
        return rng.random(SIZE, np.float32)
    if kind == "jpeg of many sizes":
        return rng.integers(0, 256, (channels, height + rng.integers(4), width + rng.integers(4)), np.uint8)
    return rng.integers(0, 256, SIZE, np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of each kind, and a mean."""
    folder, rng = tmp_path_factory.mktemp("ahead"), np.random.default_rng(3)
    for kind in KINDS:
        with create_database(folder / kind, "LMDB") as writer:
            for i in range(RECORDS):
                x = pixels(kind, rng)
                if kind.startswith(("jpeg", "png")):
                    record = datum.encode_image(images.encode(x, kind[:4].strip()), i)
                else:
                    record = datum.encode(x, np.arange(i, i + 3, dtype=np.float32) if "labels" in kind else i)
                writer.put(b"%08d" % i, record)
    write_blob(folder / "mean", BlobArray(100 * rng.random((1, *SIZE), np.float32)))
    return folder


@pytest.fixture(params=["simulated", LATE, COPIES_EARLY, "cuda"])
def engine(request: pytest.FixtureRequest) -> Iterator[CudaEngine]:
    """On the simulated device, on a driver that does what it is asked for late, and on a GPU if there is one."""
    if request.param == "simulated":
        yield CudaEngine(SimulatedDevice(), "simulated")
    elif request.param == "cuda":
        if not gpus():
            pytest.skip("no GPU is here")
        made = select("cuda")
        assert isinstance(made, CudaEngine)
        yield made
    else:
        with order(request.param):
            yield CudaEngine(device())


def made(kind: str, text: str, top: tuple[str, ...] = ("data", "label"), phase: int = TRAIN) -> Layer:
    config = LayerParameter(name="it", type=kind, top=list(top))
    text_format.Merge(text, config)
    return create(config, phase, np.random.default_rng(1))


def data(folder: Path, kind: str, transform: str = "", more: str = "", phase: int = TRAIN) -> Layer:
    transform = transform.replace("MEAN", str(folder / "mean"))
    source = f'data_param {{ source: "{folder / kind}" backend: LMDB batch_size: 3 {more} }}'
    return made("Data", f"{source} transform_param {{ {transform} }}", phase=phase)


def batches(layer: Layer, engine: Any, count: int = BATCHES) -> list[Any]:
    """Some batches of a layer, all brought to the host when the last has been computed."""
    given = []
    for _ in range(count):
        top = [Blob(shape) for shape in layer.shapes([])[: len(layer.config.top)]]
        layer.forward(engine, [], top)
        given.append(top)
    return [[blob.data_memory.read(HOST).reshape(blob.shape).copy() for blob in top] for top in given]


def agree(one: Layer, other: Layer, engine: CudaEngine) -> None:
    wanted = batches(one, select("reference"))
    for want, got in zip(wanted, batches(other, engine), strict=True):
        for a, b in zip(want, got, strict=True):
            np.testing.assert_array_equal(b, a)
    one.close()
    other.close()


def fits(kind: str, transform: str) -> bool:
    """Whether records of a kind can be transformed so."""
    if kind == "floats" and transform in ("colour", "resized"):
        return False
    if transform == "grey" and not kind.startswith(("jpeg", "png")):
        return False
    if kind == "grey" and ("mean" in transform or transform == "colour"):
        return False
    return kind != "jpeg of many sizes" or not ("mean file" in transform or transform in ("none", "mirror", "scale"))


CASES = [(kind, transform, TRAIN) for kind in KINDS for transform in TRANSFORMS if fits(kind, transform)]
CASES += [("bytes", transform, TEST) for transform in TRANSFORMS if fits("bytes", transform)]


@pytest.mark.parametrize(("kind", "transform", "phase"), CASES)
def test_every_transform_of_every_kind_of_record(folder: Path, kind: str, transform: str, phase: int) -> None:
    engine = CudaEngine(SimulatedDevice(), "simulated")
    one, other = (data(folder, kind, TRANSFORMS[transform], phase=phase) for _ in range(2))
    agree(one, other, engine)
    launches = engine.device.launches["transform_images"]  # type: ignore[attr-defined]
    assert launches == (0 if kind == "floats" else BATCHES)


@pytest.mark.parametrize("prefetch", [0, 1, 4])
@pytest.mark.parametrize("kind", ["bytes", "floats", "jpeg of many sizes"])
def test_at_any_depth_on_every_device(folder: Path, engine: CudaEngine, kind: str, prefetch: int) -> None:
    one, other = (data(folder, kind, TRANSFORMS["all"], f"prefetch: {prefetch}") for _ in range(2))
    agree(one, other, engine)


def test_lists_of_images_rows_and_windows(tmp_path: Path, engine: CudaEngine) -> None:
    rng = np.random.default_rng(2)
    lines, windows = [], []
    for i in range(4):
        path = tmp_path / f"{i}.png"
        path.write_bytes(images.encode(rng.integers(0, 256, (3, 12, 12), np.uint8), "png"))
        lines.append(f"{path} {i}\n")
        windows.append(f"# {i}\n{path}\n3\n12\n12\n2\n1 0.9 1 1 8 9\n2 0.1 3 2 9 9\n")
    (tmp_path / "images").write_text("".join(lines))
    (tmp_path / "windows").write_text("".join(windows))
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file["data"], file["label"] = rng.random((5, 2, 3), np.float32), np.arange(5, dtype=np.float32)
    (tmp_path / "rows").write_text(f"{tmp_path / 'rows.h5'}\n")
    cut = "transform_param { crop_size: 8 mirror: true mean_value: 3 }"
    for kind, text in {
        "ImageData": f'image_data_param {{ source: "{tmp_path / "images"}" batch_size: 3 shuffle: true }} {cut}',
        "WindowData": f'window_data_param {{ source: "{tmp_path / "windows"}" batch_size: 4 }} {cut}',
        "HDF5Data": f'hdf5_data_param {{ source: "{tmp_path / "rows"}" batch_size: 2 shuffle: true }}',
    }.items():
        agree(made(kind, text), made(kind, text), engine)


def test_engines_may_change_between_batches(folder: Path, engine: CudaEngine) -> None:
    """What was sent already is put where it was sent; nothing is lost, nothing comes twice."""
    one, other = (data(folder, "bytes", TRANSFORMS["all"]) for _ in range(2))
    host = select("reference")
    wanted = [row for _ in range(4) for row in batches(one, host, 3)]
    got = [row for computing in (host, engine, host, engine) for row in batches(other, computing, 3)]
    for want, have in zip(wanted, got, strict=True):
        for a, b in zip(want, have, strict=True):
            np.testing.assert_array_equal(b, a)
    one.close()
    other.close()


def test_taken_up_at_a_position(folder: Path, engine: CudaEngine) -> None:
    one, other = (data(folder, "bytes", TRANSFORMS["all"]) for _ in range(2))
    wanted = batches(one, select("reference"), 6)
    batches(other, engine, 2)
    state = other.state()
    assert state == {"position": 6, "seed": other.seed}
    batches(other, engine, 2)
    other.restore_state(state)
    for want, have in zip(wanted[2:], batches(other, engine, 4), strict=True):
        np.testing.assert_array_equal(have[0], want[0])
    one.close()
    other.close()


def test_a_bad_record_is_named_when_its_batch_is_reached(tmp_path: Path, engine: CudaEngine) -> None:
    with create_database(tmp_path / "bad", "LMDB") as writer:
        for i in range(6):
            shape = (3, 8, 9) if i != 4 else (3, 2, 2)
            writer.put(b"%08d" % i, datum.encode(np.full(shape, i, np.uint8), i))
    layer = data(tmp_path, "bad")
    batches(layer, engine, 1)
    for _ in range(2):
        with pytest.raises(DataError, match=r"layer 'it' \(Data\): .*bad: record '00000004': is 3 x 2 x 2 in a batch"):
            batches(layer, engine, 1)
    layer.close()


def test_no_room_on_the_device_names_the_layer(folder: Path) -> None:
    engine = CudaEngine(SimulatedDevice(), "simulated")
    engine.device.limit = 100  # type: ignore[attr-defined]
    layer = data(folder, "bytes")
    with pytest.raises(DeviceError, match=r"layer 'it' \(Data\): memory: .* bytes cannot be had"):
        batches(layer, engine, 1)
    layer.close()


def test_closing_ends_the_thread_and_gives_the_room_back(folder: Path) -> None:
    engine = CudaEngine(SimulatedDevice(), "simulated")
    layer = data(folder, "bytes")
    gc.collect()
    before = rooms()
    batches(layer, engine, 2)
    assert rooms() >= before + 4  # for data and label, of two buffers of the ring at least
    layer.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]
    assert rooms() == before


def rooms() -> int:
    """How many tops of batches have room on some device."""
    return sum(type(thing) is CudaCargo for thing in gc.get_objects())  # proxies may refer to what is gone
