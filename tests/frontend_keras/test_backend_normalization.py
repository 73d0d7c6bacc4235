"""Batch normalisation functions against NumPy in float64."""

import numpy as np
import pytest

from graphc.frontend_keras import backend as K

RNG = np.random.default_rng(4)


@pytest.mark.parametrize(("shape", "axes"), [((6, 3), [0]), ((2, 4, 3), [0, 1]), ((2, 4, 5, 3), [0, 1, 2]),
                                             ((2, 3, 4, 5), [0, 2, 3])])
@pytest.mark.parametrize("fitted", [True, False])
def test_in_training(shape, axes, fitted):
    a, gamma, beta = RNG.normal(2, 3, size=shape), RNG.normal(size=3), RNG.normal(size=3)
    x = K.placeholder((None, *shape[1:]))
    outputs = K.normalize_batch_in_training(x, K.variable(gamma) if fitted else None,
                                            K.variable(beta) if fitted else None, axes)
    normed, mean, var = K.function([x], list(outputs))([a])
    over = tuple(axes)
    spread = tuple(1 if i in axes else n for i, n in enumerate(shape))
    wanted = (a - a.mean(over, keepdims=True)) / np.sqrt(a.var(over, keepdims=True) + 1e-3)
    if fitted:
        wanted = wanted * gamma.reshape(spread) + beta.reshape(spread)
    np.testing.assert_allclose(mean, a.mean(over), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(var, a.var(over), rtol=1e-5)
    np.testing.assert_allclose(normed, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axes", [[0], [0, 1, 2], [0, 2, 3]])
def test_gradients_in_training_against_differences(axes):
    """In float64, of sum(normed * weights): to x, gamma and beta."""
    shape = (5, 3) if axes == [0] else (2, 3, 4, 3)
    spread = tuple(1 if i in axes else n for i, n in enumerate(shape))
    a, weights = RNG.normal(3, 2, size=(2, *shape))
    gamma, beta = RNG.normal(size=(2, 3))

    def total(a, gamma, beta):
        mean, var = (f(axis=tuple(axes), keepdims=True) for f in (a.mean, a.var))
        normed = (a - mean) / np.sqrt(var + 1e-3) * gamma.reshape(spread) + beta.reshape(spread)
        return (normed * weights).sum()

    x, c, g, b = K.placeholder((None, *shape[1:])), K.placeholder(shape), K.variable(gamma), K.variable(beta)
    normed, _, _ = K.normalize_batch_in_training(x, g, b, axes)
    found = K.function([x, c], K.gradients(K.sum(normed * c), [x, g, b]))([a, weights])
    for number, (got, at) in enumerate(zip(found, (a, gamma, beta), strict=True)):
        wanted = np.zeros_like(at)
        for place in np.ndindex(at.shape):
            ends = []
            for step in (1e-5, -1e-5):
                moved = [one.copy() for one in (a, gamma, beta)]
                moved[number][place] += step
                ends.append(total(*moved))
            wanted[place] = (ends[0] - ends[1]) / 2e-5
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5 * abs(wanted).max() + 1e-6)


def test_gamma_and_beta_may_have_the_rank_of_the_input():
    a, gamma = RNG.normal(size=(2, 4, 3)), RNG.normal(size=3)
    x = K.placeholder((None, 4, 3))
    found = [K.function([x], list(K.normalize_batch_in_training(x, K.variable(g), None, [0, 1])))([a])
             for g in (gamma, gamma.reshape(1, 1, 3))]
    np.testing.assert_array_equal(found[0][0], found[1][0])


def test_a_mean_far_from_zero_keeps_its_digits():
    """The variance comes from distances to the mean, not from a difference of squares."""
    a = 1000 + RNG.normal(size=(64, 3))
    x = K.placeholder((None, 3))
    normed, _, var = K.function([x], list(K.normalize_batch_in_training(x, None, None, [0])))([a])
    given = a.astype("float32").astype(float)
    np.testing.assert_allclose(var, given.var(0), rtol=1e-5)
    np.testing.assert_allclose(normed, (given - given.mean(0)) / np.sqrt(given.var(0) + 1e-3), rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize(("shape", "axis"), [((6, 3), -1), ((2, 4, 5, 3), 3), ((2, 3, 4, 5), 1)])
def test_in_inference(shape, axis):
    a = RNG.normal(size=shape)
    mean, beta, gamma = RNG.normal(size=(3, 3))
    var = RNG.uniform(0.5, 2, size=3)
    x = K.placeholder((None, *shape[1:]))
    v = [K.variable(p) for p in (mean, var, beta, gamma)]
    spread = (-1, *(1,) * (len(shape) - 1 - axis % len(shape)))
    m, s, b, g = (p.reshape(spread) for p in (mean, var, beta, gamma))
    found = K.function([x], [K.batch_normalization(x, *v, axis=axis), K.batch_normalization(x, v[0], v[1], None, None,
                                                                                         axis=axis)])([a])
    np.testing.assert_allclose(found[0], (a - m) / np.sqrt(s + 1e-3) * g + b, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[1], (a - m) / np.sqrt(s + 1e-3), rtol=1e-4, atol=1e-5)
