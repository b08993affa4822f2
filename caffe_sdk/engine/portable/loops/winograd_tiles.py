"""The transforms of Winograd's minimal filtering, of a tile or a filter of 16 channels, and back.

Y = A^T [(G w G^T) * (B^T x B)] A  (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015). A tile
of x is 6x6; with a 3x3 filter it gives a 4x4 tile of y, and with a 5x5 filter a 2x2 tile. The transforms interpolate at
the points 0, +-5/8, +-3/2 and infinity, where rounding errors are less than half of what the textbook's 0, +-1, +-2
give. Gradients of filters are transformed in float64.

A place of a tile in a block of 16 channels is one `Vector`. Memory is addressed by plain integers, in bytes.
Importing this module imports Numba.
"""

# mypy: allow-untyped-calls
from __future__ import annotations

from typing import Any

import numpy as np

from caffe_sdk.engine.portable.loops.compiled import inlined
from caffe_sdk.engine.portable.loops.instructions import NBYTES
from caffe_sdk.engine.portable.loops.vectors import fused, load, rectified, rounded, splat, store, widened

POINTS = _A, _B = 0.625, 1.5
"""Where the transforms interpolate, besides 0, the same with a minus, and infinity."""
_A1, _A2, _A3 = (np.float32(_A**i) for i in (1, 2, 3))
_B1, _B2, _B3 = (np.float32(_B**i) for i in (1, 2, 3))
_SUM, _PRODUCT = np.float32(_A**2 + _B**2), np.float32(_A**2 * _B**2)
_G = 1 / (_A**2 * _B**2)
_GA0, _GA1, _GA2, _GA3, _GA4 = (_A**i / (2 * _A**2 * (_A**2 - _B**2)) for i in range(5))
_GB0, _GB1, _GB2, _GB3, _GB4 = (_B**i / (2 * _B**2 * (_B**2 - _A**2)) for i in range(5))

_g = np.float32(_G)
_ga0, _ga1, _ga2, _ga4 = map(np.float32, (_GA0, _GA1, _GA2, _GA4))
_gb0, _gb1, _gb2, _gb4 = map(np.float32, (_GB0, _GB1, _GB2, _GB4))

ROWS_OF_G = np.array([[_GA0, _GA1, _GA2], [_GB0, _GB1, _GB2]], np.float32)
"""Rows 1 and 3 of G for a 3x3 filter, which are rows 2 and 4 but for the sign of the number in the middle."""

# -- tiles of x --------------------------------------------------------------------------------------------------------


@inlined
def _load6(at: int, step: int) -> Any:
    """Six vectors, so many bytes apart."""
    return (
        load(at),
        load(at + step),
        load(at + 2 * step),
        load(at + 3 * step),
        load(at + 4 * step),
        load(at + 5 * step),
    )


@inlined
def _store6(at: int, step: int, v: Any) -> None:
    """Put six vectors, so many bytes apart."""
    store(at, v[0])
    store(at + step, v[1])
    store(at + 2 * step, v[2])
    store(at + 3 * step, v[3])
    store(at + 4 * step, v[4])
    store(at + 5 * step, v[5])


@inlined
def _to_tile(d0: Any, d1: Any, d2: Any, d3: Any, d4: Any, d5: Any) -> Any:
    """B^T d: six numbers of a tile of x."""
    even_a, odd_a = d4 - splat(_B2) * d2, d3 - splat(_B2) * d1
    even_b, odd_b = d4 - splat(_A2) * d2, d3 - splat(_A2) * d1
    first = d4 - splat(_SUM) * d2 + splat(_PRODUCT) * d0
    last = d5 - splat(_SUM) * d3 + splat(_PRODUCT) * d1
    return (
        first,
        fused(splat(_A1), odd_a, even_a),
        fused(splat(-_A1), odd_a, even_a),
        fused(splat(_B1), odd_b, even_b),
        fused(splat(-_B1), odd_b, even_b),
        last,
    )


