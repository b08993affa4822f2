"""What the toolbox's tests in Octave compare with: nets, images and Python's results, in a folder that they read."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat

import caffe_sdk as caffe
from caffe_sdk import layers as L
from caffe_sdk.app.fitting import Examples, Plan, fit_arrays, read_model
from caffe_sdk.preprocessing import Preprocessing

Array = Any


def matlab(array: Array) -> Array:
    """(items, channels, height, width) as MATLAB's H x W x C x N."""
    return np.asarray(array).transpose(2, 3, 1, 0)


def small_net(folder: Path, classes: int = 7) -> Path:
    """A deploy net of images 6 x 5 (height x width) in colour, no two of its axes alike, and weights of its own."""
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [2, 3, 6, 5]})
    n.conv = L.Convolution(n.data, num_output=4, kernel_h=3, kernel_w=2, weight_filler={"type": "xavier"})
    n.relu = L.ReLU(n.conv, in_place=True)
    n.score = L.InnerProduct(n.relu, num_output=classes, weight_filler={"type": "xavier"})
    n.prob = L.Softmax(n.score)
    (folder / "small.prototxt").write_text(str(n.to_proto()))
    with caffe.Net(str(folder / "small.prototxt"), caffe.TEST) as net:
        net.save(str(folder / "small.caffemodel"))
    return folder / "small.prototxt"


def images(folder: Path) -> dict[str, Array]:
    """Fill a folder with images, a net and what Python makes of them; gives the variables of expected.mat."""
    rng = np.random.default_rng(3)
    model = small_net(folder)
    pixels = rng.integers(0, 256, (5, 3, 6, 5), np.uint8)
    photos = [rng.integers(0, 256, (12 + i, 9, 3), np.uint8) for i in range(3)]
    (folder / "photos").mkdir()
    for i, photo in enumerate(photos):
        Image.fromarray(photo).save(folder / "photos" / f"{i}.png")
    (folder / "labels.txt").write_text("".join(f"n0000000{i} thing {i}, or so\n" for i in range(7)))
    record = Preprocessing(None, None, "BGR", np.array([10, 20, 30], np.float32), 0.5)
    with caffe.Net(str(model), caffe.TEST, weights=str(folder / "small.caffemodel")) as net:
        found = net.forward_all(["conv", "score"], data=((pixels[:, ::-1] - record.mean[:, None, None]) * 0.5))
        inputs = [record.apply(photo / np.float32(255), (6, 5)) for photo in photos]
        of_photos = net.forward_all(data=np.stack(inputs))["prob"]
    return {
        "pixels": matlab(pixels),
        "conv": matlab(found["conv"]),
        "score": found["score"],
        "prob": found["prob"],
        "photos_prob": of_photos,
        **resized(rng),
    }


def training(folder: Path) -> dict[str, Array]:
    """Images of three classes, 10, 20 and 30, and what training on them in Python gives."""
    rng = np.random.default_rng(4)
    model = small_net(folder, classes=3)
    labels = np.arange(40) % 3
    pixels = rng.integers(0, 150, (40, 3, 6, 5)).astype(np.uint8)
    pixels[np.arange(40), labels] += 100
    mean = np.array([100, 110, 120], np.float32)
    train = Examples((pixels - mean[:, None, None]) * np.float32(0.01), labels)
    plan = Plan(epochs=3, batch=8, seed=5, validate_every=4)
    solver = (
        'base_lr: 0.1 momentum: 0.9 weight_decay: 0.001 lr_policy: "step" stepsize: 10 gamma: 0.1 clip_gradients: 3'
    )
    judged = Examples(train.data[:9], train.targets[:9])
    with fit_arrays(read_model(str(model)), train, plan, solver, judged) as fit:
        steps = [step for step in fit.steps() if step.iteration]
        with caffe.Net(fit.deployed, caffe.TEST) as net:
            net.share_with(fit.solver.net)
            prob = net.forward_all(**{net.inputs[0]: train.data})["prob"]
    return {
        "X": matlab(pixels),
        "Y": labels[:, None] * 10.0 + 10,
        "losses": np.array([[step.loss] for step in steps]),
        "rates": np.array([[step.rate] for step in steps]),
        "accuracies": np.array([[step.accuracy] for step in steps]),
        "validation_loss": steps[-1].validation_loss,
        "trained_prob": prob,
        "solver_losses": solver_losses(folder),
    }


