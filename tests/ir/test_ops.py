"""Every op over the table of samples: type rule, value, gradient, composite body; and the errors of type rules."""

from dataclasses import replace

import numpy as np
import pytest

from graphc.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from graphc.ir import (
    F32,
    F64,
    I32,
    U32,
    Array,
    Builder,
    Graph,
    Kind,
    dtype_of,
    evaluate,
    op_spec,
    registered_ops,
    symbol,
)
from graphc.ir.checks import check_axes, check_axis, check_dim, check_dtype, check_number, check_shape
from graphc.ir.dims import bind_shape
from graphc.ir.parser import parse
from graphc.ir.printer import print_graph
from graphc.ir.traced import RuleContext, Traced
from tests.ir.differences import check_gradient, gradient_graph
from tests.ir.samples import SAMPLES, arrays_of, expected_of, graph_of
from tests.ir.sampling import type_of

B, T = symbol("B"), symbol("T")


def named(samples):
    return pytest.mark.parametrize("sample", samples, ids=[s.name for s in samples])


def is_smooth(sample):
    graph = graph_of(sample)
    floats = [v for v in graph.inputs[:len(sample.types)] if v.type.dtype.is_float]
    return sample.smooth and graph.outputs[0].type.dtype.is_float and bool(floats)


def assert_near(got, expected, dtype):
    tolerance = {"f32": 3e-6, "f64": 1e-12}.get(dtype.name, 0)
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


def as_float64(sample):
    attrs = {name: F64 if value == F32 else value for name, value in sample.attrs.items()}
    attrs = {name: Array(v.data.astype(float)) if isinstance(v, Array) and v.data.dtype == np.float32 else v
             for name, v in attrs.items()}
    attrs = {name: parse(print_graph(v).replace("f32", "f64")) if isinstance(v, Graph) else v
             for name, v in attrs.items()}
    return replace(sample, types=tuple(t.replace("f32", "f64") for t in sample.types), attrs=attrs)


def test_every_op_has_a_sample():
    assert registered_ops() == {s.op for s in SAMPLES}


def test_every_differentiable_op_has_a_smooth_sample():
    rules = {name for name in registered_ops() if op_spec(name).vjp is not None}
    assert rules - {s.op for s in SAMPLES if is_smooth(s)} == {"floor_divide", "stop_gradient"}


@named(SAMPLES)
def test_type_rule_gives_shape_and_dtype_of_the_result(sample):
    for variant in (sample, as_float64(sample)):
        graph = graph_of(variant)
        (y,) = evaluate(graph, arrays_of(variant))
        assert y.dtype == graph.outputs[0].type.dtype.numpy
        assert y.shape == bind_shape(graph.outputs[0].type.shape, sample.sizes)
        assert y.shape == expected_of(sample, arrays_of(sample)).shape


@named(SAMPLES)
def test_value_in_declared_types(sample):
    graph, arrays = graph_of(sample), arrays_of(sample)
    (y,) = evaluate(graph, arrays)
    assert_near(y, expected_of(sample, arrays), graph.outputs[0].type.dtype)


@named(SAMPLES)
def test_value_in_float64(sample):
    graph, arrays = graph_of(sample), arrays_of(sample)
    (y,) = evaluate(graph, arrays, float64=True)
    dtype = graph.outputs[0].type.dtype
    assert y.dtype == (np.float64 if dtype == F32 else dtype.numpy)
    assert_near(y, expected_of(sample, arrays), dtype_of(y.dtype))


@named([s for s in SAMPLES if is_smooth(s)])
def test_gradient_against_differences(sample):
    check_gradient(graph_of(sample), arrays_of(sample), np.random.default_rng(1))


@named([s for s in SAMPLES if is_smooth(s)])
def test_second_gradient_against_differences(sample):
    graph, arrays, rng = graph_of(sample), arrays_of(sample), np.random.default_rng(2)
    (y,) = evaluate(graph, arrays, float64=True)
    check_gradient(gradient_graph(graph), [*arrays, rng.uniform(-1, 1, y.shape)], rng)


