"""The classification demo of MatCaffe, run from its own directory on SqueezeNet, against pycaffe's oversampling."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

import caffe_sdk as caffe
from tests.matlab import octave

MEAN = octave.ROOT / "bindings" / "matlab" / "+caffe" / "imagenet" / "ilsvrc_2012_mean.mat"
COLOUR = [104.00698793, 116.66876762, 122.67891434]  # blue, green, red of ImageNet, as pycaffe's examples give them


def test_mean_is_the_mean_colour() -> None:
    found = loadmat(MEAN)
    assert found["mean_data"].dtype == np.float32
    assert found["mean_data"].shape == (256, 256, 3)
    assert (found["mean_data"] == np.array(COLOUR, np.float32)).all()
    assert "read_mean" in str(found["note"])


@pytest.fixture
def bindings(tmp_path: Path) -> Path:
    """A copy of the MATLAB client, for a demo that is run from its own directory."""
    shutil.copytree(octave.ROOT / "bindings" / "matlab", tmp_path / "matlab")
    return tmp_path / "matlab"


def test_a_cat(bindings: Path, shared: Path, tmp_path: Path) -> None:
    models = shared / "models"
    folder = models / "squeezenet_v1.0"
    script = (
        f"rmpath('{octave.ROOT}/bindings/matlab'); cd('{bindings}/demo'); im = imread('{models}/cat.jpg');"
        f"[scores, maxlabel] = classification_demo(im, false, '{folder}');"
        f"size(scores), class(scores), save('-v6', '{tmp_path}/result.mat', 'scores', 'maxlabel');"
    )
    said = octave.run(script, tmp_path, CAFFE_ENGINE="cpu")
    assert "Elapsed time is" in said
    assert "single" in said
    result = loadmat(tmp_path / "result.mat")

    weights = str(folder / "squeezenet_v1.0.caffemodel")
    with caffe.Net(str(folder / "SqueezeNet_deploy.prototxt"), weights, caffe.TEST) as net:
        image = caffe.io.load_image(str(models / "cat.jpg"))
        image = caffe.io.resize_image(image, (256, 256))
        crops = caffe.io.oversample([image], (227, 227))[..., ::-1] * 255 - np.array(COLOUR)
        net.blobs["data"].reshape(10, 3, 227, 227)
        wanted = net.forward(data=crops.transpose(0, 3, 1, 2))[net.outputs[0]].reshape(10, 1000).mean(axis=0)
    ours = result["scores"].ravel()
    assert np.corrcoef(ours, wanted)[0, 1] > 0.98  # two ways to resize, and to place the crop in the middle
    assert set(ours.argsort()[-5:]) & set(wanted.argsort()[-5:]) >= {wanted.argmax()}
    assert result["maxlabel"].item() - 1 == ours.argmax()


def test_a_model_that_is_not_there(bindings: Path, tmp_path: Path) -> None:
    script = (
        f"cd('{bindings}/demo'); try, classification_demo(zeros(9, 9, 3, 'uint8'), false); "
        "catch problem, disp(problem.identifier), disp(problem.message), end"
    )
    said = octave.run(script, tmp_path)
    assert "caffe:missingFile\nthere is no *deploy*.prototxt in " in said
    assert "bvlc_reference_caffenet" in said
