"""Random tensors: distributions, seeds, what repeats and what does not."""

import numpy as np
import pytest

from graphc.frontend_keras import backend as K

N = 100_000


@pytest.fixture(autouse=True)
def _fresh_session():
    K.clear_session()


def quantiles_of(values, shares=(0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)):
    return np.quantile(values, shares)


def test_uniform():
    found = K.eval(K.random_uniform((N,), -2, 6, seed=1))
    assert found.dtype == np.float32
    assert found.min() >= -2
    assert found.max() < 6
    np.testing.assert_allclose(quantiles_of(found), -2 + 8 * np.array([0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99]),
                               atol=0.05)
    whole = K.eval(K.random_uniform((N,), 0, 3, dtype="int32", seed=1))
    assert sorted(set(whole.tolist())) == [0, 1, 2]
    np.testing.assert_allclose(np.bincount(whole) / N, 1 / 3, atol=0.01)


def test_normal():
    found = K.eval(K.random_normal((N,), 5, 2, seed=1))
    standard = [-2.326, -1.2816, -0.6745, 0, 0.6745, 1.2816, 2.326]
    np.testing.assert_allclose(quantiles_of(found), 5 + 2 * np.array(standard), atol=0.06)


def test_truncated_normal():
    found = K.eval(K.truncated_normal((N,), 1, 0.5, seed=1))
    assert found.min() >= 0
    assert found.max() <= 2
    np.testing.assert_allclose(quantiles_of((found - 1) / 0.5, (0.1, 0.25, 0.5, 0.75, 0.9)),
                               [-1.1816, -0.6396, 0, 0.6396, 1.1816], atol=0.02)
    np.testing.assert_allclose(found.std() / 0.5, 0.8796, atol=0.005)


def test_binomial_and_dropout():
    np.testing.assert_allclose(K.eval(K.random_binomial((N,), 0.3, seed=1)).mean(), 0.3, atol=0.01)
    kept = K.eval(K.dropout(K.constant(2.0, shape=(N,)), 0.2, seed=1))
    np.testing.assert_allclose((kept == 0).mean(), 0.2, atol=0.01)
    np.testing.assert_allclose(kept[kept != 0], 2.5, rtol=1e-6)


def test_dropout_with_a_noise_shape():
    x = K.placeholder((None, 5, 3))
    for noise_shape in ((None, 1, 3), (K.shape(x)[0], 1, 3)):
        found = K.function([x], [K.dropout(x, 0.5, noise_shape, seed=2)])([np.ones((20, 5, 3))])[0]
        assert (found == found[:, :1]).all()
        assert set(np.unique(found).tolist()) == {0.0, 2.0}


def test_gradients_use_the_same_mask():
    x = K.placeholder((None, 6))
    y = K.dropout(x, 0.5, seed=3)
    value, gradient = K.function([x], [y, *K.gradients(K.sum(y), [x])])([np.ones((8, 6))])
    np.testing.assert_array_equal(value, gradient)


def test_a_seed_repeats_its_numbers_and_none_draws_from_numpy():
    def draw(seed=None):
        return K.eval(K.random_normal((5,), seed=seed))
    np.testing.assert_array_equal(draw(7), draw(7))
    assert not np.array_equal(draw(7), draw(8))
    np.random.seed(1)
    first = draw()
    assert not np.array_equal(first, draw())
    np.random.seed(1)
    np.testing.assert_array_equal(first, draw())
    np.random.seed(1)
    drawn = np.random.randint(10_000_000)
    np.testing.assert_array_equal(first, draw(drawn))


def test_evaluating_again_draws_anew():
    x = K.random_uniform((5,), seed=1)
    assert not np.array_equal(K.eval(x), K.eval(x))


def test_a_variable_keeps_its_draw_whenever_it_is_first_read():
    made = K.random_uniform_variable((5,), -1, 1, seed=4)
    other = K.random_uniform_variable((5,), -1, 1, seed=4)
    K.function([], [K.random_uniform((3,))])([])
    np.testing.assert_array_equal(K.get_value(made), K.get_value(other))
    assert K.get_value(K.random_normal_variable((2, 3), 0, 1)).shape == (2, 3)


def test_the_draws_of_a_session_can_be_repeated():
    def draws():
        K.clear_session()
        np.random.seed(5)
        x = K.placeholder((None, 4))
        f = K.function([x], [K.dropout(x, 0.5), K.random_normal((K.shape(x)[0], 2))])
        return [v for _ in range(3) for v in f([np.ones((3, 4))])]
    for a, b in zip(draws(), draws()):
        np.testing.assert_array_equal(a, b)
