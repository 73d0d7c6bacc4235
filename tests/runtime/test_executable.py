"""Compiled graphs at work: shapes, casts, states, steps, threads, forks."""

import os
import threading

import numpy as np
import pytest

from graphc.compiler import compile_graph
from graphc.errors import DTypeError, IndexRangeError, ShapeError
from graphc.ir.parser import parse
from graphc.runtime import threads


class State:
    def __init__(self, array):
        self.array = array


AFFINE = """graph affine(%x: f32[B,3], %w: f32[3,2]) {
  %y = matmul(%x, %w) : f32[B,2]
  return %y
}"""
COUNT = """graph count(%x: f32[B], %total: f32[]) {
  %s = reduce_sum(%x){axes=(0,)} : f32[]
  %t = add(%total, %s) : f32[]
  return %s, %t -> %total
}"""


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_every_batch_size_runs_without_compiling_again(rng):
    f = compile_graph(parse(AFFINE))
    w = rng.normal(size=(3, 2)).astype("f4")
    for batch in (1, 7, 0, 64, 7, *range(20, 40)):
        x = rng.normal(size=(batch, 3)).astype("f4")
        np.testing.assert_allclose(f(x, w)[0], x @ w, rtol=1e-5, atol=1e-6)


def test_results_are_new_arrays(rng):
    f = compile_graph(parse(AFFINE))
    w = np.eye(3, 2, dtype="f4")
    first = f(np.ones((2, 3), "f4"), w)[0]
    kept = first.copy()
    f(np.zeros((2, 3), "f4"), w)
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("make", [lambda a: a.astype("f8"), lambda a: a[::-1][::-1], lambda a: np.asfortranarray(a),
                                  lambda a: a.tolist(), lambda a: a.astype(">f4"), lambda a: a.astype("f2")])
def test_inputs_of_any_layout_and_number_type(make, rng):
    f = compile_graph(parse(AFFINE))
    x = rng.integers(-4, 5, size=(6, 3)).astype("f4")
    w = np.arange(6, dtype="f4").reshape(3, 2)
    np.testing.assert_array_equal(f(make(x), w)[0], x @ w)


def test_large_inputs_are_read_where_they_lie(rng):
    f = compile_graph(parse("graph g(%x: f32[N]) {\n  %y = negative(%x)\n  return %y\n}"))
    x = rng.normal(size=100_000).astype("f4")
    np.testing.assert_array_equal(f(x)[0], -x)
    np.testing.assert_array_equal(f(x[::2])[0], -x[::2])
    x.setflags(write=False)
    np.testing.assert_array_equal(f(x)[0], -x)


@pytest.mark.parametrize(("x", "error", "words"), [
    (np.zeros((2, 4), "f4"), ShapeError, "x: axis 1 has the wrong size; expected f32[B,3]"),
    (np.zeros(3, "f4"), ShapeError, "x: rank 1 instead of 2"),
    (np.array([["a", "b", "c"]]), DTypeError, "cannot be read as numbers"),
])
def test_wrong_inputs_are_named(x, error, words):
    f = compile_graph(parse(AFFINE))
    with pytest.raises(error, match=words.replace("[", r"\[").replace("]", r"\]")):
        f(x, np.zeros((3, 2), "f4"))
    f(np.zeros((2, 3), "f4"), np.zeros((3, 2), "f4"))


def test_a_wrong_count_of_inputs_is_named():
    with pytest.raises(ShapeError, match=r"expected 2 \(x, w\); got 1"):
        compile_graph(parse(AFFINE))(np.zeros((2, 3), "f4"))


@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_states_are_updated_in_place(target):
    state = State(np.array(1, "f4"))
    f = compile_graph(parse(COUNT), {1: state}, target=target)
    (s,) = f(np.array([1, 2, 3], "f4"))
    assert s == 6
    assert state.array == 7
    f(np.ones(5, "f4"))
    assert state.array == 12


@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_steps_read_batch_after_batch(target):
    state = State(np.array(0, "f4"))
    f = compile_graph(parse(COUNT), {1: state}, target=target)
    x = np.arange(12, dtype="f4")
    (sums,) = f.run_steps([x], 4, [True])
    np.testing.assert_array_equal(sums, x.reshape(4, 3).sum(1))
    assert state.array == x.sum()
    (again,) = f.run_steps([x], 2, [False])
    np.testing.assert_array_equal(again, [x.sum()] * 2)


GATHER = """graph pick(%x: f32[5,2], %i: i32[N], %seen: f32[]) {
  %r = gather(%x, %i){axis=0} : f32[N,2]     # embedding_1
  %s = reduce_sum(%r){axes=(0,1)} : f32[]
  %t = add(%seen, %s) : f32[]
  return %r, %t -> %seen
}"""


