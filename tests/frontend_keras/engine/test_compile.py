"""compile: what it accepts, what it names, what it refuses."""

import functools

import numpy as np
import pytest

from graphc.errors import GraphcError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import losses, metrics, optimizers
from graphc.frontend_keras.engine import Layer
from graphc.frontend_keras.layers import Activation, Dense, Input
from graphc.frontend_keras.models import Model, Sequential

X = np.random.RandomState(0).rand(8, 4).astype("float32")


def binary():
    return Sequential([Dense(1, activation="sigmoid", input_dim=4)])


def two_outputs():
    x = Input((4,), name="x")
    return Model(x, [Dense(1, activation="sigmoid", name="main")(x), Dense(3, activation="softmax", name="aux")(x)])


def mean_pred(y_true, y_pred):
    return K.mean(y_pred)


def test_metric_names_and_values():
    model = binary()
    model.compile("rmsprop", "binary_crossentropy", metrics=["accuracy", mean_pred, "mae"])
    assert model.metrics_names == ["loss", "acc", "mean_pred", "mean_absolute_error"]
    y = (X.sum(axis=1, keepdims=True) > 2).astype("float32")
    p = model.predict(X).astype("float64")
    got = model.evaluate(X, y, verbose=0)
    want = [-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)), np.mean((p > 0.5) == y), p.mean(), np.abs(p - y).mean()]
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_a_metric_may_give_a_dict():
    def both(y_true, y_pred):
        return {"low": K.min(y_pred), "high": K.max(y_pred)}

    model = binary()
    model.compile("sgd", "mse", metrics=[both])
    assert model.metrics_names == ["loss", "low", "high"]
    p = model.predict(X)
    np.testing.assert_allclose(model.evaluate(X, np.zeros(8), verbose=0)[1:], [p.min(), p.max()], rtol=1e-6)


@pytest.mark.parametrize(("units", "activation", "loss", "want"), [
    (1, "sigmoid", "mse", metrics.binary_accuracy), (3, "sigmoid", "binary_crossentropy", metrics.binary_accuracy),
    (3, "softmax", "sparse_categorical_crossentropy", metrics.sparse_categorical_accuracy),
    (3, "softmax", "categorical_crossentropy", metrics.categorical_accuracy), (3, "softmax", "mse",
                                                                              metrics.categorical_accuracy)])
def test_what_accuracy_stands_for(units, activation, loss, want):
    model = Sequential([Dense(units, activation=activation, input_dim=4)])
    sparse = loss.startswith("sparse")
    y = np.arange(8).reshape(8, 1) % 3 if sparse else np.eye(3)[np.arange(8) % 3][:, :units]
    model.compile("sgd", loss, metrics=["acc", want])
    assert model.metrics_names == ["loss", "acc", want.__name__]
    _, one, other = model.evaluate(X, y, verbose=0)
    assert one == other


def test_crossentropy_as_a_metric():
    model = binary()
    model.compile("sgd", "mse", metrics=["crossentropy", "ce"])
    assert model.metrics_names == ["loss", "ce", "ce_1"]


def test_several_outputs_are_named():
    model = two_outputs()
    model.compile("sgd", ["binary_crossentropy", "categorical_crossentropy"], metrics=["accuracy"],
                  loss_weights=[1.0, 0.2])
    assert model.metrics_names == ["loss", "main_loss", "aux_loss", "main_acc", "aux_acc"]
    y = [np.ones((8, 1)), np.eye(3)[np.arange(8) % 3]]
    total, main, aux, *_ = model.evaluate(X, y, verbose=0)
    assert total == pytest.approx(main + 0.2 * aux, rel=1e-6)


def test_dicts_by_output():
    model = two_outputs()
    model.compile("sgd", {"main": "mse", "aux": "categorical_crossentropy"}, loss_weights={"aux": 0.5},
                  metrics={"aux": "accuracy"})
    assert model.metrics_names == ["loss", "main_loss", "aux_loss", "aux_acc"]
    y = {"main": np.ones(8), "aux": np.eye(3)[np.arange(8) % 3]}
    total, main, aux, _ = model.test_on_batch({"x": X}, y)
    assert total == pytest.approx(main + 0.5 * aux, rel=1e-6)


