"""Classes and functions of the user's own in files, configurations and copies."""

import pickle

import numpy as np
import pytest

from graphc.frontend_keras import backend as K
from graphc.frontend_keras import constraints, initializers, optimizers, regularizers
from graphc.frontend_keras.layers import RNN, Bidirectional, Dense, Input, Lambda, Layer, TimeDistributed
from graphc.frontend_keras.models import (
    Model,
    Sequential,
    clone_model,
    load_model,
    model_from_json,
    model_from_yaml,
)
from graphc.frontend_keras.utils import CustomObjectScope, get_custom_objects


class Adding(Layer):
    """A cell that adds a map of the input to its state."""

    def __init__(self, units, **kwargs):
        self.units = self.state_size = units
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
        self.built = True

    def call(self, x, states):
        output = K.dot(x, self.kernel) + states[0]
        return output, [output]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Times(Layer):
    def __init__(self, factor=2, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class Squares(regularizers.Regularizer):
    def __init__(self, strength):
        self.strength = strength

    def __call__(self, x):
        return self.strength * K.sum(K.square(x))

    def get_config(self):
        return {"strength": self.strength}


class Bounded(constraints.Constraint):
    def __call__(self, w):
        return K.clip(w, -0.125, 0.125)


class Halves(initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return K.constant(0.5, shape=shape)


def ones(shape, dtype=None):
    return K.ones(shape, dtype=dtype)


def absolute(weight):
    return K.sum(K.abs(weight))


def kept(weight):
    return weight


def doubled(x):
    return 2 * x


def squared_error(y_true, y_pred):
    return K.mean(K.square(y_true - y_pred), axis=-1)


class PlainDescent(optimizers.Optimizer):
    """Written as the optimizers of Keras 2 are."""

    def __init__(self, lr=0.01, **kwargs):
        super().__init__(**kwargs)
        with K.name_scope(self.__class__.__name__):
            self.iterations = K.variable(0, dtype="int64", name="iterations")
            self.lr = K.variable(lr, name="lr")

    def get_updates(self, loss, params):
        grads = self.get_gradients(loss, params)
        self.updates = [K.update_add(self.iterations, 1)]
        self.weights = [self.iterations]
        for p, g in zip(params, grads):
            new_p = p - self.lr * g
            if getattr(p, "constraint", None) is not None:
                new_p = p.constraint(new_p)
            self.updates.append(K.update(p, new_p))
        return self.updates

    def get_config(self):
        return {**super().get_config(), "lr": float(K.get_value(self.lr))}


OBJECTS = {one.__name__: one for one in (Adding, Times, Squares, Bounded, Halves, ones, absolute, kept, doubled,
                                         squared_error, PlainDescent)}
STEPS = np.random.RandomState(0).rand(3, 4, 2).astype("float32")
Y = np.random.RandomState(1).rand(3, 2).astype("float32")


def made():
    x = Input((None, 2))
    y = TimeDistributed(Times(3))(x)
    y = RNN([Adding(3), Adding(4)])(y)
    y = Dense(2, activation=doubled, kernel_initializer=Halves(), bias_initializer=ones, kernel_regularizer=Squares(0.5),
              bias_regularizer=absolute, kernel_constraint=Bounded(), bias_constraint=kept)(y)
    model = Model(x, Lambda(doubled)(y))
    model.compile(PlainDescent(lr=0.125), squared_error, metrics=[squared_error])
    return model


def test_files_and_texts_find_them_by_name(tmp_path):
    model = made()
    assert float(K.eval(model.losses[0])) == pytest.approx(0.5 * 8 * 0.25)
    model.train_on_batch(STEPS, Y)
    assert np.abs(model.get_weights()[-2]).max() <= 0.125
    model.save(tmp_path / "model.h5")
    again = load_model(tmp_path / "model.h5", custom_objects=OBJECTS)
    np.testing.assert_array_equal(again.predict(STEPS), model.predict(STEPS))
    assert again.optimizer.get_weights() == [1]
    assert again.train_on_batch(STEPS, Y) == model.train_on_batch(STEPS, Y)
    with CustomObjectScope(OBJECTS):
        texts = [model_from_json(model.to_json()), load_model(tmp_path / "model.h5")]
    for other in [*texts, model_from_json(model.to_json(), OBJECTS), model_from_yaml(model.to_yaml(), OBJECTS)]:
        other.set_weights(model.get_weights())
        np.testing.assert_array_equal(other.predict(STEPS), model.predict(STEPS))
    with pytest.raises(ValueError, match="Unknown"):
        load_model(tmp_path / "model.h5")


def test_the_global_table_serves_until_it_is_emptied(tmp_path):
    made().save(tmp_path / "model.h5")
    get_custom_objects().update(OBJECTS)
    try:
        assert load_model(tmp_path / "model.h5").layers[1].layer.factor == 3
    finally:
        get_custom_objects().clear()


def layers_of_layers():
    x = Input((4, 2))
    return Model(x, Lambda(doubled)(Bidirectional(RNN([Adding(3), Adding(2)]))(TimeDistributed(Times(5))(x))))


@pytest.mark.parametrize("copied", [lambda m: pickle.loads(pickle.dumps(m)), clone_model], ids=["pickle", "clone"])
def test_copies_need_no_table_for_layers_within_layers(copied):
    model = layers_of_layers()
    twin = copied(model)
    twin.set_weights(model.get_weights())
    np.testing.assert_array_equal(twin.predict(STEPS), model.predict(STEPS))
    assert get_custom_objects() == {}


def test_a_plain_optimizer_descends():
    model = Sequential([Dense(2, input_shape=(4,), use_bias=False)])
    model.compile(PlainDescent(lr=0.25, clipvalue=0.5), "mse")
    x, before = STEPS.reshape(6, 4), model.get_weights()[0]
    y = np.ones((6, 2), "float32")
    model.train_on_batch(x, y)
    slope = 2 * x.T @ (x @ before - y) / y.size
    np.testing.assert_allclose(model.get_weights()[0], before - 0.25 * np.clip(slope, -0.5, 0.5), rtol=1e-4, atol=1e-6)


def test_clip_norm():
    g = K.variable(np.array([3.0, 4.0]))
    norm = K.sqrt(K.sum(K.square(g)))
    np.testing.assert_allclose(K.eval(optimizers.clip_norm(g, 2.5, norm)), [1.5, 2.0], rtol=1e-6)
    np.testing.assert_array_equal(K.eval(optimizers.clip_norm(g, 6.0, norm)), [3, 4])
    assert optimizers.clip_norm(g, 0, norm) is g
