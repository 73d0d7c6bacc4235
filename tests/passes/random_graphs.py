"""Random typed graphs with inputs for them: the raw material of the differential tests.

`random_graph(rng)` takes anything with the methods of `random.Random`, a hypothesis strategy's too, so that
failing graphs shrink. Numbers are kept small: every value has a bound on its size, and what would leave it is
squeezed first. Inputs are multiples of 1/8, so that sums and products are often exact.

What does not live here: what the results must be (tests/codegen_cpu/bounds.py).
"""

from dataclasses import dataclass, field

import numpy as np

from graphc.ir import BOOL, F32, F64, I32, I64, Array, Builder, Graph, TensorType, symbol
from graphc.ir.dims import bind, bind_shape, size_of
from graphc.ir.types import U8
from graphc.passes.autodiff import gradients

SIZES = {"B": 3, "T": 6}
B, T = symbol("B"), symbol("T")
LARGEST = 4000  # elements of a value
LIMIT = 64.0  # size of a float


@dataclass
class Drawn:
    """A graph, its inputs as arrays, and the values of its symbols."""

    graph: Graph
    arrays: list
    sizes: dict = field(default_factory=dict)


def random_graph(rng, ops: int = 12, *, gradient: bool = False, outputs: int = 4) -> Drawn:
    """A graph of about `ops` ops on 2 to 4 inputs; gradient=True adds the gradients of its float outputs' sum."""
    maker = _Maker(rng)
    for _ in range(rng.randint(2, 4)):
        maker.some_input()
    while len(maker.b.ops) < ops:
        rng.choice(_FAMILIES)(maker)
    return maker.finish(outputs, gradient)


class _Maker:
    """A graph while it grows. values: everything that can be read; size: a bound on a value's elements."""

    def __init__(self, rng):
        self.rng, self.b = rng, Builder()
        self.values, self.size = [], {}
        self.arrays = []
        self.dims = [*rng.sample([1, 2, 3, 4, 5, 7, 17, 20, 33], 3), *rng.sample([B, T], rng.randint(1, 2))]
        self.sizes = dict(SIZES) if rng.random() < 0.9 else {"B": 1, "T": 2}

    # ---- leaves

    def shape(self, low=0, high=3):
        while True:
            shape = tuple(self.rng.choice(self.dims) for _ in range(self.rng.randint(low, high)))
            if self.elements(shape) <= LARGEST // 4:
                return shape

    def elements(self, shape):
        return size_of(bind_shape(shape, self.sizes))

    def some_input(self, type_=None):
        dtype = self.rng.choice([F32] * 7 + [I32, I64, BOOL])
        return self.input(type_ or TensorType(dtype, self.shape(1 if self.rng.random() < 0.8 else 0)))

    def input(self, type_, top=None):
        seed = np.random.default_rng(self.rng.randint(0, 2**16))
        shape = bind_shape(type_.shape, self.sizes)
        if type_.dtype.is_float:
            drawn, bound = seed.integers(-16, 17, shape) / 8, 2.0
        else:
            low, high = (0, 2) if type_.dtype == BOOL else (0, top) if top is not None else (-3, 6)
            drawn, bound = seed.integers(low, max(high, low + 1), shape), max(abs(low), high)
        self.arrays.append(np.asarray(drawn, type_.dtype.numpy))
        return self.known(self.b.input(type_, f"x{len(self.arrays) - 1}"), float(bound))

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
        for name in sorted(set().union(*(v.type.symbols for v in self.b.inputs), *(
                r.type.symbols for op in self.b.ops for r in op.results))):
            if not any(symbol(name) in v.type.shape for v in self.b.inputs):
                self.input(TensorType(F32, (symbol(name),)))
        return Drawn(self.b.graph(chosen, "random"), self.arrays, self.sizes)

    def _with_gradients(self, ends, kept):
        floats = [v for v in ends if v.type.dtype == F32]
        ops = tuple(self.b.ops)
        wrt = [v for v in self.b.inputs if v.type.dtype == F32]
        weights = [self.b.full_like(1.0, v) if self.rng.random() < 0.5 else self.input(v.type) for v in floats]
        found = [g for g in gradients(self.b, ops, floats, weights, wrt) if g is not None]
        return [*kept, *found] or [self.values[0]]


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


# ---- families of ops

_SMOOTH = [("tanh", 1), ("sigmoid", 1), ("sin", 1), ("cos", 1), ("erf", 1)]


