"""Layers that users derive, written as Keras 2's own examples write them."""

import numpy as np
import pytest

from graphc.frontend_keras import backend as K
from graphc.frontend_keras import constraints, initializers, regularizers
from graphc.frontend_keras.engine.base_layer import InputSpec, Layer
from graphc.frontend_keras.layers import (
    RNN,
    Dense,
    Dropout,
    GlobalMaxPooling2D,
    Input,
    Lambda,
    Masking,
    MaxPooling1D,
    MaxPooling2D,
    Wrapper,
)
from graphc.frontend_keras.layers.convolutional import _Conv
from graphc.frontend_keras.layers.pooling import _GlobalPooling2D
from graphc.frontend_keras.layers.recurrent import _generate_dropout_mask, _standardize_args
from graphc.frontend_keras.models import Model, Sequential

X = np.random.RandomState(1).rand(6, 4).astype("float32")
Y = np.random.RandomState(2).rand(6, 3).astype("float32")


class Affine(Layer):
    """Weights listed by hand, as before Keras 2 had add_weight's keywords."""

    def build(self, input_shape):
        self.kernel = K.variable(np.ones((input_shape[1], 3)), name="kernel")
        self.shift = K.variable(np.zeros(3))
        self.trainable_weights = [self.kernel, self.shift]
        self.non_trainable_weights = [K.variable(5.0)]

    def call(self, x, mask=None):
        return K.dot(x, self.kernel) + self.shift


def test_weights_listed_by_hand_are_trained_and_saved():
    model = Sequential([Affine(input_shape=(4,))])
    model.compile("sgd", "mse")
    model.train_on_batch(X, Y)
    error = X.sum(1, keepdims=True) - Y
    step = 0.01 * 2 / error.size * X.T @ error
    np.testing.assert_allclose(model.get_weights()[0], 1 - step, rtol=1e-5)
    assert [w.shape for w in model.get_weights()] == [(4, 3), (3,), ()]


def test_add_weight_takes_all_arguments_by_position_and_the_shape_first():
    layer = Layer(name="own")
    first = layer.add_weight("first", (2,), "float32", initializers.Constant(-2.0), regularizers.l1(0.5), True,
                             constraints.NonNeg())
    second = layer.add_weight((3,), "second", initializer="one", trainable=False)
    third = layer.add_weight((1, 2), initializer=lambda shape, dtype=None: K.ones(shape) * 7, name="third")
    assert layer.trainable_weights == [first, third]
    assert layer.non_trainable_weights == [second]
    assert second.name.startswith("second")
    np.testing.assert_array_equal(K.get_value(third), [[7, 7]])
    assert float(K.eval(layer.losses[0])) == pytest.approx(0.5 * 4)
    np.testing.assert_array_equal(K.eval(first.constraint(first)), [0, 0])


def test_call_may_return_a_tuple():
    class Both(Layer):
        def call(self, x):
            return x, 2 * x

    x = Input((4,))
    one, two = Both()(x)
    np.testing.assert_allclose(Model(x, two).predict(X), 2 * X)
    np.testing.assert_allclose(Model(x, one).predict(X), X)


def test_an_own_output_shape_tells_sizes_that_the_ops_do_not():
    class Leading(Layer):
        def call(self, x):
            return x[:, :K.shape(x)[1]]

        def compute_output_shape(self, input_shape):
            return (input_shape[0], 4)

    x = Input((None,))
    y = Leading()(x)
    assert K.int_shape(y) == (None, 4)
    assert K.int_shape(Dense(3)(y)) == (None, 3)


def test_input_spec_is_checked_by_hand_too():
    layer = Layer()
    layer.input_spec = InputSpec(ndim=3)
    with pytest.raises(ValueError, match="ndim"):
        layer.assert_input_compatibility(K.placeholder((None, 4)))
    layer.assert_input_compatibility(K.placeholder((None, 4, 2)))


def test_lambda_answers_with_the_output_shape_it_was_given():
    assert Lambda(lambda x: x, output_shape=(7,)).compute_output_shape((None, 4)) == (None, 7)
    assert Lambda(lambda x: x, output_shape=lambda s: (s[0], 9)).compute_output_shape((None, 4)) == (None, 9)
    assert Lambda(lambda x: x[:, :2]).compute_output_shape((None, 4)) == (None, 2)
    both = Lambda(lambda x: [x, x], output_shape=lambda s: [s, s])
    assert both.compute_output_shape((None, 4)) == [(None, 4), (None, 4)]
    with pytest.raises(ValueError, match="output_shape"):
        Lambda(lambda x: x, output_shape=lambda s: 5).compute_output_shape((None, 4))


def test_masks_go_in_and_end_where_compute_mask_says():
    class MaskedSum(Layer):
        supports_masking = True

        def call(self, x, mask=None):
            return K.sum(x * K.expand_dims(K.cast(mask, "float32")), axis=1)

        def compute_mask(self, inputs, mask=None):
            return None

    x = Input((3, 2))
    model = Model(x, MaskedSum()(Lambda(lambda t: t + 1, mask=lambda _, mask: mask)(Masking(0.0)(x))))
    data = np.array([[[1, 2], [0, 0], [3, 4]]], "float32")
    np.testing.assert_allclose(model.predict(data), [[1 + 3 + 2, 2 + 4 + 2]])


