"""Every sample of every op compiled for the CPU, against the reference in float64; special values; sizes 0 and 1."""

import numpy as np
import pytest

from graphc.codegen_cpu.emit import DEVICE_ONLY
from graphc.compiler import compile_graph
from graphc.errors import CompileError, ShapeError
from graphc.ir import BOOL, F32, F64, Builder, Kind, TensorType, dtype_of, op_spec, registered_ops, symbol
from graphc.ir.evaluate import evaluate
from tests.codegen_cpu.agreement import assert_same_bits
from tests.codegen_cpu.bounds import check, reference_and_bounds
from tests.ir.samples import SAMPLES, arrays_of, expected_of, graph_of

N, M = symbol("N"), symbol("M")


# ---- every sample


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.op in DEVICE_ONLY], ids=lambda s: s.name)
def test_what_no_pass_makes_is_refused(sample):
    with pytest.raises(CompileError, match=f"no CPU code for {sample.op}"):
        compile_graph(graph_of(sample))


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.op not in DEVICE_ONLY], ids=lambda s: s.name)
def test_sample(sample, thread_counts):
    graph, arrays = graph_of(sample), arrays_of(sample)
    for fusion in (True, False):
        f = compile_graph(graph, fusion=fusion)
        results = []
        for count in (1, 2, 3):
            thread_counts(count)
            results.append(f(*arrays))
        check(graph, arrays, results[0], sample.name)
        assert_same_bits(results[0], results[1])
        assert_same_bits(results[0], results[2])
    tolerance = 3e-6 if results[0][0].dtype == np.float32 else 1e-12
    np.testing.assert_allclose(results[0][0], expected_of(sample, arrays), rtol=tolerance, atol=tolerance)


def test_bounds_are_tight_where_they_should_be():
    """What checks the results is no open door: exact ops have no tolerance, others a few units in the last place."""
    for sample in SAMPLES:
        graph, arrays = graph_of(sample), arrays_of(sample)
        for want, bound in reference_and_bounds(graph, arrays):
            assert np.isfinite(bound).all()
            if graph.outputs[0].type.dtype != F32 or op_spec(sample.op).kind in (Kind.INDEX, Kind.GATHER):
                assert not (bound > 1e-12).any(), sample.name
            finite = np.isfinite(want)
            if max((a.size for a in arrays), default=0) <= 60:
                assert (bound[finite] <= 64 * 2.0**-23 * (1 + np.abs(want[finite]).astype(float))).all(), sample.name


# ---- special values of elementwise ops


def special(dtype):
    """Numbers at the edges of a type, all pairs of which are tried."""
    if dtype.kind == "bool":
        return np.array([False, True])
    if dtype.is_float:
        info = np.finfo(dtype.numpy)
        return np.array([0.0, -0.0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 3, -7, np.inf, -np.inf, np.nan, info.max, -info.max,
                         info.tiny, info.smallest_subnormal, -info.smallest_subnormal, info.tiny / 2, 1e30, -1e-30,
                         0.1, 88.5, -104], dtype.numpy)
    info = np.iinfo(dtype.numpy)
    return np.array(sorted({0, 1, 2, 7, info.max, info.max - 1, info.max // 2 + 1, info.min,
                            *((-1, -2, -7) if dtype.kind == "int" else ())}), dtype.numpy)


ELEMENTWISE = sorted(n for n in registered_ops() if op_spec(n).kind is Kind.ELEMENTWISE and n not in ("cast", "power"))


def every_elementwise(dtype):
    """One graph with every elementwise op that takes the type, on x, y and a condition; all results are outputs."""
    b = Builder()
    x, y = (b.input(TensorType(dtype, (N,)), name) for name in "xy")
    c = b.input(TensorType(BOOL, (N,)), "c")
    results = []
    for name in ELEMENTWISE:
        operands = [(c, x, y)] if name == "select" else [(x,), (x, y)]
        for given in operands:
            try:
                results.append(b.emit(name, *given))
            except (TypeError, ValueError):
                continue
            break
    return b.graph(results)


@pytest.mark.parametrize("name", ["f32", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "bool"])
def test_elementwise_ops_on_special_values(name):
    dtype = dtype_of(name)
    graph = every_elementwise(dtype)
    f = compile_graph(graph)
    x, y = (v.ravel() for v in np.meshgrid(special(dtype), special(dtype)))
    for some in (slice(None), slice(0, 1), slice(0, 0), slice(3, 20)):
        arrays = [x[some], y[some], np.arange(x.size)[some] % 3 == 0]
        results = f(*arrays)
        for op, got, alone in zip(graph.ops, results, evaluate(graph, arrays), strict=True):
            if dtype.is_float:
                check(graph.replace(ops=(op,), outputs=(op.result,)), arrays, [got], op.name)
            else:
                np.testing.assert_array_equal(got, alone, err_msg=op.name)
                assert got.dtype == alone.dtype


