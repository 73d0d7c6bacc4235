"""Which kernels become products of a library, what it is told, and that the results stay the same.

cuBLASLt's descriptors need no driver: where it is installed, they are built and read back. What it computes is for a
GPU to show.
"""

import ctypes

import numpy as np
import pytest

from graphc.compiler import compile_graph
from graphc.errors import IndexRangeError
from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse
from graphc.passes.choices import Choices
from graphc.passes.pipeline import optimize, plan
from graphc.runtime_cuda import blas
from graphc.runtime_cuda.calls import KernelCall, ProductCall
from graphc.runtime_cuda.device import Product, Span, using
from graphc.runtime_cuda.lockstep_device import LockstepDevice
from graphc.runtime_cuda.products import product_form

UNIT = 2.0**-24
F32 = np.dtype(np.float32)


def graph(body, *inputs):
    return parse(f"graph g({', '.join(inputs)}) {{\n{body}\n}}")


X, W, B = "%x: f32[B,40]", "%w: f32[40,24]", "%b: f32[24]"
PLAIN = graph("  %y = matmul(%x, %w)\n  return %y", X, W)
BIAS = "  %m = matmul(%x, %w)\n  %c = broadcast(%b){axes=(1,), shape=(B,24)}\n  %a = add(%m, %c)\n"
DENSE = graph(BIAS + "  %y = relu(%a)\n  return %y", X, W, B)
GATED = graph(BIAS + "  %y = sigmoid(%a)\n  return %y", X, W, B)
TWICE = graph(BIAS + "  %r = relu(%a)\n  %y = multiply(%r, %c)\n  return %y", X, W, B)
TURNED = graph("  %t = transpose(%x){perm=(1,0)}\n  %y = matmul(%t, %w)\n  return %y", "%x: f32[40,B]", "%w: f32[40,24]")
BATCH = graph("  %y = matmul(%x, %w)\n  return %y", "%x: f32[3,B,40]", "%w: f32[3,40,24]")
PARTS = graph("  %s = slice(%x){starts=(0,8), limits=(B,48), strides=(1,1)}\n  %y = matmul(%s, %w)\n  return %y",
              "%x: f32[B,60]", W)
UPDATE = parse("""graph g(%x: f32[B,40], %g: f32[B,24], %w: f32[40,24]) {
  %t = transpose(%x){perm=(1,0)}
  %d = matmul(%t, %g)
  %n = subtract(%w, %d)
  return %n
}""").replace(donations=((0, 2),))
FORMS = {"plain": (PLAIN, None, "", False), "a layer": (DENSE, "b", "relu", False), "an epilogue": (GATED, None, "", True),
         "a bias used again": (TWICE, None, "", True), "turned": (TURNED, None, "", False),
         "a batch": (BATCH, None, "", False), "a part of a matrix": (PARTS, None, "", False),
         "an update in place": (UPDATE, None, "", True)}


@pytest.mark.parametrize(("made", "bias", "activation", "epilogue"), FORMS.values(), ids=FORMS)
def test_form(made, bias, activation, epilogue):
    (kernel,) = plan(optimize(made, Choices(device=True)), device=True).kernels.kernels
    found = product_form(kernel, "default").epilogue
    assert (found.bias and found.bias.hint, found.activation, found.rest is not None) == (bias, activation, epilogue)


@pytest.mark.parametrize("made", [
    graph("  %t = transpose(%x){perm=(0,2,1)}\n  %r = reshape(%t){shape=(B,40)}\n  %y = matmul(%r, %w)\n  return %y",
          "%x: f32[B,8,5]", "%w: f32[40,24]"),
    graph("  %s = reduce_sum(%x){axes=(1,)}\n  return %s", X)], ids=["columns at two distances", "no product"])
def test_kernels_that_are_no_products(made):
    for kernel in plan(optimize(made, Choices(device=True)), device=True).kernels.kernels:
        assert product_form(kernel, "default") is None


@pytest.mark.parametrize(("made", "bias", "activation", "epilogue"), FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("rows", [1, 17])
def test_results_are_those_of_the_kernel(made, bias, activation, epilogue, rows, always):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=[rows if not isinstance(d, int) else d for d in v.type.shape]).astype("f4")
              for v in made.inputs]
    states = {i: type("State", (), {"array": arrays[i].copy()})() for _, i in made.donations}
    with using(LockstepDevice(products=True)):
        f = compile_graph(made, states, target="cuda")
        calls = f.calls(B=rows)
        assert [type(call) for call in calls][:2] == ([ProductCall, KernelCall] if epilogue else [ProductCall])
        results = f(*(a for i, a in enumerate(arrays) if i not in states))
    (want,) = evaluate(made, arrays, float64=True)
    got = next(iter(states.values())).array if states else results[0]
    np.testing.assert_allclose(got, want, rtol=0, atol=64 * UNIT * np.abs(arrays[0]).max() * 40)


