"""keras.utils.test_utils: data to learn, and the test of a layer, which must find what is wrong."""

import numpy as np
import pytest

from graphc.frontend_keras import layers
from graphc.frontend_keras.utils.test_utils import get_test_data, keras_test, layer_test

pytestmark = pytest.mark.usefixtures("fresh_session")


def test_data_to_classify():
    np.random.seed(3)
    (x, y), (x_test, y_test) = get_test_data(4, 2, (2, 3), num_classes=5)
    np.random.seed(3)  # the numbers that one would draw sample by sample
    labels = np.random.randint(0, 5, size=(6,))
    inputs = np.array([np.random.normal(label, 0.7, (2, 3)) for label in labels], "float32")
    np.testing.assert_array_equal(np.concatenate([y, y_test]), labels)
    np.testing.assert_allclose(np.concatenate([x, x_test]), inputs, rtol=1e-6)
    assert x.dtype == np.float32 and len(y) == 4 and len(x_test) == 2


def test_data_to_regress():
    np.random.seed(3)
    (x, y), (x_test, y_test) = get_test_data(3, 2, (4,), (2, 2), classification=False)
    np.random.seed(3)
    expected = [(np.random.normal(centre, 0.7, (4,)), np.random.normal(centre, 0.7, (2, 2)))
                for centre in np.random.random((5,))]
    np.testing.assert_allclose(np.concatenate([x, x_test]), [a for a, _ in expected], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(np.concatenate([y, y_test]), [b for _, b in expected], rtol=1e-6, atol=1e-7)
    assert y.dtype == np.float32 and y_test.shape == (2, 2, 2)


class TestLayerTest:
    @pytest.mark.parametrize(("layer", "kwargs", "shape"), [
        (layers.Dense, {"units": 3}, (3, 2)), (layers.Dropout, {"rate": 0.5}, (3, 2)),
        (layers.Conv1D, {"filters": 2, "kernel_size": 3}, (2, None, 4)),
        (layers.BatchNormalization, {}, (4, 3))])
    def test_right_layers_pass(self, layer, kwargs, shape):
        if shape[1] is None:
            data = np.ones((2, 5, 4), "float32")
            found = layer_test(layer, kwargs, input_shape=shape, input_data=data)
        else:
            found = layer_test(layer, kwargs, input_shape=shape)
        assert found.shape[0] == shape[0]

    def test_expected_output(self):
        data = np.array([[-1.0, 2.0]], "float32")
        layer_test(layers.Activation, {"activation": "relu"}, input_data=data, expected_output=[[0, 2]])
        with pytest.raises(AssertionError):
            layer_test(layers.Activation, {"activation": "relu"}, input_data=data, expected_output=[[0, 3]])

    def test_types(self):
        data = np.array([[1, 2]], "int32")
        layer_test(layers.Embedding, {"input_dim": 4, "output_dim": 2}, input_data=data, expected_output_dtype="float32")
        with pytest.raises(AssertionError, match="type of the output"):
            layer_test(layers.Embedding, {"input_dim": 4, "output_dim": 2}, input_data=data)

    def test_fixed_batch(self):
        found = layer_test(layers.LSTM, {"units": 2, "stateful": True}, input_shape=(2, 3, 4), fixed_batch_size=True)
        assert found.shape == (2, 2)

    def test_wrong_shape_is_found(self):
        class Wrong(layers.Layer):
            def compute_output_shape(self, input_shape):
                return (*input_shape[:-1], 7)

        with pytest.raises((AssertionError, ValueError), match="shape"):
            layer_test(Wrong, input_shape=(2, 3))

    def test_forgotten_configuration_is_found(self):
        class Wrong(layers.Layer):
            def __init__(self, factor=1.0, **kwargs):
                super().__init__(**kwargs)
                self.factor = factor

            def build(self, input_shape):
                self.add_weight("w", (1,), initializer="ones")
                super().build(input_shape)

            def call(self, x):
                return x * self.factor * self.weights[0]

        layer_test(Wrong, input_shape=(2, 3))
        with pytest.raises(AssertionError):
            layer_test(Wrong, {"factor": 2.0}, input_shape=(2, 3))

    def test_needs_an_input(self):
        with pytest.raises(AssertionError, match="input_data or input_shape"):
            layer_test(layers.Dense, {"units": 1})

    def test_arguments_are_left_as_they_are(self):
        kwargs = {"units": 3}
        layer_test(layers.Dense, kwargs, input_shape=(2, 3))
        assert kwargs == {"units": 3}


def test_keras_test_clears_the_session():
    @keras_test
    def inner(name):
        """Its own."""
        layers.Dense(2)
        return name

    assert inner("x") == "x" and inner.__doc__ == "Its own."
    assert layers.Dense(2).name == "dense_1"

    @keras_test
    def failing():
        layers.Dense(2)
        raise ValueError

    with pytest.raises(ValueError):
        failing()
    assert layers.Dense(2).name == "dense_1"
