"""The tools that make databases, means and features: the original's flags, and byte for byte its records."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import lmdb
import numpy as np
import pytest
import scipy.io
from PIL import Image

import caffe_sdk as caffe
from caffe_sdk.cli import data_tools
from caffe_sdk.data import images
from caffe_sdk.data.databases import create_database, open_database, write_arrays
from caffe_sdk.data.datum import parse
from caffe_sdk.proto.caffe_pb2 import Datum
from caffe_sdk.schema.wire import read_blob

Run = Callable[..., int]
TOOLS = {
    "convert_imageset": 3,
    "compute_image_mean": 1,
    "convert_mnist_data": 3,
    "convert_mnist_siamese_data": 3,
    "convert_cifar_data": 3,
    "extract_features": 6,
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """A tool with its words, as the shell hands them over."""

    def tool(name: str, *words: str) -> int:
        monkeypatch.setattr(sys, "argv", [name, *words])
        return int(getattr(data_tools, name)())

    return tool


def stock(path: str) -> list[tuple[bytes, bytes]]:
    """What the libraries themselves read, with nothing of ours in between."""
    if Path(path, "CURRENT").exists():
        plyvel = pytest.importorskip("plyvel", reason="LevelDB has no wheel for this system or Python")
        database = plyvel.DB(path)
        try:
            return list(database)
        finally:
            database.close()
    with lmdb.open(path, readonly=True) as environment, environment.begin() as transaction:
        return list(transaction.cursor())


def items(path: str | Path) -> list[tuple[bytes, bytes]]:
    with open_database(path) as database:
        return list(database.items())


def make_images(count: int = 4, height: int = 6, width: int = 5) -> None:
    rng = np.random.default_rng(3)
    lines = []
    for i in range(count):
        Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(f"im {i}.png")
        lines.append(f"im {i}.png {i % 3}")
    Path("list.txt").write_text("\n".join(lines) + "\n")


# -- what all of them share --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "count"), TOOLS.items())
def test_usage(name: str, count: int, run: Run, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(name, *["x"] * (count - 1)) == 1
    assert f"usage: {name} " in capsys.readouterr().err
    assert run(name, *["nowhere"] * count) in (2, 5)
    assert f"{name}: " in capsys.readouterr().err
    tool = root / "tools" / name
    assert os.access(tool, os.X_OK)
    assert f"from caffe_sdk.cli.data_tools import {name}" in tool.read_text()
    assert f'{name} = "caffe_sdk.cli.data_tools:{name}"' in (root / "pyproject.toml").read_text()


def test_the_script_runs_alone(root: Path) -> None:
    result = subprocess.run(
        [sys.executable, root / "tools" / "convert_imageset", "--help"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0
    assert "-resize_width" in result.stdout


# -- convert_imageset --------------------------------------------------------------------------------------------------


@pytest.fixture
def interop(shared: Path) -> Path:
    return shared / "golden" / "interop"


@pytest.mark.parametrize(
    ("database", "flags"),
    [
        ("leveldb_raw", ["-backend", "leveldb"]),
        ("lmdb_raw", []),
        ("lmdb_gray", ["--gray=true", "--backend=lmdb"]),
    ],
)
def test_records_are_those_of_caffe(interop: Path, database: str, flags: list[str], run: Run) -> None:
    images_ = interop / "images"
    size = ["--resize_height=18", "--resize_width", "16"]
    assert run("convert_imageset", f"{images_}/", *flags, str(images_ / "list.txt"), *size, "db") == 0
    expected, made = items(interop / database), stock("db")
    assert [key for key, _ in made] == [key for key, _ in expected]
    assert len(made) == 12
    for (key, wanted), (_, got) in zip(expected, made, strict=True):
        if key.endswith(b"png"):  # a JPEG depends on the decoder, within a few grey levels
            assert got == wanted
        else:
            assert got[:12] == wanted[:12]
            assert got[-4:] == wanted[-4:]
            theirs, ours = (np.asarray(parse(value).array, int) for value in (wanted, got))
            assert np.abs(theirs - ours).max() <= 6


def test_encoded_records_are_those_of_caffe(interop: Path, run: Run) -> None:
    images_ = interop / "images"
    size = ["--resize_height=18", "--resize_width=16"]
    words = [*size, "-encoded", "-encode_type", "png", f"{images_}/", str(images_ / "list.txt"), "db"]
    assert run("convert_imageset", *words) == 0
    for (key, wanted), (other, got) in zip(items(interop / "lmdb_encoded"), items("db"), strict=True):
        assert other == key
        assert got[-4:] == wanted[-4:]
        theirs, ours = (images.decode(parse(value).encoded or b"") for value in (wanted, got))
        assert np.abs(theirs.astype(int) - ours).max() <= (0 if key.endswith(b"png") else 6)


def test_image_files_are_kept_as_they_are(run: Run) -> None:
    make_images()
    assert run("convert_imageset", "-encoded", "", "list.txt", "db") == 0
    for i, (key, value) in enumerate(items("db")):
        assert key == f"{i:08d}_im {i}.png".encode()
        message = Datum.FromString(value)
        assert message.data == Path(f"im {i}.png").read_bytes()
        assert (message.label, message.encoded) == (i % 3, True)
        assert not message.HasField("channels")
    assert run("convert_imageset", "-encode_type", "jpg", "", "list.txt", "jpegs") == 0
    assert all(Datum.FromString(value).data[:3] == images.JPEG for _, value in items("jpegs"))


def test_shuffled_by_seed(run: Run) -> None:
    make_images(9)
    for name, flags in (("a", ["-shuffle"]), ("b", ["--shuffle=1", "-seed=0"]), ("c", ["--shuffle", "--seed", "1"])):
        assert run("convert_imageset", *flags, "", "list.txt", name) == 0
    assert run("convert_imageset", "--shuffle=false", "--noshuffle", "", "list.txt", "d") == 0
    names = {name: [key[9:] for key, _ in items(name)] for name in "abcd"}
    assert names["a"] == names["b"] != names["d"] == sorted(names["a"])
    assert names["c"] not in (names["a"], names["d"])


def test_threads_do_not_change_the_result(run: Run) -> None:
    make_images(30)
    for threads in ("1", "3"):
        assert run("convert_imageset", "-threads", threads, "", "list.txt", f"db{threads}") == 0
    assert items("db1") == items("db3")


def test_bad_images_are_skipped_and_named(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    make_images()
    Path("im 1.png").write_bytes(Path("im 1.png").read_bytes()[:60])
    Path("im 2.png").unlink()
    assert run("convert_imageset", "", "list.txt", "db") == 0
    assert [key for key, _ in items("db")] == [b"00000000_im 0.png", b"00000003_im 3.png"]
    told = capsys.readouterr().err
    assert "Could not open or find file im 1.png" in told
    assert "Could not open or find file im 2.png" in told
    assert "Skipped 2 files" in told
    assert "A total of 4 images." in told
    assert "Processed 2 files." in told


def test_what_is_refused(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    make_images()
    Path("db").mkdir()
    assert run("convert_imageset", "", "list.txt", "db") == 5
    assert "exists already" in capsys.readouterr().err
    Image.new("RGB", (9, 9)).save("im 3.png")
    assert run("convert_imageset", "-check_size", "", "list.txt", "new") == 6
    assert "record 'im 3.png': is 3 x 9 x 9, the first image 3 x 6 x 5" in capsys.readouterr().err
    assert run("convert_imageset", "-encode_type", "doc", "", "list.txt", "new") == 2
    Path("list.txt").write_text("im 0.png one\n")
    assert run("convert_imageset", "", "list.txt", "new") == 6
    assert "line 1 is 'im 0.png one'" in capsys.readouterr().err
    assert sorted(os.listdir()) == ["db", *(f"im {i}.png" for i in range(4)), "list.txt"]
    with pytest.raises(SystemExit):
        run("convert_imageset", "--gray=perhaps", "", "list.txt", "new")


# -- compute_image_mean ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("database", "mean"), [("lmdb_raw", "mean"), ("leveldb_raw", "mean"), ("lmdb_gray", "mean_gray")]
)
def test_means_are_those_of_caffe(
    interop: Path, database: str, mean: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("compute_image_mean", str(interop / database), "-backend", database.split("_")[0], "out") == 0
    assert Path("out").read_bytes() == (interop / f"{mean}.binaryproto").read_bytes()
    told = capsys.readouterr().err
    assert "Processed 12 files." in told
    assert f"Number of channels: {1 if 'gray' in mean else 3}" in told
    assert "mean_value channel [0]: " in told


def test_mean_of_encoded_images_and_floats(run: Run) -> None:
    make_images()
    assert run("convert_imageset", "-encoded", "", "list.txt", "encoded") == 0
    assert run("convert_imageset", "", "list.txt", "raw") == 0
    for name in ("encoded", "raw"):
        assert run("compute_image_mean", name, f"{name}.binaryproto") == 0
    np.testing.assert_array_equal(read_blob("encoded.binaryproto").data, read_blob("raw.binaryproto").data)
    write_arrays("floats", np.float32([[[[0.25]]], [[[0.5]]]]), np.zeros(2, int))
    assert run("compute_image_mean", "floats", "floats.binaryproto") == 0
    assert read_blob("floats.binaryproto").data.ravel().tolist() == [0.375]


def test_means_that_cannot_be(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    make_images()
    Image.new("RGB", (9, 9)).save("im 3.png")
    assert run("convert_imageset", "", "list.txt", "db") == 0
    assert run("compute_image_mean", "db", "out") == 6
    assert "record '00000003_im 3.png': is 3 x 9 x 9, the first record 3 x 6 x 5" in capsys.readouterr().err
    assert not Path("out").exists()


# -- convert_mnist_data, convert_mnist_siamese_data, convert_cifar_data ------------------------------------------------


def test_mnist_and_its_pairs(shared: Path, run: Run) -> None:
    for kind in ("images-idx3", "labels-idx1"):
        shutil.copy(shared / "data" / "mnist" / f"t10k-{kind}-ubyte.gz", f"{kind}.gz")
    assert run("convert_mnist_data", "images-idx3.gz", "labels-idx1.gz", "db", "--backend=leveldb") == 0
    made = items("db")
    assert [made[0][0], made[-1][0]] == [b"00000000", b"00009999"]
    message = Datum.FromString(made[0][1])
    assert (message.channels, message.height, message.width, message.label) == (1, 28, 28, 7)
    assert not message.HasField("encoded")
    assert run("convert_mnist_siamese_data", "images-idx3.gz", "labels-idx1.gz", "pairs") == 0
    pairs = [Datum.FromString(value) for _, value in items("pairs")]
    assert {(pair.channels, pair.height, pair.width, len(pair.data)) for pair in pairs} == {(2, 28, 28, 1568)}
    assert 0.08 < np.mean([pair.label for pair in pairs]) < 0.13


def test_cifar(run: Run) -> None:
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        Path(f"{name}.bin").write_bytes(bytes([7]) + bytes(3072))
    assert run("convert_cifar_data", ".", "out", "leveldb") == 0
    assert [key for key, _ in items("out/cifar10_train_leveldb")] == [b"%05d" % i for i in range(5)]
    assert Datum.FromString(items("out/cifar10_test_leveldb")[0][1]).label == 7
    assert run("convert_cifar_data", ".", "out", "sql") == 2


# -- extract_features --------------------------------------------------------------------------------------------------

NET = """
layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "db" batch_size: 4 backend: LMDB } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
"""


@pytest.fixture
def net(rng: np.random.Generator) -> caffe.Net:
    write_arrays("db", rng.integers(0, 256, (12, 1, 2, 2), np.uint8), np.arange(12), "lmdb")
    Path("net.prototxt").write_text(NET)
    net = caffe.Net("net.prototxt", caffe.TEST)
    net.save("net.caffemodel")
    return net


def expected(net: caffe.Net) -> tuple[np.ndarray, np.ndarray]:
    """fc and data of three batches."""
    parts = []
    for _ in range(3):
        net.forward()
        parts.append((net.blobs["fc"].data.copy(), net.blobs["data"].data.copy()))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


@pytest.mark.parametrize("form", ["leveldb", "lmdb"])
def test_features_in_databases(net: caffe.Net, form: str, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["net.caffemodel", "net.prototxt", "fc,data", "out/a,out/b", "3", form, "CPU"]
    assert run("extract_features", *words) == 0
    for path, values in zip(("out/a", "out/b"), expected(net), strict=True):
        made = items(path)
        assert [key for key, _ in made] == [b"%010d" % i for i in range(12)]
        for (_, value), row in zip(made, values, strict=True):
            message = Datum(channels=row.shape[0], height=1, width=1, float_data=row.ravel().tolist())
            if row.ndim == 3:
                message.height, message.width = row.shape[1:]
            assert value == message.SerializeToString()
    assert "Extracted features of 12 query images for feature blob fc" in capsys.readouterr().err
    assert run("extract_features", *words) == 5


def test_features_in_files(net: caffe.Net, run: Run) -> None:
    for form in ("hdf5", "npy", "mat"):
        words = ["net.caffemodel", "net.prototxt", "fc,data", f"fc.{form},data.{form}", "3", form]
        assert run("extract_features", *words) == 0
    for name, values in zip(("fc", "data"), expected(net), strict=True):
        with h5py.File(f"{name}.hdf5") as file:
            np.testing.assert_array_equal(file[name][()], values)
        np.testing.assert_array_equal(np.load(f"{name}.npy"), values)
        np.testing.assert_array_equal(scipy.io.loadmat(f"{name}.mat")[name], values.T)


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({2: "fc,nothing", 3: "a,b"}, 2, "Unknown feature blob name nothing in the network net.prototxt"),
        ({2: "fc,data"}, 2, "the number of blob names and dataset names must be equal"),
        ({2: "fc,data", 3: "a,./a"}, 2, "two blobs would go to one file"),
        ({4: "many"}, 2, "num_mini_batches 'many'"),
        ({4: "0"}, 2, "0 mini-batches"),
        ({5: "sql"}, 2, "db_type 'sql'"),
        ({6: "TPU"}, 2, "device 'TPU'"),
        ({6: "GPU"}, 8, "there is no NVIDIA driver here"),
        ({0: "nothing"}, 5, "Could not open file nothing"),
        ({3: "net.prototxt"}, 5, "exists already"),
        ({3: "net.prototxt/a", 5: "hdf5"}, 5, "cannot be written"),
    ],
)
@pytest.mark.usefixtures("net")
def test_features_that_cannot_be(
    change: dict[int, str], status: int, words: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["net.caffemodel", "net.prototxt", "fc", "out", "3", "lmdb", "CPU"]
    before = sorted(os.listdir())
    assert run("extract_features", *[change.get(i, word) for i, word in enumerate(given)]) == status
    assert words in capsys.readouterr().err
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("form", ["lmdb", "hdf5", "npy"])
def test_a_record_that_fails_leaves_nothing(net: caffe.Net, form: str, run: Run) -> None:
    with open_database("db") as database:
        records = list(database.items())
    shutil.rmtree("db")
    with create_database("db", "lmdb") as writer:
        for key, value in records[:9]:
            writer.put(key, value)
        writer.put(b"9", b"nonsense")
    net.close()
    before = sorted(os.listdir())
    assert run("extract_features", "net.caffemodel", "net.prototxt", "fc", "out", "3", form) == 6
    assert sorted(os.listdir()) == before