SOLVED = """
layer { name: "d" type: "DummyData" top: "x" top: "y" dummy_data_param { shape { dim: 4 dim: 2 } shape { dim: 4 }
        data_filler { type: "gaussian" } data_filler { type: "constant" value: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 3 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "y" top: "loss" }
"""
SOLVER = """
net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 6 test_iter: 2 test_interval: 3 random_seed: 3
snapshot_after_train: false
"""


def solver_losses(folder: Path) -> Array:
    """Losses of a training as a solver file says, which is in the folder then."""
    (folder / "net.prototxt").write_text(SOLVED)
    (folder / "solver.prototxt").write_text(SOLVER)
    losses = []
    with caffe.get_solver(str(folder / "solver.prototxt")) as solver:
        solver.add_callback(after_iteration=lambda event: losses.append(event.loss))
        solver.solve()
    return np.array(losses)


def making(folder: Path) -> dict[str, Array]:
    """A net that is to be written in Octave too, and the small one."""
    small_net(folder)
    xavier = {"type": "xavier"}
    n = caffe.NetSpec()
    n.data, n.label = L.DummyData(shape=[{"dim": [4, 1, 28, 28]}, {"dim": 4}], transform_param={"scale": 0.5}, ntop=2)
    n.conv1 = L.Convolution(
        n.data, kernel_size=5, num_output=20, weight_filler=xavier, param=[{"lr_mult": 1}, {"lr_mult": 2}]
    )
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=caffe.params.Pooling.MAX)
    n.ip1 = L.InnerProduct(n.pool1, num_output=50, weight_filler=xavier, bias_term=False)
    n.relu1 = L.ReLU(n.ip1, in_place=True)
    hidden = L.InnerProduct(n.relu1, num_output=10, weight_filler=xavier)
    n["out/loss"] = L.SoftmaxWithLoss(hidden, n.label)
    n.quiet = L.Silence(n.pool1, ntop=0)
    (folder / "lenet.prototxt").write_text(str(n.to_proto()))
    return {}