@named([s for s in SAMPLES if op_spec(s.op).kind is Kind.COMPOSITE])
def test_body_of_composite_is_its_reference(sample):
    graph, arrays = graph_of(sample), arrays_of(sample)
    (op,) = graph.ops
    b = Builder(graph.inputs)
    body = op.spec.body(RuleContext(b, op), *(Traced(b, v) for v in op.operands)).value
    assert body.type == op.result.type
    assert not any(inner.name == op.name for inner in b.ops)
    (by_body,) = evaluate(b.graph([body]), arrays, float64=True)
    assert_near(by_body, expected_of(sample, arrays), dtype_of(by_body.dtype))


@pytest.mark.parametrize("name", sorted(registered_ops()))
def test_only_elementwise_ops_have_scalars_and_only_composites_bodies(name):
    spec = op_spec(name)
    assert (spec.scalar is not None) == (spec.kind is Kind.ELEMENTWISE)
    assert (spec.body is not None) == (spec.kind is Kind.COMPOSITE)


@pytest.mark.parametrize("name", sorted(n for n in registered_ops() if "commutative" in op_spec(n).laws))
def test_laws_hold(name):
    spec = op_spec(name)
    bools = spec.infer(type_of("bool[2]"), type_of("bool[2]")) if name.startswith("logical") else None
    values = np.array([False, True]) if bools else np.array([-2, 0, 1, 3])
    x, y = (v.ravel() for v in np.meshgrid(values, values))
    np.testing.assert_array_equal(spec.reference(x, y), spec.reference(y, x))
    if "idempotent" in spec.laws:
        np.testing.assert_array_equal(spec.reference(x, x), x)
    if "identity" in spec.laws:
        np.testing.assert_array_equal(spec.reference(x, np.full_like(x, spec.laws["identity"])), x)


@pytest.mark.parametrize("name", ["absolute", "ceil", "floor", "logical_not", "negative", "reciprocal", "relu", "rint",
                                  "sign", "stop_gradient"])
def test_laws_of_one_operand_hold(name):
    spec = op_spec(name)
    x = np.array([False, True]) if name == "logical_not" else np.array([-2.5, -1.0, 0.5, 3.0])
    once = spec.reference(x)
    assert {"involution", "idempotent"} & spec.laws.keys()
    np.testing.assert_array_equal(spec.reference(once), x if "involution" in spec.laws else once)


# ---- gradients at kinks, and where a formula would give NaN


def gradient_at(op, arrays, **attrs):
    b = Builder()
    inputs = [b.input(type_of(f"f64[{','.join(map(str, np.shape(a)))}]")) for a in arrays]
    graph = b.graph([b.emit(op, *inputs, **attrs)])
    (y,) = evaluate(graph, arrays)
    return evaluate(gradient_graph(graph), [*arrays, np.ones_like(y)])


@pytest.mark.parametrize(("op", "x", "expected"), [
    ("relu", [0.0, -1, 2, np.nan], [0, 0, 1, 0]),
    ("absolute", [0.0, -1, 2], [0, -1, 1]),
    ("sign", [0.5, -1], [0, 0]),
    ("floor", [0.5, -1], [0, 0]),
    ("rint", [0.5, -1], [0, 0]),
    ("stop_gradient", [0.5, -1], [0, 0]),
    ("sigmoid", [1000.0, -1000], [0, 0]),
    ("sqrt", [4.0], [0.25]),
])
def test_gradient_at_kink(op, x, expected):
    (g,) = gradient_at(op, [np.array(x)])
    np.testing.assert_array_equal(g, expected)


@pytest.mark.parametrize(("op", "ties"), [("maximum", [1, 0]), ("minimum", [1, 0]), ("subtract", [1, -1])])
def test_ties_go_to_the_first_operand(op, ties):
    np.testing.assert_array_equal(gradient_at(op, [np.array([2.0]), np.array([2.0])]), [[t] for t in ties])


@pytest.mark.parametrize("op", ["reduce_max", "reduce_min"])
def test_ties_of_an_extreme_share_the_gradient(op):
    x = np.array([[3.0, 3, 3], [1, 1, 2 if op == "reduce_min" else 0]])
    (g,) = gradient_at(op, [x], axes=(1,))
    np.testing.assert_allclose(g, [[1 / 3] * 3, [0.5, 0.5, 0]])


