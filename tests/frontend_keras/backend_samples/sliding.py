"""Convolutions and pooling of K with every option, against loops over windows.

What does not live here: the loops (tests/frontend_keras/windows_by_loops.py).
"""

from itertools import product

import numpy as np

from graphc.frontend_keras import backend as K
from tests.frontend_keras.backend_samples.sample import normal, row
from tests.frontend_keras.windows_by_loops import convolution, depthwise, pooled, to_first, windows

LAYOUTS = ("channels_last", "channels_first")
STEPS, IMAGES, VOLUMES = normal(2, 6, 3), normal(2, 5, 6, 3), normal(1, 3, 4, 3, 2)
OPTIONS = [(1, "valid", 1), (2, "valid", 1), (1, "same", 1), (2, "same", 1), (1, "valid", 2), (1, "same", 2)]


def in_layout(name, call, expected, layout, x, *weights, known=True):
    """A row whose `expected` computes with channels last; call(*tensors, layout)."""
    first = layout == "channels_first"

    def by_loops(x, *weights):
        out = expected(np.moveaxis(x, 1, -1) if first else x, *weights)
        return to_first(out) if first else out

    return row(name, lambda *t: call(*t, layout), by_loops, to_first(x) if first else x, *weights, known=known)


def plain(name, function, x, size):
    """A convolution with every stride, padding and dilation, in both layouts."""
    count, w = len(size), normal(*size, x.shape[-1], 2, seed=1)
    for (stride, padding, dilation), layout in product(OPTIONS, LAYOUTS):
        s, d = ((stride,) * count, (dilation,) * count) if count > 1 else (stride, dilation)
        yield in_layout(name, lambda x, w, how, s=s, p=padding, d=d: function(x, w, s, p, how, d),
                        lambda x, w, s=stride, p=padding, d=dilation: convolution(x, w, (s,) * count, p, (d,) * count),
                        layout, x, w, known=False)


def apart():
    """Depthwise and separable ones, with a multiplier of 2."""
    for (stride, padding, dilation), layout in product(OPTIONS, LAYOUTS):
        two = {"strides": (stride,) * 2, "padding": padding, "dilation_rate": (dilation,) * 2}
        one = {"strides": stride, "padding": padding, "dilation_rate": dilation}
        wide, narrow = normal(2, 3, 3, 2, seed=1), normal(3, 3, 2, seed=1)
        mixed = ((stride,) * 2, padding, (dilation,) * 2)
        steps = ((stride,), padding, (dilation,))
        yield in_layout("depthwise_conv2d", lambda x, w, how, o=two: K.depthwise_conv2d(x, w, data_format=how, **o),
                        lambda x, w, o=mixed: depthwise(x, w, *o), layout, IMAGES, wide)
        yield in_layout("separable_conv2d", lambda x, w, p, how, o=two: K.separable_conv2d(x, w, p, data_format=how, **o),
                        lambda x, w, p, o=mixed: depthwise(x, w, *o) @ p[0, 0], layout, IMAGES, wide, normal(1, 1, 6, 4))
        yield in_layout("separable_conv1d", lambda x, w, p, how, o=one: K.separable_conv1d(x, w, p, data_format=how, **o),
                        lambda x, w, p, o=steps: depthwise(x, w, *o) @ p[0], layout, STEPS, narrow, normal(1, 6, 4))


def scattered(x, w, extents, stride, padding):
    """The transposed convolution: each place of `x` adds its share to the places that its window covers."""
    size = w.shape[:-2]
    before = [max((n - 1) * stride + k - e, 0) // 2 if padding == "same" else 0
              for n, k, e in zip(x.shape[1:-1], size, extents, strict=True)]
    out = np.zeros((len(x), *extents, w.shape[-2]))
    for place in product(*map(range, x.shape[1:-1])):
        for offset in product(*map(range, size)):
            where = tuple(p * stride + o - b for p, o, b in zip(place, offset, before, strict=True))
            if all(0 <= i < e for i, e in zip(where, extents, strict=True)):
                out[(slice(None), *where)] += x[(slice(None), *place)] @ w[offset].T
    return out


def transposed(name, function, x, size):
    for (stride, padding), layout in product([(1, "valid"), (2, "valid"), (1, "same"), (2, "same")], LAYOUTS):
        extents = tuple(n * stride if padding == "same" else (n - 1) * stride + k
                        for n, k in zip(x.shape[1:-1], size, strict=True))
        shape = (len(x), *extents, 4) if layout == "channels_last" else (len(x), 4, *extents)
        yield in_layout(name, lambda x, w, how, shape=shape, s=stride, p=padding: function(x, w, shape, (s,) * len(size), p, how),
                        lambda x, w, e=extents, s=stride, p=padding: scattered(x, w, e, s, p), layout, x,
                        normal(*size, 4, x.shape[-1], seed=1))


def unshared(x, w, size, strides, layout):
    seen, count = windows(x, size, strides, "valid", (1,) * len(size))
    out = np.zeros((len(x), *count, w.shape[-1]))
    for number, (place, window) in enumerate(seen.items()):
        window = np.moveaxis(window, -1, 1) if layout == "channels_first" else window
        out[(slice(None), *place)] = window.reshape(len(x), -1) @ w[number]
    return out


def local():
    yield row("local_conv1d", lambda x, w: K.local_conv1d(x, w, (3,), (1,)),
              lambda x, w: unshared(x, w, (3,), (1,), "channels_last"), STEPS, normal(4, 9, 2))
    yield row("local_conv1d", lambda x, w: K.local_conv1d(x, w, 2, 2, "channels_last"),
              lambda x, w: unshared(x, w, (2,), (2,), "channels_last"), STEPS, normal(3, 6, 2))
    for layout in LAYOUTS:
        yield in_layout("local_conv2d", lambda x, w, how: K.local_conv2d(x, w, (2, 3), (1, 2), (4, 2), how),
                        lambda x, w, how=layout: unshared(x, w, (2, 3), (1, 2), how), layout, IMAGES, normal(8, 18, 2))


def pools(name, function, x, size):
    for stride, padding, mode, layout in product((1, 2), ("valid", "same"), ("max", "avg"), LAYOUTS):
        yield in_layout(name, lambda x, how, s=stride, p=padding, m=mode: function(x, size, (s,) * len(size), p, how, m),
                        lambda x, s=stride, p=padding, m=mode: pooled(x, size, (s,) * len(size), p, m), layout, x)


ROWS = [
    *plain("conv1d", K.conv1d, STEPS, (3,)), *plain("conv2d", K.conv2d, IMAGES, (2, 3)),
    *plain("conv3d", K.conv3d, VOLUMES, (2, 2, 1)), *apart(),
    row("conv1d", lambda x, w: K.conv1d(x, w, padding="causal", dilation_rate=2),
        lambda x, w: convolution(x, w, (1,), "causal", (2,)), STEPS, normal(2, 3, 4)),
    *transposed("conv2d_transpose", K.conv2d_transpose, IMAGES[:, :3, :2], (3, 2)),
    *transposed("conv3d_transpose", K.conv3d_transpose, VOLUMES[:, :2, :2, :1], (2, 1, 3)), *local(),
    *pools("pool2d", K.pool2d, IMAGES, (2, 3)), *pools("pool3d", K.pool3d, VOLUMES, (2, 2, 1)),
]
