"""States: updates written in place or copied at the end, whatever else reads the old and the new value."""

import random

import numpy as np
import pytest

from graphc.compiler import compile_graph
from graphc.errors import IndexRangeError
from graphc.ir import Builder, dtype_of
from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse
from tests.codegen_cpu.bounds import check
from tests.fuzz.graphs import random_graph

F32 = dtype_of("f32")


class State:
    def __init__(self, array):
        self.array = np.array(array)


def stateful(graph, arrays, **options):
    """The graph compiled, its states, and its explicit inputs; an input that something is donated to is a state."""
    kept = sorted({i for _, i in graph.donations})
    states = {i: State(arrays[i]) for i in kept}
    given = [a for i, a in enumerate(arrays) if i not in states]
    return compile_graph(graph, states, **options), states, given


def assert_steps_agree(graph, arrays, steps=3, **options):
    """Step by step: what the target returns and leaves in its states is what the graph says of the states before."""
    f, states, given = stateful(graph, arrays, **options)
    donated = dict(graph.donations)
    for step in range(steps):
        before = [states[i].array.copy() if i in states else a for i, a in enumerate(arrays)]
        returned = iter(f(*given))
        results = [states[donated[o]].array.copy() if o in donated else next(returned) for o in range(len(graph.outputs))]
        check(graph, before, results, f"step {step}")


CASES = {
    "another output reads the old value": """graph g(%c: f32[40], %a: f32[40]) {
      %s = multiply(%c, %c)
      %n = exp(%s)
      %z = add(%n, %a)
      return %n -> %a, %z
    }""",
    "another kernel reads the new value": """graph g(%c: f32[40], %a: f32[40]) {
      %n = add(%c, %a)
      %z = cumsum(%n){axis=0}
      return %n -> %a, %z
    }""",
    "another kernel reads the old value": """graph g(%c: f32[40], %a: f32[40]) {
      %n = add(%c, %a)
      %z = cumsum(%a){axis=0}
      return %n -> %a, %z
    }""",
    "states change places": "graph g(%a: f32[40], %b: f32[40]) {\n  return %b -> %a, %a -> %b\n}",
    "states cross in one kernel": """graph g(%a: f32[40], %b: f32[40]) {
      %s = add(%a, %b)
      %x = multiply(%s, %b)
      %y = tanh(%a)
      %z = add(%y, %s)
      return %x -> %a, %z -> %b
    }""",
    "one new value for two states and the caller": """graph g(%x: f32[40], %a: f32[40], %b: f32[40]) {
      %n = add(%x, %a)
      return %n -> %a, %n -> %b, %n
    }""",
    "old and new value returned": """graph g(%x: f32[40], %a: f32[40]) {
      %n = add(%x, %a)
      return %a, %n -> %a, %n
    }""",
    "an input becomes the state": "graph g(%x: f32[40], %a: f32[40]) {\n  return %x -> %a, %x\n}",
    "a state keeps its value": "graph g(%x: f32[40], %a: f32[40]) {\n  return %a -> %a, %x\n}",
    "a number becomes the state": """graph g(%x: f32[40], %a: f32[40]) {
      %n = full{value=2.5, shape=(40,), dtype=f32}
      return %n -> %a, %a
    }""",
    "a constant becomes the state": """graph g(%a: f32[2]) {
      %n = constant{value=f32[2](2.5, -1.0)}
      return %n -> %a, %a
    }""",
    "the state moves": """graph g(%a: f32[40]) {
      %r = reverse(%a){axes=(0,)}
      %n = add(%a, %r)
      return %r -> %a, %n
    }""",
    "update behind a contraction": """graph g(%x: f32[7,40], %d: f32[7,20], %w: f32[40,20], %m: f32[40,20]) {
      %t = transpose(%x){perm=(1,0)}
      %g = matmul(%t, %d)
      %mm = add(%m, %g)
      %n = subtract(%w, %mm)
      return %mm -> %m, %n -> %w
    }""",
    "another output of a contraction reads the old value": """graph g(%x: f32[7,40], %d: f32[7,20], %w: f32[40,20]) {
      %t = transpose(%x){perm=(1,0)}
      %g = matmul(%t, %d)
      %n = subtract(%w, %g)
      %z = multiply(%n, %w)
      return %n -> %w, %z
    }""",
    "scalars": """graph g(%x: f32[40], %a: f32[], %k: i64[]) {
      %s = reduce_sum(%x){axes=(0,)}
      %n = add(%s, %a)
      %one = full{value=1, shape=(), dtype=i64}
      %l = add(%k, %one)
      return %n -> %a, %l -> %k, %l
    }""",
}


def inputs_of(graph, seed=0):
    rng = np.random.default_rng(seed)
    return [(rng.integers(-8, 9, v.type.shape) / 8).astype(v.type.dtype.numpy) for v in graph.inputs]


