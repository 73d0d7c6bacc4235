"""Every op called with every layout that NumPy arrays may have, on both targets; and what is refused, with which error.

What does not live here: values of ops (tests/ir/test_ops.py, tests/codegen_cpu/test_ops.py), the layouts (layouts.py).
"""

import numpy as np
import pytest

from graphc.codegen_cpu.emit import DEVICE_ONLY
from graphc.compiler import compile_graph
from graphc.errors import DTypeError, GraphcError, IndexRangeError, ShapeError
from graphc.ir import registered_ops
from graphc.ir.dims import bind_shape
from graphc.ir.parser import parse
from graphc.runtime.binding import STAGED_BYTES
from tests.codegen_cpu.agreement import State, assert_same_bits
from tests.fuzz.layouts import SAME, repeated
from tests.ir.samples import SAMPLES, arrays_of, graph_of

TARGETS = ("cpu", "reference")
OPS = sorted(registered_ops())


def compiled(sample, target):
    return compile_graph(graph_of(sample), target="reference" if sample.op in DEVICE_ONLY else target)


@pytest.mark.parametrize("op", OPS)
def test_layouts_do_not_matter(op):
    samples = [s for s in SAMPLES if s.op == op]
    assert samples, "every op stands in the table of samples"
    for sample in samples:
        arrays = arrays_of(sample)
        for target in TARGETS:
            f = compiled(sample, target)
            wanted = f(*arrays)
            for name, change in SAME.items():
                given = [change(a) for a in arrays]
                assert all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(arrays, given)), name
                before = [a.copy() for a in given]
                assert_same_bits(f(*given), wanted)
                assert all(a.tobytes() == b.tobytes() for a, b in zip(given, before)), "an input was written to"


@pytest.mark.parametrize("op", OPS)
def test_repeated_elements_and_one_array_for_all_operands(op):
    """Strides of 0, and inputs that share memory."""
    for sample in (s for s in SAMPLES if s.op == op and s.types and s.given is None):
        arrays = [repeated(a) if a.dtype.kind == "f" else a for a in arrays_of(sample)]
        first = {}
        shared = [first.setdefault((a.dtype, a.shape), a) for a in arrays]
        for target in TARGETS:
            f = compiled(sample, target)
            assert_same_bits(f(*arrays), f(*(a.copy() for a in arrays)))
            assert_same_bits(f(*shared), f(*(a.copy() for a in shared)))


OF_PASSES = {*DEVICE_ONLY, "first_positions", "place_rows", "scatter_rows", "sum_rows", "winograd", "winograd_gradient"}


@pytest.mark.parametrize("op", sorted({s.op for s in SAMPLES if s.sizes} - OF_PASSES))
def test_sizes_of_0(op):
    """A symbol bound to 0 gives what the reference gives: a result, or an error of the same type.

    Not of ops that only passes make, of sizes that they have looked at.
    """
    for sample in (s for s in SAMPLES if s.op == op and s.sizes):
        graph = graph_of(sample)
        for name in sample.sizes:
            sizes = {**sample.sizes, name: 0}
            shapes = [bind_shape(v.type.shape, sizes) for v in graph.inputs]
            if any(d < 0 for shape in shapes for d in shape):
                continue
            arrays = [np.zeros(shape, v.type.dtype.numpy) for shape, v in zip(shapes, graph.inputs)]
            try:
                wanted = compiled(sample, "reference")(*arrays)
            except GraphcError as error:
                with pytest.raises(type(error)):
                    compiled(sample, "cpu")(*arrays)
                continue
            for got, want in zip(compiled(sample, "cpu")(*arrays), wanted, strict=True):
                np.testing.assert_allclose(got, want)
                assert got.dtype == want.dtype


LARGE = STAGED_BYTES // 4 + 3  # elements of an input that is read where it lies


@pytest.mark.parametrize("layout", SAME)
def test_large_inputs_of_any_layout(layout):
    f = compile_graph(parse("""graph g(%x: f32[B,3], %y: f64[B], %i: i32[B]) {
      %a = exp(%x)
      %b = add(%y, %y)
      %c = add(%i, %i)
      return %a, %b, %c
    }"""))
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(LARGE, 3)).astype("f4"), rng.normal(size=LARGE), rng.integers(-9, 9, LARGE).astype("i4")]
    assert_same_bits(f(*(SAME[layout](a) for a in arrays)), f(*arrays))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("size", [5, LARGE])
def test_a_states_own_memory_as_an_input(target, size):
    """What overlaps a state is read as it was before the call, whatever is written where."""
    graph = parse("""graph g(%x: f32[B], %s: f32[B]) {
      %r = reverse(%x){axes=(0,)}
      %n = add(%r, %s)
      return %r, %n -> %s
    }""")
    start = np.arange(size, dtype="f4")
    state = State(start)
    (turned,) = compile_graph(graph, {1: state}, target=target)(state.array)
    np.testing.assert_array_equal(turned, start[::-1])
    np.testing.assert_array_equal(state.array, start[::-1] + start)


GRAPH = """graph g(%x: f32[B,3], %y: f32[B], %i: i32[2]) {
  %r = reduce_sum(%x){axes=(1,)}
  %a = add(%r, %y)
  %g = gather(%x, %i){axis=0}
  return %a, %g
}"""
X, Y, INDEX = np.ones((4, 3), "f4"), np.ones(4, "f4"), np.zeros(2, "i4")
WRONG = {
    "too few inputs": ((X, Y), ShapeError), "too many inputs": ((X, Y, INDEX, INDEX), ShapeError),
    "a wrong rank": ((X[0], Y, INDEX), ShapeError), "a wrong size": ((X[:, :2], Y, INDEX), ShapeError),
    "sizes that disagree": ((X, Y[:3], INDEX), ShapeError), "too short": ((X, Y, INDEX[:1]), ShapeError),
    "a number": ((1.0, Y, INDEX), ShapeError), "text": ((X, Y, "no"), DTypeError),
    "objects": ((X.astype(object), Y, INDEX), DTypeError), "complex numbers": ((X.astype(complex), Y, INDEX), DTypeError),
    "nothing": ((X, None, INDEX), DTypeError), "dates": ((X, Y.astype("datetime64[s]"), INDEX), DTypeError),
    "an index past the end": ((X, Y, INDEX + 4), IndexRangeError), "a negative index": ((X, Y, INDEX - 1), IndexRangeError)}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", WRONG)
def test_wrong_inputs_are_refused_with_the_documented_error(case, target):
    given, error = WRONG[case]
    f = compile_graph(parse(GRAPH), target=target)
    with pytest.raises(error):
        f(*given)
    assert [a.shape for a in f(X, Y, INDEX)] == [(4,), (2, 3)], "and works again"
