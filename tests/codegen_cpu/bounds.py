"""How far a target's results may lie from the reference in float64: rounding errors followed through a graph.

Every value gets, beside its float64 array, an array of bounds on the error a target may have made so far. An op
adds its own rounding: half a unit in the last place for arithmetic, vmath.ULP units for functions, n units for folds
and contractions of n terms (N. Higham, "Accuracy and Stability of Numerical Algorithms", chapters 3 and 4); nothing
where operands are exact and the result can be represented. A comparison, a rounding to integers or a position
whose operand might lie on the other side gets an infinite (for bools: a whole) error.
"""

from collections.abc import Callable

import numpy as np

from graphc.codegen_cpu.vmath import ULP, ULP_DOUBLE
from graphc.ir import F32, Graph, evaluate
from graphc.ir.dims import SymExpr, bind
from graphc.ir.evaluate import bind_inputs
from graphc.ir.spec import Array, Kind, op_spec
from graphc.passes.inline_composites import inline_composites
from tests.ir import winograd_samples
from tests.ir.unrolling import unrolled

UNIT = {"f32": 2.0**-24, "f64": 2.0**-53}
TINY = {"f32": 2.0**-149, "f64": 2.0**-1074}
LARGEST = {"f32": float(np.finfo("f4").max), "f64": float(np.finfo("f8").max)}
RULES: dict[str, Callable[..., np.ndarray]] = {}


