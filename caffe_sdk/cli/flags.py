"""Commands and their flags, spelt as the original spells them: one dash or two, ``-flag value`` or ``--flag=value``."""

from __future__ import annotations

import argparse
from typing import Any

from caffe_sdk import __version__
from caffe_sdk.cli import serve_flags
from caffe_sdk.data.classics import DATA_SETS
from caffe_sdk.errors import ArgumentError

EFFECTS = ("stop", "snapshot", "none")


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line. ``module`` in its result names the module that runs the command."""
    parser = argparse.ArgumentParser("caffe", description="Train, test, time and serve Caffe models.")
    parser.add_argument("-version", "--version", action="version", version=f"caffe_sdk {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="<command>", required=True)
    _train(commands)
    _test(commands)
    _time(commands)
    _device_query(commands)
    _summary(commands)
    _check(commands)
    _plot(commands)
    _predict(commands)
    _record(commands)
    _mass(commands)
    _data(commands)
    _serve(commands)
    _pythonpath(commands)
    return parser


def required(options: argparse.Namespace, flag: str, words: str) -> str:
    """The value of a flag that the command cannot do without, or ArgumentError with Caffe's words."""
    value = str(getattr(options, flag))
    if not value:
        raise ArgumentError(f"-{flag}", words, f"give -{flag} FILE")
    return value


def stages(options: argparse.Namespace) -> list[str]:
    """The stages that ``-stage a,b`` names."""
    return [stage for stage in options.stage.split(",") if stage]


