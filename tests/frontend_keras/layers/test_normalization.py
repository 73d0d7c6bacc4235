"""BatchNormalization against NumPy in float64: outputs, moving averages, gradients, phases, layouts."""

import numpy as np
import pytest

from graphc.errors import ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import BatchNormalization, Conv2D, Dense, Flatten, Input
from graphc.frontend_keras.models import Model, Sequential
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


def test_configuration_round_trip():
    layer = BatchNormalization(axis=1, momentum=0.9, center=False, gamma_regularizer="l2", beta_constraint="non_neg")
    assert BatchNormalization.from_config(layer.get_config()).get_config() == layer.get_config()