def test_an_output_without_a_loss_takes_no_target():
    x = Input((4,), name="x")
    main = Dense(1, name="main")(x)
    model = Model(x, [main, Activation("tanh", name="aux")(main)])
    with pytest.warns(UserWarning, match='Output "aux" missing from loss dictionary'):
        model.compile("sgd", {"main": "mse"})
    assert model.metrics_names == ["loss", "main_loss"]
    assert model.targets[1] is None
    assert model.train_on_batch(X, np.ones(8))[0] >= 0
    assert model.train_on_batch(X, {"main": np.ones(8)})[0] >= 0
    assert model.train_on_batch(X, [np.ones(8), None])[0] >= 0


@pytest.mark.parametrize(("arguments", "kind", "message"), [
    ({"loss": "mse", "optimizer": "nonsense"}, ValueError, "nonsense"),
    ({"loss": "nonsense"}, ValueError, "nonsense"),
    ({"loss": 7}, ValueError, "Could not interpret loss function"),
    ({"loss": ["mse"]}, ValueError, "it should have one entry per model output"),
    ({"loss": {"main": "mse", "aux": "mse", "mian": "mse"}}, ValueError,
     'Unknown entry in loss dictionary: "mian".*Only expected the following keys'),
    ({"loss": "mse", "loss_weights": {"nobody": 1.0}}, ValueError, "Unknown entry in loss_weights dictionary"),
    ({"loss": "mse", "loss_weights": [1.0]}, ValueError, "one entry per model output"),
    ({"loss": "mse", "loss_weights": 3.0}, TypeError, "Could not interpret loss_weights"),
    ({"loss": "mse", "loss_weights": [1.0, float("nan")]}, ValueError, "not finite"),
    ({"loss": "mse", "metrics": "accuracy"}, TypeError, "Expected a list or dictionary"),
    ({"loss": "mse", "metrics": ["nonsense"]}, ValueError, "nonsense"),
    ({"loss": "mse", "sample_weight_mode": {"main": None}}, ValueError, 'Output "aux" missing from sample_weight_mode'),
    ({"loss": "mse", "sample_weight_mode": "spatial"}, ValueError, 'should be None or "temporal"'),
    ({"loss": "mse", "sample_weight_mode": [np.ones(2), None]}, ValueError, 'should be None or "temporal"'),
    ({"loss": None}, ValueError, "no loss to optimize"),
    ({"loss": lambda y_pred: y_pred}, GraphcError, r"loss function .* two tensors.*expected a function \(y_true, y_pred\)"),
    ({"loss": "mse", "metrics": [lambda a, b, c: a]}, GraphcError, r"metric .* cannot be called with two tensors.*'c'"),
    ({"loss": "mse", "target_tensors": [np.ones((8, 1)), None]}, GraphcError, "`target_tensors` holds what is no tensor"),
    ({"loss": "mse", "target_tensors": {"main": 5}}, TypeError, "`target_tensors` holds what is no tensor"),
])
def test_a_refused_compile_leaves_the_model_as_it_was(arguments, kind, message):
    model = two_outputs()
    model.compile("adam", "mse")
    optimizer = model.optimizer
    with pytest.raises(kind, match=message):
        model.compile(**{"optimizer": "sgd", **arguments})
    assert model.optimizer is optimizer
    assert model.train_on_batch(X, [np.ones(8), np.ones((8, 3))])[0] > 0


def test_losses_and_optimizers_in_every_form():
    model = binary()
    for loss in ("mse", "MSE", losses.mean_squared_error, lambda t, p: K.mean(K.square(t - p), axis=-1)):
        for optimizer in ("sgd", "SGD", optimizers.SGD(lr=0.0), {"class_name": "SGD", "config": {"lr": 0.0}}):
            model.compile(optimizer, loss)
            got = model.test_on_batch(X, np.zeros(8))
            assert got == pytest.approx(float(np.mean(model.predict(X) ** 2)), rel=1e-5)