def reference_and_bounds(graph: Graph, arrays: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each output its float64 value and how far the target's may lie from it."""
    wanted = evaluate(graph, arrays, float64=True)
    flat = inline_composites(unrolled(graph, bind_inputs(graph.inputs, [np.shape(a) for a in arrays])))
    values = evaluate(flat, arrays, float64=True, every=True)
    sizes = bind_inputs(flat.inputs, [np.shape(a) for a in arrays])
    errors = {v: np.zeros(values[v].shape) for v in flat.inputs}
    for op in flat.ops:
        attrs = {name: _bound(value, sizes) for name, value in op.attrs}
        step = Step(op, attrs, values[op.result], [values[v] for v in op.operands], [errors[v] for v in op.operands])
        with np.errstate(all="ignore"):
            error = RULES.get(op.name, Step.exact if not op.operands else Step.moved)(step)
        errors[op.result] = step.finished(np.asarray(error, float))
    return [(want, errors[v]) for want, v in zip(wanted, flat.outputs, strict=True)]


def assert_within(got: np.ndarray, want: np.ndarray, bound: np.ndarray, what: str = "") -> None:
    """Assert |got - want| <= bound everywhere; NaN only where NaN is wanted or nothing is known."""
    assert got.shape == want.shape, what
    if got.dtype == bool:
        got, want = got.astype(float), np.asarray(want).astype(float)
    with np.errstate(all="ignore"):
        fine = (got == want) | (np.isnan(want) & np.isnan(got)) | (np.abs(got - want) <= bound) | np.isinf(bound)
    if not fine.all():
        at = tuple(int(i[0]) for i in np.nonzero(np.atleast_1d(~fine)))
        got, want, bound = (np.atleast_1d(a) for a in (got, want, bound))
        raise AssertionError(f"{what}: {int((~fine).sum())} of {fine.size} elements are off, first at {at}: "
                             f"got {got[at]!r}, expected {want[at]!r} within {bound[at]:.3g}")


def check(graph: Graph, arrays: list[np.ndarray], results: list[np.ndarray], what: str = "") -> None:
    """Assert that a target's results lie within the bounds of the reference."""
    for i, (got, (want, bound)) in enumerate(zip(results, reference_and_bounds(graph, arrays), strict=True)):
        type_ = graph.outputs[i].type
        assert got.dtype == type_.dtype.numpy, f"{what}: output {i} is {got.dtype}, not {type_}"
        assert_within(got, want, bound, f"{what}: output {i} ({type_})")


def _bound(value, sizes):
    if isinstance(value, tuple):
        return tuple(_bound(v, sizes) for v in value)
    return bind(value, sizes) if isinstance(value, SymExpr) else value


class Step:
    """One op at hand: attrs; y its float64 result; xs and es its operands and their errors."""

    def __init__(self, op, attrs, y, xs, es):
        self.op, self.attrs, self.y, self.xs, self.es = op, attrs, y, xs, es
        self.dtype = op.result.type.dtype
        self.unit, self.tiny = UNIT.get(self.dtype.name, 0.0), TINY.get(self.dtype.name, 0.0)

    @property
    def known(self) -> bool:
        """Whether no operand has an error."""
        return not any(e.any() for e in self.es)

    def finished(self, error: np.ndarray) -> np.ndarray:
        """What overflows the element type, or has no order, is not known; NaN and exact infinities stay."""
        error = np.where(np.isnan(error), np.inf, error)
        if self.dtype.is_float:
            with np.errstate(all="ignore"):
                error = np.where((np.abs(self.y) + error > LARGEST[self.dtype.name]) & np.isfinite(self.y), np.inf, error)
        return np.broadcast_to(error, self.y.shape)

    def rounding(self, units: float = 1.0) -> np.ndarray:
        """The error of rounding the result: none where it can be represented and came of exact operands."""
        if not self.dtype.is_float:
            return np.zeros(self.y.shape)
        general = np.where(np.isfinite(self.y), units * self.unit * np.abs(self.y) + self.tiny, 0.0)
        if self.known and units == 1.0 and self.dtype == F32:
            return np.where(self.y.astype(np.float32).astype(float) == self.y, 0.0, general)
        return general

    # ---- rules that several ops share

    def exact(self):
        if self.op.name == "constant":
            return 0.0
        return self.rounding() if self.dtype == F32 and self.op.name in ("full", "iota", "size") else 0.0

    def moved(self):
        """The error moves with its element."""
        attrs = {**self.attrs, **({"value": 0.0} if self.op.name == "pad" else {})}
        return self.op.spec.reference(*self.es, **attrs)

    def exact_integers(self, total: np.ndarray) -> bool:
        """Whether every term is a small multiple of 1/64, so that no order of adding rounds."""
        limit = 2.0**18 if self.dtype == F32 else 2.0**46
        whole = all(np.isfinite(x).all() and (x * 64 == np.rint(x * 64)).all() for x in self.xs)
        return self.known and whole and bool((total < limit).all())

    def monotone(self, units: float):
        """For a function that rises or falls, or is convex around 0: its values at both ends of the interval."""
        (x,), (e,) = self.xs, self.es
        function = self.op.spec.reference
        ends = np.maximum(np.abs(function(x + e) - self.y), np.abs(function(x - e) - self.y))
        ends = np.where((e == 0) | ~np.isfinite(x) & np.isfinite(e), 0.0, ends)
        rounded = np.isfinite(self.y) & np.isfinite(x)
        return ends + np.where(rounded, units * 2 * self.unit * (np.abs(self.y) + ends) + self.tiny, 0.0)

    def comparison(self):
        (x, y), (ex, ey) = self.xs, self.es
        if x.dtype == bool:
            return np.minimum(ex + ey, 1.0)
        return ((np.abs(x - y) <= ex + ey) & (ex + ey > 0)).astype(float)

    def logic(self):
        return np.minimum(sum(self.es), 1.0)

    def fold(self, magnitudes: np.ndarray):
        """A fold's errors summed, and one rounding per term."""
        axes = self.attrs["axes"]
        count = int(np.prod([self.xs[0].shape[a] for a in axes], dtype=int))
        total, spread = magnitudes.sum(axis=axes), self.es[0].sum(axis=axes)
        if self.exact_integers(total):
            return 0.0
        rounding = np.where(np.isfinite(total) & (total + spread > 0), count * self.unit * (total + spread) + self.tiny, 0.0)
        return spread + rounding


def rule(*names):
    def tag(function):
        RULES.update(dict.fromkeys(names, function))
        return function

    return tag


_ULPS = {"f32": ULP, "f64": ULP_DOUBLE}
for _name in ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf", "sqrt", "rsqrt"):
    RULES[_name] = lambda s: s.monotone(_ULPS[s.dtype.name][s.op.name] + (1 if s.dtype != F32 else 0))
for _name in ("floor", "ceil", "rint", "sign", "relu", "negative", "absolute"):
    RULES[_name] = lambda s: s.monotone(0.0) - s.tiny if s.dtype.is_float else s.monotone(0.0)
RULES["stop_gradient"] = Step.moved
RULES.update(dict.fromkeys(("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"), Step.comparison))
RULES.update(dict.fromkeys(("logical_and", "logical_or", "logical_xor", "logical_not"), Step.logic))


@rule("square")
def _square(s):
    (x,), (e,) = s.xs, s.es
    return np.where(e == 0, 0.0, e * (2 * np.abs(x) + e)) + s.rounding()


@rule("isnan", "isfinite")
def _tested(s):
    return np.isinf(s.es[0]).astype(float)


@rule("add", "subtract")
def _add(s):
    return s.es[0] + s.es[1] + s.rounding() + s.unit * (s.es[0] + s.es[1])


@rule("multiply")
def _multiply(s):
    (x, y), (ex, ey) = s.xs, s.es
    spread = np.where(ey == 0, 0, (np.abs(x) + ex) * ey) + np.where(ex == 0, 0, np.abs(y) * ex)
    return spread * (1 + s.unit) + s.rounding()


@rule("divide")
def _divide(s):
    (_x, y), (ex, ey) = s.xs, s.es
    spread = np.where((ex == 0) & (ey == 0), 0.0, (ex + np.abs(s.y) * ey) / np.maximum(np.abs(y) - ey, 0.0))
    return spread * (1 + 2 * s.unit) + s.rounding()


@rule("floor_divide", "remainder")
def _divide_whole(s):
    (_x, y), (ex, ey) = s.xs, s.es
    return np.where((ex == 0) & (ey == 0), s.unit * (np.abs(s.y) + np.abs(y)) * (s.unit > 0), np.inf)


@rule("power")
def _power(s):
    (x, y), (ex, ey) = s.xs, s.es
    if not s.dtype.is_float:
        return 0.0
    corners = [np.abs(np.power(x + i * ex, y + j * ey) - s.y) for i in (-1, 1) for j in (-1, 1)]
    spread = np.where((ex == 0) & (ey == 0), 0.0, np.where(x - ex >= 0, np.max(corners, axis=0), np.inf))
    return spread + np.where(np.isfinite(s.y), 4 * s.unit * (np.abs(s.y) + spread) + s.tiny, 0.0)


@rule("maximum", "minimum")
def _extreme(s):
    return np.maximum(*s.es)


@rule("sin", "cos")
def _circular(s):
    """Their bounds hold for angles up to a million; infinite ones give NaN."""
    rounding = 2 * s.unit * (_ULPS[s.dtype.name][s.op.name] + 1) * np.where(np.isfinite(s.y), 1.0, 0.0)
    huge = (np.abs(s.xs[0]) > 1e6) & np.isfinite(s.xs[0])
    return np.where(huge, np.inf, np.minimum(s.es[0], 2.0) + rounding)


@rule("select")
def _select(s):
    (c, x, y), (ec, ex, ey) = s.xs, s.es
    apart = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, np.abs(x.astype(float) - y))
    return np.where(ec > 0, apart + np.maximum(ex, ey), np.where(c, ex, ey))


