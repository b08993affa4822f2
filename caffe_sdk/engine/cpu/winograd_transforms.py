"""What becomes of tiles of y, and of filters, in Winograd's minimal filtering; of x see `portable.loops.winograd`.

And back: what becomes of the gradient of y, and the gradient of filters. The transforms are for 3x3 filters and 4x4
tiles of y, and for 5x5 filters and 2x2 tiles: both have tiles of x of 6x6, and the same points. Filters are transformed
in float64. Importing this module imports Numba.
"""

# mypy: allow-untyped-calls
from __future__ import annotations

from typing import Any

from caffe_sdk.engine.portable.loops.compiled import inlined
from caffe_sdk.engine.portable.loops.vectors import NBYTES, load, rectified, rounded, splat, store, widened
from caffe_sdk.engine.portable.loops.winograd import POINTS, from_tile, load6, pair_from_tile, store6

_A, _B = POINTS
_G = 1 / (_A**2 * _B**2)
_GA0, _GA1, _GA2, _GA3, _GA4 = (_A**i / (2 * _A**2 * (_A**2 - _B**2)) for i in range(5))
_GB0, _GB1, _GB2, _GB3, _GB4 = (_B**i / (2 * _B**2 * (_B**2 - _A**2)) for i in range(5))

# -- tiles of y --------------------------------------------------------------------------------------------------------


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
    a = from_tile(*load6(m, 6 * place))
    b = from_tile(*load6(m + place, 6 * place))
    c = from_tile(*load6(m + 2 * place, 6 * place))
    d = from_tile(*load6(m + 3 * place, 6 * place))
    e = from_tile(*load6(m + 4 * place, 6 * place))
    f = from_tile(*load6(m + 5 * place, 6 * place))
    _finish_row(y, r, scale, bias, slope, from_tile(a[0], b[0], c[0], d[0], e[0], f[0]))
    y, r = y + row, r + next_r
    _finish_row(y, r, scale, bias, slope, from_tile(a[1], b[1], c[1], d[1], e[1], f[1]))
    y, r = y + row, r + next_r
    _finish_row(y, r, scale, bias, slope, from_tile(a[2], b[2], c[2], d[2], e[2], f[2]))
    y, r = y + row, r + next_r
    _finish_row(y, r, scale, bias, slope, from_tile(a[3], b[3], c[3], d[3], e[3], f[3]))


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
    a = pair_from_tile(*load6(m, 6 * place))
    b = pair_from_tile(*load6(m + place, 6 * place))
    c = pair_from_tile(*load6(m + 2 * place, 6 * place))
    d = pair_from_tile(*load6(m + 3 * place, 6 * place))
    e = pair_from_tile(*load6(m + 4 * place, 6 * place))
    f = pair_from_tile(*load6(m + 5 * place, 6 * place))
    _finish_pair(y, r, scale, bias, slope, pair_from_tile(a[0], b[0], c[0], d[0], e[0], f[0]))
    y, r = y + row, r + row if r != 0 else 0
    _finish_pair(y, r, scale, bias, slope, pair_from_tile(a[1], b[1], c[1], d[1], e[1], f[1]))


# -- filters -----------------------------------------------------------------------------------------------------------


@inlined
def _of_filter(w0: Any, w1: Any, w2: Any) -> Any:
    """G w: three numbers of a filter become six, all of 64 bits."""
    even_a, odd_a = splat(_GA0) * w0 + splat(_GA2) * w2, splat(_GA1) * w1
    even_b, odd_b = splat(_GB0) * w0 + splat(_GB2) * w2, splat(_GB1) * w1
    return splat(_G) * w0, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, w2


@inlined
def _of_filter_5(w0: Any, w1: Any, w2: Any, w3: Any, w4: Any) -> Any:
    """G w: five numbers of a filter become six, all of 64 bits."""
    even_a, odd_a = splat(_GA0) * w0 + splat(_GA2) * w2 + splat(_GA4) * w4, splat(_GA1) * w1 + splat(_GA3) * w3
    even_b, odd_b = splat(_GB0) * w0 + splat(_GB2) * w2 + splat(_GB4) * w4, splat(_GB1) * w1 + splat(_GB3) * w3
    return splat(_G) * w0, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, w4


@inlined
def _filter_column(w: int, step: int) -> Any:
    return _of_filter(widened(load(w)), widened(load(w + 3 * step)), widened(load(w + 6 * step)))


@inlined
def _filter_row(u: int, place: int, w0: Any, w1: Any, w2: Any) -> None:
    v = _of_filter(w0, w1, w2)
    store6(u, place, (rounded(v[0]), rounded(v[1]), rounded(v[2]), rounded(v[3]), rounded(v[4]), rounded(v[5])))


@inlined
def transform_filter(w: int, step: int, u: int, place: int) -> None:
    """G w G^T of a 3x3 filter for a block of channels, whose nine vectors are ``step`` apart."""
    a, b, c = _filter_column(w, step), _filter_column(w + step, step), _filter_column(w + 2 * step, step)
    _filter_row(u, place, a[0], b[0], c[0])
    _filter_row(u + 6 * place, place, a[1], b[1], c[1])
    _filter_row(u + 12 * place, place, a[2], b[2], c[2])
    _filter_row(u + 18 * place, place, a[3], b[3], c[3])
    _filter_row(u + 24 * place, place, a[4], b[4], c[4])
    _filter_row(u + 30 * place, place, a[5], b[5], c[5])


@inlined
def _filter_column_5(w: int, step: int) -> Any:
    return _of_filter_5(
        widened(load(w)),
        widened(load(w + 5 * step)),
        widened(load(w + 10 * step)),
        widened(load(w + 15 * step)),
        widened(load(w + 20 * step)),
    )


@inlined
def _filter_row_5(u: int, place: int, w0: Any, w1: Any, w2: Any, w3: Any, w4: Any) -> None:
    v = _of_filter_5(w0, w1, w2, w3, w4)
    store6(u, place, (rounded(v[0]), rounded(v[1]), rounded(v[2]), rounded(v[3]), rounded(v[4]), rounded(v[5])))


@inlined
def transform_filter_5(w: int, step: int, u: int, place: int) -> None:
    """G w G^T of a 5x5 filter for a block of channels, whose 25 vectors are ``step`` apart."""
    a, b, c = _filter_column_5(w, step), _filter_column_5(w + step, step), _filter_column_5(w + 2 * step, step)
    d, e = _filter_column_5(w + 3 * step, step), _filter_column_5(w + 4 * step, step)
    _filter_row_5(u, place, a[0], b[0], c[0], d[0], e[0])
    _filter_row_5(u + 6 * place, place, a[1], b[1], c[1], d[1], e[1])
    _filter_row_5(u + 12 * place, place, a[2], b[2], c[2], d[2], e[2])
    _filter_row_5(u + 18 * place, place, a[3], b[3], c[3], d[3], e[3])
    _filter_row_5(u + 24 * place, place, a[4], b[4], c[4], d[4], e[4])
    _filter_row_5(u + 30 * place, place, a[5], b[5], c[5], d[5], e[5])


# -- backwards: from the gradient of y to that of filters --------------------------------------------------------------


@inlined
def _load6_wide(at: int, step: int) -> Any:
    u = load6(at, step)
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
