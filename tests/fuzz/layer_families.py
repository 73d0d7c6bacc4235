"""What layers do, as families of random graphs: several ops that belong together, with sizes that kernels care about.

What does not live here: single ops (op_families.py), the maker (maker.py).
"""

from graphc.ir import F32, I32, I64, TensorType
from graphc.ir.dims import bind, size_of
from tests.fuzz.maker import LARGEST, T

COLUMNS = [1, 3, 10, 16, 17, 31, 32, 64, 65]


def dense(m):
    """relu(x w + b) and its like, with a mask behind it at times."""
    x = m.squeezed(m.number(2), 2.0)
    *outer, k = x.type.shape
    if x.type.rank > 2:
        x = m.emit("reshape", x, shape=(size_of(outer), k))
    rows, n = x.type.shape[0], m.rng.choice([*COLUMNS, T])
    if m.elements((rows, n)) > LARGEST:
        return
    w = m.input(TensorType(F32, (k, n) if m.rng.random() < 0.6 else (n, k)))
    if w.type.shape != (k, n):
        w = m.emit("transpose", w, perm=(1, 0))
    y = m.emit("matmul", x, w, bound=m.size[x] * 2.0 * m.elements((k,)))
    if m.rng.random() < 0.8:
        bias = m.emit("broadcast", m.input(TensorType(F32, (n,))), axes=(1,), shape=(rows, n))
        y = m.emit("add", y, bias, bound=m.size[y] + 2.0)
    name = m.rng.choice(["relu", "tanh", "sigmoid", "none"])
    if name != "none":
        y = m.emit(name, y, bound=m.size[y] if name == "relu" else 1.0)
    if m.rng.random() < 0.3:
        dropout(m, y)


def dropout(m, y=None):
    """A mask drawn from a key, which gradients draw again."""
    y = y or m.number(1)
    shape = y.type.shape
    seed, step = m.input(TensorType(I64), top=1000), m.input(TensorType(I64), top=1000)
    key = m.b.emit("random_key", seed, step, stream=m.rng.randint(0, 3))
    drawn = m.known(m.b.emit("random_uniform", key, shape=shape, dtype=F32), 1.0)
    level, zero = (m.known(m.b.full(v, shape), v) for v in (0.5, 0.0))
    kept = m.emit("greater_equal", drawn, level, bound=1.0)
    m.emit("select", kept, m.emit("multiply", y, m.known(m.b.full(2.0, shape), 2.0), bound=2 * m.size[y]), zero)


def attention(m):
    """softmax(q k') v over batches."""
    x = m.squeezed(m.number(3), 1.0)
    *batch, steps, width = x.type.shape
    if x.type.rank != 3 or m.elements((*batch, steps, steps)) > LARGEST:
        return
    turned = m.emit("transpose", x, perm=(0, 2, 1))
    scores = m.squeezed(m.emit("matmul", x, turned, bound=float(m.elements((width,)))), 16.0)
    if m.rng.random() < 0.5:
        rows, columns = (m.b.emit("iota", axis=axis, shape=scores.type.shape, dtype=I32) for axis in (1, 2))
        low = m.known(m.b.full(-30.0, scores.type.shape), 30.0)
        seen = m.emit("greater_equal", m.known(rows, 100.0), m.known(columns, 100.0), bound=1.0)
        scores = m.emit("select", seen, scores, low, bound=30.0)
    m.emit("matmul", m.emit("softmax", scores, axis=2, bound=1.0), x, bound=m.size[x])


def normalisation(m):
    """(x - mean) / sqrt(variance + c) over the first axes or the last."""
    x = m.squeezed(m.number(2), 8.0)
    rank = x.type.rank
    axes = tuple(range(rank - 1)) if m.rng.random() < 0.5 else (rank - 1,)
    kept = tuple(i for i in range(rank) if i not in axes)

    def spread(v):
        return m.emit("broadcast", v, axes=kept, shape=x.type.shape)

    d = m.emit("subtract", x, spread(m.emit("reduce_mean", x, axes=axes)), bound=2 * m.size[x])
    variance = m.emit("reduce_mean", m.emit("square", d, bound=m.size[d] ** 2), axes=axes)
    one = m.known(m.b.full_like(1.0, variance), 1.0)
    scale = m.emit("rsqrt", m.emit("add", variance, one, bound=m.size[variance] + 1), bound=1.0)
    m.emit("multiply", d, spread(scale), bound=m.size[d])