@rule("cast")
def _cast(s):
    (x,), (e,) = s.xs, s.es
    if s.dtype.is_float:
        rounded = s.rounding() if x.dtype.kind != "f" or s.unit > UNIT.get(s.op.operands[0].type.dtype.name, 0) else 0.0
        return e * (1 + s.unit) + rounded
    if s.dtype.kind == "bool":
        return ((e > 0) & (np.abs(x.astype(float)) <= e)).astype(float)
    wide = x.astype(float)
    same = (np.trunc(wide + e) == np.trunc(wide)) & (np.trunc(wide - e) == np.trunc(wide))
    return np.where(same | (e == 0), 0.0, np.inf)


@rule("reduce_sum")
def _sum(s):
    return s.fold(np.abs(s.xs[0]).astype(float)) if s.dtype.is_float else s.es[0].sum(axis=s.attrs["axes"])


@rule("reduce_prod")
def _product(s):
    axes, x = s.attrs["axes"], np.abs(s.xs[0]).astype(float)
    count = int(np.prod([x.shape[a] for a in axes], dtype=int))
    largest = np.prod((x + s.es[0]) * (1 + 2 * s.unit), axis=axes)
    spread = np.where(s.es[0].sum(axis=axes) == 0, 0.0, largest - np.prod(x, axis=axes))
    return spread + (count + 1) * s.unit * largest + s.tiny * (1 + count * np.prod(np.maximum(x, 1), axis=axes))


@rule("reduce_max", "reduce_min")
def _extreme_of(s):
    return s.es[0].max(axis=s.attrs["axes"], initial=0.0)


@rule("reduce_any", "reduce_all")
def _any(s):
    return s.es[0].max(axis=s.attrs["axes"], initial=0.0)