def test_attributes_that_scripts_use():
    model = binary()
    model.compile("sgd", "mse", metrics=["mae"])
    f = K.function([*model.inputs, *model.targets, *model.sample_weights], [model.total_loss, *model.metrics_tensors])
    np.testing.assert_allclose(f([X, np.zeros((8, 1)), np.ones(8)]), model.test_on_batch(X, np.zeros(8)), rtol=1e-6)
    model._make_train_function()
    before = model.get_weights()
    model.train_function([X, np.zeros((8, 1)), np.ones(8)])
    assert not np.array_equal(before[0], model.get_weights()[0])
    model._make_predict_function()
    np.testing.assert_array_equal(model.predict_function([X])[0], model.predict(X))


def test_weighted_metrics():
    model = binary()
    model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mae"])
    assert model.metrics_names == ["loss", "mean_absolute_error", "weighted_mean_absolute_error"]
    weights = np.arange(8.0)
    p = model.predict(X)[:, 0].astype("float64")
    loss, plain, weighted = model.test_on_batch(X, np.zeros(8), sample_weight=weights)
    assert plain == pytest.approx(np.mean(p), rel=1e-5)
    assert weighted == pytest.approx(np.sum(p * weights) / 7, rel=1e-5)
    assert loss == pytest.approx(np.sum(p ** 2 * weights) / 7, rel=1e-5)


class Positives(Layer):
    """A stateful metric as Keras's manual writes one."""

    def __init__(self, name="positives", **kwargs):
        super().__init__(name=name, **kwargs)
        self.stateful = True
        self.count = K.variable(0.0, name="count")

    def reset_states(self):
        K.set_value(self.count, 0.0)

    def __call__(self, y_true, y_pred):
        found = K.sum(K.cast(y_true > 0.5, "float32"))
        self.add_update(K.update_add(self.count, found), inputs=[y_true, y_pred])
        return self.count + found


def test_stateful_metrics_count_over_batches_and_start_anew_each_epoch():
    model = binary()
    metric = Positives()
    model.compile("sgd", "mse", metrics=[metric])
    y = np.array([1, 0, 1, 1, 0, 0, 1, 1.0])
    assert model.evaluate(X, y, batch_size=3, verbose=0)[1] == 5
    history = model.fit(X, y, batch_size=3, epochs=2, verbose=0, validation_data=(X[:2], y[:2])).history
    assert history["positives"] == [5, 5]
    assert history["val_positives"] == [1, 1]


def test_stateful_metrics_count_over_steps():
    model = binary()
    model.compile("sgd", "mse", metrics=[Positives()])
    y = np.array([1, 0, 1, 1, 0, 0, 1, 1.0])
    for _ in range(2):
        assert model.evaluate(X, y, steps=3, verbose=0)[1] == 15
    history = model.fit(X, y, steps_per_epoch=2, epochs=2, verbose=0, validation_data=(X, y), validation_steps=3).history
    assert history["positives"] == [10, 10]
    assert history["val_positives"] == [15, 15]


def test_trainable_takes_effect_with_the_next_compile():
    model = Sequential([Dense(3, input_dim=4), Dense(1)])
    model.compile("sgd", "mse")
    model.train_on_batch(X, np.ones(8))
    model.layers[0].trainable = False
    with pytest.warns(UserWarning, match="Discrepancy between trainable weights and collected trainable weights"):
        model.train_on_batch(X, np.ones(8))
    model.compile("sgd", "mse")
    first, last = model.layers[0].get_weights()[0], model.layers[1].get_weights()[0]
    model.train_on_batch(X, np.ones(8))
    np.testing.assert_array_equal(first, model.layers[0].get_weights()[0])
    assert not np.array_equal(last, model.layers[1].get_weights()[0])


def test_metrics_of_no_output_are_ignored_with_a_warning():
    model = two_outputs()
    with pytest.warns(UserWarning, match='Unknown entry in metrics dictionary: "nobody"'):
        model.compile("sgd", "mse", metrics={"nobody": "mae", "aux": "mae"})
    assert model.metrics_names == ["loss", "main_loss", "aux_loss", "aux_mean_absolute_error"]


def squares(y_true, y_pred):
    return K.mean(K.square(y_true - y_pred), axis=-1)