@pytest.mark.parametrize(("x", "expected"), [
    ([2.0, 3, 4], [12, 8, 6]), ([2.0, 0, 4], [0, 8, 0]), ([0.0, 0, 4], [0, 0, 0]), ([-1.0, 5, 0], [0, 0, -5])])
def test_gradient_of_product_with_zeros(x, expected):
    (g,) = gradient_at("reduce_prod", [np.array(x)], axes=(0,))
    np.testing.assert_array_equal(g, expected)


def test_gradient_of_power_is_finite_where_the_power_is():
    x, y = np.array([-2.0, -2, 0, 0, 0, 3]), np.array([3.0, 2, 2, 1, 0, 0])
    by_x, by_y = gradient_at("power", [x, y])
    np.testing.assert_array_equal(by_x, [12, -4, 0, 1, 0, 0])
    np.testing.assert_allclose(by_y, [0, 0, 0, 0, 0, np.log(3)])


def test_gradient_of_strided_slice_puts_elements_back():
    (g,) = gradient_at("slice", [np.zeros((7, 2))], starts=(1, 0), limits=(6, 1), strides=(2, 1))
    np.testing.assert_array_equal(g, [[0, 0], [1, 0], [0, 0], [1, 0], [0, 0], [1, 0], [0, 0]])


def test_gradient_of_strided_slice_of_nothing_is_zero():
    b = Builder()
    x = b.input(type_of("f64[T]"))
    graph = b.graph([b.slice(x, starts=(0,), limits=(T,), strides=(2,))])
    assert evaluate(gradient_graph(graph), [np.zeros(0), np.zeros(0)])[0].shape == (0,)
    np.testing.assert_array_equal(evaluate(gradient_graph(graph), [np.zeros(4), np.ones(2)])[0], [1, 0, 1, 0])


def test_cast_through_integers_has_no_gradient():
    b = Builder()
    x = b.input(type_of("f32[2]"))
    graph = b.graph([b.cast(b.cast(x, dtype=I32), dtype=F32)])
    np.testing.assert_array_equal(evaluate(gradient_graph(graph), [np.ones(2), np.ones(2)])[0], [0, 0])


# ---- errors of type rules: the op, what was expected, what was got

