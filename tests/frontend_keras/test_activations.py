"""Activations against NumPy in float64, and how names stand for them."""

import copy
import functools

import numpy as np
import pytest

from graphc.errors import ArgumentError, ModelFormatError, ShapeError
from graphc.frontend_keras import activations
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import layers as L
from graphc.frontend_keras.models import Sequential, clone_model, load_model, model_from_json, model_from_yaml

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


@pytest.mark.filterwarnings("ignore:Do not pass a layer instance")
class TestLayerAsActivation:
    """A layer in the place of a function is written as its class and its configuration."""

    @staticmethod
    def dense():
        return Sequential([L.Dense(2, activation=L.LeakyReLU(0.25), input_shape=(2,))])

    @staticmethod
    def both_directions():
        cell = L.SimpleRNN(2, activation=L.LeakyReLU(0.25))
        return Sequential([L.Bidirectional(cell, input_shape=(1, 2))])

    @staticmethod
    def saved(ending):
        def again(model, folder):
            model.save(folder / f"model.{ending}")
            return load_model(folder / f"model.{ending}", compile=False)

        return again

    @pytest.mark.parametrize("made", ["dense", "both_directions"])
    @pytest.mark.parametrize("again", [
        lambda model, _: model, lambda model, _: clone_model(model), lambda model, _: copy.deepcopy(model),
        lambda model, _: model_from_json(model.to_json()), lambda model, _: model_from_yaml(model.to_yaml()),
        saved("h5"), saved("keras")], ids=["itself", "clone", "deepcopy", "json", "yaml", "h5", "keras"])
    def test_copies_compute_the_same(self, made, again, tmp_path, fresh_session):
        model = getattr(self, made)()
        kernel = np.array([[1.0, -2.0], [0.5, 1.0]])
        values = {(2, 2): kernel, (2,): np.array([0.5, -0.5])}
        model.set_weights([values[w.shape] for w in model.get_weights()])  # the first state is 0: no matter its kernel
        twin = again(model, tmp_path)
        twin.set_weights(model.get_weights())
        x = np.array([[1.0, 2.0], [-3.0, 1.0]])
        sums = x @ kernel + [0.5, -0.5]
        wanted = np.where(sums > 0, sums, 0.25 * sums)
        wanted = wanted if made == "dense" else np.hstack([wanted, wanted])
        np.testing.assert_allclose(twin.predict(x.reshape(2, *model.input_shape[1:])), wanted, rtol=1e-6)

    def test_gates(self):
        cell = L.LSTM(2, activation=L.LeakyReLU(0.5), recurrent_activation=L.ReLU(max_value=1.0))
        layer = L.Bidirectional(cell)
        for one in (layer.forward_layer, layer.backward_layer, L.LSTM.from_config(cell.get_config())):
            assert type(one.activation) is L.LeakyReLU and one.activation.alpha == 0.5
            assert type(one.recurrent_activation) is L.ReLU and one.recurrent_activation.max_value == 1.0

    def test_weights_would_be_lost(self):
        model = Sequential([L.Dense(2, activation=L.PReLU(), input_dim=2)])
        with pytest.raises(ArgumentError, match="PReLU: the weights of this activation.*a layer of its own"):
            model.to_json()

    @pytest.mark.parametrize(("config", "error", "message"), [
        ({"class_name": "LeekyReLU", "config": {}}, ArgumentError, "Did you mean 'LeakyReLU'"),
        ({"class_name": "LeakyReLU", "config": {"alpha": "a"}}, ArgumentError, "not a number"),
        ({"class_name": "LeakyReLU"}, ModelFormatError, "class_name and config"),
        ({"class_name": "LeakyReLU", "config": 3}, ModelFormatError, "not a dict")])
    def test_bad_configurations(self, config, error, message):
        with pytest.raises(error, match=message):
            activations.get(config)


class Doubled:
    def __call__(self, x):
        return 2 * x


@pytest.mark.parametrize(("activation", "of_minus_one"), [(functools.partial(activations.relu, alpha=0.5), -0.5),
                                                          (Doubled(), -2.0)], ids=["partial", "object"])
def test_what_has_no_name_works_and_cannot_be_written(activation, of_minus_one, fresh_session):
    model = Sequential([L.Dense(1, activation=activation, kernel_initializer="ones", input_dim=1)])
    assert model.predict(-np.ones((1, 1))) == [[of_minus_one]]
    for write in (model.to_json, lambda: clone_model(model), lambda: L.Bidirectional(L.GRU(1, activation=activation))):
        with pytest.raises(ArgumentError, match=r"Cannot serialize.*(partial|Doubled).*a function with a name"):
            write()


def test_errors_about_shapes_are_seen_behind_an_activation_without_name():
    with pytest.raises(ShapeError, match="larger than the input"):
        L.Conv2D(2, 3, activation=Doubled())(L.Input((2, 64, 2)))
