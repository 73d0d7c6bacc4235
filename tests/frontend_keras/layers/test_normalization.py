"""BatchNormalization against NumPy in float64: outputs, moving averages, gradients, phases, layouts, Keras 1."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import Activation, BatchNormalization, Conv2D, Dense, Flatten, Input, deserialize
from graphc.frontend_keras.models import Model, Sequential
from graphc.frontend_keras.optimizers import SGD
from graphc.passes.pipeline import optimize

RNG = np.random.default_rng(7)
SHAPES = [((6,), -1), ((5, 3), -1), ((4, 5, 3), -1), ((3, 5, 4), 1), ((2, 3, 2, 4), 2)]


def over(shape, axis):
    return tuple(i for i in range(len(shape) + 1) if i != axis % (len(shape) + 1))


def spread(v, shape, axis):
    return v.reshape([-1 if i == axis % (len(shape) + 1) else 1 for i in range(len(shape) + 1)])


def normal(x, mean, var, gamma, beta, epsilon=1e-3):
    return (x - mean) / np.sqrt(var + epsilon) * gamma + beta


def fitted(shape, axis, **arguments):
    """A model of one layer with drawn weights, and these."""
    model = Sequential([BatchNormalization(axis=axis, input_shape=shape, **arguments)])
    weights = [RNG.uniform(0.5, 2, w.shape).astype("f4") for w in model.get_weights()]
    model.set_weights(weights)
    return model, [w.astype(float) for w in weights]


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_inference_uses_the_moving_averages(shape, axis):
    model, (gamma, beta, mean, var) = fitted(shape, axis)
    x = RNG.normal(1, 2, (7, *shape)).astype("f4")
    gamma, beta, mean, var = (spread(w, shape, axis) for w in (gamma, beta, mean, var))
    np.testing.assert_allclose(model.predict(x), normal(x, mean, var, gamma, beta), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("rows", [7, 3])
def test_a_training_step(shape, axis, rows):
    """Loss, gradients and moving averages of sum((y - t)^2) / size, all by hand."""
    model, (gamma, beta, mean, var) = fitted(shape, axis, momentum=0.9)
    model.compile("sgd", "mse")
    x, t = RNG.normal(1, 2, (rows, *shape)), RNG.normal(size=(rows, *shape))
    axes, n = over(shape, axis), x.size // len(gamma)
    m, v = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    z = (x - m) / np.sqrt(v + 1e-3)
    y = z * spread(gamma, shape, axis) + spread(beta, shape, axis)
    assert model.train_on_batch(x, t) == pytest.approx(((y - t) ** 2).mean(), rel=1e-5)
    g = 2 * (y - t) / y.size
    found = model.get_weights()
    np.testing.assert_allclose(found[0], gamma - 0.01 * (g * z).sum(axes), rtol=1e-5)
    np.testing.assert_allclose(found[1], beta - 0.01 * g.sum(axes), rtol=1e-5)
    np.testing.assert_allclose(found[2], 0.9 * mean + 0.1 * m.ravel(), rtol=1e-5)
    np.testing.assert_allclose(found[3], 0.9 * var + 0.1 * v.ravel() * n / (n - (1 + 1e-3)), rtol=1e-5)


def test_gradient_to_the_input_against_differences():
    layer = BatchNormalization()
    before = Input((4, 3))
    model = Model(before, layer(Dense(3, use_bias=False)(before)))
    x, t = RNG.normal(size=(5, 4, 3)), RNG.normal(size=(5, 4, 3))
    kernel = model.get_weights()[0].astype(float)
    model.compile("sgd", "mse")

    def loss(w):
        y = x @ w
        return ((normal(y, y.mean((0, 1)), y.var((0, 1)), 1, 0) - t) ** 2).mean()

    wanted = np.zeros_like(kernel)
    for at in np.ndindex(kernel.shape):
        step = np.zeros_like(kernel)
        step[at] = 1e-5
        wanted[at] = (loss(kernel + step) - loss(kernel - step)) / 2e-5
    model.train_on_batch(x, t)
    np.testing.assert_allclose((kernel - model.get_weights()[0]) / 0.01, wanted, rtol=1e-3, atol=1e-4)


def test_infinite_moving_averages_do_not_disturb_training():
    model, weights = fitted((4,), -1)
    model.set_weights([weights[0], weights[1], np.full(4, np.inf), np.full(4, np.nan)])
    model.compile("sgd", "mse")
    model.train_on_batch(RNG.normal(size=(6, 4)), RNG.normal(size=(6, 4)))
    assert np.isfinite(model.get_weights()[0]).all()
    assert np.isfinite(model.get_weights()[1]).all()


def test_nothing_of_the_other_phase_is_left_in_a_training_step():
    """The graph of one step reads the moving averages to update them, and nowhere else."""
    model, _ = fitted((4,), -1)
    model.compile("sgd", "mse")
    model.train_on_batch(np.ones((2, 4)), np.ones((2, 4)))
    graph, states = model._function("train", False).graph_and_states()
    graph = optimize(graph)
    for moving in model.layers[0]._non_trainable_weights:
        (at,) = [i for i, state in enumerate(states) if state is moving]
        value = graph.inputs[len(graph.inputs) - len(states) + at]
        assert {op.name for op in graph.ops if value in op.operands} <= {"subtract", "add"}


def test_weights_without_center_or_scale():
    for arguments, names in (({}, ["gamma", "beta"]), ({"center": False}, ["gamma"]), ({"scale": False}, ["beta"])):
        layer = BatchNormalization(input_shape=(3,), **arguments)
        Sequential([layer])
        found = [w.name.partition("/")[2] for w in layer.weights]
        assert found == [f"{n}:0" for n in (*names, "moving_mean", "moving_variance")]
        assert len(layer.trainable_weights) == len(names)
        assert len(layer.updates) == 2


def test_a_layer_that_is_not_trainable_keeps_its_averages_but_uses_the_batch():
    model = Sequential([BatchNormalization(input_shape=(3,))])
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    x = RNG.normal(5, 3, (8, 3))
    before = model.get_weights()
    loss = model.train_on_batch(x, np.zeros((8, 3)))
    assert loss == pytest.approx((normal(x, x.mean(0), x.var(0), 1, 0) ** 2).mean(), rel=1e-4)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_phase_of_its_own():
    x = Input((3,))
    layer = BatchNormalization()
    fixed = layer(x, training=False)
    assert not layer.get_updates_for(x)
    own = K.function([x], [layer(x, training=True)])
    given = RNG.normal(5, 3, (8, 3)).astype("f4")
    np.testing.assert_allclose(own([given])[0], normal(given, given.mean(0), given.var(0), 1, 0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(K.function([x], [fixed])([given])[0], given / np.sqrt(1 + 1e-3), rtol=1e-5)


def over_steps(old, values, momentum):
    for value in values:
        old = momentum * old + (1 - momentum) * value
    return old


def test_a_layer_called_twice_learns_from_both_inputs():
    """The averages move once for each call, in the order of the calls; a model of one call moves them once."""
    layer, (a, b) = BatchNormalization(momentum=0.8), (Input((3,)), Input((3,)))
    both, first = Model([a, b], [layer(a), layer(b)]), Model(a, layer.get_output_at(0))
    assert (len(layer.updates), len(both.updates), len(first.updates)) == (4, 4, 2)
    for model in (both, first):
        model.compile("sgd", "mse")
    x, y = RNG.normal(2, 3, (2, 6, 3))
    both.train_on_batch([x, y], [x, y])
    np.testing.assert_allclose(layer.get_weights()[2], over_steps(0, [x.mean(0), y.mean(0)], 0.8), rtol=1e-5)
    variances = [v.var(0) * 6 / (6 - 1.001) for v in (x, y)]
    np.testing.assert_allclose(layer.get_weights()[3], over_steps(1, variances, 0.8), rtol=1e-5)
    first.train_on_batch(y, y)
    np.testing.assert_allclose(layer.get_weights()[3], over_steps(1, [*variances, variances[1]], 0.8), rtol=1e-5)


def test_a_model_as_a_layer_keeps_its_averages_where_it_is_frozen():
    """As a generator is trained through a discriminator that stays as it is."""
    critic = Sequential([Dense(4, input_shape=(2,)), BatchNormalization(momentum=0.5), Dense(1)])
    critic.compile("sgd", "mse")
    critic.trainable = False
    generator = Sequential([Dense(2, input_shape=(3,)), BatchNormalization(momentum=0.5)])
    noise = Input((3,))
    stacked = Model(noise, critic(generator(noise)))
    stacked.compile("sgd", "mse")
    assert len(stacked.updates) == 2
    of_critic, of_generator = critic.get_weights(), generator.get_weights()
    stacked.train_on_batch(RNG.normal(size=(6, 3)), np.ones((6, 1)))
    for old, new in zip(of_critic, critic.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert all((old != new).all() for old, new in zip(of_generator[-2:], generator.get_weights()[-2:], strict=True))


class ByHand:
    """Conv2D(3, 2), BatchNormalization, relu, Flatten, Dense(4), BatchNormalization, Dense(1) in float64.

    `weights` in the order of the layers, without the averages, which are apart. Gradients by complex steps, which are
    exact but for rounding.
    """

    def __init__(self, weights, momentum):
        self.weights = [w.astype(float) for w in (*weights[:3], *weights[5:8], *weights[10:])]
        self.averages = [w.astype(float) for w in (*weights[3:5], *weights[8:10])]
        self.momentum = momentum
        self.velocity = [np.zeros_like(w) for w in self.weights]

    def apply(self, x, weights, statistics):
        kernel, gamma, beta, dense, gamma2, beta2, *last = weights
        n, rows, columns = len(x), x.shape[1] - 1, x.shape[2] - 1
        y = sum(x[:, i:i + rows, j:j + columns] @ kernel[i, j] for i in range(2) for j in range(2))
        y = normal(y, *statistics(y, 0), gamma, beta)
        y = (y * (y.real > 0)).reshape(n, -1) @ dense
        return normal(y, *statistics(y, 1), gamma2, beta2) @ last[0] + last[1]

    def predict(self, x):
        return self.apply(x, self.weights, lambda y, i: self.averages[2 * i:2 * i + 2])

    def loss(self, x, t, weights, seen=None):
        def statistics(y, i):
            axes = tuple(range(y.ndim - 1))
            mean = y.mean(axes)
            var = ((y - mean) ** 2).mean(axes)
            if seen is not None:
                n = y.size // y.shape[-1]
                seen.extend([mean, var * n / (n - 1.001)])
            return mean, var

        return ((self.apply(x, weights, statistics) - t) ** 2).mean()

    def step(self, x, t, rate, inertia):
        seen, gradients = [], []
        loss = self.loss(x, t, self.weights, seen)
        for number, weight in enumerate(self.weights):
            gradient = np.zeros_like(weight)
            for at in np.ndindex(weight.shape):
                moved = weight.astype(complex)
                moved[at] += 1e-30j
                others = [*self.weights[:number], moved, *self.weights[number + 1:]]
                gradient[at] = self.loss(x, t, others).imag / 1e-30
            gradients.append(gradient)
        self.velocity = [inertia * v - rate * g for v, g in zip(self.velocity, gradients, strict=True)]
        self.weights = [w + v for w, v in zip(self.weights, self.velocity, strict=True)]
        self.averages = [self.momentum * old + (1 - self.momentum) * new
                         for old, new in zip(self.averages, seen, strict=True)]
        return loss


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_fit_of_a_net_with_two_layers_and_a_smaller_last_batch(target):
    """Two epochs of batches of 8, 8 and 5: losses, weights, averages, predictions."""
    K.set_target(target)
    model = Sequential([Conv2D(3, 2, input_shape=(4, 4, 2), use_bias=False), BatchNormalization(momentum=0.9),
                        Activation("relu"), Flatten(), Dense(4, use_bias=False), BatchNormalization(momentum=0.9),
                        Dense(1)])
    rng = np.random.default_rng(3)
    model.set_weights([rng.uniform(0.5, 1.5, w.shape) if w.ndim == 1 else rng.normal(size=w.shape)
                       for w in model.get_weights()])
    hand = ByHand(model.get_weights(), 0.9)
    x, t = rng.normal(1, 2, (21, 4, 4, 2)), rng.normal(size=(21, 1))
    np.testing.assert_allclose(model.predict(x, batch_size=8), hand.predict(x), rtol=1e-4, atol=1e-4)
    model.compile(SGD(0.01, momentum=0.9), "mse")
    found = model.fit(x, t, batch_size=8, epochs=2, shuffle=False, verbose=0).history["loss"]
    parts = [slice(0, 8), slice(8, 16), slice(16, 21)]
    wanted = [sum(hand.step(x[p], t[p], 0.01, 0.9) * len(x[p]) for p in parts) / 21 for _ in range(2)]
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    weights = model.get_weights()
    for got, want in zip([*weights[:3], *weights[5:8], *weights[10:]], hand.weights, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    for got, want in zip([*weights[3:5], *weights[8:10]], hand.averages, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(model.predict(x, batch_size=8), hand.predict(x), rtol=1e-3, atol=1e-3)


def test_penalties_and_constraints_of_gamma_and_beta():
    model, (gamma, beta, *_) = fitted((3,), -1, gamma_regularizer="l2", beta_regularizer="l1",
                                      gamma_constraint="unit_norm", beta_constraint="non_neg")
    model.compile("sgd", "mse")
    x = RNG.normal(1, 2, (6, 3))
    error = ((normal(x, x.mean(0), x.var(0), gamma, beta) - 5) ** 2).mean()
    assert model.train_on_batch(x, np.full((6, 3), 5.0)) == pytest.approx(
        error + 0.01 * (gamma ** 2).sum() + 0.01 * abs(beta).sum(), rel=1e-5)
    np.testing.assert_allclose((model.get_weights()[0] ** 2).sum(), 1, rtol=1e-5)


def test_fit_with_a_smaller_last_batch_and_evaluate():
    model = Sequential([Conv2D(4, 3, input_shape=(6, 6, 2)), BatchNormalization(), Flatten(), Dense(1)])
    model.compile("adam", "mse")
    x = RNG.normal(size=(20, 6, 6, 2))
    y = x.sum((1, 2, 3))[:, None] / 10
    history = model.fit(x, y, batch_size=8, epochs=30, verbose=0).history["loss"]
    assert history[-1] < history[0] / 4
    assert np.isfinite(model.evaluate(x, y, verbose=0))


@pytest.mark.parametrize(("build", "message"), [
    (lambda: BatchNormalization(axis=2)(Input((3,))), "no axis 2"),
    (lambda: BatchNormalization()(Input((None,))), "Axis -1 of input tensor should have a defined dimension")])
def test_inputs_that_do_not_fit(build, message):
    with pytest.raises(ShapeError, match=message):
        build()


def test_keras_1_and_the_files_of_tf_keras():
    with pytest.warns(UserWarning, match="leave out `mode`"):
        BatchNormalization(mode=0)
    with pytest.warns(UserWarning, match="gamma_initializer"):
        layer = BatchNormalization(beta_init="one", gamma_init="zero")
    assert type(layer.beta_initializer).__name__ == "Ones"
    assert type(layer.gamma_initializer).__name__ == "Zeros"
    with pytest.raises(TypeError, match="no longer exists"):
        BatchNormalization(mode=1)
    with pytest.raises(TypeError, match="positional"):
        BatchNormalization(1e-5)
    with pytest.raises(TypeError, match="not understood: axes"):
        BatchNormalization(axes=1)
    config = {**BatchNormalization().get_config(), "axis": [3]}
    assert deserialize({"class_name": "BatchNormalization", "config": config}).axis == 3
    for axis in ([1, 2], 1.5, None):
        with pytest.raises(ArgumentError, match="not one axis"):
            BatchNormalization(axis=axis)


def test_configuration_has_the_keys_of_keras_2():
    config = BatchNormalization(name="one").get_config()
    assert list(config) == ["name", "trainable", "axis", "momentum", "epsilon", "center", "scale", "beta_initializer",
                            "gamma_initializer", "moving_mean_initializer", "moving_variance_initializer",
                            "beta_regularizer", "gamma_regularizer", "beta_constraint", "gamma_constraint"]
    assert [config[key] for key in ("axis", "momentum", "epsilon", "center", "scale")] == [-1, 0.99, 1e-3, True, True]


def test_configuration_round_trip():
    layer = BatchNormalization(axis=1, momentum=0.9, center=False, gamma_regularizer="l2", beta_constraint="non_neg")
    assert BatchNormalization.from_config(layer.get_config()).get_config() == layer.get_config()
