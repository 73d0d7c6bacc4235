import math

import numpy as np
import pytest

from graphc.codegen.vmath.lane import Machine
from graphc.codegen_cpu import jit, vmath
from tests.codegen_cpu.native import apply, load, loop

UNARY = ["exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf", "sin", "cos", "sqrt", "rsqrt"]
BOUNDS = {"float32": vmath.ULP, "float64": vmath.ULP_DOUBLE}
LARGEST_ANGLE = {"float32": 1e8, "float64": 1e6}
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, math.inf, -math.inf, math.nan]
# where exp leaves the range of either type, and where tanh and erf become 1
EDGES = [88.72283, 88.72284, -87.33655, -103.97207, -103.97209, 709.782712893384, 709.782712893385, -708.4, -745.1332,
         -745.1333, 8.9, 9.1, 18.9, 19.2, 3.9, 3.94, 5.8, 6.1, 0.9999999, 1.0000001, -0.9999999, 1e-30, -1e-30]


def patterns(dtype, seed=7, count=20000):
    """Numbers of every exponent and sign, dense where functions bend, and special ones."""
    rng = np.random.default_rng(seed)
    info = np.finfo(dtype)
    word = np.uint32 if dtype == "float32" else np.uint64
    bits = rng.integers(0, 2 ** info.bits, count, dtype=np.uint64).astype(word).view(dtype)
    exponents = 2.0 ** np.arange(info.minexp - info.nmant, info.maxexp)
    with np.errstate(under="ignore"):
        dense = np.concatenate([rng.uniform(-w, w, count) for w in (1, 10, 120, 800)] + [exponents, -exponents,
                                1 + rng.uniform(-0.4, 0.6, count), SPECIAL, EDGES]).astype(dtype)
    limits = np.array([info.max, -info.max, info.tiny, info.smallest_subnormal, -info.smallest_subnormal], dtype)
    return np.concatenate([bits, dense, limits])


def wide(dtype):
    return np.float64 if dtype == np.float32 else np.longdouble


def erf_series(x):
    """All terms positive: erf(x) = 2/sqrt(pi) e^(-x^2) sum of 2^n x^(2n+1) / (1*3*...*(2n+1)); 1 from 7 on."""
    size = np.minimum(np.abs(x), 7)
    term = total = size
    for n in range(1, 180):
        term = term * 2 * size * size / (2 * n + 1)
        total = total + term
    pi = x.dtype.type("3.14159265358979323846264338327950288")
    return np.copysign(2 / np.sqrt(pi) * np.exp(-size * size) * total, x)


def stable_sigmoid(x):
    z = np.exp(-np.abs(x))
    return np.where(x < 0, z, 1) / (1 + z)


REFERENCE = {"sigmoid": stable_sigmoid, "erf": erf_series, "rsqrt": lambda x: 1 / np.sqrt(x)}


def reference(function, x):
    """In the next wider type."""
    with np.errstate(all="ignore"):
        return REFERENCE.get(function, getattr(np, function, None))(x.astype(wide(x.dtype)))


def largest_error(got, exact):
    """In units of the last place of got's type; what is not finite, and signs of zero, must be the same."""
    info = np.finfo(got.dtype)
    with np.errstate(all="ignore"):
        rounded = exact.astype(got.dtype)
        special = ~np.isfinite(rounded) | (rounded == 0)
        np.testing.assert_array_equal(got[special], rounded[special])
        zero = rounded == 0
        np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(rounded[zero]))
        got, exact = got[~special], exact[~special]
        assert np.isfinite(got).all()
        unit = np.maximum(np.exp2(np.floor(np.log2(np.abs(exact))) - info.nmant),
                          exact.dtype.type(info.smallest_subnormal))
        return float((np.abs(got.astype(exact.dtype) - exact) / unit).max())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("function", UNARY)
def test_error_is_within_its_bound(function, dtype):
    x = patterns(dtype)
    if function in ("sin", "cos"):
        x = x[~(np.abs(x) > LARGEST_ANGLE[dtype]) | np.isinf(x)]
    error = largest_error(apply(function, x), reference(function, x))
    assert error <= BOUNDS[dtype][function]