@pytest.mark.parametrize("name", ["f32", "f64", "i8", "i32", "i64", "u32", "u64"])
def test_power_on_special_values(name):
    dtype = dtype_of(name)
    b = Builder()
    x, y = (b.input(TensorType(dtype, (N,)), n) for n in "xy")
    graph = b.graph([b.emit("power", x, y)])
    bases, exponents = special(dtype), special(dtype) if dtype.is_float else np.array([0, 1, 2, 3, 31, 63], dtype.numpy)
    arrays = [v.ravel() for v in np.meshgrid(bases, exponents)]
    check(graph, arrays, compile_graph(graph)(*arrays)) if dtype.is_float else np.testing.assert_array_equal(
        compile_graph(graph)(*arrays)[0], evaluate(graph, arrays)[0])


def test_casts_between_all_types():
    """Whole numbers that do not fit wrap around; floats that fit are cut; NaN is true."""
    b, arrays = Builder(), []
    results = []
    names = ["bool", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64"]
    for name in names:
        dtype = dtype_of(name)
        for other in map(dtype_of, names):
            values = special(dtype)
            if dtype.is_float and other.is_integer:  # others are not defined
                values = values[np.isfinite(values) & (np.abs(values) < 100)]
                values = np.abs(values) if other.kind == "uint" else values
            arrays.append(values)
            results.append(b.emit("cast", b.input(TensorType(dtype, values.shape)), dtype=other))
    graph = b.graph(results)
    with np.errstate(all="ignore"):
        wanted = evaluate(graph, arrays)
    for op, got, want in zip(graph.ops, compile_graph(graph)(*arrays), wanted, strict=True):
        np.testing.assert_array_equal(got, want, err_msg=f"{op.operands[0].type} to {op.result.type}")


def test_zeros_keep_their_sign():
    b = Builder()
    x = b.input(TensorType(F32, (N,)), "x")
    zero = b.full(0.0, (N,))
    graph = b.graph([b.emit("negative", x), b.emit("multiply", x, b.emit("rint", x)), b.emit("sign", x),
                     b.emit("floor", x), b.emit("sqrt", x), b.emit("tanh", x), b.emit("maximum", x, x),
                     b.emit("divide", x, b.full(np.inf, (N,))), b.emit("subtract", zero, x), b.emit("sin", x),
                     b.emit("expm1", x), b.emit("log1p", x), b.emit("erf", x), b.emit("stop_gradient", x)])
    x = np.array([0.0, -0.0, 0.0, -0.0], "f4")
    for op, got, want in zip(graph.outputs, compile_graph(graph)(x), evaluate(graph, [x]), strict=True):
        np.testing.assert_array_equal(np.signbit(got), np.signbit(want), err_msg=str(op))


# ---- special values of folds

FOLDS = {"f32": ["reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "argmax", "argmin", "reduce_mean", "logsumexp"],
         "f64": ["reduce_sum", "reduce_max", "reduce_min", "argmax", "argmin", "reduce_mean"],
         "bool": ["reduce_any", "reduce_all"],
         **{name: ["reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "argmax", "argmin"]
            for name in ("i8", "i32", "u64")}}
SHAPES = {"rows": ((N, M), 1), "columns": ((N, M), 0), "between": ((2, M, 3), 1), "short rows": ((N, 5), 1),
          "all of one row": ((M,), 0), "one at the end": ((N, M, 1), 1), "a block": ((N, 3, 5), (1, 2))}
POOLS = [[0.0, -0.0], [np.nan, 1, 2], [np.inf, -np.inf, 3], [-np.inf, -np.inf, -1], [1e-42, -1e-43, 0], [1.5, -2.25, 7]]


def fold_graph(dtype, shape, axes):
    b = Builder()
    x = b.input(TensorType(dtype, shape), "x")
    results = []
    for name in FOLDS[dtype.name]:
        if name.startswith("arg"):
            if isinstance(axes, int):
                results.append(b.emit(name, x, axis=axes))
        else:
            results.append(b.emit(name, x, axes=(axes,) if isinstance(axes, int) else axes))
    return b.graph(results)


def drawn(rng, dtype, shape, pool):
    if dtype.is_float:
        return rng.choice(np.array(pool, dtype.numpy), shape)
    return rng.choice(special(dtype), shape)


@pytest.mark.parametrize(("name", "where"), [(name, where) for name in FOLDS for where in SHAPES
                                             if name in ("f32", "bool") or where not in ("a block", "one at the end")])
def test_folds_of_special_values(name, where):
    dtype, (shape, axes) = dtype_of(name), SHAPES[where]
    graph, rng = fold_graph(dtype, shape, axes), np.random.default_rng(0)
    f = compile_graph(graph)
    for n, m in ((3, 5), (1, 1), (0, 4), (2, 130), (70, 33), (1, 17)):
        sizes = tuple(d if isinstance(d, int) else {"N": n, "M": m}[str(d)] for d in shape)
        for pool in POOLS if dtype.is_float else [None]:
            x = drawn(rng, dtype, sizes, pool)
            if 0 in [sizes[axis] for axis in np.atleast_1d(axes)] and dtype != BOOL:
                with pytest.raises(ShapeError, match="reduce_max: the sizes of this call do not fit"):
                    f(x)
                continue
            results = f(x)
            if dtype.is_float:
                check(graph, [x], results, f"{sizes} of {pool}")
            else:
                for got, want in zip(results, evaluate(graph, [x]), strict=True):
                    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("values", "largest", "smallest"), [
    ([1, 3, 3, 1], 1, 0), ([np.nan, 3, np.nan], 0, 0), ([1, np.nan, 5, np.nan], 1, 1), ([0.0, -0.0], 0, 0),
    ([-np.inf, -np.inf], 0, 0), ([np.inf, np.nan], 1, 1), ([*[2.0] * 40, 3.0, *[3.0] * 40], 40, 0),
    ([*range(70), 69], 69, 0)])
def test_position_of_the_extreme_is_the_first_and_nan_wins(values, largest, smallest):
    for dtype in (F32, F64):
        b = Builder()
        x, across = b.input(TensorType(dtype, (N, M)), "x"), b.input(TensorType(dtype, (M, N)), "y")
        graph = b.graph([b.emit("argmax", x, axis=1), b.emit("argmin", x, axis=1),
                         b.emit("argmax", across, axis=0), b.emit("argmin", across, axis=0)])
        rows = np.array([values, values], dtype.numpy)
        for got, want in zip(compile_graph(graph)(rows, rows.T), [largest, smallest] * 2, strict=True):
            np.testing.assert_array_equal(got, [want, want])


@pytest.mark.parametrize("start", [0.0, -0.0, np.nan, np.inf, 1e30])
def test_folds_over_nothing(start):
    b = Builder()
    x = b.input(TensorType(F32, (N, M)), "x")
    graph = b.graph([b.emit("reduce_sum", x, axes=(1,)), b.emit("reduce_prod", x, axes=(1,)),
                     b.emit("reduce_sum", x, axes=(0,)), b.emit("reduce_mean", x, axes=(1,)),
                     b.emit("reduce_any", b.emit("greater", x, x), axes=(1,)),
                     b.emit("reduce_all", b.emit("greater", x, x), axes=(1,))])
    f = compile_graph(graph)
    for shape in ((3, 0), (0, 3), (0, 0), (1, 1)):
        check(graph, [np.full(shape, start, "f4")], f(np.full(shape, start, "f4")), str(shape))


@pytest.mark.parametrize("name", ["i8", "i32", "u32", "i64", "u64", "f64"])
def test_scatters_and_running_sums_of_other_types(name):
    dtype = dtype_of(name)
    b = Builder()
    g, i = b.input(TensorType(dtype, (N, 3)), "g"), b.input(TensorType(dtype_of("u8"), (N,)), "i")
    graph = b.graph([b.emit("gather_grad", g, i, axis=0, size=5), b.emit("cumsum", g, axis=0),
                     b.emit("gather", g, i, axis=1), b.emit("one_hot", i, depth=4, dtype=dtype)])
    rng = np.random.default_rng(0)
    f = compile_graph(graph)
    for n in (0, 1, 40):
        g = rng.choice(special(dtype)[:5] if dtype.is_float else special(dtype), (n, 3))
        i = rng.integers(0, 3, n).astype("u1")
        for got, want in zip(f(g, i), evaluate(graph, [g, i]), strict=True):
            np.testing.assert_array_equal(got, want)
