"""Inner product: every output sees every input."""

from __future__ import annotations

from caffe_sdk.engine.cuda.affine import CudaSums
from caffe_sdk.engine.cuda.device import Product
from caffe_sdk.engine.reference.dense import Dense
from caffe_sdk.memory import Tensor


class CudaDense(CudaSums, Dense):
    """Matrix products, and the bias behind them."""

    def inner_product(self, x: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor, transpose: bool) -> None:
        """y = x weight^T + bias."""
        self._multiplied(x, weight, bias, y, transpose, None)

    def rectified_inner_product(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor, transpose: bool, negative_slope: float
    ) -> None:
        """The same, and through a ReLU of this slope."""
        self._multiplied(x, weight, bias, y, transpose, negative_slope)

    def _multiplied(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor, transpose: bool, negative_slope: float | None
    ) -> None:
        m, n, k, real = y.shape[0], y.shape[1], x.shape[1], self.now.real
        a, b, offsets, c = self.source(x), self.source(weight), self.source(bias), self.target(y)
        self.multiply(Product(m, n, k, a, b, c, b_transposed=not transpose, factors=real, result=real))
        if offsets or negative_slope is not None:
            self.launch("add_bias", y.count, offsets, 0, c, n, 1, negative_slope is not None, negative_slope or 0.0)

    def inner_product_grad_data(self, dy: Tensor, weight: Tensor, dx: Tensor, transpose: bool) -> None:
        """dx = dy weight."""
        (m, n), k, real = dy.shape, dx.shape[1], self.now.real
        a, b = self.source(dy), self.source(weight)
        self.multiply(Product(m, k, n, a, b, self.target(dx), b_transposed=transpose, factors=real, result=real))

    def inner_product_grad_weight(
        self, x: Tensor, dy: Tensor, dweight: Tensor | None, dbias: Tensor | None, transpose: bool
    ) -> None:
        """dweight += dy^T x;  dbias += sum over m of dy."""
        (m, k), n = x.shape, dy.shape[1]
        values, gradient = self.source(x), self.source(dy)
        if dweight is not None:
            shape, pair = ((k, n), (values, gradient)) if transpose else ((n, k), (gradient, values))
            matrices = *pair, self.both(dweight)
            alpha, factors = self.true, self.now.real
            self.multiply(Product(*shape, m, *matrices, a_transposed=True, beta=1.0, alpha=alpha, factors=factors))
        if dbias is not None:
            self.add_channel_sums(gradient, 0, dbias, m, 1)