@pytest.mark.parametrize(("function", "start", "stop"), [
    ("exp", 0.25, 0.5), ("expm1", 0.34, 0.5), ("tanh", 0.0625, 0.125), ("sigmoid", -0.0625, -0.03125)])
def test_error_is_within_its_bound_at_every_number_of_a_binade(function, start, stop):
    first, last = sorted(np.array([start, stop], np.float32).view(np.uint32))
    x = np.arange(first, last, 5, dtype=np.uint32).view(np.float32)
    assert largest_error(apply(function, x), reference(function, x)) <= vmath.ULP[function]


@pytest.mark.parametrize("function", ["exp", "sigmoid"])
def test_scaling_without_avx512_is_as_good(function, monkeypatch):
    monkeypatch.setattr(vmath, function, vmath.functions(Machine(fma=True, ldexp=False))[function])
    for dtype in BOUNDS:
        x = patterns(dtype, seed=8)
        error = largest_error(apply(function, x), reference(function, x))
        assert error <= BOUNDS[dtype][function]


@pytest.mark.parametrize("function", UNARY)
def test_loops_are_vectorised(function):
    text = jit.llvm_ir(loop(function, ["float32"], "float32"), "k")
    body = text[text.index("vector.body:"):]
    assert "x float>" in body
    assert "call float @" not in body[:body.index("br i1")]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_power_on_special_numbers(dtype):
    numbers = np.array([*SPECIAL, 1e-40, -1e-40, 1.0000001, 0.99999994, 16777216, 16777217, 1e30, -1e30, 0.33333334,
                        -7, 127, -149, -150.5], dtype)
    x, y = (a.ravel() for a in np.meshgrid(numbers, numbers))
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(wide(dtype)), y.astype(wide(dtype)))
    assert largest_error(apply("power", x, y), exact) <= BOUNDS[dtype]["power"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_power_on_all_magnitudes(dtype):
    rng, info = np.random.default_rng(3), np.finfo(dtype)
    x = np.exp2(rng.uniform(info.minexp, info.maxexp, 40000)).astype(dtype)
    with np.errstate(all="ignore"):
        y = (rng.uniform(-1.1, 1.1, 40000) * info.maxexp / np.log2(x)).astype(dtype)
        exact = np.power(x.astype(wide(dtype)), y.astype(wide(dtype)))
    assert largest_error(apply("power", x, y), exact) <= BOUNDS[dtype]["power"]


def test_an_angle_may_be_large_in_float32():
    x = np.random.default_rng(5).uniform(-2.0 ** 50, 2.0 ** 50, 5000).astype(np.float32)
    for function in ("sin", "cos"):
        assert largest_error(apply(function, x), reference(function, x)) <= 1.5
    huge = np.array([1e20, -1e30, 3e38], np.float32)
    assert (np.abs(apply("sin", huge)) <= 1).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("function", ["floor", "ceil", "trunc", "rint", "sign", "absolute", "isnan", "isfinite",
                                      "isinf"])
def test_exact_functions_of_one_operand(function, dtype):
    x = patterns(dtype, count=2000)
    result = np.bool_ if function.startswith("is") else None
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(apply(function, x, result=result), getattr(np, function)(x))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("function", ["maximum", "minimum", "floor_divide", "remainder"])
def test_exact_functions_of_two_operands(function, dtype):
    numbers = np.concatenate([np.array([*SPECIAL, 1e-40, -1e-40, 1e30, -1e30, 5.5, -5.5, 0.1], dtype),
                              patterns(dtype, count=10)[:40]])
    x, y = (a.ravel() for a in np.meshgrid(numbers, numbers))
    with np.errstate(all="ignore"):
        expected = getattr(np, function)(x, y)
    got = apply(function, x, y)
    np.testing.assert_array_equal(got, expected)
    if function in ("floor_divide", "remainder"):
        number = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(expected[number]))