def unary(m):
    x, rng = m.number(), m.rng
    name = rng.choice(["smooth", "smooth", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "square", "relu", "negative",
                       "absolute", "sign", "floor", "ceil", "rint", "stop_gradient", "reciprocal"])
    if name == "smooth":
        m.emit(rng.choice(_SMOOTH)[0], x, bound=1.0)
    elif name in ("exp", "expm1"):
        m.emit(name, m.squeezed(x, 4.0), bound=56.0)
    elif name in ("log", "log1p", "sqrt", "rsqrt", "reciprocal"):
        one = m.b.full_like(0.5, x)
        positive = m.emit("add", m.emit("absolute", x), m.known(one, 0.5), bound=m.size[x] + 0.5)
        m.emit(name, positive, bound=max(6.0, m.size[x] + 1))
    elif name == "square":
        x = m.squeezed(x, 8.0)
        m.emit(name, x, bound=m.size[x] ** 2)
    else:
        m.emit(name, x, bound=m.size[x] + 1)


def binary(m):
    x = m.number()
    y = m.partner(x)
    name = m.rng.choice(["add", "add", "subtract", "multiply", "multiply", "maximum", "minimum", "divide", "power"])
    if name in ("add", "subtract"):
        x, y = m.squeezed(x, LIMIT), m.squeezed(y, LIMIT)
        m.emit(name, x, y, bound=m.size[x] + m.size[y])
    elif name == "multiply":
        x, y = m.squeezed(x, 8.0), m.squeezed(y, 8.0)
        m.emit(name, x, y, bound=m.size[x] * m.size[y])
    elif name in ("divide", "power"):
        x = m.squeezed(x, 4.0)
        floor = m.known(m.b.full_like(0.5, y), 0.5)
        y = m.emit("add", m.emit("absolute", m.squeezed(y, 3.0)), floor, bound=3.5)
        m.emit(name, *((x, y) if name == "divide" else (y, x)), bound=150.0)
    else:
        m.emit(name, x, y)


def integer(m):
    x = m.whole()
    y = m.partner(x)
    if y is None:
        return
    name = m.rng.choice(["add", "subtract", "multiply", "maximum", "minimum", "floor_divide", "remainder", "square",
                         "negative", "absolute", "sign", "relu"])
    if name in ("square", "negative", "absolute", "sign", "relu"):
        m.emit(name, x, bound=1e9)
    else:
        m.emit(name, x, y, bound=1e9)


