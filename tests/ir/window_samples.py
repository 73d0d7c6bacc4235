"""Samples of the window ops, and what these ops are, element by element."""

import numpy as np

from graphc.ir import symbol
from tests.ir.sampling import distinct, sample

B, T = symbol("B"), symbol("T")


def places(counts, shape, strides, dilations):
    """(position, offset, where in the extents) of every element of every window."""
    for p in np.ndindex(*counts):
        for k in np.ndindex(*shape):
            yield p, k, tuple(i * s + j * d for i, s, j, d in zip(p, strides, k, dilations, strict=True))


def windows(x, axes, shape, strides, dilations):
    n, front = len(axes), np.moveaxis(x, axes, range(len(axes)))
    counts = [len(range(0, e - (k - 1) * d, s)) for e, k, s, d in zip(front.shape, shape, strides, dilations)]
    seen = np.zeros((*counts, *shape, *front.shape[n:]))
    for p, k, at in places(counts, shape, strides, dilations):
        seen[p + k] = front[at]
    return np.moveaxis(seen, range(2 * n), range(axes[0], axes[0] + 2 * n))


def spread(g, axes, extents, strides, dilations, add=False):
    n = len(axes)
    front = np.moveaxis(g, range(axes[0], axes[0] + 2 * n), range(2 * n))
    counts, shape, rest = front.shape[:n], front.shape[n:2 * n], front.shape[2 * n:]
    total = np.zeros((*extents, *(() if add else shape), *rest))
    for p, k, at in places(counts, shape, strides, dilations):
        total[at if add else at + k] += front[p + k]
    moved = n if add else 2 * n
    return np.moveaxis(total, range(moved), range(axes[0], axes[0] + moved))


def cut(type_, axes, shape, strides, dilations, **more):
    return sample("windows", type_, axes=axes, shape=shape, strides=strides, dilations=dilations,
                  expected=lambda x: windows(x, axes, shape, strides, dilations), **more)


def joined(type_, axes, extents, strides, dilations, bound=None, **more):
    """Both transposes of the windows; bound: the extents as ints."""
    attrs = {"axes": axes, "extents": extents, "strides": strides, "dilations": dilations}
    return [sample(op, type_, expected=lambda g, add=op == "overlap_add": spread(g, axes, bound or extents, strides,
                                                                                   dilations, add), **attrs, **more)
            for op in ("spread", "overlap_add")]


def convolution(x, w, strides, dilations):
    """One product after the other."""
    axes, shape = tuple(range(1, x.ndim - 1)), w.shape[:-2]
    counts = [len(range(0, x.shape[a] - (k - 1) * d, s)) for a, k, s, d in zip(axes, shape, strides, dilations)]
    result = np.zeros((x.shape[0], *counts, w.shape[-1]))
    for p, k, at in places(counts, shape, strides, dilations):
        result[(slice(None), *p)] += x[(slice(None), *at)] @ w[k]
    return result


def folded(x, w, strides, dilations, **more):
    return sample("convolution", x, w, strides=strides, dilations=dilations,
                  expected=lambda x, w: convolution(x, w, strides, dilations), **more)


def depthwise(x, w, strides, dilations):
    channels, filters = w.shape[-2:]
    result = np.stack([convolution(x[..., c:c + 1], w[..., c:c + 1, :], strides, dilations) for c in range(channels)], -2)
    assert result.shape[-1] == filters
    return result.reshape(*result.shape[:-2], -1)


def channelwise(x, w, strides, dilations, **more):
    return sample("depthwise_convolution", x, w, strides=strides, dilations=dilations,
                  expected=lambda x, w: depthwise(x, w, strides, dilations), **more)


def weights_gradient(x, g, shape, strides, dilations):
    result = np.zeros((*shape, x.shape[-1], g.shape[-1]))
    for p, k, at in places(g.shape[1:-1], shape, strides, dilations):
        result[k] += x[(slice(None), *at)].T @ g[(slice(None), *p)]
    return result


