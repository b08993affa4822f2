#!/usr/bin/env python3
"""Train a classifier on a server, watch it learn, take its weights home and use them.

    caffe serve &                 # in another terminal
    python train.py [host:port]

It learns to tell on which side of a plane points lie, which are made here and sent there.
"""

from __future__ import annotations

import sys

import numpy as np

from caffe_sdk import client

LAYERS = """
layer { name: "points" type: "Input" top: "points" top: "side"
        input_param { shape { dim: 256 dim: 3 } shape { dim: 256 } } }
layer { name: "hidden" type: "InnerProduct" bottom: "points" top: "hidden"
        inner_product_param { num_output: 16 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "hidden" top: "hidden" }
layer { name: "score" type: "InnerProduct" bottom: "hidden" top: "score"
        inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
"""
SOLVER = f"""
net_param {{ {LAYERS} layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "side" top: "loss" }} }}
base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 max_iter: 200 display: 50 random_seed: 1
"""
CLASSIFIER = f'{LAYERS} layer {{ name: "prob" type: "Softmax" bottom: "score" top: "prob" }}'


def main(address: str = "127.0.0.1:50051") -> float:
    """Train and test; gives the accuracy on points it has not seen."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((512, 3), np.float32)
    sides = (points @ [1.0, -2.0, 0.5] > 0.3).astype(np.float32)

    with client.connect(address) as server:
        solver = server.solver(SOLVER)
        solver.net.blobs["points"].data = points[:256]
        solver.net.blobs["side"].data = sides[:256]
        for event in solver.events(200):
            if getattr(event, "displayed", False):
                print(f"iteration {event.iteration}: loss {event.smoothed_loss:.3f}")

        net = server.net(CLASSIFIER, weights=solver.net.to_bytes())
        probabilities = net.forward(points=points[256:], side=sides[256:])["prob"]
    accuracy = float((probabilities.argmax(axis=1) == sides[256:]).mean())
    print(f"accuracy on new points: {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    main(*sys.argv[1:])