UNIT = {"strides": (1,), "dilations": (1,)}
PADDED = {"low": (1,), "high": (1,), "pool": (1,)}
SHARED = {"low": (1,), "high": (1,), "shares": 1}
ERRORS = [
    ("add", ["f32[3]", "f32[4]"], {}, ShapeError, "add: operands of different shapes; expected f32[3] twice; "
     "got f32[3] and f32[4]. Broadcast the smaller one first."),
    ("add", ["f32[B]", "f32[T]"], {}, ShapeError, "got f32[B] and f32[T]"),
    ("add", ["f32[3]", "f64[3]"], {}, DTypeError, "add: operands of different element types"),
    ("add", ["f32[3]"], {}, ShapeError, "add: wrong number of operands; expected 2; got 1"),
    ("add", ["bool[3]", "bool[3]"], {}, DTypeError, "expected numbers (not bool); got bool[3]"),
    ("divide", ["i32[3]", "i32[3]"], {}, DTypeError, "divide: operand 0 has an element type it cannot work on; "
     "expected f32 or f64; got i32[3]. Cast it first."),
    ("exp", ["i32[3]"], {}, DTypeError, "expected f32 or f64"),
    ("logical_and", ["f32[3]", "f32[3]"], {}, DTypeError, "expected bool; got f32[3]. Compare it"),
    ("less", ["bool[3]", "bool[3]"], {}, DTypeError, "less: "),
    ("select", ["f32[3]", "f32[3]", "f32[3]"], {}, DTypeError, "select: operand 0"),
    ("select", ["bool[3]", "f32[4]", "f32[4]"], {}, ShapeError, "expected bool[4]; got bool[3]"),
    ("select", ["bool[3]", "f32[3]"], {}, ShapeError, "expected 3; got 2"),
    ("cast", ["f32[3]"], {"dtype": "f32"}, DTypeError, "cast: not a fitting dtype attribute"),
    ("reduce_sum", ["f32[3]"], {"axes": (1,)}, ShapeError, "no such axis of f32[3]; expected 0 <= axis < 1; got 1"),
    ("reduce_sum", ["f32[3,4]"], {"axes": (1, 0)}, ShapeError, "tuple of ints in increasing order; got (1, 0)"),
    ("reduce_sum", ["f32[3,4]"], {"axes": (0, 0)}, ShapeError, "increasing order"),
    ("reduce_sum", ["f32[3,4]"], {"axes": 0}, ShapeError, "increasing order; got 0"),
    ("reduce_sum", ["bool[3]"], {"axes": (0,)}, DTypeError, "reduce_sum: operand 0"),
    ("reduce_any", ["f32[3]"], {"axes": (0,)}, DTypeError, "reduce_any: operand 0"),
    ("reduce_max", ["f32[3,0]"], {"axes": (1,)}, ShapeError, "reduce_max: nothing along axis 1"),
    ("argmax", ["f32[3]"], {"axis": -1}, ShapeError, "argmax: no such axis of f32[3]; expected 0 <= axis < 1; got -1"),
    ("argmin", ["f32[0]"], {"axis": 0}, ShapeError, "argmin: nothing along axis 0"),
    ("softmax", ["i32[3]"], {"axis": 0}, DTypeError, "softmax: operand 0"),
    ("softmax", ["f32[3]"], {"axis": 1}, ShapeError, "softmax: no such axis"),
    ("matmul", ["f32[3,4]", "f32[5,6]"], {}, ShapeError, "matmul: inner sizes differ; expected 4 rows in the second "
     "operand; got f32[3,4] and f32[5,6]"),
    ("matmul", ["f32[3]", "f32[3,4]"], {}, ShapeError, "matmul: operands of unfit ranks"),
    ("matmul", ["f32[2,3,4]", "f32[B,4,5]"], {}, ShapeError, "matmul: leading sizes differ"),
    ("matmul", ["f32[3,4]", "f64[4,5]"], {}, DTypeError, "matmul: operands of different element types"),
    ("transpose", ["f32[3,4]"], {"perm": (0, 0)}, ShapeError, "expected an order of (0, 1); got (0, 0) for f32[3,4]"),
    ("reshape", ["f32[3,4]"], {"shape": (5, 2)}, ShapeError, "reshape: the number of elements would change; "
     "expected 12 elements; got 10 in f32[5,2], made of f32[3,4]"),
    ("reshape", ["f32[B,4]"], {"shape": (B, 3)}, ShapeError, "expected 4*B elements; got 3*B"),
    ("reshape", ["f32[4]"], {"shape": (-1,)}, ShapeError, "expected ints >= 0 or symbolic dimensions; got -1"),
    ("reshape", ["f32[4]"], {"shape": [4]}, ShapeError, "reshape: shape is a tuple of dimensions"),
    ("broadcast", ["f32[3]"], {"axes": (0,), "shape": (2, 3)}, ShapeError, "broadcast: axis 0 does not fit axis 0 of "
     "the result; expected a size of 1 or 2; got f32[3], to become f32[2,3]"),
    ("broadcast", ["f32[3]"], {"axes": (), "shape": (3,)}, ShapeError, "expected 1 axes for f32[3]; got ()"),
    ("broadcast", ["f32[3,2]"], {"axes": (1, 0), "shape": (2, 3)}, ShapeError, "increasing order"),
    ("slice", ["f32[4]"], {"starts": (1,), "limits": (5,), "strides": (1,)}, ShapeError, "slice: axis 0 of f32[4] has "
     "no such part; expected 0 <= start <= limit <= 4; got start 1, limit 5"),
    ("slice", ["f32[4]"], {"starts": (3,), "limits": (2,), "strides": (1,)}, ShapeError, "has no such part"),
    ("slice", ["f32[B]"], {"starts": (0,), "limits": (B + 1,), "strides": (1,)}, ShapeError, "got start 0, limit B+1"),
    ("slice", ["f32[4]"], {"starts": (0,), "limits": (4,), "strides": (0,)}, ShapeError, "an int of at least 1; got 0"),
    ("slice", ["f32[4]"], {"starts": (), "limits": (4,), "strides": (1,)}, ShapeError, "slice: starts has one entry"),
    ("reverse", ["f32[4]"], {"axes": (1,)}, ShapeError, "reverse: no such axis"),
    ("pad", ["f32[4]"], {"low": (-1,), "high": (0,), "value": 0.0}, ShapeError, "pad: low holds something"),
    ("pad", ["f32[4]"], {"low": (1, 1), "high": (0,), "value": 0.0}, ShapeError, "pad: low has one entry per axis"),
    ("pad", ["i32[4]"], {"low": (1,), "high": (0,), "value": 0.5}, ArgumentError, "pad: i32 cannot hold the value"),
    ("concatenate", [], {"axis": 0}, ShapeError, "concatenate: nothing to put together"),
    ("concatenate", ["f32[2,3]", "f32[3,3]"], {"axis": 1}, ShapeError, "concatenate: shapes differ beside axis 1; "
     "expected f32[2,3] but for that axis; got f32[3,3]"),
    ("concatenate", ["f32[2]", "i32[2]"], {"axis": 0}, DTypeError, "concatenate: operands of different element types"),
    ("full", [], {"value": 2**40, "shape": (), "dtype": I32}, ArgumentError, "full: i32 cannot hold the value"),
    ("full", [], {"value": -1, "shape": (), "dtype": U32}, ArgumentError, "a whole number in [0, 4294967295]; got -1"),
    ("full", [], {"value": "1", "shape": (), "dtype": F32}, DTypeError, "full: value is no Python number; got '1'"),
    ("constant", [], {"value": 1.0}, DTypeError, "constant: value is no Array; got float"),
    ("iota", [], {"axis": 1, "shape": (3,), "dtype": F32}, ShapeError, "iota: no such axis"),
    ("size", [], {"dim": -1, "dtype": F32}, ShapeError, "size: dim holds something that is no dimension"),
    ("random_key", ["i32[]", "i64[]"], {"stream": 0}, DTypeError, "random_key: the seed has another element type"),
    ("random_key", ["i64[]", "i64[1]"], {"stream": 0}, ShapeError, "random_key: the step has another shape"),
    ("random_key", ["i64[]", "i64[]"], {"stream": -1}, ArgumentError, "random_key: not a stream"),
    ("random_bits", ["u32[3]"], {"shape": (2,)}, ShapeError, "random_bits: the key has another shape"),
    ("random_uniform", ["u32[2]"], {"shape": (2,), "dtype": I32}, DTypeError, "random_uniform: not a fitting dtype"),
    ("gather", ["f32[3]", "f32[2]"], {"axis": 0}, DTypeError, "gather: indices that are no integers"),
    ("gather", ["f32[3]", "i32[2]"], {"axis": 1}, ShapeError, "gather: no such axis"),
    ("gather_grad", ["f32[3]", "i32[2]"], {"axis": 0, "size": 4}, ShapeError, "gather_grad: axes 0 to 1 of the first "
     "operand are those of the indices; expected i32[2]; got f32[3]"),
    ("first_positions", ["i32[2,3]"], {"size": 4}, ShapeError, "first_positions: needs indices along one axis"),
    ("first_positions", ["f32[2]"], {"size": 4}, DTypeError, "first_positions: indices that are no integers"),
    ("sum_rows", ["f32[3,2]", "i64[3]"], {}, ShapeError, "sum_rows: needs rows, and for each where to add it"),
    ("place_rows", ["f32[3,2]", "i64[3]"], {}, ShapeError, "place_rows: needs rows, and which of them stands"),
    ("scatter_rows", ["f32[3,2]", "i32[4]", "i32[4]", "f32[4,2]", "f64[]"], {}, ShapeError, "scatter_rows: the operands "
     "do not fit"),
    ("cumsum", ["f32[3]"], {"axis": 1}, ShapeError, "cumsum: no such axis"),
    ("split_matmul", ["f32[2,3,4]", "f32[2,4,5]"], {"parts": 2}, ShapeError, "split_matmul: needs matrices"),
    ("split_matmul", ["f32[3,4]", "f32[4,5]"], {"parts": 0}, ShapeError, "split_matmul: no such number of parts; "
     "expected at least 1; got 0"),
    ("split_matmul", ["f32[3,4]", "f32[4,5]"], {"parts": 1.0}, ShapeError, "split_matmul: no such number of parts"),
    ("convolution", ["f32[2,8]", "f32[3,4]"], UNIT, ShapeError, "convolution: operands of unfit ranks"),
    ("convolution", ["f32[1,8,4]", "f32[3,3,4,2]"], UNIT, ShapeError, "convolution: operands of unfit ranks"),
    ("convolution", ["f32[1,8,4]", "f32[3,5,2]"], UNIT, ShapeError, "convolution: numbers of channels differ; expected 4 "
     "channels in the kernel; got f32[1,8,4] and f32[3,5,2]"),
    ("convolution", ["f32[1,8,4]", "f64[3,4,2]"], UNIT, DTypeError, "convolution: operands of different element types"),
    ("convolution_gradient", ["f32[2,8]", "f32[3,4]"], {**UNIT, "shape": (3,)}, ShapeError, "convolution_gradient: an operand "
     "of unfit rank"),
    ("convolution_gradient", ["f32[1,8,4]", "f32[1,7,2]"], {**UNIT, "shape": (3,)}, ShapeError, "convolution_gradient: the "
     "cotangent does not fit; expected (1, 6) in front of the filters; got f32[1,7,2]"),
    ("convolution_gradient", ["f32[1,8,4]", "f32[1,6]"], {**UNIT, "shape": (3,)}, ShapeError, "the cotangent does not fit"),
    ("depthwise_convolution", ["f32[1,8,4]", "f32[3,5,2]"], UNIT, ShapeError, "depthwise_convolution: operands that do not fit"),
    ("depthwise_convolution", ["f32[8,4]", "f32[4,2]"], UNIT, ShapeError, "depthwise_convolution: operands that do not fit"),
    ("max_pool", ["f32[8,4]"], {"shape": (2,), "strides": (2,)}, ShapeError, "max_pool: an operand of unfit rank"),
    ("windows", ["f32[8,4]"], {"axes": (), "shape": (), "strides": (), "dilations": ()}, ShapeError, "windows: axes are neighbours"),
    ("windows", ["f32[8,4,4]"], {"axes": (0, 2), "shape": (2, 2), "strides": (1, 1), "dilations": (1, 1)}, ShapeError,
     "windows: axes are neighbours; expected such as (1, 2); got (0, 2)"),
    *(("windows", ["f32[8,4]"], {"axes": (0,), "shape": (3,), **UNIT, name: wrong}, ShapeError,
       f"windows: {name} holds one int of at least 1 for each axis; expected 1 ints; got {wrong!r}")
      for name in ("shape", "strides", "dilations") for wrong in ((0,), (True,), (1.0,), (1, 1), [1])),
    ("windows", ["f32[8,4]"], {"axes": (0,), "shape": (5,), "strides": (1,), "dilations": (2,)}, ShapeError,
     "windows: a window does not fit axis 0 of f32[8,4]; expected at least 9 elements; got 8"),
    ("overlap_add", ["f32[6,3]"], {"axes": (1,), "extents": (8,), **UNIT}, ShapeError, "overlap_add: an axis of offsets"),
    ("overlap_add", ["f32[6,3]"], {"axes": (0,), "extents": (8, 8), **UNIT}, ShapeError, "overlap_add: an axis of offsets"),
    ("overlap_add", ["f32[6,B]"], {"axes": (0,), "extents": (8,), **UNIT}, ShapeError, "overlap_add: the size of a window is known"),
    ("overlap_add", ["f32[7,3]"], {"axes": (0,), "extents": (8,), **UNIT}, ShapeError, "overlap_add: axis 0 does not hold the "
     "windows of 8 elements; expected 6; got f32[7,3]"),
    ("winograd", ["f32[1,4]", "f32[6,8]"], PADDED, ShapeError, "winograd: an operand of unfit rank"),
    ("winograd", ["f32[1,8,4]", "f32[6,8]"], {**PADDED, "high": (1, 1)}, ShapeError, "winograd: high holds one size for each spatial "
     "axis; expected 1 sizes; got (1, 1)"),
    ("winograd", ["f32[1,8,4]", "f32[6,8]"], {**PADDED, "low": [1]}, ShapeError, "winograd: low holds one size"),
    ("winograd", ["f32[1,8,4]", "f32[6,8]"], {**PADDED, "low": (-1,)}, ShapeError, "winograd: low holds something that is no dimension"),
    ("winograd", ["f32[1,2,4]", "f32[6,8]"], {**PADDED, "low": (0,), "high": (0,)}, ShapeError, "winograd: a window does not fit "
     "spatial axis 0 of f32[1,2,4]; expected at least 3 elements; got 2"),
    ("winograd", ["f32[1,8,4]", "f32[6,8]"], {**PADDED, "pool": (3,)}, ShapeError, "winograd: pool holds how many neighbours"),
    ("winograd", ["f32[1,8,4]", "f32[6,8]"], {**PADDED, "pool": (1, 1)}, ShapeError, "winograd: pool holds how many neighbours"),
    ("winograd", ["f32[1,8,4]", "f32[5,8]"], PADDED, ShapeError, "winograd: the transformed weights do not fit; expected "
     "[6,4*filters]; got f32[5,8]"),
    ("winograd", ["f32[1,8,4]", "f32[6,9]"], PADDED, ShapeError, "winograd: the transformed weights do not fit"),
    ("winograd", ["f32[1,8,4]", "f32[]"], PADDED, ShapeError, "winograd: the transformed weights do not fit"),
    ("winograd", ["f32[1,8,0]", "f32[6,8]"], PADDED, ShapeError, "winograd: the transformed weights do not fit"),
    ("winograd_gradient", ["f32[1,8,4]", "f32[1,7,2]"], SHARED, ShapeError, "winograd_gradient: the cotangent does not fit; "
     "expected (1, 8) in front of the filters; got f32[1,7,2]"),
    ("winograd_gradient", ["f32[1,8,4]", "f32[1,8]"], SHARED, ShapeError, "winograd_gradient: the cotangent does not fit"),
    *(("winograd_gradient", ["f32[1,8,4]", "f32[1,8,2]"], {**SHARED, "shares": wrong}, ShapeError, "winograd_gradient: shares is "
       f"the number of parts of the sum; expected an int of at least 1; got {wrong!r}") for wrong in (0, True, 2.0)),
    ("one_hot", ["f32[3]"], {"depth": 3, "dtype": F32}, DTypeError, "one_hot: indices that are no integers"),
]