@inlined
def transform_in(x: int, row: int, v: int, place: int) -> None:
    """B^T x B of one tile of a block of channels, each of its 36 vectors to the next place."""
    a = _to_tile(*_load6(x, row))
    b = _to_tile(*_load6(x + NBYTES, row))
    c = _to_tile(*_load6(x + 2 * NBYTES, row))
    d = _to_tile(*_load6(x + 3 * NBYTES, row))
    e = _to_tile(*_load6(x + 4 * NBYTES, row))
    f = _to_tile(*_load6(x + 5 * NBYTES, row))
    _store6(v, place, _to_tile(a[0], b[0], c[0], d[0], e[0], f[0]))
    _store6(v + 6 * place, place, _to_tile(a[1], b[1], c[1], d[1], e[1], f[1]))
    _store6(v + 12 * place, place, _to_tile(a[2], b[2], c[2], d[2], e[2], f[2]))
    _store6(v + 18 * place, place, _to_tile(a[3], b[3], c[3], d[3], e[3], f[3]))
    _store6(v + 24 * place, place, _to_tile(a[4], b[4], c[4], d[4], e[4], f[4]))
    _store6(v + 30 * place, place, _to_tile(a[5], b[5], c[5], d[5], e[5], f[5]))


# -- tiles of y --------------------------------------------------------------------------------------------------------


@inlined
def _from_tile(m0: Any, m1: Any, m2: Any, m3: Any, m4: Any, m5: Any) -> Any:
    """A^T m: four numbers of y."""
    even_a, odd_a, even_b, odd_b = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return (
        m0 + even_a + even_b,
        splat(_A1) * odd_a + splat(_B1) * odd_b,
        splat(_A2) * even_a + splat(_B2) * even_b,
        splat(_A3) * odd_a + splat(_B3) * odd_b + m5,
    )


@inlined
def _pair_from_tile(m0: Any, m1: Any, m2: Any, m3: Any, m4: Any, m5: Any) -> Any:
    """A^T m for a filter of five: two numbers of y."""
    return m0 + (m1 + m2) + (m3 + m4), splat(_A1) * (m1 - m2) + splat(_B1) * (m3 - m4) + m5


@inlined
def _finish_row(y: int, r: int, scale: Any, bias: Any, slope: Any, v: Any) -> None:
    """Four neighbours of y: scaled, with bias, those of r added if it is there, and ReLU."""
    v0, v1, v2, v3 = v[0] * scale + bias, v[1] * scale + bias, v[2] * scale + bias, v[3] * scale + bias
    if r != 0:
        v0, v1 = v0 + load(r), v1 + load(r + NBYTES)
        v2, v3 = v2 + load(r + 2 * NBYTES), v3 + load(r + 3 * NBYTES)
    store(y, rectified(v0, slope))
    store(y + NBYTES, rectified(v1, slope))
    store(y + 2 * NBYTES, rectified(v2, slope))
    store(y + 3 * NBYTES, rectified(v3, slope))


@inlined
def transform_out(m: int, place: int, y: int, r: int, row: int, scale: Any, bias: Any, slope: Any) -> None:
    """A^T m A, a tile of y of a block of channels; r is a tile to be added, or 0."""
    next_r = row if r != 0 else 0
    a = _from_tile(*_load6(m, 6 * place))
    b = _from_tile(*_load6(m + place, 6 * place))
    c = _from_tile(*_load6(m + 2 * place, 6 * place))
    d = _from_tile(*_load6(m + 3 * place, 6 * place))
    e = _from_tile(*_load6(m + 4 * place, 6 * place))
    f = _from_tile(*_load6(m + 5 * place, 6 * place))
    _finish_row(y, r, scale, bias, slope, _from_tile(a[0], b[0], c[0], d[0], e[0], f[0]))
    y, r = y + row, r + next_r
    _finish_row(y, r, scale, bias, slope, _from_tile(a[1], b[1], c[1], d[1], e[1], f[1]))
    y, r = y + row, r + next_r
    _finish_row(y, r, scale, bias, slope, _from_tile(a[2], b[2], c[2], d[2], e[2], f[2]))
    y, r = y + row, r + next_r
    _finish_row(y, r, scale, bias, slope, _from_tile(a[3], b[3], c[3], d[3], e[3], f[3]))


@inlined
def _finish_pair(y: int, r: int, scale: Any, bias: Any, slope: Any, v: Any) -> None:
    """Two neighbours of y, in the same way."""
    v0, v1 = v[0] * scale + bias, v[1] * scale + bias
    if r != 0:
        v0, v1 = v0 + load(r), v1 + load(r + NBYTES)
    store(y, rectified(v0, slope))
    store(y + NBYTES, rectified(v1, slope))


