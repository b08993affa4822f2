"""Small descriptions without files, for sessions and servers."""

from __future__ import annotations

NET = """
name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 1 dim: 6 dim: 6 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param {
  num_output: 3 kernel_size: 3
  weight_filler { type: "gaussian" std: 0.3 } bias_filler { type: "constant" value: 0.1 } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "score" type: "InnerProduct" bottom: "conv" top: "score" inner_product_param {
  num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "score" top: "prob" }
force_backward: true
"""

SOLVER = """
net_param {
  name: "trained"
  layer { name: "data" type: "Input" top: "data" top: "label" input_param {
    shape { dim: 8 dim: 10 } shape { dim: 8 } } }
  layer { name: "score" type: "InnerProduct" bottom: "data" top: "score" inner_product_param {
    num_output: 3 weight_filler { type: "xavier" } } }
  layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" include { phase: TRAIN } }
  layer { name: "accuracy" type: "Accuracy" bottom: "score" bottom: "label" top: "accuracy" include { phase: TEST } }
}
test_iter: 2
test_interval: 10
base_lr: 0.1
lr_policy: "fixed"
momentum: 0.9
display: 5
max_iter: 20
random_seed: 7
"""
