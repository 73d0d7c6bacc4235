"""Activations against NumPy in float64, and how names stand for them."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import activations
from graphc.frontend_keras import backend as K

X = np.array([[-7.5, -2.5, -1.0, -0.3], [0.0, 0.2, 1.5, 6.5]])
KINKS = np.array([[-2.5, -1.0, 0.0], [0.5, 1.0, 2.5]])


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))


def relu(x, alpha, max_value, threshold):
    top = np.inf if max_value is None else max_value
    return np.where(x >= top, top, np.where(x >= threshold, x, alpha * (x - threshold)))


EXPECTED = {
    "elu": elu,
    "selu": lambda x: 1.05070098 * elu(x, 1.67326324),
    "softplus": lambda x: np.log(np.exp(x) + 1),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "hard_sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "exponential": np.exp,
    "linear": lambda x: x,
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
}


def run(function, x, **options):
    placeholder = K.placeholder(shape=(None, *x.shape[1:]))
    return K.function([placeholder], [function(placeholder, **options)])([x])[0]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_value(name):
    np.testing.assert_allclose(run(activations.get(name), X), EXPECTED[name](X), rtol=2e-6, atol=1e-6)


def test_elu_alpha():
    np.testing.assert_allclose(run(activations.elu, X, alpha=0.3), elu(X, 0.3), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("alpha", [0.0, 0.1, 2.0])
@pytest.mark.parametrize("max_value", [None, 1.0, 2.5])
@pytest.mark.parametrize("threshold", [0.0, -0.75, 0.75])
def test_relu_options(alpha, max_value, threshold):
    found = run(activations.relu, KINKS, alpha=alpha, max_value=max_value, threshold=threshold)
    np.testing.assert_allclose(found, relu(KINKS, alpha, max_value, threshold), atol=1e-6)


@pytest.mark.parametrize("axis", [1, 2, -1, -2])
def test_softmax_axis(axis):
    x = np.random.default_rng(0).normal(size=(2, 3, 4)) * 5
    expected = np.exp(x) / np.exp(x).sum(axis, keepdims=True)
    np.testing.assert_allclose(run(activations.softmax, x, axis=axis), expected, rtol=1e-5, atol=1e-7)


def test_softmax_of_large_values():
    assert run(activations.softmax, np.array([[1000.0, 1000.0]])).tolist() == [[0.5, 0.5]]


def test_softmax_needs_two_axes():
    with pytest.raises(ShapeError, match="softmax"):
        activations.softmax(K.placeholder(shape=(3,)))


def test_get():
    assert activations.get(None) is activations.linear
    assert activations.get("relu") is activations.relu
    assert activations.get(np.abs) is np.abs
    assert activations.serialize(activations.tanh) == "tanh"
    assert activations.deserialize("mine", custom_objects={"mine": np.abs}) is np.abs


def test_unknown_name_names_the_nearest():
    with pytest.raises(ArgumentError, match=r"Unknown activation function:sigmod.*'sigmoid'"):
        activations.get("sigmod")


def test_no_name_at_all():
    with pytest.raises(ValueError, match="Could not interpret activation function identifier"):
        activations.get(3)


def test_layer_as_activation_warns():
    class Layer:
        _inbound_nodes = ()

        def __call__(self, x):
            return x

    layer = Layer()
    with pytest.warns(UserWarning, match="layer of its own"):
        assert activations.get(layer) is layer