@rule("argmax", "argmin")
def _position(s):
    (x,), (e,), axis = s.xs, s.es, s.attrs["axis"]
    if s.known:
        return 0.0
    best = np.expand_dims(s.y, axis)
    gap = np.abs(x - np.take_along_axis(x, best, axis)) - e - np.take_along_axis(e, best, axis)
    np.put_along_axis(gap, best, 1.0, axis)
    return np.where((gap > 0).all(axis=axis), 0.0, np.inf)


@rule("matmul")
def _matmul(s):
    (a, b), (ea, eb) = ([np.abs(x) for x in s.xs], s.es)
    if s.exact_integers(a @ b):
        return 0.0
    terms = (a + ea) @ (b + eb)
    return np.where(s.known, 0.0, a @ eb + ea @ (b + eb)) + (a.shape[-1] + 1) * s.unit * terms + s.tiny


@rule("split_matmul")
def _split_matmul(s):
    a, b = s.xs
    terms = op_spec("split_matmul").reference(np.abs(a) + s.es[0], np.abs(b) + s.es[1], **s.attrs)
    own = op_spec("split_matmul").reference(np.abs(a), np.abs(b), **s.attrs)
    return (terms - own) * (1 + 1e-12) + (-(-a.shape[1] // s.attrs["parts"]) + 1) * s.unit * terms + s.tiny


@rule("winograd")
def _winograd(s):
    """Sums of C terms behind 3 roundings along each axis of a transformed input, and 4 of the result."""
    terms = _products_of(s, winograd_samples.winograd)  # of a pooled output those of its largest window
    return terms * (s.xs[0].shape[-1] + 1 + 7 * len(s.attrs["low"])) * s.unit + s.tiny


@rule("winograd_gradient")
def _winograd_gradient(s):
    """Sums over the tiles of a share, behind 3 roundings along each axis of both operands."""
    terms = _products_of(s, winograd_samples.gradient)
    count = s.xs[1][..., 0].size // s.attrs["shares"] + 1
    return terms * (count + 1 + 6 * len(s.attrs["low"])) * s.unit + s.tiny


def _products_of(s, algorithm):
    """The sums of products of magnitudes, of exact operands."""
    assert s.known, "transforms spread errors over a tile"
    return algorithm(*(np.abs(x) for x in s.xs), **s.attrs, of=np.abs)


@rule("gather")
def _gather(s):
    if s.es[1].any():
        return np.inf
    return s.op.spec.reference(s.es[0], s.xs[1], **s.attrs)


@rule("gather_grad")
def _gather_grad(s):
    if s.es[1].any():
        return np.inf
    total = s.op.spec.reference(np.abs(s.xs[0]).astype(float), s.xs[1], **s.attrs)
    spread = s.op.spec.reference(s.es[0], s.xs[1], **s.attrs)
    return spread if self_exact(s, total) else spread + s.xs[1].size * s.unit * (total + spread)


@rule("first_positions")
def _first_positions(s):
    return np.inf if s.es[0].any() else 0.0


@rule("sum_rows")
def _sum_rows(s):
    if s.es[1].any():
        return np.inf
    total, spread = (s.op.spec.reference(x, s.xs[1]) for x in (np.abs(s.xs[0]).astype(float), s.es[0]))
    return spread if self_exact(s, total) else spread + s.xs[1].size * s.unit * (total + spread)


@rule("place_rows")
def _place_rows(s):
    return np.inf if s.es[1].any() else s.op.spec.reference(s.es[0], s.xs[1])


@rule("scatter_rows")
def _scatter_rows(s):
    """One rounding each, where the scale is exact."""
    if s.es[1].any() or s.es[2].any() or s.es[4].any():
        return np.inf
    spread = s.op.spec.reference(s.es[0], s.xs[1], s.xs[2], s.es[3], s.xs[4])
    return spread + 2 * s.unit * (np.abs(s.y) + spread) + s.tiny


@rule("cumsum")
def _cumsum(s):
    axis = s.attrs["axis"]
    total, spread = np.cumsum(np.abs(s.xs[0]).astype(float), axis), np.cumsum(s.es[0], axis)
    return spread if self_exact(s, total) else spread + s.y.shape[axis] * s.unit * (total + spread)


def self_exact(s, total):
    return not s.dtype.is_float or s.exact_integers(total)


@rule("random_key", "random_bits", "random_uniform", "random_mask")
def _random(s):
    return np.inf if s.es[0].any() else 0.0


assert Kind
assert Array
