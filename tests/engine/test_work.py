"""Works of a program in a row: who touches which memory, and what may be moved or hidden."""

from __future__ import annotations

from caffe_sdk.engine.operation import OPERATIONS
from caffe_sdk.engine.work import Row, fuse, single
from tests.engine.cpu.twins import tensors

T = tensors(dict.fromkeys("abcd", (3,)))
A, B, C, D = (T[name].memory for name in "abcd")


def copy(x, y):
    return single(OPERATIONS["copy"].bind((T[x], T[y]), {}))


def add(x, y):
    return single(OPERATIONS["accumulate"].bind((T[x], T[y]), {}))


def row(*works, lost=()):
    return Row(works, lost)


def test_what_a_work_does_to_memories():
    assert (copy("a", "b").reads, copy("a", "b").writes, copy("a", "b").overwrites) == ({A}, {B}, {B})
    assert (add("a", "b").reads, add("a", "b").writes, add("a", "b").overwrites) == ({A, B}, {B}, set())
    part = single(OPERATIONS["fill"].bind((T["a"].reshaped(1), 0.0), {}))
    assert (part.writes, part.overwrites) == ({A}, set())


def test_fused_arguments_are_the_given_else_the_first():
    work = fuse("both", [copy("a", "b"), copy("b", "c")], y=T["d"])
    assert (work["x"], work["y"], work.name) == (T["a"], T["d"], "both")
    assert work.touches == {A, B, C}
    assert [part["y"] for part in work.parts] == [T["b"], T["c"]]


def test_other_memories():
    assert copy("a", "b").on({"y": T["c"]}).writes == {C}
    assert add("a", "b").reading(A, D).reads == {B, D}
    assert add("a", "b").reading(B, D).reads == {A, B}, "what is updated stays"
    total = single(OPERATIONS["add_all"].bind(([T["a"], T["b"], T["a"]], T["a"]), {}))
    assert [x.memory for x in total.reading(A, D)["xs"]] == [D, B, D]
    assert total.reading(A, D).writes == {A}


def test_who_is_next():
    r = row(copy("a", "b"), copy("c", "d"), copy("b", "a"))
    assert (r.after(0, A), r.after(2, A), r.before(2, A), r.before(0, A), r.after(0, C)) == (2, None, 0, None, 1)
    assert r.between(0, 2, C)
    assert not r.between(0, 2, B)
    assert r.writes_between(0, 2, D)
    assert not r.writes_between(0, 2, C)
    r.replace(2, None)
    assert r.after(0, A) is None
    r.replace(1, copy("a", "c"))
    assert (r.after(0, A), r.after(0, D)) == (1, None)
    assert [work["y"] for work in r.works()] == [T["b"], T["c"]]


def test_until_overwritten():
    r = row(copy("a", "b"), copy("b", "c"), add("c", "b"), copy("b", "d"), copy("a", "b"), copy("b", "c"))
    assert list(r.until_overwritten(0, B)) == [1, 2, 3]
    assert list(r.until_overwritten(4, B)) == [5]


def test_what_dies():
    r = row(copy("a", "b"), copy("b", "c"), copy("a", "b"), add("a", "c"), lost=[B])
    assert r.dies(0, A) is False
    assert r.dies(1, B) is True, "overwritten"
    assert r.dies(2, B) is True, "lost"
    assert r.dies(1, C) is False, "updated"
    assert r.dies(3, C) is False


def test_what_may_be_done_earlier():
    r = row(copy("a", "b"), copy("c", "d"), copy("b", "c"))
    assert not r.movable(2, 0, B), "c is read before it is overwritten"
    r = row(copy("a", "b"), copy("d", "c"), add("c", "b"))
    assert not r.movable(2, 0, B), "c is made in between"
    r = row(copy("a", "b"), copy("c", "d"), add("c", "b"))
    assert r.movable(2, 0, B)
