"""What goes beyond MatCaffe, in Octave: the functions of the toolbox_*.m files, one Octave for each file."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import caffe_sdk
from caffe_sdk.preprocessing import Preprocessing
from tests.matlab import octave, toolbox
from tests.matlab.test_life import Talk

HERE = Path(__file__).parent
PREPARED = {
    "toolbox_images": toolbox.images,
    "toolbox_looking": toolbox.looking,
    "toolbox_making": toolbox.making,
    "toolbox_training": toolbox.training,
}
TESTS = [
    (name, test)
    for name in PREPARED
    for test in re.findall(r"^function (test_\w+)\(\)", (HERE / f"{name}.m").read_text(), re.MULTILINE)
]
Results = Callable[[str], dict[str, str]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What Octave said of each test function of a file."""

    @cache
    def results(file: str) -> dict[str, str]:
        folder = tmp_path_factory.mktemp(file)
        given = tmp_path_factory.mktemp(f"{file}_given")
        toolbox.write(given, PREPARED[file](given))
        said = octave.run(f"run_tests('{file}')", folder, CAFFE_TEST_FILES=str(given))
        parts = re.split(r"^@@ (PASS|FAIL) (\w+) [\d.]+\n", said, flags=re.MULTILINE)
        return {
            name: "" if verdict == "PASS" else text for verdict, name, text in zip(*[iter(parts[1:])] * 3, strict=True)
        }

    return results


def test_every_layer_type_can_be_written(root: Path) -> None:
    command = [sys.executable, "tools/matlab_layers.py", "--check"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_squeezenet_knows_the_cat(root: Path, shared: Path, tmp_path: Path) -> None:
    """The best five and their scores are Python's, from the file and from its pixels."""
    models = shared / "models"
    net = models / "squeezenet_v1.0"
    files = str(net / "SqueezeNet_deploy.prototxt"), str(net / "squeezenet_v1.0.caffemodel")
    script = (
        f"net = caffe.import('{files[0]}', '{files[1]}', 'AverageImage', [123 117 104], 'ResizeTo', [256 256], "
        f"'Labels', '{models}/synset_words.txt');"
        f"[labels, scores, best] = caffe.classify(net, '{models}/cat.jpg', 'TopK', 5);"
        "fprintf('%s\\n', labels{:}); fprintf('score %.2f\\n', best);"
        f"check_close(caffe.predict(net, imread('{models}/cat.jpg')), scores, 0.02);"
        f"cd('{root}/bindings/matlab/demo');"
        f"classify_photo_demo('{models}/cat.jpg', '{net}', '{models}/synset_words.txt');"
    )
    said = octave.run(script, tmp_path, CAFFE_ENGINE="cpu").splitlines()
    record = Preprocessing((256, 256), None, "BGR", np.array([104, 117, 123], np.float32))
    with caffe_sdk.Net(files[0], caffe_sdk.TEST, weights=files[1]) as net_in_python:
        photo = record.apply(caffe_sdk.io.load_image(models / "cat.jpg"), (227, 227))
        scores = net_in_python.forward_all(data=photo[None])["pool_final"].reshape(-1)
    names = [line[10:] for line in (models / "synset_words.txt").read_text().splitlines()]
    order = np.argsort(-scores)[:5]
    assert said[:5] == [names[i] for i in order]
    assert [float(line[6:]) for line in said[5:10]] == pytest.approx([float(scores[i]) for i in order], abs=0.02)
    assert any("cat" in line for line in said[:5])
    assert re.fullmatch(r" +\d+\.\d %  kit fox, Vulpes macrotis", said[11])


def test_the_guide(root: Path, tmp_path: Path) -> None:
    """What docs/matlab.md shows runs, one block after the other, and draws what it says."""
    toolbox.guide(tmp_path)
    page = (root / "docs" / "matlab.md").read_text(encoding="utf-8")
    said = octave.run("".join(re.findall(r"```octave\n(.*?)```", page, re.DOTALL)), tmp_path, CAFFE_ENGINE="cpu")
    assert "Training finished: Max epochs completed." in said
    accuracy = re.search(r"^accuracy = ([\d.]+)", said, re.MULTILINE)
    assert accuracy is not None
    assert float(accuracy[1]) > 0.8
    assert 'type: "Pooling"' in said
    for picture in ("progress", "curves", "filters", "confusion", "map", "log"):
        assert (tmp_path / f"{picture}.png").stat().st_size > 1000


def test_every_function_is_in_the_guide(root: Path) -> None:
    page = (root / "docs" / "matlab.md").read_text(encoding="utf-8")
    own = ["import", "classify", "predict", "activations", "imresize", "detect", "embed", "digits", "train"]
    own += ["trainingOptions", "NetSpec", "layers", "save_mat", "load_mat"]
    own += ["plot_log", "plot_filters", "plot_confusion", "plot_map"]
    assert all((root / "bindings" / "matlab" / "+caffe" / f"{name}.m").is_file() for name in own)
    assert not [name for name in own if f"caffe.{name}" not in page]


def test_the_digits_demo_from_its_own_folder(root: Path, tmp_path: Path) -> None:
    folder = root / "bindings" / "matlab" / "demo"
    said = octave.run(f"cd('{folder}'); train_digits_demo('{tmp_path}');", tmp_path, CAFFE_ENGINE="cpu")
    accuracy = re.search(r"accuracy ([\d.]+)", said)
    assert accuracy is not None
    assert float(accuracy[1]) > 0.95
    for made in ("progress.png", "confusion.png", "filters.png", "map.png", "digits.mat"):
        assert (tmp_path / made).is_file()


def test_ctrl_c_ends_a_training_and_functions_may_fail(tmp_path: Path) -> None:
    user = Talk(tmp_path, "pipe")
    try:
        user.type("X = single(mod(1:4000, 7)); X = reshape(X, 400, 10); Y = mod((1:400).', 2);")
        user.type("n = caffe.NetSpec(); n.data = caffe.layers.Input('shape', struct('dim', [1 10]));")
        user.type("n.ip = caffe.layers.InnerProduct(n.data, 'num_output', 2);")
        user.type("o = @(varargin) caffe.trainingOptions('sgdm', 'MiniBatchSize', 4, 'MaxEpochs', 3, varargin{:});")
        user.type("caffe.train(X, Y, n, o('MaxEpochs', 100000, 'VerboseFrequency', 1));")
        user.wait_for("Base Learning")
        user.wait_for("|           5 |")
        user.press_ctrl_c()
        user.type("disp('stopped')")
        user.wait_for("stopped")
        user.type("wrong = o('OutputFcn', @(info) error('mine:own', 'own'));")
        user.type("try, caffe.train(X, Y, n, wrong); catch e, disp(e.identifier), end")
        user.wait_for("mine:own")
        user.type("[net, info] = caffe.train(X, Y, n, o('Verbose', false)); disp(numel(info.TrainingLoss))")
        user.wait_for("300")
    finally:
        user.close()
    assert octave.bridge_is_gone(tmp_path)


@pytest.mark.parametrize(("file", "name"), TESTS)
def test_in_octave(results: Results, file: str, name: str) -> None:
    said = results(file)
    assert name in said, f"Octave did not run it, only {', '.join(said)}"
    assert not said[name], said[name]
