"""Kernels at computed positions: gathers, their gradients, running sums, random numbers; indices out of range.

What does not live here: what the random numbers are (tests/ir/test_random.py), element types (test_ops.py).
"""

import numpy as np
import pytest

from graphc.compiler import compile_graph
from graphc.errors import IndexRangeError
from graphc.ir import random
from graphc.ir.parser import parse
from tests.codegen_cpu.agreement import State, arrays_for, assert_agrees, assert_same_bits

# ---- gathers

@pytest.mark.parametrize("index", ["i32", "i64", "u8", "i16"])
@pytest.mark.parametrize(("table", "axis", "shape"), [("5,M", 0, "N"), ("M,5", 1, "N"), ("5", 0, "N"), ("2,5,M", 1, "N,3"),
                                                      ("5,M", 0, ""), ("M,5,2", 1, "1,N,1")])
def test_gathers(index, table, axis, shape, thread_counts):
    if index in ("u8", "i16") and shape != "N":
        table, axis, shape = "7,M", 0, "N"
    assert_agrees(f"""graph g(%t: f32[{table}], %i: {index}[{shape}], %m: f32[M], %n: f32[N]) {{
      %y = gather(%t, %i){{axis={axis}}}
      %e = exp(%y)
      return %y, %e
    }}""", [{"N": n, "M": m} for n, m in ((1, 1), (3, 5), (33, 17), (70, 2), (0, 3))], thread_counts)


GATHERS = {
    "a gather of a gather": """graph g(%t: f32[6,M], %i: i32[N], %j: i32[N]) {
      %p = pad(%i){low=(0,), high=(5,), value=0}
      %k = gather(%p, %j){axis=0}
      %y = gather(%t, %k){axis=0}
      %z = add(%y, %y)
      return %z
    }""",
    "of whole numbers and bools": """graph g(%t: i64[5,M], %c: bool[5], %i: i32[N]) {
      %y = gather(%t, %i){axis=0}
      %z = gather(%c, %i){axis=0}
      return %y, %z
    }""",
    "by computed indices": """graph g(%t: f32[5,M], %x: f32[N,M]) {
      %i = argmax(%x){axis=1}
      %five = full{value=5, shape=(N,), dtype=i64}
      %k = remainder(%i, %five)
      %y = gather(%t, %k){axis=0}
      %z = subtract(%y, %x)
      return %z
    }""",
    "from what is computed, turned and put together": """graph g(%t: f32[3,M], %u: f32[M,3], %i: i32[N]) {
      %e = tanh(%t)
      %v = transpose(%u){perm=(1,0)}
      %c = concatenate(%e, %v){axis=0}
      %y = gather(%c, %i){axis=0}
      %z = square(%y)
      return %z
    }""",
    "in a fold": """graph g(%t: f32[5,M], %i: i32[N,3]) {
      %y = gather(%t, %i){axis=0}
      %s = reduce_sum(%y){axes=(1,)}
      %a = reduce_max(%y){axes=(2,)}
      return %s, %a
    }""",
    "the probability of each label": """graph g(%x: f32[N,5], %l: i32[N], %m: f32[M]) {
      %p = log_softmax(%x){axis=1}
      %hot = one_hot(%l){depth=5, dtype=f32}
      %y = multiply(%p, %hot)
      %s = reduce_sum(%y){axes=(0,1)}
      return %s, %hot
    }""",
    "a row that every position shares": """graph g(%t: f32[5,M], %i: i32[], %x: f32[N,M]) {
      %y = gather(%t, %i){axis=0}
      %b = broadcast(%y){axes=(1,), shape=(N,M)}
      %z = add(%x, %b)
      return %z
    }""",
    "words and their gradients": """graph g(%t: f32[5,M], %i: i32[N,3], %g: f32[N,3,M]) {
      %y = gather(%t, %i){axis=0}
      %d = multiply(%y, %g)
      %s = gather_grad(%d, %i){axis=0, size=5}
      %w = subtract(%t, %s)
      return %w, %y
    }""",
}


@pytest.mark.parametrize("name", GATHERS)
def test_gathers_among_other_ops(name, thread_counts):
    assert_agrees(GATHERS[name], [{"N": n, "M": m} for n, m in ((1, 1), (3, 5), (33, 17), (70, 2))], thread_counts)


