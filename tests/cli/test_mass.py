"""Many images in chunks: what comes out, what is gone on with, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffe_sdk.app import mass
from caffe_sdk.classifier import Classifier
from caffe_sdk.cli.main import main
from caffe_sdk.errors import ArgumentError, MissingFileError
from caffe_sdk.io import load_image
from tests.solver import mpi

NET = """
name: "colours"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 6 dim: 6 } } }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
FLAGS = ["-model", "net.prototxt", "-weights", "net.caffemodel", "-images", "pictures", "-output", "out", "-chunk", "3"]
LABELS = ["-labels", "labels.txt", "-top", "2"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A net that tells by the mean colour which of three classes a picture is of, and eight pictures."""
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(NET)
    Path("net.preprocessing.json").write_text(json.dumps({"version": 1, "channels": "RGB"}))
    Path("labels.txt").write_text("red\ngreen\nblue\n")
    Path("pictures").mkdir()
    for i in range(8):
        pixels = rng.integers(0, 60, (6, 6, 3), np.uint8)
        pixels[:, :, i % 3] += 150
        Image.fromarray(pixels).save(f"pictures/{i}.png")
    with Classifier("net.prototxt", None) as net:
        net.params["fc"][0].data[...] = np.eye(3) / 40
        net.params["fc"][1].data[...] = 0
        net.save("net.caffemodel")
    return tmp_path


def told() -> list[dict[str, object]]:
    return [json.loads(line) for path in sorted(Path("out").glob("*.jsonl")) for line in path.read_text().splitlines()]


def test_classes_of_a_folder() -> None:
    assert main(["classify", *FLAGS, *LABELS]) == 0
    assert [path.name for path in sorted(Path("out").iterdir())] == [
        "000000.jsonl",
        "000001.jsonl",
        "000002.jsonl",
        "job.json",
    ]
    lines = told()
    assert [line["image"] for line in lines] == [f"pictures/{i}.png" for i in range(8)]
    assert [line["classes"][0][0] for line in lines] == [["red", "green", "blue"][i % 3] for i in range(8)]
    assert all(len(line["classes"]) == 2 and 0.5 < line["classes"][0][1] <= 1 for line in lines)


def test_blobs_of_a_list() -> None:
    Path("list.txt").write_text("".join(f"{i}.png {i}\n" for i in range(8)))
    listed = [flag if flag != "pictures" else "list.txt" for flag in FLAGS]
    assert main(["extract", *listed, "-root_folder", "pictures", "-blobs", "pool,prob"]) == 0
    chunks = [np.load(path) for path in sorted(Path("out").glob("*.npz"))]
    assert [len(chunk["images"]) for chunk in chunks] == [3, 3, 2]
    pool = np.concatenate([chunk["pool"] for chunk in chunks])
    means = [load_image(f"pictures/{i}.png").mean((0, 1)) * 255 for i in range(8)]
    np.testing.assert_allclose(pool.reshape(8, 3), means, rtol=1e-4)
    assert np.concatenate([chunk["prob"] for chunk in chunks]).argmax(1).tolist() == [i % 3 for i in range(8)]
    assert chunks[2]["images"].tolist() == ["pictures/6.png", "pictures/7.png"]


def test_a_job_goes_on_where_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", *FLAGS]) == 0
    whole = told()
    Path("out/000001.jsonl").unlink()
    Path("out/000000.jsonl").write_text("mine\n")
    capsys.readouterr()
    assert main(["classify", *FLAGS]) == 0
    text = capsys.readouterr().err
    assert "out/000000.jsonl is there" in text
    assert "out/000001.jsonl: 3 images" in text
    assert Path("out/000000.jsonl").read_text() == "mine\n"
    Path("out/000000.jsonl").unlink()
    assert main(["classify", *FLAGS]) == 0
    assert told() == whole


def test_another_job_has_another_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", *FLAGS]) == 0
    assert main(["classify", *FLAGS, "-top", "2"]) == 2
    assert "'out' holds chunks of another job" in capsys.readouterr().err


def test_images_that_cannot_be_read_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("3.png", "4.png", "5.png", "7.png"):
        Path("pictures", name).write_text("no picture")
    assert main(["classify", *FLAGS]) == 0
    assert [line["image"] for line in told()] == [f"pictures/{i}.png" for i in (0, 1, 2, 6)]
    assert "left out: pictures/7.png: this is not an image" in capsys.readouterr().err
    Path("out/job.json").unlink()
    assert main(["extract", *FLAGS, "-blobs", "prob"]) == 0
    assert [np.load(path)["prob"].shape for path in sorted(Path("out").glob("*.npz"))] == [(3, 3), (0, 3), (1, 3)]


def test_what_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    for flags, words in (
        (["classify", *FLAGS, "-chunk", "0"], "-chunk: is 0; give 1 or more"),
        (["classify", *FLAGS, "-images", "empty"], "images: there are none in empty"),
        (["classify", *FLAGS, "-labels", "net.prototxt"], "names for 3 classes; give a line for each class"),
        (["extract", *FLAGS, "-blobs", "porb"], "there is no blob 'porb' to extract; use data, pool, fc, prob"),
        (["classify", *FLAGS, "-output", "net.prototxt"], "net.prototxt: cannot be made"),
    ):
        assert main(flags) != 0
        assert words in capsys.readouterr().err
    assert not Path("out").exists()
    with pytest.raises(MissingFileError):
        mass.list_images("nowhere")


def test_parts_of_several_processes() -> None:
    with Classifier("net.prototxt", "net.caffemodel") as classifier:
        images, encode = mass.list_images("pictures"), mass.classify(classifier, [], 1)
        mass.begin("out", images, [])
        mass.begin("out", images, [])
        with pytest.raises(ArgumentError, match="another job"):
            mass.begin("out", images[1:], [])
        jobs = [mass.run(images, classifier, encode, "out", "jsonl", 1, (rank, 3)) for rank in range(3)]
        made = [[chunk.path for chunk in job] for job in jobs]
    assert [len(paths) for paths in made] == [3, 3, 2]
    assert [line["image"] for line in told()] == images


@pytest.mark.slow
def test_ranks_share_the_work() -> None:
    command = [sys.executable, "-m", "caffe_sdk.cli", "classify", *FLAGS[:-1], "1"]
    with mpi.job(2, command, stderr=subprocess.PIPE) as job:
        _, text = job.communicate(timeout=120)
    assert job.returncode == 0, text
    assert text.count(": 1 images") == 8
    assert [line["image"] for line in told()] == [f"pictures/{i}.png" for i in range(8)]
