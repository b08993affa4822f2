"""What the phase TEST loses on a GPU is had again in 16 bits too, in Caffe's order and channels last, and all of it is
accounted for.
"""

from __future__ import annotations

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk import engine
from caffe_sdk.engine import selection
from caffe_sdk.engine.per_thread import PerThread
from caffe_sdk.layers import base
from caffe_sdk.net import Net
from tests.net.models import describe
from tests.net.random_nets import random_net
from tests.net.test_accounting import agrees
from tests.net.test_recall import STEPS, Doubling, Script

ROUNDED = 0.05
"""Of the largest number: what may differ where numbers are rounded at other places, as by weights that contain more."""


@pytest.fixture(autouse=True, params=["0", "1"], ids=["in order", "channels last"])
def _narrow(request, monkeypatch):
    monkeypatch.setenv("CAFFE_CHANNELS_LAST", request.param)
    monkeypatch.setattr(selection, "_made", {})
    monkeypatch.setattr(selection, "_precision", PerThread(""))
    monkeypatch.setitem(base.REGISTRY, "Doubling", Doubling)
    with engine.use("simulated:float16"):
        yield


class Rounded(Script):
    """As a script, where numbers are rounded."""

    def same(self, seen, what):
        wanted, got = seen
        largest = np.abs(wanted).max(initial=0) + 1e-6
        np.testing.assert_allclose(got / largest, wanted / largest, atol=ROUNDED, err_msg=what)


@pytest.mark.parametrize("seed", range(20))
def test_any_script_sees_what_a_net_sees_that_keeps_everything(seed):
    script = Rounded(seed)
    script.forward()
    for step in script.draw.permutation(np.repeat(np.arange(len(STEPS)), 2)):
        STEPS[step](script)
    script.forward()
    for name in script.lean.blobs:
        script.same(script.on_both(lambda net, name=name: net.blobs[name].data), name)


@pytest.mark.parametrize("phase", [caffe.TRAIN, caffe.TEST])
@pytest.mark.parametrize("seed", range(6))
def test_random_nets_take_what_they_say(seed, phase):
    text = "force_backward: true\n" + random_net(np.random.default_rng(seed), 12)
    with Net(describe(text), phase) as net:
        agrees(net)
