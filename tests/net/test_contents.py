"""What a net consists of, by name and number, and how it shows itself."""

from __future__ import annotations

import pytest

import caffe_sdk as caffe
from caffe_sdk.errors import ArgumentError
from caffe_sdk.net.contents import Contents
from tests.net.models import classifier


def test_names_are_those_of_the_model() -> None:
    net = classifier(caffe.TEST)
    assert list(net.blobs) == ["data", "label", "conv", "pool", "fc", "prob"]
    assert list(net.params) == ["conv", "fc"]
    assert [blob.shape for blob in net.params["conv"]] == [(6, 1, 3, 3), (6,)]
    assert (net.inputs, net.outputs) == (["data", "label"], ["label", "prob"])
    assert net._layer_names == ["data", "label", "conv", "relu", "pool", "drop", "fc", "prob"]
    assert [layer.type for layer in net.layers][2:4] == ["Convolution", "ReLU"]
    assert net.layer_dict["fc"].blobs[0] is net.params["fc"][0]
    assert net.top_names["relu"] == net.bottom_names["relu"] == ["conv"]
    assert [net._blob_names[i] for i in net._outputs] == net.outputs
    assert [net._blob_names[i] for i in net._inputs] == net.inputs


def test_numbers_are_those_of_blobs_and_layers() -> None:
    net: Contents = classifier(caffe.TEST)
    conv = net._layer_index("conv")
    assert [net._blob_names[i] for i in net._bottom_ids(conv)] == ["data"]
    assert [net._blob_names[i] for i in net._top_ids(conv)] == ["conv"]
    assert net._blob("fc") is net.blobs["fc"]


def test_weights_in_the_loss() -> None:
    assert set(classifier(caffe.TEST).blob_loss_weights.values()) == {0.0}
    trained = classifier(caffe.TRAIN).blob_loss_weights
    assert {name: weight for name, weight in trained.items() if weight} == {"loss": 1.0}


@pytest.mark.parametrize(
    ("name", "words"), [("conf", "there is no layer 'conf'; did you mean 'conv'"), ("zzz", "use one of: data, label")]
)
def test_a_name_that_is_none_gets_a_suggestion(name: str, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        classifier(caffe.TEST)._layer_index(name)


def test_the_table_and_the_drawing_have_the_shapes_of_now() -> None:
    net = classifier(caffe.TEST)
    net.blobs["data"].reshape(9, 1, 8, 8)
    net.reshape()
    assert "conv 9 x 6 x 6 x 6" in str(net)
    assert net._repr_svg_().startswith("<svg")


def test_repr_says_what_it_is() -> None:
    assert repr(classifier(caffe.TEST)) == "<Net 'classifier' TEST: 8 layers, 6 blobs>"
