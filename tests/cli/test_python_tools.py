"""classify.py, detect.py and draw_net.py: flags, words and files of the originals."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import caffe_sdk as caffe
from caffe_sdk.cli import python_tools
from caffe_sdk.schema import wire

DEPLOY = """
name: "flat"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 10 dim: 3 dim: 4 dim: 4 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
        inner_product_param { num_output: 3 weight_filler { type: "gaussian" std: 0.1 } } }
"""
FLAGS = ["--model_def", "deploy.prototxt", "--pretrained_model", "net.caffemodel"]
TOOLS = ["classify", "detect", "draw_net"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> Path:
    """A working directory with a net, its weights and two photos."""
    monkeypatch.chdir(tmp_path)
    Path("deploy.prototxt").write_text(DEPLOY)
    with caffe.Net("deploy.prototxt", caffe.TEST) as net:
        net.save("net.caffemodel")
    Path("photos").mkdir()
    for name in ("b.jpg", "a.jpg", "c.png"):
        Image.fromarray(rng.integers(0, 256, (12, 10, 3), np.uint8)).save(Path("photos") / name)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, tool: str, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", [tool, *arguments])
    return int(getattr(python_tools, tool)())


def classifier(**options: object) -> caffe.Classifier:
    given = {"mean": np.array(python_tools.IMAGENET_MEAN), "raw_scale": 255, "channel_swap": (2, 1, 0), **options}
    return caffe.Classifier("deploy.prototxt", "net.caffemodel", **given)  # type: ignore[arg-type]


def test_classify_a_folder(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "classify", "photos", "out", *FLAGS, "--images_dim", "6,7") == 0
    words = capsys.readouterr().out
    for line in ("CPU mode", "Loading folder: photos", "Classifying 2 inputs.", "Done in ", "Saving results into out"):
        assert line in words
    images = [caffe.io.load_image(f"photos/{name}") for name in ("a.jpg", "b.jpg")]
    np.testing.assert_allclose(np.load("out.npy"), classifier(image_dims=(6, 7)).predict(images), rtol=1e-5)


def test_classify_one_image_and_an_array(monkeypatch: pytest.MonkeyPatch) -> None:
    image = caffe.io.load_image("photos/c.png")
    np.save("images.npy", image[None])
    np.save("mean.npy", np.arange(48.0).reshape(3, 4, 4))
    flags = [*FLAGS, "--center_only", "--mean_file", "mean.npy", "--input_scale=0.5", "--images_dim=4,4"]
    assert run(monkeypatch, "classify", "photos/c.png", "one.npy", *flags) == 0
    assert run(monkeypatch, "classify", "images.npy", "two.npy", *flags) == 0
    net = classifier(mean=np.load("mean.npy"), input_scale=0.5)
    expected = net.predict([image], oversample=False)
    np.testing.assert_allclose(np.load("one.npy"), expected, rtol=1e-5)
    np.testing.assert_array_equal(np.load("one.npy"), np.load("two.npy"))


def test_means_of_other_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    image = caffe.io.load_image("photos/c.png")
    mean = np.arange(48, dtype=np.float32).reshape(1, 3, 4, 4)
    wire.write_blob("mean.binaryproto", wire.BlobArray(mean, legacy=True))
    common = ["photos/c.png", "out.npy", *FLAGS, "--center_only", "--images_dim=4,4"]
    assert run(monkeypatch, "classify", *common, "--mean_file", "mean.binaryproto") == 0
    np.testing.assert_allclose(np.load("out.npy"), classifier(mean=mean[0]).predict([image], False), rtol=1e-5)
    assert run(monkeypatch, "classify", *common, "--mean_file", "", "--channel_swap", "") == 0
    expected = classifier(mean=None, channel_swap=None).predict([image], False)
    np.testing.assert_allclose(np.load("out.npy"), expected, rtol=1e-5)


WINDOWS = """filename, ymin, xmin, ymax, xmax
photos/a.jpg,0,0,6,6
photos/c.png,2,1,10,9
photos/a.jpg,3.0,2.0,9,8
"""


def test_detect_listed_windows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Path("windows.csv").write_text(WINDOWS)
    flags = [*FLAGS, "--crop_mode=list", "--context_pad=1"]
    assert run(monkeypatch, "detect", "windows.csv", "out.csv", *flags) == 0
    words = capsys.readouterr().out
    assert "Processed 3 windows in " in words
    assert "Saved to out.csv in " in words
    with open("out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["filename"] for row in rows] == ["photos/a.jpg", "photos/a.jpg", "photos/c.png"]
    assert [int(rows[1][column]) for column in python_tools.COORD_COLS] == [3, 2, 9, 8]
    mean = np.array(python_tools.IMAGENET_MEAN)
    with caffe.Detector("deploy.prototxt", "net.caffemodel", mean, None, 255, (2, 1, 0), 1) as net:
        found = net.detect_windows([("photos/c.png", [(2, 1, 10, 9)])])
    got = [float(rows[2][f"class{i}"]) for i in range(3)]
    np.testing.assert_allclose(got, found[0]["prediction"], rtol=1e-5)


def test_detect_by_selective_search(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    Path("images.txt").write_text("photos/a.jpg\nphotos/c.png\n")
    monkeypatch.setattr("caffe_sdk.detector.selective_search", lambda image: np.array([[0, 0, 12, 10], [1, 1, 9, 9]]))
    assert run(monkeypatch, "detect", "images.txt", "out.csv", *FLAGS, "--context_pad=1") == 0
    with open("out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["filename"] for row in rows] == [
        str(folder / "photos" / name) for name in ("a.jpg",) * 2 + ("c.png",) * 2
    ]
    assert rows[3]["ymax"] == "9"


def test_detect_writes_pandas_hdf5(monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas

    Path("windows.csv").write_text(WINDOWS)
    assert run(monkeypatch, "detect", "windows.csv", "out.h5", *FLAGS, "--crop_mode=list", "--context_pad=0") == 0
    frame = pandas.read_hdf("out.h5", "df")
    assert list(frame.index) == ["photos/a.jpg", "photos/a.jpg", "photos/c.png"]
    assert frame["prediction"].iloc[0].shape == (3,)
    assert list(frame["xmax"]) == [6, 8, 9]


def test_hdf5_without_pandas(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    Path("windows.csv").write_text(WINDOWS)
    assert run(monkeypatch, "detect", "windows.csv", "out.h5", *FLAGS, "--crop_mode=list", "--context_pad=0") == 8
    assert "pip install pandas tables, or name the output .csv" in capsys.readouterr().err


def test_draw(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--rankdir", "TB", "--phase", "TEST", "--display_lrm"]
    assert run(monkeypatch, "draw_net", "deploy.prototxt", "net.svg", *flags) == 0
    assert capsys.readouterr().out == "Drawing net to net.svg\n"
    assert "lr mult: 1.0, 1.0" in Path("net.svg").read_text()
    assert run(monkeypatch, "draw_net", "deploy.prototxt", "net.png") == 0
    with Image.open("net.png") as image:
        assert image.width > image.height


@pytest.mark.parametrize(
    ("tool", "arguments", "status", "words"),
    [
        ("classify", ["none.jpg", "o", *FLAGS], 5, "Could not open file none.jpg"),
        ("classify", ["deploy.npy", "o", *FLAGS], 5, "deploy.npy: this is no array"),
        ("classify", ["photos", "o", *FLAGS, "--ext", "gif"], 2, "there are no images"),
        ("classify", ["photos", "o", *FLAGS, "--images_dim", "a,b"], 2, "--images_dim: 'a,b' are no whole numbers"),
        ("classify", ["photos", "o", *FLAGS, "--gpu"], 8, "there is no NVIDIA driver here"),
        ("classify", ["photos", "o"], 5, "Could not open file models/bvlc_reference_caffenet/deploy.prototxt"),
        ("detect", ["x.jpg", "o.csv", *FLAGS, "--context_pad=0"], 2, "Unknown input file type: not in txt or csv."),
        ("detect", ["bad.csv", "o.csv", *FLAGS, "--context_pad=0"], 5, "does not name xmax"),
        ("detect", ["worse.csv", "o.csv", *FLAGS, "--context_pad=0"], 5, "worse.csv:2: a corner is no number"),
        ("detect", ["i.txt", "o.csv", *FLAGS, "--context_pad=0", "--crop_mode=list"], 2, "i.txt has no windows"),
        ("draw_net", ["deploy.prototxt", "net.xyz"], 2, "there is no format 'xyz'"),
        ("draw_net", ["none.prototxt", "net.svg"], 5, "Could not open file none.prototxt"),
    ],
)
def test_errors_have_words_and_a_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tool: str,
    arguments: list[str],
    status: int,
    words: str,
) -> None:
    Path("deploy.npy").write_text("no array")
    Path("bad.csv").write_text("filename,ymin,xmin,ymax\n")
    Path("worse.csv").write_text(f"filename,{','.join(python_tools.COORD_COLS)}\na,1,2,x,3\n")
    Path("i.txt").write_text("photos/a.jpg\n")
    assert run(monkeypatch, tool, *arguments) == status
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("tool", TOOLS)
def test_tools_of_the_original_names(tool: str, root: Path) -> None:
    path = root / "tools" / f"{tool}.py"
    assert os.access(path, os.X_OK)
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, str(path), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert f"usage: {tool}.py" in done.stdout
