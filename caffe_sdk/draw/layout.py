"""Layered layout of a directed graph: ranks, an order with few crossings, places that keep edges straight.

The steps are those of Sugiyama, Tagawa and Toda (1981). Positions are (across, along): ``along`` is the direction in
which edges run, from rank to rank.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from caffe_sdk.errors import ArgumentError

SWEEPS = 12
MOST_PASSES = 50_000  # of edges through ranks, which take some ten seconds

PORT = 14.0  # between the ends of edges at one side of a node

Point = tuple[float, float]


@dataclass
class Size:
    """The room that a node needs: ``before`` and ``after`` its place across, ``length`` along; edges begin and end at
    ``border`` from its place along.
    """

    before: float
    after: float
    length: float
    border: float


@dataclass
class Layout:
    """Where each node lies, and the points that each edge goes through, from its first node to its second."""

    places: list[Point]
    paths: list[list[Point]]
    across: float
    along: float


@dataclass
class _Vertex:
    """A node, or a place where a long edge passes a rank."""

    size: Size
    order: float  # where it stood in the description
    dummy: bool = False
    rank: int = 0
    x: float = 0.0
    index: int = 0  # in its rank
    ups: list[_Vertex] = field(default_factory=list)
    downs: list[_Vertex] = field(default_factory=list)


def layered(sizes: Sequence[Size], edges: Sequence[tuple[int, int]], gap: float, rank_gap: float) -> Layout:
    """The layout of nodes of these sizes and edges between them, ``gap`` apart across and ``rank_gap`` along.

    Edges that close a circle are drawn against the direction of the others. Raises ArgumentError for a graph that is
    too dense to be drawn.
    """
    forward = _without_circles(len(sizes), edges)
    vertices = [_Vertex(size, i) for i, size in enumerate(sizes)]
    _assign_ranks(vertices, forward)
    passes = sum(vertices[second].rank - vertices[first].rank for first, second in forward)
    if passes > MOST_PASSES:
        what = f"{len(edges)} edges pass {passes} ranks in all"
        raise ArgumentError("draw", what, f"draw a part of the net: {MOST_PASSES} are the most")
    chains = [_chain(vertices, first, second) for first, second in forward]
    count = max((vertex.rank for vertex in vertices), default=-1) + 1
    everything = {id(vertex): vertex for vertex in [*vertices, *(each for chain in chains for each in chain)]}
    ranks: list[list[_Vertex]] = [[] for _ in range(count)]
    for vertex in sorted(everything.values(), key=lambda vertex: vertex.order):
        ranks[vertex.rank].append(vertex)
    _order(ranks)
    _place(ranks, gap)
    _straighten(ranks, gap)

    centres, along = [], 0.0
    for rank in ranks:
        length = max(vertex.size.length for vertex in rank)
        centres.append((along + length / 2, length / 2))
        along += length + rank_gap
    left = min((vertex.x - vertex.size.before for rank in ranks for vertex in rank), default=0.0)
    right = max((vertex.x + vertex.size.after for rank in ranks for vertex in rank), default=0.0)
    for rank in ranks:
        for vertex in rank:
            vertex.x -= left
    ports = _ports(ranks)
    paths = [_path(chain, centres, ports) for chain in chains]
    for i, (edge, direction) in enumerate(zip(edges, forward, strict=True)):
        if edge != direction:
            paths[i].reverse()
    places = [(vertex.x, centres[vertex.rank][0]) for vertex in vertices]
    return Layout(places, paths, right - left, max(along - rank_gap, 0.0))


def _without_circles(count: int, edges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The edges, with those turned round that lead back to where a walk came from."""
    successors: list[list[int]] = [[] for _ in range(count)]
    for first, second in edges:
        successors[first].append(second)
    new, open_, done = 0, 1, 2
    state = [new] * count
    back: set[tuple[int, int]] = set()
    for root in range(count):
        stack = [(root, iter(successors[root]))] if state[root] == new else []
        state[root] = open_ if stack else state[root]
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                state[node] = done
                stack.pop()
            elif state[following] == open_:
                back.add((node, following))
            elif state[following] == new:
                state[following] = open_
                stack.append((following, iter(successors[following])))
    return [(second, first) if (first, second) in back else (first, second) for first, second in edges]


def _assign_ranks(vertices: list[_Vertex], edges: Iterable[tuple[int, int]]) -> None:
    """Each vertex one rank or more after those before it, and near those it has more edges to."""
    ups: list[list[_Vertex]] = [[] for _ in vertices]
    downs: list[list[_Vertex]] = [[] for _ in vertices]
    for first, second in edges:
        if first != second:
            downs[first].append(vertices[second])
            ups[second].append(vertices[first])
    order = _topological(len(vertices), edges)
    for i in order:
        vertices[i].rank = max((up.rank + 1 for up in ups[i]), default=0)
    for i in reversed(order):
        if downs[i] and len(downs[i]) > len(ups[i]):
            vertices[i].rank = min(down.rank for down in downs[i]) - 1
    first = min((vertex.rank for vertex in vertices), default=0)
    for vertex in vertices:
        vertex.rank -= first


