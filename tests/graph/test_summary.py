"""The table of a net: what it shows, and that printing a net shows it as it is now."""

from __future__ import annotations

import pytest

from caffe_sdk.graph.summary import size
from caffe_sdk.net import Net
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import TEST, NetParameter

NET = """
name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 5 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "a" type: "Power" bottom: "conv" top: "a" }
layer { name: "b" type: "Power" bottom: "conv" top: "b" }
layer { name: "sum" type: "Reduction" bottom: "b" top: "sum" reduction_param { axis: 0 } }
"""
TABLE = """
Net 'small' in phase TEST

layer  type         parameters  multiply-adds     memory  bottoms -> tops
------------------------------------------------------------------------------
data   Input                                   384 bytes  -> data 2 x 3 x 4 x 4
conv   Convolution         140          1,080  720 bytes  data -> conv 2 x 5 x 2 x 2
relu   ReLU                                               conv -> conv 2 x 5 x 2 x 2
a      Power                                   160 bytes  conv -> a 2 x 5 x 2 x 2
b      Power                                   160 bytes  conv -> b 2 x 5 x 2 x 2
sum    Reduction                                 4 bytes  b -> sum ()
------------------------------------------------------------------------------
total                      140          1,080    1.4 KiB

parameters:                         560 bytes  (560 bytes)
activations:                        868 bytes  (868 bytes)
together, to run forward:         1,428 bytes  (1.4 KiB)
gradients of parameters:              0 bytes  (0 bytes)
gradients of activations:             0 bytes  (0 bytes)
all, to run forward and backward: 1,428 bytes  (1.4 KiB)
"""


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.strip().splitlines() if not line.startswith("---")]


def test_printing_a_net_shows_a_table() -> None:
    with Net(prototxt.parse(NET, NetParameter), TEST) as net:
        assert words(str(net)) == words(TABLE)
        assert repr(net) == "<Net 'small' TEST: 7 layers, 7 blobs>"
        net.blobs["data"].reshape(1, 3, 3, 3)
        net.reshape()
        assert "conv -> a 1 x 5 x 1 x 1" in str(net)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1023, "1,023 bytes"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB"), (1 << 52, "4,096.0 TiB")],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text