@pytest.mark.parametrize(("given", "shape", "axis"), [("N,M", "N", 0), ("M,N", "N", 1), ("N", "N", 0), ("2,N,3,M", "N,3", 1),
                                                      ("N,M", "", 0), ("N,M", "", 2), ("N,M", "N,M", 0)])
def test_sums_at_repeated_indices(given, shape, axis, thread_counts):
    assert_agrees(f"""graph g(%g: f32[{given}], %i: i32[{shape}], %m: f32[M]) {{
      %y = gather_grad(%g, %i){{axis={axis}, size=5}}
      %z = gather_grad(%g, %i){{axis={axis}, size=M+4}}
      return %y, %z
    }}""", [{"N": n, "M": m} for n, m in ((1, 1), (3, 5), (33, 17), (70, 2), (0, 3))], thread_counts)


def test_all_rows_may_fall_on_one():
    f = compile_graph(parse("graph g(%g: f32[N,2], %i: i64[N]) {\n%y = gather_grad(%g, %i){axis=0, size=3}\nreturn %y\n}"))
    np.testing.assert_array_equal(f(np.ones((500, 2), "f4"), np.full(500, 1))[0], [[0, 0], [500, 500], [0, 0]])
    np.testing.assert_array_equal(f(np.ones((0, 2), "f4"), np.zeros(0, "i8"))[0], np.zeros((3, 2)))


@pytest.mark.parametrize("normal", [False, True])
@pytest.mark.parametrize(("shape", "axis"), [("N", 0), ("N,M", 0), ("N,M", 1), ("M,N,3", 1), ("1,N,1", 1), ("N,1", 1)])
def test_running_sums(shape, axis, normal, thread_counts):
    assert_agrees(f"""graph g(%x: f32[{shape}], %m: f32[M]) {{
      %t = negative(%x)
      %y = cumsum(%x){{axis={axis}}}
      %z = cumsum(%t){{axis={axis}}}
      %r = reverse(%y){{axes=({axis},)}}
      %s = cumsum(%r){{axis={axis}}}
      %u = relu(%z)
      return %y, %u, %s
    }}""", [{"N": n, "M": m} for n, m in ((1, 1), (2, 3), (17, 5), (130, 2), (0, 2), (3, 0))], thread_counts, normal=normal)


def test_running_sums_of_every_type(thread_counts):
    for dtype in ("f64", "i8", "i32", "u16", "i64", "u64"):
        assert_agrees(f"graph g(%x: {dtype}[N,M]) {{\n%y = cumsum(%x){{axis=1}}\n%z = cumsum(%x){{axis=0}}\nreturn %y, %z\n}}",
                      [{"N": 3, "M": 40}, {"N": 40, "M": 3}], thread_counts)


# ---- random numbers

RANDOM = """graph g(%seed: i64[], %step: i64[], %n: f32[N], %m: f32[M]) {{
  %key = random_key(%seed, %step){{stream={stream}}}
  %bits = random_bits(%key){{shape=({shape})}}
  %uniform = random_uniform(%key){{shape=({shape}), dtype={dtype}}}
  %normal = random_normal(%key){{shape=({shape}), dtype={dtype}}}
  return %key, %bits, %uniform, %normal
}}"""
SEEDS = [(0, 0), (1, 0), (0, 1), (42, 7), (-1, -1), (2**63 - 1, -2**63), (2**32, 2**33 + 5), (123456789012345, 99)]


def drawn(f, seed, step, n=1, m=1):
    return f(np.int64(seed), np.int64(step), np.zeros(n, "f4"), np.zeros(m, "f4"))


