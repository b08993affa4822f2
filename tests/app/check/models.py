"""Small models to check."""

from __future__ import annotations

DATA = """
layer { name: "data" type: "DummyData" top: "data" top: "label"
        dummy_data_param { shape { dim: 4 dim: 3 dim: 8 dim: 8 } shape { dim: 4 } } }
"""
FILLER = 'weight_filler { type: "xavier" }'
CONV = f"""
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param {{ num_output: 4 kernel_size: 3 {FILLER} }} }}
"""
RELU = 'layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }'
FC = f"""
layer {{ name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
        inner_product_param {{ num_output: 5 {FILLER} }} }}
"""
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }'
GOOD = DATA + CONV + RELU + FC + LOSS
SOLVER = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 10 snapshot_prefix: "s"'
