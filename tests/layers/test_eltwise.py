"""Eltwise: which bottoms and coefficients fit."""

from __future__ import annotations

import pytest

from caffe_sdk.errors import LayerError, ShapeError
from tests.layers.making import made


def test_coefficients() -> None:
    with pytest.raises(LayerError, match="coeff is given 1 times for 2 bottoms"):
        made("Eltwise", "eltwise_param { coeff: 1 }", 2)
    with pytest.raises(LayerError, match="coeff without SUM"):
        made("Eltwise", "eltwise_param { operation: MAX coeff: 1 coeff: 1 }", 2)


def test_shapes() -> None:
    assert made("Eltwise", bottoms=2).shapes([(2, 3), (2, 3)]) == [(2, 3)]
    with pytest.raises(ShapeError, match=r"bottom 1 has shape \(3, 2\), bottom 0 \(2, 3\)"):
        made("Eltwise", bottoms=2).shapes([(2, 3), (3, 2)])