@inlined
def transform_out_to_2(m: int, place: int, y: int, r: int, row: int, scale: Any, bias: Any, slope: Any) -> None:
    """A^T m A, a tile of y of two by two; r is a tile to be added, or 0."""
    a = _pair_from_tile(*_load6(m, 6 * place))
    b = _pair_from_tile(*_load6(m + place, 6 * place))
    c = _pair_from_tile(*_load6(m + 2 * place, 6 * place))
    d = _pair_from_tile(*_load6(m + 3 * place, 6 * place))
    e = _pair_from_tile(*_load6(m + 4 * place, 6 * place))
    f = _pair_from_tile(*_load6(m + 5 * place, 6 * place))
    _finish_pair(y, r, scale, bias, slope, _pair_from_tile(a[0], b[0], c[0], d[0], e[0], f[0]))
    y, r = y + row, r + row if r != 0 else 0
    _finish_pair(y, r, scale, bias, slope, _pair_from_tile(a[1], b[1], c[1], d[1], e[1], f[1]))


# -- filters -----------------------------------------------------------------------------------------------------------


@inlined
def _six(first: Any, even_a: Any, odd_a: Any, even_b: Any, odd_b: Any, last: Any) -> Any:
    """What is at the six points, from sums of even and of odd powers at two of them."""
    a, b, minus_a, minus_b = splat(_ga1), splat(_gb1), splat(-_ga1), splat(-_gb1)
    return (
        first,
        fused(a, odd_a, even_a),
        fused(minus_a, odd_a, even_a),
        fused(b, odd_b, even_b),
        fused(minus_b, odd_b, even_b),
        last,
    )


@inlined
def _of_filter(w0: Any, w1: Any, w2: Any) -> Any:
    """G w: three numbers of a filter become six."""
    even_a, even_b = splat(_ga0) * w0 + splat(_ga2) * w2, splat(_gb0) * w0 + splat(_gb2) * w2
    return _six(splat(_g) * w0, even_a, w1, even_b, w1, w2)


@inlined
def _of_filter_5(w0: Any, w1: Any, w2: Any, w3: Any, w4: Any) -> Any:
    """G w: five numbers of a filter become six."""
    even_a = splat(_ga0) * w0 + splat(_ga2) * w2 + splat(_ga4) * w4
    even_b = splat(_gb0) * w0 + splat(_gb2) * w2 + splat(_gb4) * w4
    return _six(splat(_g) * w0, even_a, w1 + splat(_A2) * w3, even_b, w1 + splat(_B2) * w3, w4)


@inlined
def _filter_column(w: int, step: int) -> Any:
    return _of_filter(load(w), load(w + 3 * step), load(w + 6 * step))


@inlined
def transform_filter(w: int, step: int, u: int, place: int) -> None:
    """G w G^T of a 3x3 filter for a block of channels, whose nine vectors are ``step`` apart."""
    a, b, c = _filter_column(w, step), _filter_column(w + step, step), _filter_column(w + 2 * step, step)
    _store6(u, place, _of_filter(a[0], b[0], c[0]))
    _store6(u + 6 * place, place, _of_filter(a[1], b[1], c[1]))
    _store6(u + 12 * place, place, _of_filter(a[2], b[2], c[2]))
    _store6(u + 18 * place, place, _of_filter(a[3], b[3], c[3]))
    _store6(u + 24 * place, place, _of_filter(a[4], b[4], c[4]))
    _store6(u + 30 * place, place, _of_filter(a[5], b[5], c[5]))


@inlined
def outer_rows(w: int, step: int, u: int, place: int) -> None:
    """Rows 0 and 5 of G w G^T of a 3x3 filter for a block of channels."""
    g = splat(_g)
    _store6(u, place, _of_filter(g * load(w), g * load(w + step), g * load(w + 2 * step)))
    _store6(u + 6 * place, place, _of_filter(load(w + 6 * step), load(w + 7 * step), load(w + 8 * step)))


