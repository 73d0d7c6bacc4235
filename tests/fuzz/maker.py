"""What makes random graphs: picks operands, makes inputs, keeps sizes and numbers small, ends with a graph.

What does not live here: the ops (op_families.py).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from graphc.ir import BOOL, F32, I32, I64, Builder, Graph, TensorType, symbol
from graphc.ir.dims import bind, bind_shape, size_of
from graphc.passes.autodiff import gradients

B, T = symbol("B"), symbol("T")
DIMS = [1, 1, 2, 3, 4, 5, 7, 8, 17, 20, 33, 64, 65, 100, 130]
LARGEST = 4000  # elements of a value
LIMIT = 64.0  # size of a float


@dataclass
class Drawn:
    """A graph, the values of its symbols, and what makes its inputs for these or for larger ones."""

    graph: Graph
    sizes: dict
    makers: list[Callable[[dict], np.ndarray]]

    @property
    def arrays(self) -> list[np.ndarray]:
        return self.arrays_for(self.sizes)

    def arrays_for(self, sizes: dict) -> list[np.ndarray]:
        return [make(sizes) for make in self.makers]


class Maker:
    """A graph while it grows. values: everything that can be read; size: a bound on a value's elements."""

    def __init__(self, rng):
        self.rng, self.b = rng, Builder()
        self.values, self.size = [], {}
        self.makers = []
        self.dims = [*rng.sample(DIMS, 3), *rng.sample([B, T], rng.randint(1, 2))]
        if rng.random() < 0.04:
            self.dims[0] = 0
        self.sizes = {"B": rng.choice([3, 3, 2, 1, 70]), "T": rng.choice([6, 6, 2, 40])}

    # ---- leaves

    def shape(self, low=0, high=3):
        for _ in range(20):
            rank = self.rng.randint(low, high)
            shape = tuple(self.rng.choice(self.dims) for _ in range(rank))
            if self.rng.random() < 0.1:  # a cube, whose transposes have its type
                shape = shape[:1] * rank
            if self.elements(shape) <= LARGEST // 4:
                return shape
        return (1,) * low

    def elements(self, shape):
        return size_of(bind_shape(shape, self.sizes))

    def some_input(self, type_=None):
        dtype = self.rng.choice([F32] * 7 + [I32, I64, BOOL])
        return self.input(type_ or TensorType(dtype, self.shape(1 if self.rng.random() < 0.8 else 0)))

    def input(self, type_, top=None):
        """A new input; top bounds whole numbers that count from 0."""
        seed, dtype = self.rng.randint(0, 2**16), type_.dtype
        low, high = (-16, 17) if dtype.is_float else (0, 2) if dtype == BOOL else (-3, 6) if top is None else (0, top)

        def make(sizes):
            drawn = np.random.default_rng(seed).integers(low, max(high, low + 1), bind_shape(type_.shape, sizes))
            return np.asarray(drawn / 8 if dtype.is_float else drawn, dtype.numpy)

        self.makers.append(make)
        return self.known(self.b.input(type_, f"x{len(self.makers) - 1}"), 2.0 if dtype.is_float else float(high))

    def known(self, value, bound):
        if value not in self.size:
            self.values.append(value)
            self.size[value] = bound
        return value

    def emit(self, name, *operands, bound=None, **attrs):
        """The op, unless its result would be too large: then its first operand."""
        value = self.b.emit(name, *operands, **attrs)
        bound = bound if bound is not None else max((self.size[v] for v in operands), default=1.0)
        return self.known(value, bound)

    # ---- choice

    def pick(self, test=lambda v: True):
        """A value that passes, later ones preferred; an input is made where there is none."""
        fitting = [v for v in self.values if test(v)]
        if not fitting:
            return None
        return self.rng.choice(fitting[-4:] if self.rng.random() < 0.6 else fitting)

    def number(self, rank=0):
        """An f32 value of at least this rank."""
        found = self.pick(lambda v: v.type.dtype == F32 and v.type.rank >= rank)
        return found or self.input(TensorType(F32, self.shape(max(rank, 1), 3)))

    def whole(self, rank=0):
        found = self.pick(lambda v: v.type.dtype in (I32, I64) and v.type.rank >= rank)
        return found or self.input(TensorType(I32, self.shape(max(rank, 1), 3)))

    def truth(self):
        return self.pick(lambda v: v.type.dtype == BOOL) or self.input(TensorType(BOOL, self.shape(1)))

    def partner(self, x):
        """Another value of x's type: one that exists, a constant, a broadcast, or an input."""
        way = self.rng.random()
        if way < 0.5:
            found = self.pick(lambda v: v.type == x.type)
            return found
        if way < 0.6:
            value = self.rng.choice([0, 1, 2, -1] if x.type.dtype != BOOL else [0, 1])
            value = value if not x.type.dtype.is_float else float(value) / 2
            if x.type.dtype == BOOL:
                value = bool(value)
            return self.known(self.b.full(value, x.type.shape, x.type.dtype), 2.0)
        if way < 0.9:
            found = self.pick(lambda v: v.type.dtype == x.type.dtype and v is not x
                              and _subsequence(v.type.shape, x.type.shape) is not None)
            if found is not None:
                axes = _subsequence(found.type.shape, x.type.shape)
                return self.emit("broadcast", found, axes=axes, shape=x.type.shape)
        return self.input(x.type)

    def squeezed(self, x, limit):
        """x itself, or brought into [-limit, limit] by one of several ways."""
        if self.size[x] <= limit:
            return x
        if self.rng.random() < 0.3:
            return self.emit("tanh", x, bound=1.0)
        low, high = (self.b.full(v, x.type.shape, x.type.dtype) for v in (-limit, limit))
        return self.emit("maximum", self.emit("minimum", x, high, bound=self.size[x]), low, bound=limit) \
            if self.known(low, limit) and self.known(high, limit) else x

    def index(self, shape, count):
        """Indices of the shape in [0, count): given, or computed from a whole number."""
        if self.rng.random() < 0.5:
            return self.input(TensorType(self.rng.choice([I32, I64]), shape), top=bind(count, self.sizes))
        x = self.pick(lambda v: v.type.dtype in (I32, I64) and v.type.shape == shape)
        if x is None or not isinstance(count, int):
            return self.input(TensorType(I32, shape), top=bind(count, self.sizes))
        modulus = self.known(self.b.full(count, shape, x.type.dtype), float(count))
        return self.emit("remainder", x, modulus, bound=float(count))

    # ---- the end

    def finish(self, outputs, gradient):
        read = {v for op in self.b.ops for v in op.operands}
        ends = [v for op in self.b.ops for v in op.results if v not in read]
        chosen = self.rng.sample(ends, min(len(ends), outputs))
        chosen += [self.rng.choice(self.values) for _ in range(self.rng.randint(0, 2))]
        if gradient:
            chosen = self._with_gradients(ends or chosen, chosen[:1])
        for name in sorted(_symbols(self.b.inputs, self.b.ops)):
            if not any(symbol(name) in v.type.shape for v in self.b.inputs):
                self.input(TensorType(F32, (symbol(name),)))
        return Drawn(self.b.graph(chosen, "random"), self.sizes, self.makers)

    def _with_gradients(self, ends, kept):
        floats = [v for v in ends if v.type.dtype == F32]
        ops = tuple(self.b.ops)
        wrt = [v for v in self.b.inputs if v.type.dtype == F32]
        weights = [self.b.full_like(1.0, v) if self.rng.random() < 0.5 else self.input(v.type) for v in floats]
        found = [g for g in gradients(self.b, ops, floats, weights, wrt) if g is not None]
        return [*kept, *found] or [self.values[0]]


def _symbols(inputs, ops):
    """All symbols of sizes, in the bodies of loops too."""
    found = set().union(*(v.type.symbols for v in inputs), *(r.type.symbols for op in ops for r in op.results))
    bodies = [op.attr("body") for op in ops if op.name == "scan"]
    return found.union(*(_symbols(body.inputs, body.ops) for body in bodies))


def _subsequence(short, long):
    """Axes of `long` that hold `short` in order, ones fitting anywhere; None where it does not fit."""
    axes, at = [], 0
    for dim in short:
        while at < len(long) and dim not in (1, long[at]):
            at += 1
        if at == len(long):
            return None
        axes.append(at)
        at += 1
    return tuple(axes)
