"""Detection as R-CNN does it: windows of a picture go through a net, and the best that do not overlap stay.

After pycaffe's notebook detection, with digits on a page instead of animals in a photo.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import digits
import numpy as np

import caffe_sdk as caffe
from caffe_sdk import layers as L
from caffe_sdk.data.databases import write_arrays
from caffe_sdk.data.digits import read_digits, split

BACKGROUND = 10
"""The class of windows that show no digit, or only a part of one."""


def main() -> None:
    """Learn digits and what is none, then look for them on a page."""
    given = digits.options(__doc__, iterations=300)
    caffe.set_random_seed(3)
    rng = np.random.default_rng(3)

    # 1. A net of eleven classes, whose input is in colour as Detector's images are.
    with digits.solver(given.output, learning(database(given.output, rng), 64)) as solver:
        solver.step(given.iterations)
        weights = str(given.output / "detector.caffemodel")
        solver.net.save(weights)
    model = digits.save(given.output / "detector.prototxt", deploy())

    # 2. Windows all over the page, and those of selective search, each with four pixels around it as in training.
    path, truth = page(given.output, rng)
    detector = caffe.Detector(model, weights, context_pad=4)
    grid = [(t, l, t + 20, l + 20) for t in range(0, 121, 4) for l in range(0, 141, 4)]
    for name, detections in (
        ("grid", detector.detect_windows([(path, grid)])),
        ("selective search", detector.detect_selective_search([path])),
    ):
        windows = np.array([each["window"] for each in detections])
        predictions = np.array([each["prediction"] for each in detections])
        scores, classes = predictions[:, :BACKGROUND].max(axis=1), predictions.argmax(axis=1)
        places = np.flatnonzero((classes != BACKGROUND) & (scores > 0.8))
        kept = places[not_overlapping(windows[places], scores[places])]
        found = [int(classes[i]) for i in kept if overlap(windows[i], truth).max() > 0.4]
        print(f"{name}: {len(windows)} windows, {len(kept)} kept, on digits {len(found)} of {len(truth)}")
        for i in kept[:5]:
            print(f"  {classes[i]} ({scores[i]:.3f}) at {windows[i].tolist()}")
        draw(given.output / f"{name.split()[0]}.png", path, windows[kept], classes[kept])


def database(folder: Path, rng: np.random.Generator) -> str:
    """Digits, and windows that miss them: moved by half a digit or more, or empty."""
    images, labels = read_digits()
    places, _ = split(labels, seed=0)
    digit = images[places, 0]
    beside = np.zeros_like(digit[:700])
    for picture, other in zip(beside, digit, strict=False):
        down, right = rng.choice([-14, -10, -7, 0, 7, 10, 14], 2)
        if down or right:
            picture[...] = np.roll(other, (down, right), (0, 1))
            picture[: max(down, 0)] = picture[28 + min(down, 0) :] = 0
            picture[:, : max(right, 0)] = picture[:, 28 + min(right, 0) :] = 0
    pictures = np.concatenate([digit, beside])[:, None].repeat(3, axis=1)
    classes = np.concatenate([labels[places], np.full(len(beside), BACKGROUND)])
    order = rng.permutation(len(classes))
    return write_arrays(folder / "windows", pictures[order], classes[order], "lmdb", overwrite=True)


def learning(source: str, batch_size: int) -> Any:
    """LeNet with a class more."""
    n = caffe.NetSpec()
    n.data, n.label = digits.data(source, batch_size)
    n.loss = L.SoftmaxWithLoss(digits.lenet(n, n.data, BACKGROUND + 1), n.label)
    return n.to_proto()


def deploy() -> Any:
    """The same net for use; windows go through it 50 at a time."""
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [50, 3, 28, 28]})
    n.prob = L.Softmax(digits.lenet(n, n.data, BACKGROUND + 1))
    return n.to_proto()


def page(folder: Path, rng: np.random.Generator) -> tuple[str, Any]:
    """A picture with digits on it, and their windows."""
    images, _ = digits.test_digits()
    grey = np.zeros((140, 160), np.float32)
    windows = []
    for i, (top, left) in enumerate((top, left) for top in (6, 56, 104) for left in (8, 64, 120)):
        top, left = top + rng.integers(-4, 5), left + rng.integers(-4, 5)
        grey[top : top + 28, left : left + 28] = images[i, 0]
        windows.append((top + 4, left + 4, top + 24, left + 24))
    return digits.photo(folder / "page.png", grey), np.array(windows)


def overlap(window: Any, others: Any) -> Any:
    """How much of both together a window and each of the others have in common."""
    low, high = np.maximum(window[:2], others[:, :2]), np.minimum(window[2:], others[:, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1) + np.prod(window[2:] - window[:2])
    return common / (areas - common)


def not_overlapping(windows: Any, scores: Any, limit: float = 0.2) -> list[int]:
    """The best window, the best of those that do not overlap it, and so on."""
    kept: list[int] = []
    for i in np.argsort(-scores):
        if not kept or overlap(windows[i], windows[kept]).max() <= limit:
            kept.append(int(i))
    return kept


def draw(path: Path, picture: str, windows: Any, classes: Any) -> None:
    """The page with what was found."""
    figure, axis = digits.plt.subplots()
    axis.imshow(caffe.io.load_image(picture))
    for (top, left, bottom, right), name in zip(windows, classes, strict=True):
        axis.add_patch(digits.plt.Rectangle((left, top), right - left, bottom - top, fill=False, color="red"))
        axis.text(left, top, str(name), color="yellow")
    axis.axis("off")
    figure.savefig(path)
    digits.plt.close(figure)
    print(f"picture   {path}")


if __name__ == "__main__":
    main()