@inlined
def inner_rows(w: int, step: int, g0: Any, g1: Any, g2: Any, u: int, place: int) -> None:
    """Rows 1 and 2, or 3 and 4, of G w G^T of a 3x3 filter for a block of channels; g is the first of them in G."""
    a = g0 * load(w) + g2 * load(w + 6 * step)
    b = g0 * load(w + step) + g2 * load(w + 7 * step)
    c = g0 * load(w + 2 * step) + g2 * load(w + 8 * step)
    d, e, f, minus_g1 = load(w + 3 * step), load(w + 4 * step), load(w + 5 * step), splat(np.float32(0)) - g1
    _store6(u, place, _of_filter(fused(g1, d, a), fused(g1, e, b), fused(g1, f, c)))
    _store6(u + 6 * place, place, _of_filter(fused(minus_g1, d, a), fused(minus_g1, e, b), fused(minus_g1, f, c)))


@inlined
def _filter_column_5(w: int, step: int) -> Any:
    return _of_filter_5(load(w), load(w + 5 * step), load(w + 10 * step), load(w + 15 * step), load(w + 20 * step))


@inlined
def transform_filter_5(w: int, step: int, u: int, place: int) -> None:
    """G w G^T of a 5x5 filter for a block of channels, whose 25 vectors are ``step`` apart."""
    a, b, c = _filter_column_5(w, step), _filter_column_5(w + step, step), _filter_column_5(w + 2 * step, step)
    d, e = _filter_column_5(w + 3 * step, step), _filter_column_5(w + 4 * step, step)
    _store6(u, place, _of_filter_5(a[0], b[0], c[0], d[0], e[0]))
    _store6(u + 6 * place, place, _of_filter_5(a[1], b[1], c[1], d[1], e[1]))
    _store6(u + 12 * place, place, _of_filter_5(a[2], b[2], c[2], d[2], e[2]))
    _store6(u + 18 * place, place, _of_filter_5(a[3], b[3], c[3], d[3], e[3]))
    _store6(u + 24 * place, place, _of_filter_5(a[4], b[4], c[4], d[4], e[4]))
    _store6(u + 30 * place, place, _of_filter_5(a[5], b[5], c[5], d[5], e[5]))


# -- backwards: tiles of the gradient of y -----------------------------------------------------------------------------


@inlined
def _of_four(d0: Any, d1: Any, d2: Any, d3: Any) -> Any:
    """A d: four numbers of the gradient of y become six."""
    even_a, odd_a = d0 + splat(_A2) * d2, splat(_A1) * d1 + splat(_A3) * d3
    even_b, odd_b = d0 + splat(_B2) * d2, splat(_B1) * d1 + splat(_B3) * d3
    return d0, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, d3


@inlined
def _of_column(y: int, row: int) -> Any:
    return _of_four(load(y), load(y + row), load(y + 2 * row), load(y + 3 * row))


@inlined
def transform_back(y: int, row: int, m: int, place: int) -> None:
    """A dy A^T of a tile of 4x4 of a block of channels, each of its 36 vectors to the next place."""
    a, b, c = _of_column(y, row), _of_column(y + NBYTES, row), _of_column(y + 2 * NBYTES, row)
    d = _of_column(y + 3 * NBYTES, row)
    _store6(m, place, _of_four(a[0], b[0], c[0], d[0]))
    _store6(m + 6 * place, place, _of_four(a[1], b[1], c[1], d[1]))
    _store6(m + 12 * place, place, _of_four(a[2], b[2], c[2], d[2]))
    _store6(m + 18 * place, place, _of_four(a[3], b[3], c[3], d[3]))
    _store6(m + 24 * place, place, _of_four(a[4], b[4], c[4], d[4]))
    _store6(m + 30 * place, place, _of_four(a[5], b[5], c[5], d[5]))


@inlined
def _of_two(d0: Any, d1: Any) -> Any:
    """A d: two numbers of the gradient of y become six."""
    a, b = splat(_A1) * d1, splat(_B1) * d1
    return d0, d0 + a, d0 - a, d0 + b, d0 - b, d1


@inlined
def transform_back_of_2(y: int, row: int, m: int, place: int) -> None:
    """A dy A^T of a tile of 2x2."""
    a, b = _of_two(load(y), load(y + row)), _of_two(load(y + NBYTES), load(y + row + NBYTES))
    _store6(m, place, _of_two(a[0], b[0]))
    _store6(m + 6 * place, place, _of_two(a[1], b[1]))
    _store6(m + 12 * place, place, _of_two(a[2], b[2]))
    _store6(m + 18 * place, place, _of_two(a[3], b[3]))
    _store6(m + 24 * place, place, _of_two(a[4], b[4]))
    _store6(m + 30 * place, place, _of_two(a[5], b[5]))