def test_an_index_out_of_range_keeps_the_state_that_a_product_updates(always):
    """The kernel behind the product overwrites the state; it looks at the status word as the whole kernel would."""
    made = parse("""graph g(%x: f32[B,40], %g: f32[B,24], %w: f32[40,24], %e: f32[10,4], %i: i32[B]) {
  %r = gather(%e, %i){axis=0}
  %t = transpose(%x){perm=(1,0)}
  %d = matmul(%t, %g)
  %n = subtract(%w, %d)
  return %n, %r
}""").replace(donations=((0, 2),))
    rng = np.random.default_rng(0)
    x, g, w, e = (rng.normal(size=shape).astype("f4") for shape in ((3, 40), (3, 24), (40, 24), (10, 4)))
    state = type("State", (), {"array": w.copy()})()
    with using(LockstepDevice(products=True)) as device:
        f = compile_graph(made, {2: state}, target="cuda")
        assert any(isinstance(call, ProductCall) for call in f.calls(B=3))
        with pytest.raises(IndexRangeError):
            f(x, g, e, np.array([1, 2, 10], "i4"))
        there = np.empty_like(w)
        device.download(there, f.states.address(state))
        np.testing.assert_array_equal(there, w)


def test_small_products_stay_kernels():
    with using(LockstepDevice(products=True)):
        f = compile_graph(DENSE, target="cuda")
        assert [type(call) for call in f.calls(B=32)] == [KernelCall]
        assert [type(call) for call in f.calls(B=1 << 20)] == [ProductCall]


# ---- cuBLASLt


@pytest.fixture(scope="module")
def library():
    found = blas.load_library()
    if found is None:
        pytest.skip("cuBLASLt is not installed")
    return found


def attribute(library, kind, what, which, type_):
    value, written = type_(), ctypes.c_size_t()
    done = getattr(library, f"cublasLt{kind}GetAttribute")(what, which, ctypes.byref(value), ctypes.sizeof(value),
                                                           ctypes.byref(written))
    assert (done, written.value) == (0, ctypes.sizeof(value))
    return value.value


@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize(("bias", "activation", "epilogue"), [(False, "", 1), (False, "relu", 2), (True, "relu", 6)])
def test_descriptors(library, turned, bias, activation, epilogue):
    m, n, k = 5, 7, 11
    product = Product(Span(256, m * k, F32), Span(1024, k * n, F32), Span(4096, m * n, F32), m, n, k, 3,
                      (m if turned[0] else k, k if turned[1] else n, n), (m * k, k * n, m * n), turned,
                      Span(8192, n, F32) if bias else None, activation, "tf32")
    made = blas.Descriptors(library, product)
    assert [attribute(library, "MatmulDesc", made.operation, which, ctypes.c_int32) for which in (0, 3, 4, 7)] == [
        77, turned[1], turned[0], epilogue]
    if bias:
        assert attribute(library, "MatmulDesc", made.operation, 8, ctypes.c_uint64) == 8192
    sizes = {"a": (m, k), "b": (k, n), "c": (m, n)}
    for name, flipped in (("a", turned[0]), ("b", turned[1]), ("c", False)):
        rows, columns = sizes[name][::-1] if flipped else sizes[name]
        layout = getattr(made, name)
        found = [attribute(library, "MatrixLayout", layout, which, ctypes.c_uint64) for which in (2, 3, 4, 6)]
        assert found == [columns, rows, columns, rows * columns]
        assert attribute(library, "MatrixLayout", layout, 5, ctypes.c_int32) == 3
    assert attribute(library, "MatmulPreference", made.preference(16), 1, ctypes.c_uint64) == 32 << 20


def test_without_a_driver_there_is_no_handle(library):
    handle = ctypes.c_void_p()
    if library.cublasLtCreate(ctypes.byref(handle)) == 0:
        pytest.skip("there is a driver")
    with pytest.raises(blas.DeviceError, match="cublasLtCreate: cuBLASLt reports an error"):
        blas.Products(library, 0, lambda size: 0)