@pytest.mark.parametrize(("op", "types", "attrs", "error", "text"), ERRORS, ids=lambda x: str(x)[:30])
def test_type_rule_refuses(op, types, attrs, error, text):
    with pytest.raises(error) as caught:
        op_spec(op).infer(*map(type_of, types), **attrs)
    assert str(caught.value).startswith(f"{op}: ")
    assert text in str(caught.value)


@pytest.mark.parametrize(("types", "change", "error", "text"), [
    (["f32[2]", "f32[5,3]"], {"body": None}, ShapeError, "scan: the body is not a graph; expected graph; got NoneType"),
    (["f32[2]", "f32[5,3]"], {"carried": True}, ShapeError, "scan: operands and body do not fit"),
    (["f32[2]", "f32[5,3]"], {"carried": -1}, ShapeError, "scan: operands and body do not fit"),
    (["f32[2]", "f32[5,3]"], {"sliced": 2}, ShapeError, "2 operands, carried=1, sliced=2, a body of 2 inputs and 2 outputs"),
    (["f32[2]", "f32[5,3]", "f32[]"], {}, ShapeError, "scan: operands and body do not fit"),
    (["f32[2]", "f32[5,3]"], {"length": -1}, ShapeError, "scan: a negative number of steps; got -1"),
    (["f64[2]", "f32[5,3]"], {}, DTypeError, "scan: operand 0 has another element type than the body; expected f32[2]; got f64[2]"),
    (["f32[2]", "f32[4,3]"], {}, ShapeError, "scan: operand 1 does not fit the body; expected f32[5,3]; got f32[4,3]"),
    (["f32[3]", "f32[5,3]"], {}, ShapeError, "scan: operand 0 does not fit the body; expected f32[2]; got f32[3]"),
    (["f32[2]", "f32[5,3]"], {"body": "graph b(%c: f32[2], %x: f32[3]) {\n  return %x\n}"}, ShapeError,
     "scan: carried value 0 changes its type; expected f32[2]; got f32[3]"),
    (["f32[2]", "f32[5,3]"], {"body": "graph b(%c: f32[2], %x: f32[3]) {\n  return\n}"}, ShapeError, "do not fit"),
])
def test_the_type_rule_of_loops_refuses(types, change, error, text):
    body = change.get("body", "graph b(%c: f32[2], %x: f32[3]) {\n  %d = negative(%c)\n  return %d, %x\n}")
    attrs = {"carried": 1, "sliced": 1, "length": 5, "reverse": False, **change, "body": parse(body) if body else None}
    with pytest.raises(error) as caught:
        op_spec("scan").infer(*map(type_of, types), **attrs)
    assert text in str(caught.value)