# -- backwards: a filter's gradient ------------------------------------------------------------------------------------


@inlined
def _load6_wide(at: int, step: int) -> Any:
    u = _load6(at, step)
    return widened(u[0]), widened(u[1]), widened(u[2]), widened(u[3]), widened(u[4]), widened(u[5])


@inlined
def _to_filter(u0: Any, u1: Any, u2: Any, u3: Any, u4: Any, u5: Any) -> Any:
    """G^T u: three numbers of a filter's gradient, all of 64 bits."""
    even_a, odd_a, even_b, odd_b = u1 + u2, u1 - u2, u3 + u4, u3 - u4
    return (
        splat(_G) * u0 + splat(_GA0) * even_a + splat(_GB0) * even_b,
        splat(_GA1) * odd_a + splat(_GB1) * odd_b,
        splat(_GA2) * even_a + splat(_GB2) * even_b + u5,
    )


@inlined
def _store_row(w: int, step: int, v: Any) -> None:
    store(w, rounded(v[0]))
    store(w + step, rounded(v[1]))
    store(w + 2 * step, rounded(v[2]))


@inlined
def filter_from_sums(u: int, place: int, w: int, step: int) -> None:
    """G^T u G: the gradient of a 3x3 filter for a block of channels, to nine vectors ``step`` apart."""
    a, b, c = _sums(u, place), _sums(u + place, place), _sums(u + 2 * place, place)
    d, e, f = _sums(u + 3 * place, place), _sums(u + 4 * place, place), _sums(u + 5 * place, place)
    _store_row(w, step, _to_filter(a[0], b[0], c[0], d[0], e[0], f[0]))
    _store_row(w + 3 * step, step, _to_filter(a[1], b[1], c[1], d[1], e[1], f[1]))
    _store_row(w + 6 * step, step, _to_filter(a[2], b[2], c[2], d[2], e[2], f[2]))


@inlined
def _sums(u: int, place: int) -> Any:
    return _to_filter(*_load6_wide(u, 6 * place))


@inlined
def _to_filter_5(u0: Any, u1: Any, u2: Any, u3: Any, u4: Any, u5: Any) -> Any:
    """G^T u: five numbers of a filter's gradient, all of 64 bits."""
    even_a, odd_a, even_b, odd_b = u1 + u2, u1 - u2, u3 + u4, u3 - u4
    return (
        splat(_G) * u0 + splat(_GA0) * even_a + splat(_GB0) * even_b,
        splat(_GA1) * odd_a + splat(_GB1) * odd_b,
        splat(_GA2) * even_a + splat(_GB2) * even_b,
        splat(_GA3) * odd_a + splat(_GB3) * odd_b,
        splat(_GA4) * even_a + splat(_GB4) * even_b + u5,
    )


@inlined
def _sums_5(u: int, place: int) -> Any:
    return _to_filter_5(*_load6_wide(u, 6 * place))


@inlined
def _store_row_5(w: int, step: int, v: Any) -> None:
    store(w, rounded(v[0]))
    store(w + step, rounded(v[1]))
    store(w + 2 * step, rounded(v[2]))
    store(w + 3 * step, rounded(v[3]))
    store(w + 4 * step, rounded(v[4]))


@inlined
def filter_from_sums_5(u: int, place: int, w: int, step: int) -> None:
    """G^T u G: the gradient of a 5x5 filter for a block of channels, to 25 vectors ``step`` apart."""
    a, b, c = _sums_5(u, place), _sums_5(u + place, place), _sums_5(u + 2 * place, place)
    d, e, f = _sums_5(u + 3 * place, place), _sums_5(u + 4 * place, place), _sums_5(u + 5 * place, place)
    _store_row_5(w, step, _to_filter_5(a[0], b[0], c[0], d[0], e[0], f[0]))
    _store_row_5(w + 5 * step, step, _to_filter_5(a[1], b[1], c[1], d[1], e[1], f[1]))
    _store_row_5(w + 10 * step, step, _to_filter_5(a[2], b[2], c[2], d[2], e[2], f[2]))
    _store_row_5(w + 15 * step, step, _to_filter_5(a[3], b[3], c[3], d[3], e[3], f[3]))
    _store_row_5(w + 20 * step, step, _to_filter_5(a[4], b[4], c[4], d[4], e[4], f[4]))