def test_a_wrapper_may_give_the_layer_inside_more_weights():
    class Scaled(Wrapper):
        def build(self, input_shape=None):
            if not self.layer.built:
                self.layer.build(input_shape)
                self.layer.built = True
            super().build()
            self.factor = self.layer.add_weight(name="factor", shape=(), initializer="ones")
            self.layer.add_loss(K.square(self.factor))

        def call(self, x):
            return self.layer.call(x) * self.factor

    model = Sequential([Scaled(Dense(3), input_shape=(4,))])
    model.compile("sgd", "mse")
    before = model.get_weights()
    made = X @ before[0] + before[1]
    model.train_on_batch(X, Y)
    slope = (2 * (made - Y) * made).mean() + 2
    assert model.get_weights()[2] == pytest.approx(1 - 0.01 * slope, rel=1e-5)


class Counting(Layer):
    """A cell whose second state counts steps, and which adds a constant."""

    def __init__(self, units, **kwargs):
        self.units, self.state_size, self.output_size = units, [units, 1], units
        super().__init__(**kwargs)

    def build(self, input_shape):
        step, constant = input_shape
        self.kernel = self.add_weight(shape=(step[-1], self.units), initializer="ones", name="kernel")
        self.shift = self.add_weight(shape=(constant[-1], self.units), initializer="ones", name="shift")
        self.built = True

    def call(self, inputs, states, constants):
        total, count = states
        output = total + K.dot(inputs, self.kernel) + K.dot(constants[0], self.shift)
        return output, [output, count + 1]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def test_a_cell_with_several_states_and_constants():
    x, c = Input((None, 2)), Input((3,))
    last, _, count = RNN(Counting(2), return_state=True)(x, constants=c)
    model = Model([x, c], [last, count])
    steps, constant = np.random.RandomState(0).rand(2, 5, 2), np.random.RandomState(1).rand(2, 3)
    found, counted = model.predict([steps, constant])
    wanted = steps.sum((1, 2)) + 5 * constant.sum(1)
    np.testing.assert_allclose(found, np.stack([wanted, wanted], 1), rtol=1e-5)
    np.testing.assert_array_equal(counted, [[5], [5]])
    again = Model.from_config(model.get_config(), custom_objects={"Counting": Counting})
    np.testing.assert_allclose(again.predict([steps, constant])[0], found, rtol=1e-6)


def test_own_pooling_and_own_noise_shapes():
    class Smallest(MaxPooling2D):
        def _pooling_function(self, inputs, pool_size, strides, padding, data_format):
            return -K.pool2d(-inputs, pool_size, strides, padding, data_format, pool_mode="max")

    class Smallest1(MaxPooling1D):
        def _pooling_function(self, inputs, pool_size, strides, padding, data_format):
            return -K.pool2d(-inputs, pool_size, strides, padding, data_format, pool_mode="max")

    class Total(_GlobalPooling2D):
        def call(self, inputs):
            return K.sum(inputs, axis=[1, 2])

    class WholeRows(Dropout):
        def _get_noise_shape(self, inputs):
            return (K.shape(inputs)[0], 1)

    images = np.random.RandomState(0).rand(2, 4, 4, 3).astype("float32")
    x = Input((4, 4, 3))
    np.testing.assert_array_equal(Model(x, Smallest()(x)).predict(images),
                                  images.reshape(2, 2, 2, 2, 2, 3).min((2, 4)))
    np.testing.assert_allclose(Model(x, Total()(x)).predict(images), images.sum((1, 2)), rtol=1e-5)
    np.testing.assert_array_equal(Model(x, GlobalMaxPooling2D()(x)).predict(images), images.max((1, 2)))
    s = Input((4, 3))
    np.testing.assert_array_equal(Model(s, Smallest1()(s)).predict(images[:, 0]),
                                  images[:, 0].reshape(2, 2, 2, 3).min(2))
    x = Input((50,))
    kept = Model(x, WholeRows(0.5, seed=3)(x, training=True)).predict(np.ones((20, 50)))
    assert all(len(set(row)) == 1 for row in kept.tolist())
    assert set(np.unique(kept)) == {0, 2}


def test_a_convolution_derived_from_keras_private_base():
    class Doubled(_Conv):
        def __init__(self, filters, kernel_size, **kwargs):
            super().__init__(rank=2, filters=filters, kernel_size=kernel_size, use_bias=False,
                             kernel_initializer="ones", **kwargs)

        def call(self, inputs):
            return 2 * super().call(inputs)

    images = np.random.RandomState(0).rand(1, 2, 2, 3).astype("float32")
    x = Input((2, 2, 3))
    np.testing.assert_allclose(Model(x, Doubled(1, 2)(x)).predict(images), 2 * images.sum((1, 2, 3)).reshape(1, 1, 1, 1),
                               rtol=1e-6)


def test_helpers_of_own_recurrent_layers():
    ones = K.ones((40, 5))
    first, second = _generate_dropout_mask(ones, 0.5, training=True, count=2)
    values = K.function([], [first, second])([])
    assert all(set(np.unique(one)) <= {0, 2} for one in values)
    np.testing.assert_array_equal(K.eval(_generate_dropout_mask(ones, 0.5, training=False)), np.ones((40, 5)))
    assert _standardize_args(["x", "s", "t", "c"], None, None, 1) == ("x", ["s", "t"], ["c"])
    assert _standardize_args("x", "s", ("c",), None) == ("x", ["s"], ["c"])


def test_numbers_count_as_often_as_they_are_added():
    x = Input((3,))
    model = Model(x, Dense(1, kernel_initializer="zeros", use_bias=False)(x))
    model.add_loss(1)
    model.add_loss(1)
    assert model.losses == [1, 1]
    model.compile("sgd", "mse")
    assert model.evaluate(np.ones((2, 3)), np.zeros((2, 1)), verbose=0) == 2