def _topological(count: int, edges: Iterable[tuple[int, int]]) -> list[int]:
    """The nodes, each after those with an edge to it, otherwise in their own order."""
    waits = [0] * count
    successors: list[list[int]] = [[] for _ in range(count)]
    for first, second in edges:
        if first != second:
            successors[first].append(second)
            waits[second] += 1
    order = [node for node in range(count) if not waits[node]]
    for node in order:  # grows on the way
        for following in successors[node]:
            waits[following] -= 1
            if not waits[following]:
                order.append(following)
    return order


def _chain(vertices: list[_Vertex], first: int, second: int) -> list[_Vertex]:
    """An edge as the vertices it goes through, with a dummy in every rank between its ends."""
    start, end = vertices[first], vertices[second]
    between = [
        _Vertex(Size(0, 0, 0, 0), start.order + (end.order - start.order) * i / (end.rank - start.rank), True, rank)
        for i, rank in enumerate(range(start.rank + 1, end.rank), 1)
    ]
    chain = [start, *between, end]
    if start is not end:
        for one, other in pairwise(chain):
            one.downs.append(other)
            other.ups.append(one)
    return chain


# Order within ranks


def _order(ranks: list[list[_Vertex]]) -> None:
    """Reorder ranks so that few edges cross: sweeps down and up by the means of neighbours, the best is kept."""
    _number(ranks)
    best, fewest = [list(rank) for rank in ranks], _crossings(ranks)
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        down = sweep % 2 == 0
        for rank in ranks if down else reversed(ranks):
            means = {
                id(v): sum(n.index for n in near) / len(near) if (near := v.ups if down else v.downs) else v.index
                for v in rank
            }
            rank.sort(key=lambda vertex: means[id(vertex)])
            _number([rank])
        _swap_neighbours(ranks)
        crossings = _crossings(ranks)
        if crossings < fewest:
            best, fewest = [list(rank) for rank in ranks], crossings
    for rank, found in zip(ranks, best, strict=True):
        rank[:] = found
    _number(ranks)


def _number(ranks: Iterable[list[_Vertex]]) -> None:
    for rank in ranks:
        for i, vertex in enumerate(rank):
            vertex.index = i


def _crossings(ranks: list[list[_Vertex]]) -> int:
    total = 0
    for rank in ranks:
        ends: list[int] = []  # of the edges that begin further left, sorted
        for vertex in rank:
            mine = [down.index for down in vertex.downs]
            total += sum(len(ends) - bisect_right(ends, index) for index in mine)
            for index in mine:
                insort(ends, index)
    return total


def _swap_neighbours(ranks: list[list[_Vertex]]) -> None:
    """Exchange neighbours in a rank as long as that saves crossings."""
    for rank in ranks:
        saved = True
        while saved:
            saved = False
            for i in range(len(rank) - 1):
                left, right = rank[i], rank[i + 1]
                if _between(left, right) > _between(right, left):
                    rank[i], rank[i + 1] = right, left
                    left.index, right.index = i + 1, i
                    saved = True


def _between(left: _Vertex, right: _Vertex) -> int:
    """How often the edges of two neighbours cross."""
    return sum(
        one.index > other.index
        for ones, others in ((left.ups, right.ups), (left.downs, right.downs))
        for one in ones
        for other in others
    )


# Places across


def _place(ranks: list[list[_Vertex]], gap: float) -> None:
    """Places across: each rank where its neighbours are, as near as its vertices may come to each other.

    Sweeps up and down by the neighbours of one side keep straight what can be; the last is one down.
    """
    for rank in ranks:
        _settle(rank, gap, lambda vertex: 0.0)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 1

        def wish(vertex: _Vertex, down: bool = down) -> float:
            near = vertex.ups if down else vertex.downs
            return sum(neighbour.x for neighbour in near) / len(near) if near else vertex.x

        for rank in ranks if down else reversed(ranks):
            _settle(rank, gap, wish)


def _settle(rank: list[_Vertex], gap: float, wish: Callable[[_Vertex], float]) -> None:
    """Place a rank as near to its vertices' wishes as their distances allow, in the sense of least squares.

    Without the distances in between these are numbers that must not fall: isotonic regression, by pooling neighbours.
    """
    offset, offsets = 0.0, []
    for i, vertex in enumerate(rank):
        if i:
            offset += rank[i - 1].size.after + gap + vertex.size.before
        offsets.append(offset)
    pools: list[tuple[float, int]] = []  # mean, how many
    for vertex, start in zip(rank, offsets, strict=True):
        mean, count = wish(vertex) - start, 1
        while pools and pools[-1][0] > mean:
            before, many = pools.pop()
            mean, count = (mean * count + before * many) / (count + many), count + many
        pools.append((mean, count))
    means = [mean for mean, count in pools for _ in range(count)]
    for vertex, mean, start in zip(rank, means, offsets, strict=True):
        vertex.x = mean + start


