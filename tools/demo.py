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

import caffe_sdk as caffe
from caffe_sdk.data.databases import write_arrays
from caffe_sdk.data.digits import read_digits, split
from caffe_sdk.proto import caffe_pb2

MODELS = Path(caffe.__file__).parent / "models" / "lenet"
SEED = 1
SHIFT = 2  # points by which a digit is moved about in training; 1,438 scans are few, and a moved one is another one
COLUMNS = 24


class Result(NamedTuple):
    """What a net makes of ``images`` (n, 28, 28) from 0 to 1 with ``labels`` (n,), and its ``accuracy``."""

    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    predictions: npt.NDArray[np.int64]
    accuracy: float


def main() -> None:
    """Run the whole story."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--output", type=Path, default=Path("demo-output"), metavar="FOLDER", help="where to put things"
    )
    parser.add_argument("--iterations", type=int, default=1500, metavar="N", help="training steps, of 64 digits each")
    arguments = parser.parse_args()
    folder: Path = arguments.output
    folder.mkdir(parents=True, exist_ok=True)

    images, labels = read_digits()
    train, test = split(labels, seed=0)
    learned = np.pad(images[train], ((0, 0), (0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)))
    train_database = write_arrays(folder / "digits_train_leveldb", learned, labels[train], overwrite=True)
    test_database = write_arrays(folder / "digits_test_leveldb", images[test], labels[test], overwrite=True)
    print(f"digits    {len(train)} to learn from in {train_database}, {len(test)} to be tested with in {test_database}")

    caffe.set_mode_cpu()
    net_file, solver_file = describe(folder, arguments.iterations, len(test))
    solver = caffe.get_solver(str(solver_file))
    learn(solver, arguments.iterations)
    weights = folder / "lenet.caffemodel"
    solver.net.save(str(weights))

    result = examine(net_file, weights)
    wrong = int((result.predictions != result.labels).sum())
    picture = folder / "predictions.png"
    draw(result).save(picture)
    print(f"test      accuracy {result.accuracy:.4f} of the saved model, loaded again: {wrong} of {len(test)} wrong")
    print(f"model     {weights}")
    print(f"picture   {picture}")


def describe(folder: Path, iterations: int, test_digits: int) -> tuple[Path, Path]:
    """LeNet's net and solver, made to read the databases of ``folder``; their paths.

    A TRAIN batch cuts each image from another place (crop_size); one TEST batch holds every test digit.
    """
    net = text_format.Parse((MODELS / "lenet_train_test.prototxt").read_text(), caffe_pb2.NetParameter())
    net.layer[0].data_param.source = str(folder / "digits_train_leveldb")
    net.layer[0].transform_param.crop_size = 28
    net.layer[1].data_param.source = str(folder / "digits_test_leveldb")
    net.layer[1].data_param.batch_size = test_digits
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


def examine(net_file: Path, weights: Path) -> Result:
    """What a fresh net with these weights makes of the test digits, which it reads from their LevelDB."""
    net = caffe.Net(str(net_file), str(weights), caffe.TEST)
    accuracy = float(net.forward()["accuracy"])
    images, labels, scores = (net.blobs[name].data.copy() for name in ("data", "label", "ip2"))
    return Result(images[:, 0], labels.astype(int), scores.argmax(axis=1), accuracy)


def draw(result: Result) -> Image.Image:
    """A sheet of the digits with the prediction under each; wrong ones are outlined in red."""
    images, labels, predictions, _ = result
    side = 2 * images.shape[1]
    width, height, margin = side + 8, side + 26, 4
    sheet = Image.new("RGB", (COLUMNS * width, -(-len(images) // COLUMNS) * height), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=15)
    for number, (image, label, prediction) in enumerate(zip(images, labels, predictions, strict=True)):
        x, y = number % COLUMNS * width, number // COLUMNS * height
        grey = Image.fromarray((image * 256).astype(np.uint8))
        sheet.paste(grey.resize((side, side)), (x + margin, y + margin))
        wrong = prediction != label
        words, colour = (f"{prediction} not {label}", "red") if wrong else (str(prediction), "black")
        pen.text((x + width / 2, y + side + 6), words, fill=colour, font=font, anchor="ma")
        if wrong:
            pen.rectangle((x + 1, y + 1, x + width - 2, y + height - 3), outline="red", width=3)
    return sheet


if __name__ == "__main__":
    main()
