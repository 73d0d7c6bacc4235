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
