"""Run a model on any number of items: what the command line's ``predict`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from caffe_sdk import preprocessing
from caffe_sdk.app.images import prepare
from caffe_sdk.errors import ArgumentError
from caffe_sdk.memory import Array
from caffe_sdk.net import Net
from caffe_sdk.schema.files import PathLike
from caffe_sdk.schema.messages import TEST


def predict(
    model: PathLike,
    weights: PathLike,
    inputs: Mapping[str, Array],
    outputs: Sequence[str] = (),
    images: Sequence[Array] = (),
) -> dict[str, Array]:
    """Values of the net's outputs, or of the named blobs, for inputs (items first), batch by batch.

    ``images``, as `caffe_sdk.io.load_image` gives them, go into the first input instead, prepared as the record beside
    the weights or the model says. Raises what `Net` raises, and ArgumentError for names and shapes that do not fit.
    """
    with Net(model, TEST, weights=weights) as net:
        for name in outputs:
            if name not in net.blobs:
                raise ArgumentError("predict", f"there is no blob '{name}'", f"blobs: {', '.join(net.blobs)}")
        if images:
            record = preprocessing.find(weights, model)
            inputs = {**inputs, net.inputs[0] if net.inputs else "": prepare(net, record, images)}
        found = net.forward_all(blobs=outputs, **inputs)
        return {name: found[name] for name in (outputs or net.outputs)}