@pytest.mark.parametrize("bad", [-1, 5, 2**31 - 1, -2**31])
def test_an_index_out_of_range_changes_nothing(bad):
    state = State(np.array(3, "f4"))
    f = compile_graph(parse(GATHER), {2: state})
    table = np.arange(10, dtype="f4").reshape(5, 2)
    with pytest.raises(IndexRangeError, match="embedding_1") as caught:
        f(table, np.array([0, 4, bad, 1], "i4"))
    assert str(bad) in str(caught.value)
    assert state.array == 3
    np.testing.assert_array_equal(f(table, np.array([4, 0], "i4"))[0], table[[4, 0]])


def test_threads_may_share_one_function(rng):
    f = compile_graph(parse(AFFINE))
    w = rng.normal(size=(3, 2)).astype("f4")
    wrong = []

    def work(seed):
        mine = np.random.default_rng(seed)
        for _ in range(50):
            x = mine.normal(size=(mine.integers(1, 9), 3)).astype("f4")
            if not np.allclose(f(x, w)[0], x @ w, rtol=1e-5, atol=1e-6):
                wrong.append(seed)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


BIG = """graph big(%x: f32[600,300], %w: f32[300,200]) {
  %y = matmul(%x, %w)
  %z = tanh(%y)
  %s = reduce_sum(%z){axes=(1,)}
  return %z, %s
}"""


def test_results_do_not_depend_on_the_number_of_threads(rng):
    x, w = rng.normal(size=(600, 300)).astype("f4"), rng.normal(size=(300, 200)).astype("f4")
    f = compile_graph(parse(BIG))
    before = threads.count()
    results = []
    try:
        for count in (1, 2, 3, 4):
            threads.set_num_threads(count)
            results.append(f(x, w))
    finally:
        threads.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_computes_the_same(rng):
    x, w = rng.normal(size=(600, 300)).astype("f4"), rng.normal(size=(300, 200)).astype("f4")
    f = compile_graph(parse(BIG))
    want = f(x, w)[0]
    child = os.fork()
    if child == 0:
        try:
            same = np.array_equal(f(x, w)[0], want) and np.array_equal(compile_graph(parse(BIG))(x, w)[0], want)
            os._exit(0 if same else 1)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    np.testing.assert_array_equal(f(x, w)[0], want)


def test_denormal_numbers_survive():
    f = compile_graph(parse("graph g(%x: f32[N]) {\n  %y = add(%x, %x)\n  return %y\n}"))
    tiny = np.full(40, 1e-40, "f4")
    np.testing.assert_array_equal(f(tiny)[0], tiny + tiny)
    assert np.float32(1e-40) * np.float32(1) != 0


@pytest.mark.parametrize("width", [3, 5000])  # staged in the arena, and too large for it
def test_steps_that_pick_their_rows_are_the_same_as_calls_with_those_rows(rng, width):
    graph = parse(f"graph g(%x: f32[N,{width}], %k: f32[], %y: i32[N]) {{\n"
                  "%s = reduce_sum(%x){axes=(1,)}\n%b = broadcast(%k){axes=(), shape=(N,)}\n"
                  "%t = multiply(%s, %b)\nreturn %t, %y\n}")
    x, y, k = rng.random((50, width), "f4"), np.arange(50, dtype="i4"), np.float32(1.5)
    rows = rng.permutation(50)[:36]
    native, reference = compile_graph(graph), compile_graph(graph, target="reference")
    stepped = [True, False, True]
    sums, labels = native.run_steps([x, k, y], 4, stepped, rows)
    assert np.array_equal(labels, rows.reshape(4, 9))
    for s in range(4):
        picked = rows[9 * s:9 * s + 9]
        assert np.array_equal(sums[s], native(x[picked], k, y[picked])[0])
    expected = reference.run_steps([x, k, y], 4, stepped, rows)
    assert np.allclose(sums, expected[0], rtol=width * 2.0**-24)
    assert np.array_equal(native(x[:9], k, y[:9])[1], y[:9])


@pytest.mark.parametrize("bad", [-1, 50])
def test_a_row_that_does_not_exist_is_an_error_before_anything_runs(bad):
    f = compile_graph(parse("graph g(%x: f32[N]) {\n%y = add(%x, %x)\nreturn %y\n}"))
    with pytest.raises(IndexRangeError, match="rows from 0 to 49"):
        f.run_steps([np.zeros(50, "f4")], 2, [True], np.array([0, 1, 2, bad]))


def test_an_index_out_of_range_in_a_picked_row_names_its_value():
    f = compile_graph(parse("graph g(%x: f32[4], %i: i32[N]) {\n%y = gather(%x, %i){axis=0}\nreturn %y\n}"))
    indices = np.array([0, 1, 77, 3], "i4")
    with pytest.raises(IndexRangeError, match="77"):
        f.run_steps([np.zeros(4, "f4"), indices], 2, [False, True], np.array([0, 1, 3, 2]))
