"""What notebooks show of arrays."""

from __future__ import annotations

import base64
import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from caffe_sdk.blob import Blob
from caffe_sdk.memory import HOST
from caffe_sdk.preview import sheet, to_html


def picture(text: str) -> Image.Image:
    (data,) = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    return Image.open(BytesIO(base64.b64decode(data)))


def test_a_sheet_of_maps() -> None:
    values = np.zeros((1, 5, 2, 3))
    values[0, 4] = 2
    values[0, 1] = 1
    page = sheet(values)
    assert page.shape == (3 * 3 - 1, 2 * 4 - 1)  # tiles are wider than high: two of them side by side
    assert page[:2, :3].tolist() == [[0] * 3] * 2
    assert page[:2, 4:].tolist() == [[128] * 3] * 2
    assert page[6:, :3].tolist() == [[255] * 3] * 2
    assert (page[2] == 255).all()  # the margin


def test_a_sheet_of_images_is_in_colour() -> None:
    values = np.zeros((2, 3, 4, 4))
    values[:, 0] = 5  # blue
    page = sheet(values)
    assert page.shape == (4, 9, 3)
    assert page[0, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize("shape", [(1, 1, 2, 2), (3, 5, 5), (500, 1, 3, 3), (1, 1, 2, 3000), (1, 1, 3000, 2)])
def test_sheets_are_of_a_size_to_look_at(shape: tuple[int, ...]) -> None:
    image = picture(to_html("x", np.random.default_rng(1).normal(size=shape)))
    assert 250 < max(image.size) <= 1024


def test_words() -> None:
    assert to_html("<x>", np.array([1.0, 3.0])) == "<b>&lt;x&gt;</b>\n<div>from 1 to 3, mean 2</div>"
    assert "no values" in to_html("x", np.zeros((0, 3, 4, 4)))
    odd = np.full((1, 1, 2, 2), np.nan)
    assert "4 not finite" in to_html("x", odd)
    odd[0, 0, 0] = [np.inf, 1]
    assert "from 1 to 1, mean 1, 3 not finite" in to_html("x", odd)
    assert sheet(odd).shape == (2, 2)


def test_a_blob_in_a_notebook() -> None:
    blob = Blob((2, 1, 4, 4), name="conv<1>")
    blob.data_memory.write(HOST)[:] = np.arange(32)
    blob.diff_memory.write(HOST)[:] = -1
    text = blob._repr_html_()
    assert "conv&lt;1&gt;&#x27; 2 1 4 4" in text
    assert "from 0 to 31" in text
    assert "gradients: from -1 to -1" in text
    assert picture(text).size[0] > 100
    assert not blob.data_memory.leased  # nobody is left holding a view
    assert "gradients" not in Blob((2, 3))._repr_html_()
