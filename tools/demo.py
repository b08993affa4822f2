"""LeNet learns real handwritten digits from a LevelDB, is saved, is loaded again, and shows what it makes of new ones.

The digits are scikit-learn's: 1,797 scans of 8x8 points by 43 people, drawn here at 28x28 like those of MNIST.
`make demo` runs this; it needs no download beyond packages. What it makes stays in demo-output/, prototxts included.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from google.protobuf import text_format
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import caffe_sdk as caffe
from caffe_sdk.data import create_database
from caffe_sdk.proto import caffe_pb2

Numbers = npt.NDArray[Any]

MODELS = Path(caffe.__file__).parent / "models" / "lenet"
SEED = 1
SIDE = 28
TEST_DIGITS = 360
TEST_BATCH = 90


class Digits(NamedTuple):
    """``images`` is (n, 28, 28) of 0..255, white on black; ``labels`` is (n,) of 0..9."""

    images: Numbers
    labels: Numbers


def main() -> None:
    """Run the whole story."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--output", type=Path, default=Path("demo-output"), metavar="FOLDER", help="where to put things"
    )
    parser.add_argument("--iterations", type=int, default=500, metavar="N", help="training steps, of 64 digits each")
    arguments = parser.parse_args()
    folder: Path = arguments.output
    folder.mkdir(parents=True, exist_ok=True)

    train, test = split_digits()
    databases = {name: folder / f"digits_{name}_leveldb" for name in ("train", "test")}
    write_database(databases["train"], train)
    write_database(databases["test"], test)
    print(f"digits    {len(train.labels)} to learn from, {len(test.labels)} to be tested with, as LevelDB in {folder}/")

    caffe.set_mode_cpu()
    net_file, solver_file = describe(folder, databases, arguments.iterations)
    solver = caffe.get_solver(str(solver_file))
    learn(solver, arguments.iterations)
    weights = folder / "lenet.caffemodel"
    solver.net.save(str(weights))

    print(
        f"test      accuracy {accuracy(net_file, weights):.4f} of the saved model, loaded again, on digits it never saw"
    )
    picture = folder / "predictions.png"
    draw(test, classify(weights, test.images)).save(picture)
    print(f"model     {weights}")
    print(f"picture   {picture}")


def split_digits() -> tuple[Digits, Digits]:
    """The digits to learn from and those to be tested with; each of the ten in the same share of both."""
    scans = load_digits()
    images = np.stack([enlarge(scan) for scan in scans.images])
    learn_images, test_images, learn_labels, test_labels = train_test_split(
        images, scans.target, test_size=TEST_DIGITS, stratify=scans.target, random_state=SEED
    )
    return Digits(learn_images, learn_labels), Digits(test_images, test_labels)


def enlarge(scan: Numbers) -> Numbers:
    """A scan of 8x8 values 0..16 as 28x28 values 0..255."""
    grey = Image.fromarray(np.rint(scan * (255 / 16)).astype(np.uint8))
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def write_database(path: Path, digits: Digits) -> None:
    """A LevelDB of Datum records, in the form that Caffe's own tools write."""
    with create_database(path, "LEVELDB", overwrite=True) as database:
        for number, (image, label) in enumerate(zip(*digits, strict=True)):
            datum = caffe_pb2.Datum(channels=1, height=SIDE, width=SIDE, data=image.tobytes(), label=int(label))
            database.put(b"%08d" % number, datum.SerializeToString())


def describe(folder: Path, databases: dict[str, Path], iterations: int) -> tuple[Path, Path]:
    """LeNet's net and solver, made to read these databases; their paths."""
    net = text_format.Parse((MODELS / "lenet_train_test.prototxt").read_text(), caffe_pb2.NetParameter())
    net.layer[0].data_param.source = str(databases["train"])
    net.layer[1].data_param.source = str(databases["test"])
    net.layer[1].data_param.batch_size = TEST_BATCH
    net_file = folder / "lenet_train_test.prototxt"
    net_file.write_text(text_format.MessageToString(net))

    solver = text_format.Parse((MODELS / "lenet_solver.prototxt").read_text(), caffe_pb2.SolverParameter())
    solver.net = str(net_file)
    solver.max_iter = iterations
    solver.random_seed = SEED
    for field in ("display", "test_iter", "test_interval", "snapshot", "snapshot_prefix"):
        solver.ClearField(field)  # the demo tests and saves by itself
    solver_file = folder / "lenet_solver.prototxt"
    solver_file.write_text(text_format.MessageToString(solver))
    return net_file, solver_file


def learn(solver: Any, iterations: int) -> None:
    """Train, with a line of progress ten times on the way."""
    start = time.perf_counter()
    while solver.iter < iterations:
        solver.step(min(max(1, iterations // 10), iterations - solver.iter))
        loss = float(solver.net.blobs["loss"].data)
        seconds = time.perf_counter() - start
        print(f"training  iteration {solver.iter:4d} of {iterations}, loss {loss:.4f}, {seconds:.1f} s", flush=True)


def accuracy(net_file: Path, weights: Path) -> float:
    """The share of the test digits, read from their LevelDB, that a fresh net with these weights gets right."""
    net = caffe.Net(str(net_file), str(weights), caffe.TEST)
    return float(np.mean([net.forward()["accuracy"] for _ in range(TEST_DIGITS // TEST_BATCH)]))


def classify(weights: Path, images: Numbers) -> Numbers:
    """What a fresh net with these weights takes each image for: (n,) of 0..9."""
    net = caffe.Net(str(MODELS / "lenet_deploy.prototxt"), str(weights), caffe.TEST)
    net.blobs["data"].reshape(len(images), 1, SIDE, SIDE)
    net.blobs["data"].data[:, 0] = images / 256
    return np.asarray(net.forward()["prob"].argmax(axis=1))


def draw(digits: Digits, guesses: Numbers, columns: int = 24) -> Image.Image:
    """A sheet of all the digits with the prediction under each; wrong ones are outlined in red."""
    width, height, margin = 2 * SIDE + 8, 2 * SIDE + 26, 4
    sheet = Image.new("RGB", (columns * width, -(-len(guesses) // columns) * height), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=15)
    for number, (image, label, guess) in enumerate(zip(*digits, guesses, strict=True)):
        x, y = number % columns * width, number // columns * height
        sheet.paste(Image.fromarray(image).resize((2 * SIDE, 2 * SIDE)), (x + margin, y + margin))
        wrong = guess != label
        words, colour = (f"{guess} not {label}", "red") if wrong else (str(guess), "black")
        pen.text((x + width / 2, y + 2 * SIDE + 6), words, fill=colour, font=font, anchor="ma")
        if wrong:
            pen.rectangle((x + 1, y + 1, x + width - 2, y + height - 3), outline="red", width=3)
    return sheet


if __name__ == "__main__":
    main()