def _command(commands: Any, name: str, module: str, text: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    command.set_defaults(module=module)
    return command


def _flag(command: argparse.ArgumentParser, name: str, text: str, **options: Any) -> None:
    command.add_argument(f"-{name}", f"--{name}", help=text, **options)


def _common(command: argparse.ArgumentParser) -> None:
    """Flags that the four original commands share; each takes them all, as gflags does."""
    _flag(command, "gpu", "run in GPU mode on these device ids, separated by ',', or 'all'", default="")
    _flag(command, "solver", "the solver definition (prototxt)", default="")
    _flag(command, "model", "the model definition (prototxt)", default="")
    _flag(command, "phase", "the net's phase, for time: TRAIN or TEST", default="", choices=("", "TRAIN", "TEST"))
    _flag(command, "level", "the net's level", type=int, default=0)
    _flag(command, "stage", "the net's stages, separated by ','", default="")
    _flag(command, "snapshot", "the solverstate to resume from", default="")
    _flag(command, "weights", "caffemodels to begin with, separated by ','; not with snapshot", default="")
    _flag(command, "iterations", "how many iterations to run", type=int, default=50)
    _flag(command, "sigint_effect", "what Ctrl-C does in training", default="stop", choices=EFFECTS)
    _flag(command, "sighup_effect", "what a hang-up does in training", default="snapshot", choices=EFFECTS)


def _train(commands: Any) -> None:
    command = _command(commands, "train", "train", "train or finetune a model")
    _common(command)
    _flag(command, "sigterm_effect", "what SIGTERM does", default="stop", choices=EFFECTS)
    _flag(command, "sigusr1_effect", "what SIGUSR1 does", default="snapshot", choices=EFFECTS)
    _flag(command, "control", "a file to ask by: write snapshot or stop into it", default="", metavar="FILE")
    _flag(command, "watch", "the output to judge weights by in tests: NAME, NAME:max or NAME:min", default="")
    _flag(command, "patience", "stop after so many tests in a row without a better value", type=int, default=0)
    _flag(command, "keep_last", "delete all but the last so many snapshots of this training", type=int, default=0)
    _flag(command, "keep_best", "save after each test that is the best so far, and keep it", action="store_true")
    text = "a module of yours to import first: solvers, rates and layers of your own; repeat for more"
    _flag(command, "import", text, dest="modules", metavar="MODULE", action="append")
    _flag(command, "metrics", "append what is measured to this .jsonl or .csv file; repeat for more", action="append")
    _flag(command, "tensorboard", "write events for TensorBoard into this folder", default="")
    _flag(command, "timing", "log the times of layers and of the exchange of gradients", action="store_true")
    _flag(command, "skip_mismatch", "layers whose weights do not fit learn from scratch", action="store_true")


def _test(commands: Any) -> None:
    command = _command(commands, "test", "test", "score a model")
    _common(command)


def _time(commands: Any) -> None:
    command = _command(commands, "time", "time", "benchmark the layers of a model")
    _common(command)


def _device_query(commands: Any) -> None:
    command = _command(
        commands,
        "device_query",
        "device_query",
        "show what computes here: engines, processor, GPUs, libraries, options",
    )
    _common(command)


def _summary(commands: Any) -> None:
    command = _command(commands, "summary", "summary", "show a model's layers, shapes, parameters, work and memory")
    command.add_argument("model", metavar="MODEL", help="the model definition (prototxt)")
    _flag(command, "phase", "TRAIN or TEST (default: %(default)s)", default="TEST", choices=("TRAIN", "TEST"))
    _flag(command, "level", "the net's level", type=int, default=0)
    _flag(command, "stage", "the net's stages, separated by ','", default="")
    _flag(command, "weights", "caffemodels that must fit, separated by ','", default="")


def _check(commands: Any) -> None:
    command = _command(commands, "check", "check", "look for mistakes in a model or solver")
    command.add_argument("model", metavar="MODEL", help="a model or solver definition (prototxt)")
    _flag(command, "phase", "TRAIN or TEST (default: those the model is for)", default="", choices=("TRAIN", "TEST"))
    _flag(command, "level", "the net's level", type=int, default=0)
    _flag(command, "stage", "the net's stages, separated by ','", default="")


def _plot(commands: Any) -> None:
    command = _command(commands, "plot", "plot", "draw loss, scores and rate of trainings from their logs")
    command.add_argument("log", metavar="LOG", nargs="+", help="a training's log, or its .jsonl or .csv metrics")
    text = "the picture: .png, .svg or .pdf (default: the log's name with .png)"
    command.add_argument("-o", "-output", "--output", metavar="FILE", default="", help=text)
    _flag(command, "seconds", "draw over seconds instead of iterations", action="store_true")


def _predict(commands: Any) -> None:
    command = _command(commands, "predict", "predict", "run a model on images, or arrays: .npy or .mat in and out")
    _flag(command, "model", "the model definition (prototxt)", required=True)
    _flag(command, "weights", "the weights (caffemodel)", required=True)
    _flag(command, "input", "NAME=FILE: values of an input blob, items first; repeat for more", action="append")
    text = "an image for the first input, prepared as the record beside the weights says; repeat for more"
    _flag(command, "image", text, metavar="FILE", action="append")
    _flag(command, "output", "NAME=FILE: where to write a blob's values; repeat for more", action="append")


def _mass(commands: Any) -> None:
    classify = _command(commands, "classify", "mass", "the best classes of many images, alone or under mpiexec")
    extract = _command(commands, "extract", "mass", "values of blobs for many images, alone or under mpiexec")
    for command, task in ((classify, "classify"), (extract, "extract")):
        command.set_defaults(task=task)
        _flag(command, "model", "the model definition (prototxt), with images as its input", required=True)
        _flag(command, "weights", "the weights (caffemodel)", required=True)
        text = "a folder of images, or a text file with a path in each line"
        _flag(command, "images", text, required=True)
        _flag(command, "root_folder", "where the list's paths count from (default: here)", default="")
        _flag(command, "output", "the folder for the results; what is there already is not done again", required=True)
        _flag(command, "chunk", "images of one file of results (default: %(default)s)", type=int, default=256)
    _flag(classify, "labels", "a text file with the name of a class in each line", default="")
    _flag(classify, "top", "how many classes to name (default: %(default)s)", type=int, default=5)
    _flag(extract, "blobs", "the blobs to extract, separated by ','", required=True)


def _record(commands: Any) -> None:
    text = "write beside a caffemodel how images become its input, from the net it was trained with"
    command = _command(commands, "record", "record", text)
    command.add_argument("model", metavar="MODEL", help="the net that was trained (prototxt)")
    _flag(command, "weights", "the caffemodel", required=True)
    _flag(command, "resize", "HEIGHT,WIDTH of the images in its databases", default="")
    text = "1 for grey images, 3 for colour (default: what the first convolution takes)"
    _flag(command, "channels", text, type=int, default=0, choices=(0, 1, 3))


def _data(commands: Any) -> None:
    command = commands.add_parser(
        "data", help="make databases of the classic data sets, or look into one", allow_abbrev=False
    )
    sets = command.add_subparsers(title="data sets, and inspect", metavar="<set>", required=True)
    for name, known in DATA_SETS.items():
        data_set = _command(sets, name, "data", known.title)
        data_set.set_defaults(set=name)
        source = data_set.add_mutually_exclusive_group(required=True)
        source.add_argument("--from", dest="folder", metavar="DIR", help="the folder with the original files")
        source.add_argument("--download", action="store_true", help="fetch the files first")
        data_set.add_argument("--to", metavar="DIR", default=".", help="where to put the databases (default: here)")
        data_set.add_argument("--backend", default="leveldb", choices=("leveldb", "lmdb"))
        data_set.add_argument("--overwrite", action="store_true", help="replace databases that are there")
    _inspect(sets)


def _inspect(sets: Any) -> None:
    command = _command(sets, "inspect", "data", "what is in a database: counts, shapes, labels, bad records")
    command.set_defaults(set="inspect")
    command.add_argument("db", metavar="DB", help="the folder of a LevelDB or LMDB")
    command.add_argument("--backend", choices=("leveldb", "lmdb"), help="what it must be (default: as found)")
    command.add_argument("--sheet", metavar="FILE", default="", help="draw records with their labels: .png, .jpg")
    text = "colours are red, green, blue, as CIFAR has them; images of convert_imageset are BGR"
    command.add_argument("--rgb", action="store_true", help=text)
    command.add_argument(
        "--images", metavar="N", type=_positive, default=64, help="how many to draw (default: %(default)s)"
    )
    command.add_argument(
        "--records", metavar="N", type=_positive, default=0, help="look at the first so many only (default: all)"
    )


def _positive(word: str) -> int:
    if not word.isdigit() or int(word) == 0:
        raise argparse.ArgumentTypeError(f"'{word}' is no whole number above 0")
    return int(word)


def _serve(commands: Any) -> None:
    serve_flags.add_to(_command(commands, "serve", "serve", "serve models, and hold nets and solvers, for clients"))


def _pythonpath(commands: Any) -> None:
    text = "print the folder for PYTHONPATH with which old scripts' import caffe gives this package"
    _command(commands, "pythonpath", "pythonpath", text)
