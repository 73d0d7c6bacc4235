"""Samples of the Winograd ops, worked out tile by tile from the points at which they evaluate polynomials."""

import numpy as np

from tests.ir.sampling import sample

POINTS = (0, 1, -1, 2, -2)  # and infinity


def eighths(rng, shape):
    """Numbers whose transforms and products are exact in float32."""
    return rng.integers(-8, 9, shape) / 8


def evaluation(count):
    """[6, count]: polynomials of `count` coefficients at the points, and their leading coefficient."""
    return np.array([[float(p) ** i for i in range(count)] for p in POINTS] + [[0.0] * (count - 1) + [1]])


def interpolation():
    """[6, 6]: the B with sum over p of A[p, j] G[p, k] B[p, m] = (j + k == m), A and G evaluations of outputs and
    weights, G divided by the products of differences of points that Lagrange's formula has."""
    others = [np.prod([p - q for q in POINTS if q != p]) for p in POINTS] + [1.0]
    outputs, weights = evaluation(4), evaluation(3) / np.array(others)[:, None]
    system = np.einsum("pj,pk->jkp", outputs, weights).reshape(12, 6)
    wanted = np.array([[float(j + k == m) for m in range(6)] for j in range(4) for k in range(3)])
    found, residual, rank, _ = np.linalg.lstsq(system, wanted, rcond=None)
    assert rank == 6
    assert np.allclose(system @ found, wanted)
    return np.round(found, 9)


def patches(x, size, low, counts):
    """{tile: [*size,C]}, in order."""
    around = np.zeros((x.shape[0], *(s + 20 for s in x.shape[1:-1]), x.shape[-1]))
    around[(slice(None), *(slice(8, 8 + s) for s in x.shape[1:-1]))] = x
    return {(i, *t): around[(i, *(slice(8 + 4 * a - before, 8 + 4 * a - before + size)
                                  for a, before in zip(t, low, strict=True)))]
            for i in range(x.shape[0]) for t in np.ndindex(*counts)}


def everywhere(matrix, patch):
    """The matrix along each axis but the last."""
    for axis in range(patch.ndim - 1):
        patch = np.moveaxis(np.tensordot(matrix, patch, (1, axis)), 0, axis)
    return patch


def outputs_of(x, low, high):
    return tuple(s + a + b - 2 for s, a, b in zip(x.shape[1:-1], low, high, strict=True))


def winograd(x, u, low, high, pool, of=np.asarray):
    """of: what is done to each matrix first."""
    outputs = outputs_of(x, low, high)
    counts, u = tuple(-(-p // 4) for p in outputs), u.reshape(len(u), x.shape[-1], -1)
    result = np.zeros((x.shape[0], *(4 * t for t in counts), u.shape[-1]))
    forth, back = of(interpolation()), of(evaluation(4).T)
    for (item, *tile), patch in patches(x, 6, low, counts).items():
        seen = everywhere(forth, patch)
        products = np.einsum("pc,pco->po", seen.reshape(-1, x.shape[-1]), u).reshape(*seen.shape[:-1], -1)
        result[(item, *(slice(4 * t, 4 * t + 4) for t in tile))] = everywhere(back, products)
    return largest(result[(slice(None), *(slice(p) for p in outputs))], pool)


def largest(y, pool):
    """The largest of each window of `pool` elements side by side."""
    kept = tuple(s // p for s, p in zip(y.shape[1:-1], pool, strict=True))
    result = np.full((y.shape[0], *kept, y.shape[-1]), -np.inf)
    for place in np.ndindex(*kept):
        window = tuple(slice(i * p, (i + 1) * p) for i, p in zip(place, pool, strict=True))
        result[(slice(None), *place)] = y[(slice(None), *window)].max(axis=tuple(range(1, y.ndim - 1)))
    return result


def gradient(x, g, low, high, shares, of=np.asarray):
    counts = tuple(-(-p // 4) for p in outputs_of(x, low, high))
    result = np.zeros((shares, 6 ** len(counts), x.shape[-1], g.shape[-1]))
    pairs = list(zip(patches(x, 6, low, counts).values(), patches(g, 4, (0,) * len(counts), counts).values()))
    for share in range(shares):
        for patch, told in pairs[len(pairs) * share // shares:len(pairs) * (share + 1) // shares]:
            seen, told = everywhere(of(interpolation()), patch), everywhere(of(evaluation(4)), told)
            result[share] += np.einsum("pc,po->pco", seen.reshape(-1, x.shape[-1]), told.reshape(-1, g.shape[-1]))
    return result.reshape(shares, len(result[0]), -1)


def folded(x, u, low, high, pool=None, **more):
    pool = pool or (1,) * len(low)
    return sample("winograd", x, u, low=low, high=high, pool=pool,
                  expected=lambda x, u: winograd(x, u, low, high, pool), domain=eighths, smooth=False, **more)


def summed(x, g, low, high, shares=8, **more):
    return sample("winograd_gradient", x, g, low=low, high=high, shares=shares,
                  expected=lambda x, g: gradient(x, g, low, high, shares),
                  domain=eighths, smooth=False, **more)


WINOGRAD = [
    folded("f32[2,9,8,16]", "f32[36,256]", (0, 0), (0, 0)),
    folded("f32[B,6,11,19]", "f32[36,608]", (1, 2), (1, 0), sizes={"B": 3}),
    folded("f32[B,T,16]", "f32[6,768]", (1,), (1,), sizes={"B": 2, "T": 13}),
    folded("f32[1,3,16]", "f32[6,256]", (0,), (0,)),
    folded("f32[2,9,13,16]", "f32[36,256]", (1, 0), (0, 0), (2, 4)),
    folded("f32[B,T,16]", "f32[6,256]", (0,), (1,), (2,), sizes={"B": 2, "T": 11}),
    summed("f32[3,9,8,16]", "f32[3,7,6,16]", (0, 0), (0, 0)),
    summed("f32[B,6,11,16]", "f32[B,6,11,32]", (1, 2), (1, 0), sizes={"B": 3}),
    summed("f32[B,14,32]", "f32[B,14,16]", (1,), (1,), sizes={"B": 2}),
    summed("f32[1,4,16]", "f32[1,2,16]", (0,), (0,), shares=3),
]