# Straight lines


@dataclass
class _Block:
    """Vertices one behind the other, which share their place across."""

    x: float
    vertices: list[_Vertex]


def _straighten(ranks: list[list[_Vertex]], gap: float) -> None:
    """Put vertices that are joined by nothing but one edge exactly one behind the other."""
    blocks = _blocks(ranks)
    of = {id(vertex): block for block in blocks for vertex in block.vertices}
    for block in blocks:
        block.x = sum(vertex.x for vertex in block.vertices) / len(block.vertices)
    lefts: dict[int, list[tuple[_Block, float]]] = {id(block): [] for block in blocks}
    rights: dict[int, list[tuple[_Block, float]]] = {id(block): [] for block in blocks}
    for rank in ranks:
        for left, right in pairwise(rank):
            distance = left.size.after + gap + right.size.before
            lefts[id(of[id(right)])].append((of[id(left)], distance))
            rights[id(of[id(left)])].append((of[id(right)], distance))
    order = _left_to_right(blocks, rights)

    # Both ways to make room are right, so their mean is.
    wishes = [block.x for block in order]
    for block in order:
        block.x = max([block.x, *(left.x + distance for left, distance in lefts[id(block)])])
    pushed = [block.x for block in order]
    for block, wish in zip(order, wishes, strict=True):
        block.x = wish
    for block in reversed(order):
        block.x = min([block.x, *(right.x - distance for right, distance in rights[id(block)])])
    for block, other in zip(order, pushed, strict=True):
        block.x = (block.x + other) / 2

    for sweep in range(3 * SWEEPS):
        for block in order if sweep % 2 else reversed(order):
            near = [n for v in block.vertices for n in (*v.ups, *v.downs) if of[id(n)] is not block]
            if near:
                wish = sum(of[id(neighbour)].x for neighbour in near) / len(near)
                wish = max([wish, *(left.x + distance for left, distance in lefts[id(block)])])
                block.x = min([wish, *(right.x - distance for right, distance in rights[id(block)])])
    for block in blocks:
        for vertex in block.vertices:
            vertex.x = block.x


def _blocks(ranks: list[list[_Vertex]]) -> list[_Block]:
    """Vertices joined by edges of which each is the only one of both its ends, and that do not cross each other."""
    block_of: dict[int, _Block] = {}
    blocks: list[_Block] = []
    for rank in ranks:
        joins: list[tuple[_Vertex, _Vertex]] = []
        single = [(v.ups[0], v) for v in rank if len(v.ups) == 1 and len(v.ups[0].downs) == 1]
        for up, vertex in sorted(single, key=lambda pair: not (pair[0].dummy and pair[1].dummy)):
            if all((up.index < other.index) == (vertex.index < its.index) for other, its in joins):
                joins.append((up, vertex))
        joined = {id(vertex): up for up, vertex in joins}
        for vertex in rank:
            if id(vertex) in joined:
                block = block_of[id(joined[id(vertex)])]
                block.vertices.append(vertex)
            else:
                block = _Block(0.0, [vertex])
                blocks.append(block)
            block_of[id(vertex)] = block
    return blocks


def _left_to_right(blocks: list[_Block], rights: dict[int, list[tuple[_Block, float]]]) -> list[_Block]:
    """The blocks, each after those to its left."""
    numbers = {id(block): i for i, block in enumerate(blocks)}
    edges = [(i, numbers[id(right)]) for i, block in enumerate(blocks) for right, _ in rights[id(block)]]
    return [blocks[i] for i in _topological(len(blocks), edges)]


# Paths


def _ports(ranks: list[list[_Vertex]]) -> dict[tuple[int, int], float]:
    """How far from a vertex' middle its edge to a neighbour begins or ends: side by side, in the neighbours' order."""
    ports: dict[tuple[int, int], float] = {}
    for rank in ranks:
        for vertex in rank:
            for near in (vertex.ups, vertex.downs):
                step = min(PORT, 1.2 * vertex.size.before / len(near)) if near else 0.0
                for i, neighbour in enumerate(sorted(near, key=lambda each: each.x)):
                    ports[id(vertex), id(neighbour)] = (i - (len(near) - 1) / 2) * step
    return ports


def _path(chain: list[_Vertex], centres: list[tuple[float, float]], ports: dict[tuple[int, int], float]) -> list[Point]:
    """The points of an edge: from a border, straight through what is left of its rank, through each rank on the way and
    through the last one up to the other border. Every second piece lies between two ranks.
    """
    start, end = chain[0], chain[-1]
    path = [(start.x + ports[id(start), id(chain[1])], centres[start.rank][0] + start.size.border)]
    for one, other in pairwise(chain):
        (leaves, half), (reaches, its_half) = centres[one.rank], centres[other.rank]
        path.append((one.x + ports[id(one), id(other)], leaves + half))
        path.append((other.x + ports[id(other), id(one)], reaches - its_half))
    return [*path, (end.x + ports[id(end), id(chain[-2])], centres[end.rank][0] - end.size.border)]