@pytest.mark.parametrize(("dtype", "low", "high"), [
    ("bool", 0, 1), ("i8", -128, 127), ("i16", -32768, 32767), ("i32", -2**31, 2**31 - 1), ("i64", -2**63, 2**63 - 1),
    ("u8", 0, 255), ("u16", 0, 65535), ("u32", 0, 2**32 - 1), ("u64", 0, 2**64 - 1)])
def test_a_type_holds_its_own_numbers_and_no_others(dtype, low, high):
    for value in (low, high, float(low)):
        check_number("full", value, dtype_of(dtype))
    for value in (low - 1, high + 1, 0.5):
        with pytest.raises(ArgumentError, match=rf"full: {dtype} cannot hold the value; expected a whole number in \[{low}, {high}\]"):
            check_number("full", value, dtype_of(dtype))
    check_number("full", 1e308, F64)


def test_what_is_checked_comes_back():
    type_ = type_of("f32[2,3]")
    assert (check_axis("op", type_, 1), check_axes("op", type_, (0, 1)), check_axes("op", type_, ())) == (1, (0, 1), ())
    assert (check_shape("op", (2, B)), check_dim("op", B, "n"), check_dim("op", 0, "n")) == ((2, B), B, 0)
    assert check_dtype("op", F32) is F32
    with pytest.raises(DTypeError, match="expected any element type; got 'f32'"):
        check_dtype("op", "f32")


