"""Random tensors of K: their shapes and element types, their moments, what a seed repeats.

A mean of n numbers of deviation s errs by s / sqrt(n); six times that is the tolerance.
What does not live here: quantiles (tests/frontend_keras/test_backend_random.py).
"""

import numpy as np

from graphc.frontend_keras import backend as K

N = 20_000
BOUND = 6 / np.sqrt(N)


def drawn(make, mean, deviation, low=-np.inf, high=np.inf):
    """`make(seed)` gives N numbers of these moments, the same for the same seed, others for another."""
    def fact():
        K.clear_session()
        found = K.eval(make(7))
        assert found.shape == (N,) and found.dtype == K.floatx()
        assert found.min() >= low and found.max() <= high
        np.testing.assert_allclose(found.mean(), mean, atol=BOUND * deviation)
        np.testing.assert_allclose(found.std(), deviation, rtol=2 * BOUND)
        np.testing.assert_array_equal(K.eval(make(7)), found)
        assert (K.eval(make(8)) != found).any()
    return fact


def whole_numbers():
    found = K.eval(K.random_uniform((N,), 2, 5, dtype="int32", seed=1))
    assert set(found.tolist()) == {2, 3, 4} and found.dtype == np.int32


def dropout():
    x = K.ones((200, 100))
    found = K.eval(K.dropout(x, 0.25, seed=3))
    np.testing.assert_allclose(np.unique(found), [0, 1 / 0.75], rtol=1e-6)
    np.testing.assert_allclose((found == 0).mean(), 0.25, atol=BOUND * np.sqrt(0.25 * 0.75))
    rows = K.eval(K.dropout(x, 0.5, noise_shape=(200, 1), seed=3))
    assert (rows == rows[:, :1]).all(), "one draw for each row"


def uniform():
    drawn(lambda seed: K.random_uniform((N,), -1.0, 3.0, seed=seed), 1, 4 / np.sqrt(12), -1, 3)()
    whole_numbers()


# a standard normal number cut at two deviations has the deviation sqrt(1 - 4 f(2) / (2 F(2) - 1)), f and F its density
# and its distribution
CUT = np.sqrt(1 - 4 * np.exp(-2) / np.sqrt(2 * np.pi) / 0.9544997361036416)

FACTS = {
    "random_uniform": uniform, "dropout": dropout,
    "random_normal": drawn(lambda seed: K.random_normal((N,), 2.0, 3.0, seed=seed), 2, 3),
    "truncated_normal": drawn(lambda seed: K.truncated_normal((N,), 2.0, 3.0, seed=seed), 2, 3 * CUT, -4, 8),
    "random_binomial": drawn(lambda seed: K.random_binomial((N,), 0.3, seed=seed), 0.3, np.sqrt(0.21), 0, 1),
    "random_uniform_variable": drawn(lambda seed: K.random_uniform_variable((N,), 0, 4, seed=seed), 2, 4 / np.sqrt(12), 0, 4),
    "random_normal_variable": drawn(lambda seed: K.random_normal_variable((N,), 1, 2, seed=seed), 1, 2),
}
