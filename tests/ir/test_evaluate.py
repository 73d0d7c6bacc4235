"""The evaluator: symbols bound from inputs, float64 on demand, new arrays out, errors with names."""

import numpy as np
import pytest

from graphc.errors import ShapeError
from graphc.ir import F32, F64, I32, I64, Array, Builder, evaluate, symbol
from graphc.ir.evaluate import apply_reference
from tests.ir.sampling import type_of

B, T = symbol("B"), symbol("T")


def graph_with(*types, make):
    b = Builder()
    inputs = [b.input(type_of(text), hint) for text, hint in zip(types, "xyz", strict=False)]
    made = make(b, *inputs)
    return b.graph(made if isinstance(made, list) else [made], "g")


def test_symbols_are_bound_from_the_inputs():
    graph = graph_with("f32[B,3]", make=lambda b, x: b.reduce_sum(b.add(x, b.full(1.0, (B, 3))), axes=(0,)))
    for rows in (0, 1, 4):
        np.testing.assert_array_equal(evaluate(graph, [np.ones((rows, 3))])[0], np.full(3, 2.0 * rows))


def test_composed_dimensions_are_bound_too():
    graph = graph_with("f32[B,T]", make=lambda b, x: b.reshape(x, shape=(B * T,)))
    assert evaluate(graph, [np.zeros((2, 5))])[0].shape == (10,)


def test_input_of_a_composed_dimension_is_checked():
    graph = graph_with("f32[B]", f"f32[{2 * B + 1}]", make=lambda b, x, y: [x, y])
    assert len(evaluate(graph, [np.zeros(3), np.zeros(7)])) == 2
    with pytest.raises(ShapeError, match=r"y: an array of the wrong shape; expected f32\[2\*B\+1\], here \(7,\)"):
        evaluate(graph, [np.zeros(3), np.zeros(6)])


def test_inputs_that_disagree_are_named():
    graph = graph_with("f32[B,2]", "f32[B,2]", make=lambda b, x, y: b.add(x, y))
    with pytest.raises(ShapeError, match=r"y: an array of the wrong shape; expected f32\[B,2\], here \(3, 2\)"):
        evaluate(graph, [np.zeros((3, 2)), np.zeros((4, 2))])


def test_wrong_rank_count_and_unknown_symbols_are_errors():
    graph = graph_with("f32[B,2]", make=lambda b, x: x)
    with pytest.raises(ShapeError, match=r"x: an array of the wrong rank; expected f32\[B,2\]; got shape \(2,\)"):
        evaluate(graph, [np.zeros(2)])
    with pytest.raises(ShapeError, match="g: wrong number of inputs; expected 1; got 2"):
        evaluate(graph, [np.zeros((2, 2))] * 2)
    with pytest.raises(ShapeError, match="the size of B cannot be told from the inputs"):
        evaluate(graph_with(f"f32[{B * B}]", make=lambda b, x: x), [np.zeros(4)])
    with pytest.raises(ShapeError, match="the size of T cannot be told from the inputs"):
        evaluate(graph_with("f32[2]", make=lambda b, x: b.full(0.0, (T,))), [np.zeros(2)])


def test_sizes_that_only_the_call_tells_are_checked():
    graph = graph_with("f32[T]", make=lambda b, x: b.slice(x, starts=(0,), limits=(5,), strides=(1,)))
    assert evaluate(graph, [np.zeros(6)])[0].shape == (5,)
    with pytest.raises(ShapeError, match="slice: the sizes of this call do not fit"):
        evaluate(graph, [np.zeros(3)])


def test_inputs_are_cast_to_their_types():
    graph = graph_with("f32[2]", "i32[2]", make=lambda b, x, y: [x, y])
    x, y = evaluate(graph, [[1, 2], [3.0, 4.0]])
    assert (x.dtype, y.dtype) == (np.float32, np.int32)


def test_float64_replaces_f32_everywhere():
    third = np.array([1 / 3], np.float32)

    def make(b, x, i):
        return [b.add(x, b.constant(value=Array(third))), b.cast(i, dtype=F32), b.full(0.1, (1,), "f32"),
                b.iota(axis=0, shape=(1,), dtype=F32), i, b.cast(x, dtype=F64)]

    graph = graph_with("f32[1]", "i32[1]", make=make)
    narrow, wide = evaluate(graph, [[0.1], [1]]), evaluate(graph, [[0.1], [1]], float64=True)
    assert [a.dtype.name for a in narrow] == ["float32"] * 4 + ["int32", "float64"]
    assert [a.dtype.name for a in wide] == ["float64"] * 4 + ["int32", "float64"]
    assert wide[0][0] == 0.1 + float(third[0])
    assert wide[2][0] == 0.1


def test_outputs_are_new_arrays():
    graph = graph_with("f32[2]", make=lambda b, x: [x, x, b.broadcast(x, axes=(1,), shape=(3, 2)),
                                                    b.constant(value=Array(np.zeros(2, np.float32)))])
    given = np.ones(2, np.float32)
    outputs = evaluate(graph, [given])
    for output in outputs:
        output += 1
    np.testing.assert_array_equal(given, [1, 1])
    np.testing.assert_array_equal(evaluate(graph, [given])[3], [0, 0])
    assert outputs[2].flags.c_contiguous


def test_every_gives_all_values():
    graph = graph_with("f32[2]", make=lambda b, x: b.exp(b.negative(x)))
    known = evaluate(graph, [[0.0, 1.0]], every=True)
    assert set(known) == {graph.inputs[0], *(op.result for op in graph.ops)}
    np.testing.assert_allclose(known[graph.ops[0].result], [0, -1])


def test_apply_reference_gives_one_contiguous_array():
    b = Builder()
    x = b.input(type_of("f32[2,3]"))
    b.transpose(x, perm=(1, 0))
    result = apply_reference(b.ops[0], [np.arange(6, dtype=np.float32).reshape(2, 3)])
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result, [[0, 3], [1, 4], [2, 5]])


def test_random_numbers_do_not_depend_on_the_batch():
    b = Builder()
    x, seed, step = b.input(type_of("f32[B,4]")), b.input(type_of("i64[]")), b.input(type_of("i64[]"))
    noise = b.random_uniform(b.random_key(seed, step, stream=1), shape=(B, 4), dtype=F32)
    graph = b.graph([b.add(x, noise)])
    few, many = (evaluate(graph, [np.zeros((n, 4)), 3, 9])[0] for n in (2, 5))
    np.testing.assert_array_equal(few, many[:2])
    assert not np.array_equal(few, evaluate(graph, [np.zeros((2, 4)), 3, 10])[0])


def test_integers_wrap_around_without_a_warning():
    graph = graph_with("i32[1]", "i64[1]", make=lambda b, x, y: [b.add(x, x), b.size(dim=3, dtype=I64),
                                                                 b.cast(y, dtype=I32)])
    assert evaluate(graph, [[2**31 - 1], [2**32 + 5]])[0][0] == -2