def looking(folder: Path) -> dict[str, Array]:
    """A photo and windows of it, points, a log; and what Python makes of them."""
    rng = np.random.default_rng(5)
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [2, 3, 6, 6]})
    n.conv = L.Convolution(n.data, num_output=4, kernel_h=3, kernel_w=2, weight_filler={"type": "xavier"})
    n.score = L.InnerProduct(n.conv, num_output=3, weight_filler={"type": "xavier"})
    (folder / "square.prototxt").write_text(str(n.to_proto()))
    v = caffe.NetSpec()
    v.data = L.Input(shape={"dim": [1, 10]})
    v.score = L.InnerProduct(v.data, num_output=2, weight_filler={"type": "xavier"})
    (folder / "vector.prototxt").write_text(str(v.to_proto()))
    with caffe.Net(str(folder / "square.prototxt"), caffe.TEST) as net:
        net.save(str(folder / "square.caffemodel"))
    photo = np.kron(rng.integers(0, 256, (5, 6, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    Image.fromarray(photo).save(folder / "photo.png")
    boxes = np.array([[1, 1, 20, 10], [5, 8, 17, 30], [30, 2, 19, 39]])  # x, y, width, height
    windows = [(y - 1, x - 1, y - 1 + h, x - 1 + w) for x, y, w, h in boxes]
    files = str(folder / "square.prototxt"), str(folder / "square.caffemodel")
    mean = np.array([10, 20, 30], np.float32)
    features = np.concatenate([rng.normal(0, 1, (20, 10)), rng.normal(5, 1, (20, 10))])
    (folder / "train.log").write_text(LOG)
    scores = []
    for pad in (0, 1):
        with caffe.Detector(*files, mean, None, 255, (2, 1, 0), pad) as net:
            found = net.detect_windows([(folder / "photo.png", windows)])
            scores.append(np.stack([each["prediction"] for each in found]))
    return {
        "photo": photo,
        "boxes": boxes.astype(float),
        "window_scores": scores[0],
        "context_scores": scores[1],
        "features": features,
        "components": components(features),
    }


def components(features: Array) -> Array:
    """Two principal components by the eigenvectors of the covariance."""
    centred = features - features.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    chosen = vectors[:, ::-1][:, :2]
    return centred @ (chosen * np.sign(chosen[np.abs(chosen).argmax(axis=0), [0, 1]]))


def guide(folder: Path) -> None:
    """Fill a folder with the files that docs/matlab.md speaks of."""
    rng = np.random.default_rng(6)
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [2, 3, 12, 10]})
    n.conv1 = L.Convolution(n.data, num_output=4, kernel_size=3, weight_filler={"type": "xavier"})
    n.score = L.InnerProduct(n.conv1, num_output=7, weight_filler={"type": "xavier"})
    (folder / "deploy.prototxt").write_text(str(n.to_proto()))
    with caffe.Net(str(folder / "deploy.prototxt"), caffe.TEST) as net:
        net.save(str(folder / "net.caffemodel"))
    (folder / "labels.txt").write_text("".join(f"thing {i}\n" for i in range(7)))
    (folder / "photos").mkdir()
    for path in (folder / "cat.jpg", folder / "photos" / "a.png", folder / "photos" / "b.png"):
        Image.fromarray(rng.integers(0, 256, (48, 40, 3), np.uint8)).save(path)
    shutil.copy(Path(caffe.__file__).parent / "models" / "lenet" / "lenet_deploy.prototxt", folder / "lenet.prototxt")
    (folder / "train.log").write_text(LOG)
    solver_losses(folder)


LOG = """\
I0102 03:04:05.000000 1 solver.cpp:1] Iteration 0, loss = 2.5
I0102 03:04:05.000000 1 sgd_solver.cpp:1] Iteration 0, lr = 0.01
I0102 03:04:06.000000 1 solver.cpp:1] Iteration 100, Testing net (#0)
I0102 03:04:06.000000 1 solver.cpp:1]     Test net output #0: accuracy = 0.75
I0102 03:04:06.000000 1 solver.cpp:1]     Test net output #1: loss = 0.6 (* 1 = 0.6 loss)
I0102 03:04:07.000000 1 solver.cpp:1] Iteration 100, loss = 0.5
I0102 03:04:07.000000 1 sgd_solver.cpp:1] Iteration 100, lr = 0.001
"""


def resized(rng: np.random.Generator) -> dict[str, Array]:
    """An image, and what MATLAB's imresize documents it to become, worked out place by place."""
    image = rng.integers(0, 256, (11, 14, 3), np.uint8)
    grey = image[:, :, 0] / 3.0
    return {
        "image": image,
        "shrunk": resize(image, (5, 4)),
        "grown": resize(image, (17, 29)),
        "linear": resize(grey, (6, 20), width=2),
        "nearest": grey[(np.arange(4) * 11 + 5) // 4][:, (np.arange(7) * 14 + 7) // 7],
        "grey": grey,
        "half": resize(grey, (6, 7), scale=0.5),
    }


def resize(image: Array, size: tuple[int, int], width: int = 4, scale: float | None = None) -> Array:
    """Sums over kernels, one place after the other; the axis that shrinks most first, and uint8 rounded after each."""
    scales = [scale or wanted / given for wanted, given in zip(size, image.shape, strict=False)]
    out = image.astype(float)
    for axis in sorted((0, 1), key=lambda each: scales[each]):
        out = np.moveaxis(out, axis, 0)
        out = np.stack([_place(out, place, scales[axis], width) for place in range(size[axis])])
        out = np.moveaxis(out, 0, axis)
        if image.dtype == np.uint8:
            out = np.clip(np.floor(out + 0.5), 0, 255)
    return out.astype(image.dtype)


def _place(rows: Array, place: int, scale: float, width: int) -> Array:
    shrink = min(scale, 1.0)
    centre = (place + 0.5) / scale - 0.5
    reach = width / 2 / shrink
    total, weights = 0.0, 0.0
    for at in range(math.floor(centre - reach) - 1, math.ceil(centre + reach) + 2):
        weight = _kernel(abs(at - centre) * shrink, width)
        mirrored = at % (2 * len(rows))
        total = total + weight * rows[mirrored if mirrored < len(rows) else 2 * len(rows) - 1 - mirrored]
        weights += weight
    return total / weights


def _kernel(x: float, width: int) -> float:
    """A triangle 2 wide, or Keys' cubic with a = -1/2, 4 wide, in Horner's form."""
    if width == 2:
        return max(0.0, 1 - x)
    if x <= 1:
        return 1 + x * x * (-2.5 + 1.5 * x)
    return 2 + x * (-4 + x * (2.5 - 0.5 * x)) if x <= 2 else 0.0


def write(folder: Path, variables: dict[str, Array]) -> None:
    """Put them where Octave reads them."""
    savemat(folder / "expected.mat", variables)
