"""``caffe predict``: a model on arrays or images."""

from __future__ import annotations

import argparse

from caffe_sdk.app.predict import predict
from caffe_sdk.cli.arrays import parse_pairs, read_array, write_array
from caffe_sdk.io import load_image


def run(options: argparse.Namespace) -> int:
    """Read the inputs, run the net over them, write the outputs and say where they are."""
    inputs = {name: read_array(path) for name, path in parse_pairs(options.input, "input").items()}
    images = [load_image(path) for path in options.image or ()]
    outputs = parse_pairs(options.output, "output")
    for name, values in predict(options.model, options.weights, inputs, list(outputs), images).items():
        shape = " x ".join(map(str, values.shape))
        if name in outputs:
            write_array(outputs[name], values)
            print(f"{name}: {shape} written to {outputs[name]}")
        else:
            print(f"{name}: {shape}\n{values}")
    return 0