def test_relu_lets_nan_through():
    x = np.array([-1, 0, 2, np.nan, np.inf, -np.inf], np.float32)
    np.testing.assert_array_equal(apply("relu", x), np.maximum(x, 0))


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32"])
@pytest.mark.parametrize("function", ["maximum", "minimum", "floor_divide", "remainder", "power"])
def test_integer_functions_of_two_operands(function, dtype):
    numbers = np.array([0, 1, -1, 2, -2, 3, -3, 7, -7, 100, -100, 2 ** 31 - 1, -2 ** 31], np.int64).astype(dtype)
    x, y = (a.ravel() for a in np.meshgrid(numbers, numbers))
    if function == "power":
        y = y % np.array(41, dtype)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(apply(function, x, y), getattr(np, function)(x, y))


@pytest.mark.parametrize("function", ["sign", "absolute", "relu"])
def test_integer_functions_of_one_operand(function):
    x = np.array([0, 5, -5, 2 ** 31 - 1], np.int32)
    expected = np.maximum(x, 0) if function == "relu" else getattr(np, function)(x)
    np.testing.assert_array_equal(apply(function, x), expected)


def test_select_and_fma():
    rng = np.random.default_rng(1)
    x, y, z = rng.standard_normal((3, 100)).astype(np.float32)
    exact = (x.astype(np.longdouble) * y + z).astype(np.float32)
    np.testing.assert_array_equal(apply("fma", x, y, z), exact)
    np.testing.assert_array_equal(apply("select", x > 0, y, z, result=np.float32), np.where(x > 0, y, z))


FOLD = '''
import numpy as np
from graphc.codegen_cpu.vmath import {function}
SIGNATURE = "f32* f32* i64"
START = np.float32({start!r})
def kernel(x, out, n, thread, threads):
    total = START
    for i in range(n):
        total = {function}(total, x[i])
    out[0] = total
'''


@pytest.mark.parametrize(("function", "start", "expected"), [
    ("fold_add", 0.0, np.sum), ("fold_multiply", 1.0, np.prod), ("fold_maximum", -9.0, np.max),
    ("fold_minimum", 9.0, np.min)])
def test_folds_are_vectorised_and_let_nan_through(function, start, expected):
    source = FOLD.format(function=function, start=start)
    assert "x float>" in jit.llvm_ir(source, "k")
    run, out = load(source), np.empty(1, np.float32)
    x = np.random.default_rng(2).uniform(0.9, 1.1, 333).astype(np.float32)
    run(x, out, x.size)
    np.testing.assert_allclose(out[0], expected(x.astype(np.float64)), rtol=1e-5)
    x[100] = np.nan
    run(x, out, x.size)
    assert np.isnan(out[0])


WORD = 0xFFFFFFFF


def mixed(x):
    x = ((x ^ x >> 16) * 0x7FEB352D) & WORD
    x = ((x ^ x >> 15) * 0x846CA68B) & WORD
    return x ^ x >> 16


def random_word(k0, k1, element):
    low, high = element & WORD, element >> 32
    return mixed((mixed(low ^ k0) + k1 + high * 0x9E3779B9) & WORD)


def test_mix32():
    x = np.random.default_rng(0).integers(0, 2 ** 32, 500, dtype=np.uint32)
    assert apply("mix32", x).tolist() == [mixed(int(v)) for v in x]


def test_random_words_of_elements_beyond_32_bits():
    element = np.array([0, 1, 2, 77, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 77, 2 ** 40 + 5], np.int64)
    k0, k1 = (np.full(element.size, k, np.uint32) for k in (0x12345678, 0xDEADBEEF))
    expected = [random_word(0x12345678, 0xDEADBEEF, int(e)) for e in element]
    assert apply("random_bits", k0, k1, element, result=np.uint32).tolist() == expected
    uniform = apply("random_uniform", k0, k1, element, result=np.float32)
    assert uniform.tolist() == [(word >> 8) / 2 ** 24 for word in expected]


THREEFRY = '''
from graphc.codegen_cpu.vmath import threefry2x32
SIGNATURE = "u32*"
def kernel(w, thread, threads):
    a, b = threefry2x32(w[0], w[1], w[2], w[3])
    w[4] = a
    w[5] = b
'''


@pytest.mark.parametrize(("key", "counter", "words"), [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((WORD, WORD), (WORD, WORD), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0))])
def test_threefry_gives_its_published_vectors(key, counter, words):
    block = np.array([*key, *counter, 0, 0], np.uint32)
    load(THREEFRY)(block)
    assert tuple(block[4:].tolist()) == words