def unfolded(x, g, shape, strides, dilations, **more):
    return sample("convolution_gradient", x, g, shape=shape, strides=strides, dilations=dilations,
                  expected=lambda x, g: weights_gradient(x, g, shape, strides, dilations), **more)


def max_pool(x, shape, strides):
    n = len(shape)
    return windows(x, tuple(range(1, 1 + n)), shape, strides, (1,) * n).max(tuple(range(1 + n, 1 + 2 * n)))


def pooled(x, shape, strides, **more):
    return sample("max_pool", x, shape=shape, strides=strides, expected=lambda x: max_pool(x, shape, strides), **more)


WINDOWS = [
    folded("f32[2,7,3]", "f32[3,3,4]", (1,), (1,)),
    folded("f32[B,T,2]", "f32[2,2,5]", (2,), (1,), sizes={"B": 3, "T": 8}),
    folded("f32[2,6,5,3]", "f32[3,2,3,4]", (1, 1), (1, 1)),
    folded("f32[B,8,7,2]", "f32[3,3,2,17]", (2, 3), (1, 1), sizes={"B": 2}),
    folded("f32[1,9,8,1]", "f32[2,3,1,2]", (1, 2), (3, 2)),
    folded("f32[2,4,3,5,2]", "f32[2,1,3,2,3]", (1, 2, 1), (1, 1, 2)),
    folded("f32[2,3,3,4]", "f32[1,1,4,6]", (2, 2), (1, 1)),
    channelwise("f32[2,7,3]", "f32[3,3,1]", (1,), (1,)),
    channelwise("f32[B,8,7,2]", "f32[3,2,2,1]", (2, 1), (1, 2), sizes={"B": 2}),
    channelwise("f32[1,6,5,3]", "f32[2,3,3,2]", (1, 2), (1, 1)),
    channelwise("f32[2,4,3,5,2]", "f32[2,1,3,2,1]", (1, 2, 1), (1, 1, 2)),
    unfolded("f32[2,7,3]", "f32[2,5,4]", (3,), (1,), (1,)),
    unfolded("f32[B,8,7,2]", "f32[B,3,2,17]", (3, 3), (2, 3), (1, 1), sizes={"B": 2}),
    unfolded("f32[1,9,8,1]", "f32[1,6,2,2]", (2, 3), (1, 2), (3, 2)),
    pooled("f32[2,6,3]", (2,), (2,), domain=distinct()),
    pooled("f32[B,7,5,3]", (3, 2), (2, 1), domain=distinct(), sizes={"B": 2}),
    pooled("f32[1,5,4,4,2]", (2, 2, 2), (2, 2, 2), domain=distinct()),
    pooled("f32[2,T,1]", (3,), (1,), domain=distinct(), sizes={"T": 5}),
    cut("f32[7,2]", (0,), (3,), (1,), (1,)),
    cut("f32[B,9,2]", (1,), (2,), (3,), (2,), sizes={"B": 2}),
    cut("f32[2,T,3]", (1,), (3,), (2,), (1,), sizes={"T": 8}),
    cut("f32[2,5,6,3]", (1, 2), (3, 2), (2, 1), (1, 2)),
    cut("i32[3,4,5,1]", (0, 1, 2), (1, 2, 5), (1, 2, 1), (1, 1, 1)),
    *joined("f32[5,3,2]", (0,), (7,), (1,), (1,)),
    *joined("f32[3,2,2]", (0,), (9,), (3,), (2,)),
    *joined("f32[3,2,2]", (0,), (7,), (2,), (1,)),
    *joined("f32[T,3,2]", (0,), (T * 2 + 2,), (2,), (1,), bound=(8,), sizes={"T": 3}),
    *joined("f32[B,3,2,3,2,2]", (1, 2), (5, 4), (1, 1), (1, 2), sizes={"B": 2}),
    *joined("f32[2,2,3,2,2,2]", (1, 2), (7, 7), (3, 2), (2, 1)),
]
