"""The demo classifies what Python classifies, and the .m files keep to what both languages know."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

import caffe_sdk as caffe
from tests.matlab import octave

CLIENT = sorted((octave.ROOT / "bindings" / "matlab").rglob("*.m"))
LENET = octave.ROOT / "caffe_sdk" / "models" / "lenet" / "lenet_deploy.prototxt"


def test_hdf5_demo_from_its_own_directory(tmp_path: Path) -> None:
    bindings = tmp_path / "matlab"
    shutil.copytree(octave.ROOT / "bindings" / "matlab", bindings)
    said = octave.run(f"cd('{bindings}/hdf5creation'); demo", tmp_path)
    assert "10000 of 10000 images are in trial.h5" in said
    assert "Success: what was read is what was written" in said
    assert (bindings / "hdf5creation" / "list.txt").read_text() == "trial.h5\n"
    model = tmp_path / "net.prototxt"
    model.write_text(
        'layer { name: "d" type: "HDF5Data" top: "data" top: "label" hdf5_data_param {'
        f' source: "{tmp_path}/list.txt" batch_size: 3 }} }}'
    )
    (tmp_path / "list.txt").write_text(str(bindings / "hdf5creation" / "trial.h5"))
    with caffe.Net(str(model), caffe.TRAIN) as net:
        net.forward()
        assert net.blobs["data"].shape == (3, 1, 5, 5)
        assert net.blobs["label"].shape == (3, 10)


def test_digits_of_a_mat_file(tmp_path: Path, rng: np.random.Generator) -> None:
    images = rng.random((20, 1, 28, 28), np.float32)
    savemat(tmp_path / "digits.mat", {"images": images[:, 0].T})
    with caffe.Net(str(LENET), caffe.TEST) as net:
        net.save(str(tmp_path / "lenet.caffemodel"))
        wanted = net.forward_all(data=images)["prob"]
    script = (
        f"addpath('{octave.ROOT}/bindings/matlab/demo');"
        "[digits, probabilities] = lenet_demo('digits.mat', 'lenet.caffemodel');"
        "save('-v6', 'result.mat', 'digits', 'probabilities');"
    )
    said = octave.run(script, tmp_path)
    result = loadmat(tmp_path / "result.mat")
    np.testing.assert_allclose(result["probabilities"].T, wanted, atol=1e-5)
    assert result["digits"].ravel().tolist() == wanted.argmax(axis=1).tolist()
    assert re.findall(r"^ +(\d+): (\d)", said, re.MULTILINE) == [
        (str(number), str(digit)) for number, digit in enumerate(wanted.argmax(axis=1)[:10], 1)
    ]


ONLY_OCTAVE = r'#|"|!=|\+=|-=|\*=|\+\+|\b(?:end(?:if|for|while|function|switch)|unwind_protect|printf)\b'
ONLY_MATLAB = r"\b(?:string|contains|split|arguments|enumeration|getReport|MException)\s*[\(\n]|^\s*import\s"


@pytest.mark.parametrize("path", CLIENT, ids=lambda path: path.stem)
def test_language_of_both(path: Path) -> None:
    text = re.sub(r"'(?:[^'\n]|'')*'", "''", path.read_text(encoding="utf-8"))
    code = re.sub(r"%.*", "", text)
    assert not re.findall(ONLY_OCTAVE, code)
    assert not re.findall(ONLY_MATLAB, code, re.MULTILINE)


@pytest.mark.parametrize("path", CLIENT, ids=lambda path: path.stem)
def test_first_help_line_names_what_it_helps_with(path: Path) -> None:
    first, second = path.read_text(encoding="utf-8").splitlines()[:2]
    line = first if first.startswith("%") else second.strip()  # a script has no declaration above it
    assert re.fullmatch(rf"%(?:CAFFE\.)?{path.stem.upper()}  \S.*[.:]", line), line