def compare(m):
    x = m.number() if m.rng.random() < 0.7 else m.whole()
    y = m.partner(x)
    m.emit(m.rng.choice(["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]), x, y, bound=1.0)


def logic(m):
    x = m.truth()
    if m.rng.random() < 0.2:
        m.emit("logical_not", x)
    else:
        m.emit(m.rng.choice(["logical_and", "logical_or", "logical_xor"]), x, m.partner(x))


def select(m):
    x = m.number()
    y = m.partner(x)
    c = m.pick(lambda v: v.type == x.type.with_dtype(BOOL))
    if c is None:
        c = m.emit("greater", x, m.partner(x), bound=1.0) if m.rng.random() < 0.7 else m.input(x.type.with_dtype(BOOL))
    m.emit("select", c, x, y)


def cast(m):
    x = m.pick() or m.number()
    if x.type.dtype.is_float:
        to = m.rng.choice([F32, I32, BOOL, F64])
        x = m.squeezed(x, LIMIT)
    else:
        to = m.rng.choice([F32, F32, I64, I32, U8, F64] if m.size[x] <= LIMIT else [I64, I32])
    bound = 300.0 if to == U8 else max(m.size[x], 1.0)
    m.emit("cast", x, dtype=to, bound=bound)


def reduce(m):
    x = m.number(1) if m.rng.random() < 0.8 else m.whole(1)
    axes = tuple(sorted(m.rng.sample(range(x.type.rank), m.rng.randint(1, x.type.rank))))
    name = m.rng.choice(["reduce_sum", "reduce_sum", "reduce_max", "reduce_min", "reduce_mean", "reduce_prod", "argmax",
                         "argmin", "logsumexp"])
    count = m.elements([x.type.shape[a] for a in axes])
    if x.type.dtype != F32 and name in ("reduce_mean", "logsumexp"):
        name = "reduce_sum"
    if name in ("argmax", "argmin"):
        m.emit(name, x, axis=axes[0], bound=float(count))
    elif name == "reduce_prod":
        x = m.squeezed(x, 1.0) if x.type.dtype == F32 else x
        m.emit(name, x, axes=axes, bound=1.0 if x.type.dtype == F32 else 1e9)
    else:
        x = m.squeezed(x, 8.0) if x.type.dtype == F32 else x
        m.emit(name, x, axes=axes, bound=m.size[x] * count)


def reduce_logic(m):
    x = m.pick(lambda v: v.type.dtype == BOOL and v.type.rank)
    if x is not None:
        m.emit(m.rng.choice(["reduce_any", "reduce_all"]), x, axes=(m.rng.randrange(x.type.rank),), bound=1.0)


def normalise(m):
    x = m.squeezed(m.number(1), 16.0)
    axis = m.rng.randrange(x.type.rank)
    m.emit(m.rng.choice(["softmax", "log_softmax"]), x, axis=axis, bound=max(1.0, 2 * m.size[x] + 4))


def centre(m):
    """What layers do: a value less its mean, or divided by its sum."""
    x = m.squeezed(m.number(1), 16.0)
    axes = tuple(sorted(m.rng.sample(range(x.type.rank), m.rng.randint(1, x.type.rank))))
    kept = tuple(i for i in range(x.type.rank) if i not in axes)
    mean = m.emit("reduce_mean", x, axes=axes)
    spread = m.emit("broadcast", mean, axes=kept, shape=x.type.shape)
    d = m.emit("subtract", x, spread, bound=2 * m.size[x])
    if m.rng.random() < 0.5:
        m.emit("reduce_mean", m.emit("square", m.squeezed(d, 8.0), bound=LIMIT), axes=axes)


def matmul(m):
    a = m.squeezed(m.number(2), 4.0)
    *batch, _, k = a.type.shape
    b = m.pick(lambda v: v.type.dtype == F32 and v.type.rank == a.type.rank and v.type.shape[:-2] == tuple(batch)
               and k in v.type.shape[-2:])
    if b is None or m.rng.random() < 0.4:
        shape = (m.rng.choice([1, 3, 5, 16, 17, 33, T]), k)
        b = m.input(TensorType(F32, (*batch, *(shape if m.rng.random() < 0.5 else shape[::-1]))))
    b = m.squeezed(b, 4.0)
    if b.type.shape[-2] != k or (b.type.shape[-1] == k and m.rng.random() < 0.3):
        n = a.type.rank
        b = m.emit("transpose", b, perm=(*range(n - 2), n - 1, n - 2))
    if m.elements((*batch, a.type.shape[-2], b.type.shape[-1])) <= LARGEST:
        m.emit("matmul", a, b, bound=m.size[a] * m.size[b] * m.elements((k,)))


def transpose(m):
    x = m.pick(lambda v: v.type.rank >= 2) or m.number(2)
    perm = list(range(x.type.rank))
    m.rng.shuffle(perm)
    m.emit("transpose", x, perm=tuple(perm))


def reshape(m):
    x = m.pick(lambda v: v.type.rank >= 1) or m.number(1)
    shape = list(x.type.shape)
    way = m.rng.randrange(4)
    if way == 0:
        shape = [x.type.size]
    elif way == 1 and len(shape) > 1:
        i = m.rng.randrange(len(shape) - 1)
        shape[i:i + 2] = [shape[i] * shape[i + 1]]
    elif way == 2:
        shape.insert(m.rng.randint(0, len(shape)), 1)
    else:
        for i, dim in enumerate(shape):
            if isinstance(dim, int) and dim > 2 and dim % 2 == 0:
                shape[i:i + 1] = [2, dim // 2]
                break
    m.emit("reshape", x, shape=tuple(shape))


def broadcast(m):
    x = m.pick(lambda v: v.type.rank <= 2) or m.number()
    shape = list(x.type.shape)
    axes = list(range(len(shape)))
    for i in axes:
        if shape[i] == 1 and m.rng.random() < 0.7:
            shape[i] = m.rng.choice(m.dims)
    at = m.rng.randint(0, len(shape))
    shape.insert(at, m.rng.choice(m.dims))
    axes = [a + (a >= at) for a in axes]
    if m.elements(shape) <= LARGEST // 2:
        m.emit("broadcast", x, axes=tuple(axes), shape=tuple(shape))


def slice_(m):
    x = m.pick(lambda v: v.type.rank >= 1) or m.number(1)
    starts, limits, strides = [], [], []
    for dim in x.type.shape:
        size = bind(dim, m.sizes)
        start = m.rng.randint(0, min(2, size - 1)) if m.rng.random() < 0.5 else 0
        cut = m.rng.randint(0, min(2, size - start - 1)) if m.rng.random() < 0.4 else 0
        starts.append(start)
        limits.append(dim - cut)
        strides.append(m.rng.choice([1, 1, 1, 2, 3]))
    m.emit("slice", x, starts=tuple(starts), limits=tuple(limits), strides=tuple(strides))


def reverse(m):
    x = m.pick(lambda v: v.type.rank >= 1) or m.number(1)
    m.emit("reverse", x, axes=(m.rng.randrange(x.type.rank),))


def pad(m):
    x = m.number(1)
    low, high = ([m.rng.choice([0, 0, 1, 2]) for _ in x.type.shape] for _ in range(2))
    m.emit("pad", x, low=tuple(low), high=tuple(high), value=m.rng.choice([0.0, 0.0, 1.0, -0.5]),
           bound=max(m.size[x], 1.0))


def concatenate(m):
    x = m.pick(lambda v: v.type.rank >= 1) or m.number(1)
    axis = m.rng.randrange(x.type.rank)

    def fits(v):
        return v.type.dtype == x.type.dtype and v.type.rank == x.type.rank and \
            all(d == e for i, (d, e) in enumerate(zip(v.type.shape, x.type.shape, strict=True)) if i != axis)

    parts = [x, *(m.pick(fits) for _ in range(m.rng.randint(0, 2)))]
    m.rng.shuffle(parts)
    if m.elements(x.type.shape) * 3 <= LARGEST:
        m.emit("concatenate", *parts, axis=axis)


def gather(m):
    x = m.number(1)
    axis = m.rng.randrange(x.type.rank)
    if bind(x.type.shape[axis], m.sizes) == 0:
        return
    indices = m.index(m.shape(0, 2), x.type.shape[axis])
    result = (*x.type.shape[:axis], *indices.type.shape, *x.type.shape[axis + 1:])
    if m.elements(result) <= LARGEST:
        m.emit("gather", x, indices, axis=axis, bound=m.size[x])


def gather_grad(m):
    g = m.squeezed(m.number(1), 8.0)
    axis = m.rng.randrange(g.type.rank)
    rank = m.rng.randint(0, min(2, g.type.rank - axis))
    size = m.rng.choice([3, 5, 9])
    indices = m.index(g.type.shape[axis:axis + rank], size)
    m.emit("gather_grad", g, indices, axis=axis, size=size, bound=m.size[g] * m.elements(indices.type.shape))


def cumsum(m):
    x = m.squeezed(m.number(1), 8.0)
    axis = m.rng.randrange(x.type.rank)
    m.emit("cumsum", x, axis=axis, bound=m.size[x] * m.elements((x.type.shape[axis],)))


def source(m):
    shape = m.shape(1)
    way = m.rng.randrange(4)
    if way == 0:
        m.emit("iota", axis=m.rng.randrange(len(shape)), shape=shape, dtype=m.rng.choice([F32, I32, I64]), bound=40.0)
    elif way == 1:
        table = np.random.default_rng(m.rng.randint(0, 99)).integers(-16, 17, bind_shape(shape, m.sizes)) / 8
        m.emit("constant", value=Array(table.astype("f4")), bound=2.0)
    elif way == 2:
        seed = m.input(TensorType(I64), top=1000)
        step = m.input(TensorType(I64), top=1000)
        key = m.b.emit("random_key", seed, step, stream=m.rng.randint(0, 5))
        m.known(m.b.emit("random_uniform", key, shape=shape, dtype=F32), 1.0)
    else:
        x = m.pick(lambda v: v.type.dtype in (I32, I64)) or m.whole()
        if m.elements(x.type.shape) * 5 <= LARGEST:
            m.emit("one_hot", x, depth=m.rng.choice([3, 5]), dtype=m.rng.choice([F32, F32, BOOL, I32]), bound=1.0)


_FAMILIES = [unary] * 5 + [binary] * 7 + [integer] * 2 + [compare, logic, select, cast] + [reduce] * 5 + \
    [reduce_logic, normalise, centre] + [matmul] * 3 + [transpose] * 2 + [reshape] * 2 + [broadcast] * 2 + \
    [slice_, reverse, pad] + [concatenate] * 2 + [gather, gather_grad, cumsum, source]
