"""The ops of random graphs, by families: each function adds one op or a few to the graph of a maker.

What does not live here: the maker, which picks operands and keeps numbers small (maker.py).
"""

import numpy as np

from graphc.ir import BOOL, F32, F64, I32, I64, Array, TensorType
from graphc.ir.dims import bind
from graphc.ir.types import U8
from tests.fuzz.maker import LARGEST, LIMIT, T

SMOOTH = ["tanh", "sigmoid", "sin", "cos", "erf"]


def unary(m):
    x, rng = m.number(), m.rng
    name = rng.choice(["smooth", "smooth", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "square", "relu", "negative",
                       "absolute", "sign", "floor", "ceil", "rint", "stop_gradient", "reciprocal"])
    if name == "smooth":
        m.emit(rng.choice(SMOOTH), x, bound=1.0)
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
    if m.rng.random() < 0.2:
        m.emit(m.rng.choice(["isnan", "isfinite"]), m.number(), bound=1.0)
        return
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
    there = m.emit("cast", x, dtype=to, bound=bound)
    if m.rng.random() < 0.3:
        m.emit("cast", there, dtype=x.type.dtype, bound=bound)


def reduce(m):
    x = m.number(1) if m.rng.random() < 0.8 else m.whole(1)
    axes = tuple(sorted(m.rng.sample(range(x.type.rank), m.rng.randint(1, x.type.rank))))
    name = m.rng.choice(["reduce_sum", "reduce_sum", "reduce_max", "reduce_min", "reduce_mean", "reduce_prod", "argmax",
                         "argmin", "logsumexp", "reduce_variance"])
    count = m.elements([x.type.shape[a] for a in axes])
    if x.type.dtype != F32 and name in ("reduce_mean", "logsumexp", "reduce_variance"):
        name = "reduce_sum"
    if name in ("argmax", "argmin"):
        m.emit(name, x, axis=axes[0], bound=float(count))
    elif name == "reduce_prod":
        x = m.squeezed(x, 1.0) if x.type.dtype == F32 else x
        m.emit(name, x, axes=axes, bound=1.0 if x.type.dtype == F32 else 1e9)
    else:
        x = m.squeezed(x, 8.0) if x.type.dtype == F32 else x
        m.emit(name, x, axes=axes, bound=m.size[x] ** 2 * 4 if name == "reduce_variance" else m.size[x] * count)


def reduce_logic(m):
    x = m.pick(lambda v: v.type.dtype == BOOL and v.type.rank)
    if x is not None:
        m.emit(m.rng.choice(["reduce_any", "reduce_all"]), x, axes=(m.rng.randrange(x.type.rank),), bound=1.0)


def normalise(m):
    x = m.squeezed(m.number(1), 16.0)
    if m.rng.random() < 0.3:  # beyond what exp can take
        x = m.emit("multiply", x, m.known(m.b.full_like(64.0, x), 64.0), bound=m.size[x] * 64.0)
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
        start = m.rng.randint(0, max(min(2, size - 1), 0)) if m.rng.random() < 0.5 else 0
        cut = m.rng.randint(0, max(min(2, size - start - 1), 0)) if m.rng.random() < 0.4 else 0
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
        table = np.random.default_rng(m.rng.randint(0, 99)).integers(-16, 17, [d for d in shape if isinstance(d, int)]) / 8
        m.emit("constant", value=Array(table.astype("f4")), bound=2.0)
    elif way == 2:
        seed = m.input(TensorType(I64), top=1000)
        step = m.input(TensorType(I64), top=1000)
        key = m.b.emit("random_key", seed, step, stream=m.rng.randint(0, 5))
        name = m.rng.choice(["random_uniform", "random_uniform", "random_mask", "random_normal", "random_bits"])
        attrs = {} if name == "random_bits" else {"dtype": F32}
        attrs.update({"level": 0.25} if name == "random_mask" else {})
        drawn = m.b.emit(name, key, shape=shape, **attrs)
        if name == "random_bits":
            drawn = m.b.emit("cast", drawn, dtype=I32)
        m.known(drawn, {"random_normal": 8.0, "random_bits": 1e10}.get(name, 1.0))
    else:
        x = m.pick(lambda v: v.type.dtype in (I32, I64)) or m.whole()
        if m.elements(x.type.shape) * 5 <= LARGEST:
            m.emit("one_hot", x, depth=m.rng.choice([3, 5]), dtype=m.rng.choice([F32, F32, BOOL, I32]), bound=1.0)


def numbers(m):
    """What the compiler may compute itself: ops on constants and on one number everywhere, beside values or alone."""
    x = m.number()
    shape, way = x.type.shape, m.rng.randrange(4)

    def everywhere(*choices, shape=shape, dtype=F32):
        value = m.rng.choice(choices)
        return m.known(m.b.full(value, shape, dtype), abs(float(value)))

    if way == 0:
        name = m.rng.choice(["add", "subtract", "multiply", "divide", "power", "power"])
        pair = [everywhere(1.0, 2.0, 2.0) if name in ("divide", "power") else everywhere(0.0, 1.0, -1.0, 2.0),
                m.emit("absolute", m.squeezed(x, 4.0)) if name in ("divide", "power") else m.squeezed(x, LIMIT)]
        if name == "divide" or m.rng.random() < (0.8 if name == "power" else 0.5):
            pair.reverse()
        m.emit(name, *pair, bound=300.0)
    elif way == 1:
        known = everywhere(True, False, dtype=BOOL)
        m.emit("select", known, x, m.partner(x))
    else:
        shape = tuple(m.rng.choice([1, 2, 3, 5]) for _ in range(m.rng.randint(0, 2)))
        tables = [np.random.default_rng(m.rng.randint(0, 99)).integers(1, 17, shape) / 8 for _ in range(2)]
        pair = [m.emit("constant", value=Array(np.asarray(table, "f4")), bound=2.0) for table in tables]
        pair = pair if way == 2 else [everywhere(0.5, 2.0, shape=shape), everywhere(1.0, 3.0, shape=shape)]
        m.emit(m.rng.choice(["add", "subtract", "multiply", "divide", "power"]), *pair, bound=16.0)


FAMILIES = [numbers] * 2 + [unary] * 5 + [binary] * 7 + [integer] * 2 + [compare, logic, select, cast] + [reduce] * 5 + \
    [reduce_logic, normalise, centre] + [matmul] * 3 + [transpose] * 2 + [reshape] * 2 + [broadcast] * 2 + \
    [slice_, reverse, pad] + [concatenate] * 2 + [gather, gather_grad, cumsum, source]