def weighted_squares(y_true, y_pred):
    return K.mean(K.square(y_true[:, :3] - y_pred) * y_true[:, 3:], axis=-1)


@pytest.mark.parametrize(("loss", "target", "own"), [
    (squares, np.full((8, 1), 0.5), lambda y, p: (y - p) ** 2),
    (squares, np.full(8, 0.5), lambda y, p: (y[:, None] - p) ** 2),
    (squares, np.full((8, 3), 0.5), lambda y, p: (y - p) ** 2),
    (weighted_squares, np.arange(32.0).reshape(8, 4) / 32, lambda y, p: (y[:, :3] - p) ** 2 * y[:, 3:]),
])
def test_an_own_loss_takes_targets_of_its_own_shape(loss, target, own):
    model = Sequential([Dense(3, input_dim=4)])
    model.compile("sgd", loss, metrics=[loss])
    want = own(target, model.predict(X).astype("float64")).mean()
    assert model.evaluate(X, target, verbose=0) == pytest.approx([want, want], rel=1e-5)
    assert model.fit(X, target, batch_size=8, verbose=0).history["loss"] == pytest.approx([want], rel=1e-5)
    assert model.train_on_batch(X, target)[0] < want


def mean_apart(y_true, y_pred):
    return K.mean(K.square(K.mean(y_true, axis=-1, keepdims=True) - y_pred), axis=-1)


def test_targets_of_other_shapes_leave_the_optimizer_its_state():
    """The loss is the same for all widths, and so is the training."""
    def trained(widths):
        np.random.seed(0)
        model = Sequential([Dense(3, input_dim=4)])
        model.compile("adam", mean_apart)
        for width in widths:
            model.train_on_batch(X, np.ones((8, width)))
            model.evaluate(X, np.ones((8, max(widths))), verbose=0)
        return [*model.get_weights(), *model.optimizer.get_weights()]

    for a, b in zip(trained([5, 5, 5, 5]), trained([5, 7, 7, 4]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_targets_of_another_shape_after_trainable_has_changed():
    """The optimizer begins anew, for the weights that are trained now."""
    model = Sequential([Dense(3, input_dim=4), Dense(3)])
    model.compile("adam", mean_apart)
    model.train_on_batch(X, np.ones((8, 5)))
    model.layers[1].trainable = False
    kept = model.layers[1].get_weights()
    model.train_on_batch(X, np.ones((8, 7)))
    np.testing.assert_array_equal(model.layers[1].get_weights()[0], kept[0])
    assert K.get_value(model.optimizer.iterations) >= 1


def test_a_loss_that_wraps_another():
    def smooth(y_true, y_pred, factor):
        return factor * squares(y_true, y_pred)

    @functools.wraps(smooth)
    def loss(y_true, y_pred):
        return smooth(y_true, y_pred, 0.5)

    model = Sequential([Dense(3, input_dim=4)])
    model.compile("sgd", loss, metrics=[loss])
    target = np.ones((8, 3))
    want = 0.5 * ((target - model.predict(X)) ** 2).mean()
    assert model.evaluate(X, target, verbose=0) == pytest.approx([want, want], rel=1e-5)


def test_an_own_loss_may_meet_several_shapes():
    model = Sequential([Dense(3, input_dim=4)])
    model.compile("sgd", squares)
    outputs = model.predict(X).astype("float64")
    for target in (np.ones((8, 1)), np.ones((8, 3)), np.ones((8, 1))):
        assert model.evaluate(X, target, verbose=0) == pytest.approx(((1 - outputs) ** 2).mean(), rel=1e-5)
    with pytest.raises(ValueError, match="could not be broadcast together"):
        model.evaluate(X, np.ones((8, 2)), verbose=0)
    assert model.evaluate(X, np.ones((8, 1)), verbose=0) > 0


@pytest.mark.parametrize("gives", [None, 3.0, [1.0]])
def test_an_own_loss_that_gives_no_tensor(gives):
    def own(y_true, y_pred):
        return gives

    with pytest.raises(ValueError, match=r"the loss function `own` gave no tensor; expected a tensor made of y_true"):
        binary().compile("sgd", own)