def embedding(m):
    """Rows of a table, folded over the places they stand at."""
    count, width = m.rng.choice([3, 7]), m.rng.choice([1, 4, 16, 17])
    table = m.input(TensorType(F32, (count, width)))
    places = m.index(m.shape(1, 2), count)
    if m.elements((*places.type.shape, width)) > LARGEST:
        return
    rows = m.emit("gather", table, places, axis=0)
    m.emit(m.rng.choice(["reduce_mean", "reduce_sum"]), rows, axes=(0,), bound=2.0 * m.elements(places.type.shape[:1]))


def window(m):
    """Neighbouring places along one axis, added up: what a convolution reads."""
    x = m.squeezed(m.number(1), 16.0)
    axis = m.rng.randrange(x.type.rank)
    size = x.type.shape[axis]
    if m.elements((size,)) < 4:
        return
    parts = []
    for start in range(3):
        starts, limits = [0] * x.type.rank, list(x.type.shape)
        starts[axis], limits[axis] = start, size - 2 + start
        parts.append(m.emit("slice", x, starts=tuple(starts), limits=tuple(limits), strides=(1,) * x.type.rank))
    way = m.rng.random()
    if way < 0.4:
        m.emit("add", m.emit("add", parts[0], parts[1], bound=2 * m.size[x]), parts[2], bound=3 * m.size[x])
    elif way < 0.7:
        m.emit("maximum", m.emit("maximum", parts[0], parts[1]), parts[2])
    elif m.elements(x.type.shape) * 3 <= LARGEST:
        m.emit("concatenate", *parts, axis=m.rng.randrange(x.type.rank))


def pool(m):
    """The largest or the mean of each pair along an axis of even size."""
    x = m.pick(lambda v: v.type.dtype == F32 and any(isinstance(d, int) and d and d % 2 == 0 for d in v.type.shape))
    if x is None:
        return
    axis = m.rng.choice([i for i, d in enumerate(x.type.shape) if isinstance(d, int) and d and d % 2 == 0])
    shape = x.type.shape
    y = m.emit("reshape", x, shape=(*shape[:axis], shape[axis] // 2, 2, *shape[axis + 1:]))
    m.emit(m.rng.choice(["reduce_max", "reduce_mean"]), y, axes=(axis + 1,))


def convolution(m):
    """Filters over one axis or two of an image, with a frame around it at times, and the largest of each window."""
    n = m.rng.choice([1, 2])
    x = m.pick(lambda v: v.type.dtype == F32 and v.type.rank == n + 2)
    if x is None or m.rng.random() < 0.3:
        x = m.input(TensorType(F32, (m.rng.choice([2, m.dims[-1]]), *m.rng.sample([4, 5, 7, 9], n), m.rng.choice([1, 3, 4]))))
    x = m.squeezed(x, 2.0)
    strides, dilations, shape = ([m.rng.choice(some) for _ in range(n)] for some in ([1, 1, 2, 3], [1, 1, 2], [1, 2, 3]))
    if m.rng.random() < 0.4:
        frame = (0, *(m.rng.randint(0, 2) for _ in range(n)), 0)
        x = m.emit("pad", x, low=frame, high=frame, value=0.0)
    spans = [(k - 1) * d + 1 for k, d in zip(shape, dilations, strict=True)]
    if any(bind(size, m.sizes) < span for size, span in zip(x.type.shape[1:-1], spans, strict=True)) \
            or m.elements(x.type.shape) * size_of(shape) > LARGEST:
        return
    if m.rng.random() < 0.3 and all(d == 1 for d in dilations):
        m.emit("max_pool", x, shape=tuple(shape), strides=tuple(strides))
        return
    alone = m.rng.random() < 0.3
    filters = m.input(TensorType(F32, (*shape, x.type.shape[-1], m.rng.choice([1, 2] if alone else [1, 4, 17]))))
    m.emit("depthwise_convolution" if alone else "convolution", x, filters, strides=tuple(strides), dilations=tuple(dilations),
           bound=4.0 * m.elements(filters.type.shape[:-1]))


LAYERS = [dense] * 3 + [dropout, attention, normalisation, embedding, window, pool] + [convolution] * 2
