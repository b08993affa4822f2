"""How a net hangs together, as rules see it."""

from __future__ import annotations

import pytest

from caffe_sdk.app.check.subject import End, Subject, is_loss, loss_weights
from caffe_sdk.net import Net
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import TRAIN, LayerParameter, NetParameter
from tests.app.check.models import GOOD

DROP = 'layer { name: "drop" type: "Dropout" bottom: "fc" top: "fc" }'


@pytest.fixture
def subject() -> Subject:
    before, after = GOOD.split('layer { name: "loss"')
    return Subject(prototxt.parse(f'{before}{DROP}layer {{ name: "loss"{after}', NetParameter), TRAIN, None, False)


def test_tops_and_bottoms(subject: Subject) -> None:
    assert [layer.name for layer in subject.layers] == ["data", "conv", "relu", "fc", "drop", "loss"]
    assert subject.uses[End(0, 1)] == [End(5, 1)]
    assert subject.makers[End(5, 0)] == End(4, 0)
    assert list(subject.unused()) == [End(5, 0)]
    assert subject.training


def test_origins_are_behind_layers_that_keep_values(subject: Subject) -> None:
    assert subject.origin(End(5, 0)).name == "fc"
    assert subject.origin(End(3, 0)).name == "relu"
    assert subject.origin(End(0, 0)) is None


def test_losses(subject: Subject) -> None:
    assert [layer.name for layer in subject.losses] == ["loss"]
    assert is_loss(LayerParameter(type="HingeLoss"))
    assert not is_loss(LayerParameter(type="of one's own"))
    assert loss_weights(LayerParameter(type="ReLU")) == []
    assert loss_weights(LayerParameter(type="ReLU", loss_weight=[0.5])) == [0.5]


def test_shapes_are_known_when_the_net_is_built(subject: Subject) -> None:
    assert subject.shape(End(3, 0)) is None
    assert subject.shape(End(3, 1)) is None
    with Net(subject.net, TRAIN) as net:
        assert Subject(subject.net, TRAIN, net, False).shape(End(3, 0)) == (4, 4, 6, 6)