def test_refusal_names_the_layer():
    b = Builder([])
    b.origin = "dense_1"
    x, y = b.input(type_of("f32[3]")), b.input(type_of("f32[4]"))
    with pytest.raises(ShapeError, match=r"^dense_1: add: operands of different shapes"):
        b.add(x, y)


@pytest.mark.parametrize(("op", "index"), [("gather", 4), ("gather", -1), ("gather_grad", 4), ("gather_grad", -1),
                                           ("first_positions", 4), ("first_positions", -1)])
def test_index_out_of_range_is_an_error(op, index):
    b = Builder()
    x, indices = b.input(type_of("f32[4]")), b.input(type_of("i32[4]"))
    b.origin = "embedding_1"
    size = {"size": 4} if op != "gather" else {}
    y = b.emit(op, indices, **size) if op == "first_positions" else b.emit(op, x, indices, axis=0, **size)
    with pytest.raises(IndexRangeError, match=rf"embedding_1: {op}: index out of range; .*got {index}"):
        evaluate(b.graph([y]), [np.zeros(4), [0, 1, index, 2]])


def test_integer_to_negative_power_is_an_error():
    b = Builder()
    x, y = b.input(type_of("i32[2]")), b.input(type_of("i32[2]"))
    with pytest.raises(ArgumentError, match="power: an integer to a negative power"):
        evaluate(b.graph([b.power(x, y)]), [[2, 2], [1, -1]])
