"""Losses against NumPy in float64, their aliases, and the configurations of later Keras versions."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ModelFormatError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import losses, objectives

EPS = 1e-7
RNG = np.random.default_rng(1)
REAL = (RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4)))
SIGNS = (np.sign(RNG.normal(size=(3, 4))), RNG.normal(size=(3, 4)))
POSITIVE = (RNG.uniform(0.1, 3, (3, 4)), RNG.uniform(0.1, 3, (3, 4)))
ONE_HOT = np.eye(4)[[2, 0, 3]]
CHANCES = (ONE_HOT, RNG.dirichlet(np.ones(4), 3))
BITS = (RNG.integers(0, 2, (3, 4)).astype(float), RNG.uniform(0.05, 0.95, (3, 4)))
MIXTURES = (RNG.dirichlet(np.ones(4), 3), RNG.dirichlet(np.ones(4), 3))


def unit(x):
    return x / np.sqrt((x ** 2).sum(-1, keepdims=True))


CASES = {
    "mean_squared_error": (REAL, lambda t, p: ((p - t) ** 2).mean(-1)),
    "mean_absolute_error": (REAL, lambda t, p: np.abs(p - t).mean(-1)),
    "mean_absolute_percentage_error": (REAL, lambda t, p: 100 * np.abs((t - p) / np.maximum(np.abs(t), EPS)).mean(-1)),
    "mean_squared_logarithmic_error": (POSITIVE, lambda t, p: ((np.log1p(p) - np.log1p(t)) ** 2).mean(-1)),
    "squared_hinge": (SIGNS, lambda t, p: (np.maximum(1 - t * p, 0) ** 2).mean(-1)),
    "hinge": (SIGNS, lambda t, p: np.maximum(1 - t * p, 0).mean(-1)),
    "categorical_hinge": (CHANCES, lambda t, p: np.maximum(0, ((1 - t) * p).max(-1) - (t * p).sum(-1) + 1)),
    "logcosh": (REAL, lambda t, p: np.log(np.cosh(p - t)).mean(-1)),
    "categorical_crossentropy": (CHANCES, lambda t, p: -(t * np.log(p)).sum(-1)),
    "binary_crossentropy": (BITS, lambda t, p: -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(-1)),
    "kullback_leibler_divergence": (MIXTURES, lambda t, p: (t * np.log(t / p)).sum(-1)),
    "poisson": (POSITIVE, lambda t, p: (p - t * np.log(p + EPS)).mean(-1)),
    "cosine_proximity": (REAL, lambda t, p: -(unit(t) * unit(p)).sum(-1)),
}

ALIASES = {"mse": "mean_squared_error", "MSE": "mean_squared_error", "mae": "mean_absolute_error",
           "MAE": "mean_absolute_error", "mape": "mean_absolute_percentage_error",
           "MAPE": "mean_absolute_percentage_error", "msle": "mean_squared_logarithmic_error",
           "MSLE": "mean_squared_logarithmic_error", "kld": "kullback_leibler_divergence",
           "KLD": "kullback_leibler_divergence", "cosine": "cosine_proximity"}


def run(function, y_true, y_pred):
    symbols = [K.placeholder(shape=(None, *np.shape(y)[1:])) for y in (y_true, y_pred)]
    return K.function(symbols, [function(*symbols)])([y_true, y_pred])[0]


@pytest.mark.parametrize("name", sorted(CASES))
def test_value(name):
    (y_true, y_pred), expected = CASES[name]
    found = run(losses.get(name), y_true, y_pred)
    assert found.shape == (3,)
    np.testing.assert_allclose(found, expected(y_true, y_pred), rtol=3e-5, atol=1e-6)


@pytest.mark.parametrize("name", sorted(CASES))
def test_leading_axes_stay(name):
    (y_true, y_pred), expected = CASES[name]
    y_true, y_pred = (np.stack([y, y[::-1]], axis=1) for y in (y_true, y_pred))
    found = run(losses.get(name), y_true, y_pred)
    assert found.shape == (3, 2)
    np.testing.assert_allclose(found, expected(y_true, y_pred), rtol=3e-5, atol=1e-6)


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_alias(alias):
    assert losses.get(alias) is getattr(losses, alias) is getattr(losses, ALIASES[alias])


def test_sparse_categorical_crossentropy():
    chances = CHANCES[1]
    found = run(losses.sparse_categorical_crossentropy, np.array([[2], [0], [3]]), chances)
    np.testing.assert_allclose(found, -np.log(chances[[0, 1, 2], [2, 0, 3]]), rtol=1e-5)


def test_sparse_categorical_crossentropy_over_time():
    chances = RNG.dirichlet(np.ones(5), (2, 3))
    classes = RNG.integers(0, 5, (2, 3, 1))
    found = run(losses.sparse_categorical_crossentropy, classes, chances)
    assert found.shape == (2, 3)
    np.testing.assert_allclose(found, -np.log(np.take_along_axis(chances, classes, -1))[..., 0], rtol=1e-5)


def test_certain_and_wrong_is_clipped():
    wrong = run(losses.categorical_crossentropy, np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))
    np.testing.assert_allclose(wrong, -np.log(EPS), rtol=1e-4)


def test_zero_targets_of_percentage_error():
    found = run(losses.mean_absolute_percentage_error, np.array([[0.0]]), np.array([[1.0]]))
    np.testing.assert_allclose(found, 100 / EPS, rtol=1e-5)


def test_logcosh_of_large_differences():
    found = run(losses.logcosh, np.array([[500.0]]), np.array([[-500.0]]))
    np.testing.assert_allclose(found, 1000 - np.log(2), rtol=1e-6)


def test_nan_reaches_the_loss():
    assert np.isnan(run(losses.mean_squared_error, np.array([[np.nan, 0.0]]), np.array([[1.0, 1.0]]))).all()


def test_get():
    assert losses.get(None) is None
    assert losses.get(np.add) is np.add
    assert losses.serialize(losses.mse) == "mean_squared_error"
    assert losses.deserialize("mine", {"mine": np.add}) is np.add


def test_unknown():
    with pytest.raises(ArgumentError, match=r"Unknown loss function:categorical_crosentropy.*'categorical_cross"):
        losses.get("categorical_crosentropy")
    with pytest.raises(ValueError, match="Could not interpret loss function identifier"):
        losses.get(4)


@pytest.mark.parametrize("class_name", sorted(losses.CLASSES))
def test_class_of_later_keras(class_name):
    config = {"reduction": "auto", "name": "loss"}
    found = losses.get({"module": "no.such.module", "class_name": class_name, "config": config,
                        "registered_name": None})
    assert found in losses.BUILT_IN.values()


def test_class_with_another_meaning_is_refused():
    with pytest.raises(ModelFormatError, match=r"CategoricalCrossentropy: 'from_logits' is not supported"):
        losses.get({"class_name": "CategoricalCrossentropy", "config": {"from_logits": True}})
    with pytest.raises(ModelFormatError, match="unknown key 'gamma'"):
        losses.get({"class_name": "BinaryCrossentropy", "config": {"gamma": 2}})


def test_own_class_wins():
    class Poisson:
        @classmethod
        def from_config(cls, config):
            return cls()

    found = losses.deserialize({"class_name": "Poisson", "config": {"anything": 1}}, {"Poisson": Poisson})
    assert isinstance(found, Poisson)


def test_the_module_name_of_keras_1():
    assert objectives.mse is losses.mse
    assert objectives.get("mae") is losses.mean_absolute_error
