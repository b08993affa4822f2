"""Requests made arrays: shapes by which they may share a batch, and no copies that are not needed."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffe_sdk.errors import ArgumentError, LimitError
from caffe_sdk.serving import InferRequest, intake
from caffe_sdk.serving.deploy import Deployed, deploy
from caffe_sdk.serving.folder import files_of
from tests.serving.models import SUM, put


@pytest.fixture
def deployed(tmp_path: Path) -> Deployed:
    return deploy(files_of(put(tmp_path)))


def test_numbers_that_fit_are_not_copied(deployed: Deployed) -> None:
    data = np.zeros((2, 3, 8, 8), np.float32)
    batch = intake.take(deployed, InferRequest({"data": data}), "here", 100)
    assert batch.inputs["data"] is data
    assert (batch.items, batch.nbytes, batch.outputs) == (2, data.nbytes, ("prob",))
    assert batch.shape == (("data", (3, 8, 8)),)


def test_the_input_of_images(deployed: Deployed, tmp_path: Path) -> None:
    assert intake.image_input(deployed, "here") == "data"
    two = deploy(files_of(put(tmp_path, "sum", text=SUM)))
    with pytest.raises(ArgumentError, match="here: no input takes images; give numbers, by the inputs' names"):
        intake.take(two, InferRequest(images=[b""]), "here", 100)


def test_images_that_are_too_large_are_not_decoded(deployed: Deployed) -> None:
    file = BytesIO()
    Image.new("1", (10_000, 6_000)).save(file, "PNG")
    with pytest.raises(LimitError, match="image 0: an image of 10000 x 6000 pixels; send 1,000,000 pixels at most"):
        intake.take(deployed, InferRequest(images=[file.getvalue()]), "here", 1_000_000)


def test_images_beyond_what_pillow_opens_are_too_large_too(deployed: Deployed) -> None:
    file = BytesIO()
    Image.new("1", (20_000, 10_000)).save(file, "PNG")
    with pytest.raises(LimitError, match=r"200000000 pixels.*; send 1,000,000 pixels at most"):
        intake.take(deployed, InferRequest(images=[file.getvalue()]), "here", 1_000_000)


def test_without_a_record_nobody_is_warned_each_time(deployed: Deployed, caplog: pytest.LogCaptureFixture) -> None:
    file = BytesIO()
    Image.new("RGB", (9, 9)).save(file, "PNG")
    intake.take(deployed, InferRequest(images=[file.getvalue()]), "here", 100)
    assert caplog.text == ""
