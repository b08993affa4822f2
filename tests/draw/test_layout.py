"""Layered layout: order, distances, straight lines and few crossings, on any graph."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from caffe_sdk.draw.layout import Layout, Size, layered
from caffe_sdk.errors import ArgumentError

SIZE = Size(20, 30, 16, 8)


def layout(count: int, edges: list[tuple[int, int]]) -> Layout:
    return layered([SIZE] * count, edges, gap=10, rank_gap=20)


def assert_apart(found: Layout) -> None:
    """No two nodes of a rank come nearer than they may."""
    for (x, along), (other, its) in combinations(found.places, 2):
        if along == its:
            left, right = sorted((x, other))
            assert right - left >= SIZE.before + SIZE.after + 10 - 1e-6


def test_a_chain_is_a_straight_line() -> None:
    found = layout(4, [(0, 1), (1, 2), (2, 3)])
    assert found.places == [(20, 8), (20, 44), (20, 80), (20, 116)]
    assert (found.across, found.along) == (50, 124)
    assert all(x == 20 for path in found.paths for x, _ in path)
    assert [(path[0][1], path[-1][1]) for path in found.paths] == [(16, 36), (52, 72), (88, 108)]


def test_branches_lie_side_by_side_and_their_ends_between() -> None:
    found = layout(4, [(0, 1), (0, 2), (1, 3), (2, 3)])
    (top, _), (left, _), (right, _), (bottom, _) = found.places
    assert right - left == 60
    assert top == bottom == (left + right) / 2
    assert_apart(found)


def test_edges_do_not_cross_without_need() -> None:
    found = layout(6, [(0, 5), (1, 4), (2, 3)])
    order = [found.places[i][0] for i in (0, 1, 2)], [found.places[i][0] for i in (5, 4, 3)]
    assert np.argsort(order[0]).tolist() == np.argsort(order[1]).tolist()


def test_long_edges_pass_beside_nodes_and_straight() -> None:
    found = layout(5, [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)])
    long = found.paths[-1]
    inner = [x for x, _ in long[2:-2]]
    assert len(set(inner)) == 1
    for x, along in found.places[1:4]:
        assert long[0][1] < along < long[-1][1]
        assert not x - SIZE.before < inner[0] < x + SIZE.after


def test_edges_at_one_side_begin_side_by_side() -> None:
    found = layout(4, [(0, 1), (0, 2), (0, 3)])
    begins = [path[0][0] for path in found.paths]
    assert sorted(begins) == [begins[i] for i in np.argsort([x for x, _ in found.places[1:]])]
    assert len(set(begins)) == 3


def test_a_node_with_more_after_it_than_before_stands_near_them() -> None:
    found = layout(6, [(0, 1), (1, 2), (2, 4), (2, 5), (0, 3), (3, 4), (3, 5)])
    assert found.places[3][1] == found.places[2][1]


def test_circles_are_drawn() -> None:
    found = layout(3, [(0, 1), (1, 2), (2, 0)])
    along = [place[1] for place in found.places]
    assert along == sorted(along)
    assert found.paths[2][0][1] > found.paths[2][-1][1]


def test_nothing_and_nodes_alone() -> None:
    assert layout(0, []) == Layout([], [], 0, 0)
    found = layout(3, [])
    assert_apart(found)
    assert len({along for _, along in found.places}) == 1


@pytest.mark.parametrize("seed", range(20))
def test_random_graphs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 30))
    pairs = {(int(a), int(b)) for a, b in rng.integers(0, count, (2 * count, 2)) if a != b}
    edges = sorted(pairs)
    found = layout(count, edges)
    assert_apart(found)
    for (first, second), path in zip(edges, found.paths, strict=True):
        for node, (x, along) in ((first, path[0]), (second, path[-1])):
            place = found.places[node]
            assert abs(x - place[0]) <= SIZE.before
            assert abs(along - place[1]) == pytest.approx(SIZE.border)
    for x, along in found.places:
        assert SIZE.before - 1e-6 <= x <= found.across - SIZE.after + 1e-6
        assert 0 <= along <= found.along


def test_too_dense_a_graph_is_an_error() -> None:
    with pytest.raises(ArgumentError, match="4950 edges pass 166650 ranks"):
        layout(100, list(combinations(range(100), 2)))