@pytest.mark.parametrize("stream", [0, 1, 5, 2**31 - 1])
def test_random_words_are_those_of_the_definition(stream, thread_counts):
    f = compile_graph(parse(RANDOM.format(stream=stream, shape="N,M", dtype="f32")))
    for seed, step in SEEDS:
        key, shape = random.random_key(seed, step, stream), (7, 33)
        for count in (1, 3):
            thread_counts(count)
            got = drawn(f, seed, step, *shape)
            assert_same_bits(got[:3], [key, random.random_bits(key, shape), random.random_uniform(key, shape, np.dtype("f4"))])
            exact = random.random_normal(key, shape, np.dtype("f8"))
            np.testing.assert_allclose(got[3], exact, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("shape", ["N", "N,M", "M,2,N", "1,N,1"])
@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_random_numbers_of_every_shape(shape, dtype, thread_counts):
    f = compile_graph(parse(RANDOM.format(stream=3, shape=shape + ("," if "," not in shape else ""), dtype=dtype)))
    kind = np.dtype({"f32": "f4", "f64": "f8"}[dtype])
    for n, m in ((1, 1), (17, 3), (130, 5), (0, 2)):
        bound = tuple({"N": n, "M": m}.get(dim) or int(dim) if dim not in "NM" else {"N": n, "M": m}[dim]
                      for dim in shape.split(","))
        key = random.random_key(42, 7, 3)
        thread_counts(1)
        alone = drawn(f, 42, 7, n, m)
        thread_counts(2)
        assert_same_bits(alone, drawn(f, 42, 7, n, m))
        assert_same_bits(alone[1:3], [random.random_bits(key, bound), random.random_uniform(key, bound, kind)])


def test_random_numbers_in_double_precision(thread_counts):
    """They have 24 bits, but what is computed with them has 53; and they meet other numbers of f64 everywhere."""
    assert_agrees("""graph g(%seed: i64[], %x: f64[N]) {
      %key = random_key(%seed, %seed){stream=0}
      %u = random_uniform(%key){shape=(N,), dtype=f64}
      %e = exp(%u)
      %p = multiply(%u, %u)
      %c = concatenate(%u, %x){axis=0}
      %half = full{value=0.5, shape=(N,), dtype=f64}
      %on = less(%u, %half)
      %s = select(%on, %u, %half)
      %g = pad(%u){low=(1,), high=(2,), value=0.1}
      return %e, %p, %c, %s, %g
    }""", [{"N": 1}, {"N": 33}], thread_counts)


def test_a_number_depends_on_its_position_alone():
    """A larger tensor begins with the smaller one's numbers; reads through movers keep every element's own."""
    f = compile_graph(parse("""graph g(%seed: i64[], %n: f32[N], %x: f32[N,3]) {
      %key = random_key(%seed, %seed){stream=1}
      %u = random_uniform(%key){shape=(N,), dtype=f32}
      %w = random_uniform(%key){shape=(3,N), dtype=f32}
      %t = transpose(%w){perm=(1,0)}
      %y = add(%x, %t)
      %r = reverse(%u){axes=(0,)}
      %z = add(%r, %n)
      return %y, %z
    }"""))
    for n in (1, 7, 100):
        uniform = random.random_uniform(random.random_key(9, 9, 1), (3 * n,), np.dtype("f4"))
        y, z = f(np.int64(9), np.zeros(n, "f4"), np.zeros((n, 3), "f4"))
        np.testing.assert_array_equal(y, uniform.reshape(3, n).T)
        np.testing.assert_array_equal(z, uniform[n - 1::-1])


def test_keys_computed_from_states_move_on(thread_counts):
    graph = parse("""graph step(%seed: i64[], %n: f32[N], %step: i64[]) {
      %key = random_key(%seed, %step){stream=2}
      %u = random_uniform(%key){shape=(N,), dtype=f32}
      %one = full{value=1, shape=(), dtype=i64}
      %next = add(%step, %one)
      return %u, %next -> %step
    }""")
    state = State(np.int64(2**32 - 2))
    f = compile_graph(graph, {2: state})
    for step in range(4):
        key = random.random_key(5, 2**32 - 2 + step, 2)
        np.testing.assert_array_equal(f(np.int64(5), np.zeros(33, "f4"))[0], random.random_uniform(key, (33,), np.dtype("f4")))
    assert state.array == 2**32 + 2
    (rows,) = f.run_steps([np.int64(5), np.zeros(3 * 4, "f4")], 3, [False, True])
    for step in range(3):
        np.testing.assert_array_equal(rows[step], random.random_uniform(random.random_key(5, 2**32 + 2 + step, 2), (4,),
                                                                        np.dtype("f4")))


# ---- indices out of range

OUTSIDE = {
    "gather": """graph g(%t: f32[5,M], %i: i32[N]) {
      %y = gather(%t, %i){axis=0}  # words/lookup
      %e = exp(%y)
      return %e
    }""",
    "gather in a fold": """graph g(%t: f32[5,M], %i: i32[N]) {
      %y = gather(%t, %i){axis=0}  # words/lookup
      %s = reduce_sum(%y){axes=(0,)}
      return %s
    }""",
    "gather behind a contraction": """graph g(%t: f32[5,M], %i: i32[N]) {
      %y = gather(%t, %i){axis=0}  # words/lookup
      %z = transpose(%y){perm=(1,0)}
      %s = matmul(%y, %z)
      return %s
    }""",
    "gather_grad": """graph g(%t: f32[5,M], %i: i32[N]) {
      %y = reshape(%t){shape=(5*M,)}
      %b = broadcast(%y){axes=(1,), shape=(N,5*M)}
      %s = gather_grad(%b, %i){axis=0, size=5}  # words/lookup
      return %s
    }""",
    "gather on the other side of a kernel": """graph g(%t: f32[5,M], %i: i32[N]) {
      %r = reverse(%i){axes=(0,)}
      %n = negative(%r)
      %p = negative(%n)
      %q = reverse(%p){axes=(0,)}
      %y = gather(%t, %q){axis=0}  # words/lookup
      return %y
    }""",
}


@pytest.mark.parametrize("bad", [-1, 5, 2**31 - 1, -2**31])
@pytest.mark.parametrize("name", OUTSIDE)
def test_an_index_out_of_range_is_named(name, bad, thread_counts):
    graph = parse(OUTSIDE[name])
    f = compile_graph(graph)
    for n, where in ((1, 0), (33, 0), (33, 32), (130, 64)):
        t, i = arrays_for(graph, {"N": n, "M": 3})
        fine = i.copy()
        i[where] = bad
        for count in (1, 2):
            thread_counts(count)
            with pytest.raises(IndexRangeError) as caught:
                f(t, i)
            assert "words/lookup" in str(caught.value)
            assert f"got {bad}" in str(caught.value)
            assert "0 <= index < 5" in str(caught.value)
            f(t, fine)  # the next call is none the worse


def test_no_state_changes_when_an_index_is_out_of_range(thread_counts):
    graph = parse("""graph step(%i: i32[N], %g: f32[N,3], %t: f32[5,3], %w: f32[5,3], %k: i64[]) {
      %y = gather(%t, %i){axis=0}
      %d = multiply(%y, %g)
      %s = gather_grad(%d, %i){axis=0, size=5}
      %n = subtract(%w, %s)
      %one = full{value=1, shape=(), dtype=i64}
      %l = add(%k, %one)
      %half = full{value=0.5, shape=(5,3), dtype=f32}
      %u = multiply(%t, %half)
      return %n -> %w, %l -> %k, %u -> %t
    }""")
    for count in (1, 2, 3):
        thread_counts(count)
        given = arrays_for(graph, {"N": 40})
        states = {i: State(given[i]) for i in (2, 3, 4)}
        f = compile_graph(graph, states)
        i, g = given[:2]
        for bad, where in ((-1, 0), (5, 39), (1000, 17)):
            wrong = i.copy()
            wrong[where] = bad
            with pytest.raises(IndexRangeError, match=f"got {bad}"):
                f(wrong, g)
            assert_same_bits([states[k].array for k in (2, 3, 4)], [np.asarray(given[k]) for k in (2, 3, 4)])
        f(i, g)
        assert states[4].array == given[4] + 1


def test_the_step_that_met_it_is_the_last_of_a_run():
    """Steps before it have happened, none behind it; its own index is the one that is named."""
    graph = parse("""graph step(%i: i32[N], %w: f32[5]) {
      %y = gather(%w, %i){axis=0}
      %one = full{value=1.0, shape=(5,), dtype=f32}
      %n = add(%w, %one)
      return %n -> %w, %y
    }""")
    state = State(np.zeros(5, "f4"))
    f = compile_graph(graph, {1: state})
    indices = np.zeros((6, 4), "i4")
    indices[3, 2], indices[5, 0] = 77, 88
    with pytest.raises(IndexRangeError, match="got 77"):
        f.run_steps([indices.reshape(24)], 6, [True])
    np.testing.assert_array_equal(state.array, np.full(5, 3.0))
