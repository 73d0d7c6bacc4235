"""What depends on weights alone is computed once, and again after anybody wrote to one of them."""

import numpy as np
import pytest

from graphc.compiler import compile_graph
from graphc.frontend_keras import backend as K
from graphc.ir.parser import parse
from graphc.passes.fuse import fuse
from graphc.passes.make_kernels import make_kernels
from graphc.passes.pipeline import optimize
from graphc.passes.prologue import split_prologue
from graphc.runtime import threads
from graphc.runtime.writes import WRITES

TEXT = """graph g(%x: f32[B,3], %v: f32[4,3], %w: f32[4,5]) {
  %t = transpose(%v){perm=(1,0)}
  %p = matmul(%t, %w)
  %y = matmul(%x, %p)
  return %y
}"""


class State:
    def __init__(self, array, reports=True):
        self.array, self.reports_writes = np.array(array, "f4"), reports


@pytest.fixture
def weights():
    rng = np.random.default_rng(0)
    return [rng.integers(-4, 5, shape).astype("f4") for shape in ((4, 3), (4, 5))]


def runs_of(f):
    """How often the prologue of an executable has run."""
    counted = []
    binding = f._prologue._binding()
    original = binding.run
    binding.run = lambda: counted.append(1) or original()
    return counted


def test_which_kernels_belong_to_it():
    graph = optimize(parse(TEXT))
    kernels = make_kernels(graph, fuse(graph))
    once, always = split_prologue(kernels, set(graph.inputs[1:]))
    assert [len(once.kernels), len(always.kernels)] == [1, 1]
    assert not split_prologue(kernels, {graph.inputs[1]})[0].kernels
    assert not split_prologue(kernels, set())[0].kernels


@pytest.mark.parametrize("text", [
    TEXT.replace("return %y", "return %y, %p"),
    "graph g(%x: f32[B], %s: i64[], %w: f32[4]) {\n  %k = random_key(%s, %s){stream=1}\n"
    "  %u = random_uniform(%k){shape=(4,), dtype=f32}\n  %z = multiply(%u, %w)\n  %p = cumsum(%z){axis=0}\n"
    "  %n = reduce_sum(%p){axes=(0,)}\n  %b = broadcast(%n){axes=(), shape=(B,)}\n  %y = add(%x, %b)\n  return %y\n}"])
def test_what_is_shown_or_random_is_computed_at_every_call(text):
    graph = optimize(parse(text))
    kernels = make_kernels(graph, fuse(graph))
    assert not split_prologue(kernels, set(graph.inputs[1:]))[0].kernels


def test_it_runs_once_for_all_batch_sizes_and_after_a_write(weights):
    v, w = (State(a) for a in weights)
    f = compile_graph(parse(TEXT), {1: v, 2: w})
    counted = runs_of(f)
    for rows in (1, 7, 2, 7):
        x = np.ones((rows, 3), "f4")
        np.testing.assert_array_equal(f(x)[0], x @ v.array.T @ w.array)
    assert len(counted) == 1
    v.array += 1
    WRITES.changed()
    np.testing.assert_array_equal(f(x)[0], x @ v.array.T @ w.array)
    assert len(counted) == 2
    (y,) = f.run_steps([np.ones((6, 3), "f4")], 3, [True])
    np.testing.assert_array_equal(y[0], np.ones((2, 3), "f4") @ v.array.T @ w.array)
    assert len(counted) == 2


def test_states_that_do_not_report_are_read_at_every_call(weights):
    v, w = State(weights[0], reports=False), State(weights[1])
    f = compile_graph(parse(TEXT), {1: v, 2: w})
    once = f.program.prologue
    assert once is None or f.graph.inputs[1] not in once.states
    x = np.ones((2, 3), "f4")
    f(x)
    v.array += 1
    np.testing.assert_array_equal(f(x)[0], x @ v.array.T @ w.array)


def test_another_number_of_threads(weights):
    v, w = (State(a) for a in weights)
    f, x, before = compile_graph(parse(TEXT), {1: v, 2: w}), np.ones((2, 3), "f4"), threads.count()
    try:
        for count in (1, 2, 1):
            threads.set_num_threads(count)
            np.testing.assert_array_equal(f(x)[0], x @ v.array.T @ w.array)
    finally:
        threads.set_num_threads(before)


def test_a_program_that_writes_announces_it_only_where_it_matters(weights):
    v, w = (State(a) for a in weights)
    read = compile_graph(parse(TEXT), {1: v, 2: w})
    x = np.ones((2, 3), "f4")
    read(x)
    step = "graph s(%v: f32[4,3]) {\n  %n = add(%v, %v)\n  return %n\n}"
    other = State(weights[0])
    for state, moves in ((v, True), (other, False)):
        write = compile_graph(parse(step).replace(donations=((0, 0),)), {0: state})
        at = WRITES.generation
        write()
        assert (WRITES.generation > at) is moves
        np.testing.assert_array_equal(read(x)[0], x @ v.array.T @ w.array)


@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_variables_report(target, weights):
    v, w = (K.variable(a) for a in weights)
    x = K.placeholder(shape=(None, 3))
    read = K.function([x], [K.dot(x, K.dot(K.transpose(v), w))])
    given = np.ones((2, 3), "f4")
    np.testing.assert_array_equal(read([given])[0], given @ weights[0].T @ weights[1])
    before = K.target()
    K.set_target(target)
    try:
        write = K.function([], [], updates=[K.update(v, v + 1)])
        write([])
    finally:
        K.set_target(before)
    np.testing.assert_array_equal(read([given])[0], given @ (weights[0] + 1).T @ weights[1])
    K.set_value(w, weights[1] * 2)
    np.testing.assert_array_equal(read([given])[0], given @ (weights[0] + 1).T @ weights[1] * 2)