@pytest.mark.parametrize("fusion", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_states(case, fusion):
    graph = parse(CASES[case])
    assert_steps_agree(graph, inputs_of(graph), fusion=fusion)


def with_states(drawn, rng):
    """A random graph, some of whose inputs take a value of their type, or themselves less a little, as new state."""
    graph = drawn.graph
    b = Builder(graph.inputs)
    for op in graph.ops:
        b.add_existing(op)
    outputs, donations = list(graph.outputs), []
    for i, old in enumerate(graph.inputs):
        if old.type.dtype != F32 or old.type.symbols or rng.random() < 0.3:
            continue
        fitting = [r for op in graph.ops for r in op.results if r.type == old.type]
        new = rng.choice([*fitting, *[v for v in graph.inputs if v.type == old.type]])
        if rng.random() < 0.6:
            new = b.emit("tanh", b.emit("add", old, new))
        donations.append((len(outputs), i))
        outputs.append(new)
    return b.graph(outputs, donations=donations)


@pytest.mark.parametrize("seed", range(8))
def test_random_updates(seed):
    rng = random.Random(seed)
    drawn = random_graph(rng, rng.randint(5, 12), outputs=3)
    graph = with_states(drawn, rng)
    assert_steps_agree(graph, drawn.arrays, fusion=seed % 4 != 0)


def test_many_steps_by_one_call_are_the_steps_one_by_one():
    graph = parse("""graph g(%x: f32[B,5], %k: f32[5], %w: f32[5,3], %n: f32[]) {
      %y = matmul(%x, %w)
      %t = transpose(%x){perm=(1,0)}
      %d = tanh(%y)
      %g = matmul(%t, %d)
      %v = subtract(%w, %g)
      %s = reduce_sum(%d){axes=(0,1)}
      %m = add(%n, %s)
      %kk = broadcast(%k){axes=(1,), shape=(B,5)}
      %z = multiply(%x, %kk)
      return %s, %v -> %w, %m -> %n, %z, %s
    }""")
    x, k, w, n = (np.random.default_rng(1).uniform(-1, 1, s).astype("f4") for s in ((12, 5), (5,), (5, 3), ()))
    one, single, _ = stateful(graph, [x, k, w, n])
    many, together, _ = stateful(graph, [x, k, w, n])
    want = [one(x[i * 3:(i + 1) * 3], k) for i in range(4)]
    got = many.run_steps([x, k], 4, [True, False])
    assert len(got) == 3
    for column, stacked in zip(zip(*want, strict=True), got, strict=True):
        np.testing.assert_array_equal(np.stack(column), stacked)
    for i in single:
        np.testing.assert_array_equal(single[i].array, together[i].array)


@pytest.mark.parametrize("fusion", [True, False])
@pytest.mark.parametrize("text", [
    """graph g(%x: f32[5], %i: i32[4], %w: f32[4]) {
      %n = negative(%w)
      %r = gather(%x, %i){axis=0}                  # embedding_1
      return %n -> %w, %r
    }""",
    """graph g(%x: f32[5], %i: i32[4], %w: f32[4]) {
      %r = gather(%x, %i){axis=0}                  # embedding_1
      %n = add(%w, %r)
      return %n -> %w
    }""",
    """graph g(%x: f32[4], %i: i32[4], %w: f32[4]) {
      %n = add(%w, %x)
      %r = gather_grad(%n, %i){axis=0, size=5}     # embedding_1
      return %n -> %w, %r
    }""",
    """graph g(%x: f32[5], %i: i32[4], %w: f32[4]) {
      %n = add(%w, %w)
      %r = gather(%x, %i){axis=0}                  # embedding_1
      %e = exp(%r)
      %s = reduce_sum(%e){axes=(0,)}
      return %n -> %w, %s
    }""",
    """graph g(%x: f32[5,3], %i: i32[4], %y: f32[3,4], %w: f32[4]) {
      %r = gather(%x, %i){axis=0}                  # embedding_1
      %m = matmul(%r, %y)
      %s = reduce_sum(%m){axes=(1,)}
      %n = subtract(%w, %s)
      return %n -> %w
    }"""])
def test_no_state_changes_when_an_index_is_out_of_range(text, fusion):
    graph = parse(text)
    arrays = [np.ones(v.type.shape, v.type.dtype.numpy) for v in graph.inputs]
    f, states, given = stateful(graph, arrays, fusion=fusion)
    for bad in (-1, 5, 2**31 - 1, -2**31):
        given[1] = np.array([0, 1, bad, 2], "i4")
        with pytest.raises(IndexRangeError, match="embedding_1") as caught:
            f(*given)
        assert str(bad) in str(caught.value)
        (state,) = states.values()
        np.testing.assert_array_equal(state.array, 1)
    given[1] = np.array([0, 1, 3, 2], "i4")
    f(*given)
    assert (state.array != 1).any()


def test_a_donation_to_an_input_that_is_no_state_does_nothing():
    graph = parse("graph g(%x: f32[3], %a: f32[3]) {\n  %n = add(%x, %a)\n  return %n -> %a\n}")
    given = [np.ones(3, "f4"), np.full(3, 2, "f4")]
    (got,) = compile_graph(graph)(*given)
    np.testing.assert_array_equal(got, evaluate(graph, given)[0])
    np.testing.assert_array_equal(given[1], 2)
