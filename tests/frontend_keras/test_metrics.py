"""Metrics against NumPy, stateful metrics, and the configurations of later Keras versions."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ModelFormatError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import losses, metrics

RNG = np.random.default_rng(2)
SCORES = RNG.permuted(np.tile(np.linspace(0.0, 1.0, 7), (6, 1)), axis=1)
CLASSES = np.array([0, 3, 6, 2, 2, 5])


def run(function, y_true, y_pred, **options):
    symbols = [K.placeholder(shape=(None, *np.shape(y)[1:])) for y in (y_true, y_pred)]
    return K.function(symbols, [function(*symbols, **options)])([y_true, y_pred])[0]


def rank_of(scores, classes):
    own = np.take_along_axis(scores, classes[:, None], 1)
    return (scores > own).sum(-1)


def test_binary_accuracy():
    y_true = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    y_pred = np.array([[0.9, 0.1, 0.2], [0.51, 0.49, 1.2]])
    np.testing.assert_allclose(run(metrics.binary_accuracy, y_true, y_pred), [2 / 3, 2 / 3], rtol=1e-6)


def test_binary_accuracy_rounds_half_to_even():
    halves = np.array([[0.5], [0.5], [1.5]])
    assert run(metrics.binary_accuracy, np.array([[0.0], [1.0], [2.0]]), halves).tolist() == [1, 0, 1]


def test_categorical_accuracy():
    found = run(metrics.categorical_accuracy, np.eye(7)[CLASSES], SCORES)
    assert found.dtype == np.float32
    assert found.tolist() == (SCORES.argmax(-1) == CLASSES).astype(float).tolist()
    best = np.eye(7)[SCORES.argmax(-1)]
    assert run(metrics.categorical_accuracy, best, SCORES).tolist() == [1] * 6


@pytest.mark.parametrize("column", [False, True])
def test_sparse_categorical_accuracy(column):
    classes = SCORES.argmax(-1)
    classes[::2] = (classes[::2] + 1) % 7
    found = run(metrics.sparse_categorical_accuracy, classes[:, None] if column else classes, SCORES)
    assert found.tolist() == [0, 1, 0, 1, 0, 1]


def test_sparse_categorical_accuracy_over_time():
    scores = SCORES.reshape(2, 3, 7)
    classes = scores.argmax(-1)
    classes[0, 1] = (classes[0, 1] + 1) % 7
    found = run(metrics.sparse_categorical_accuracy, classes[..., None], scores)
    assert found.tolist() == [[1, 0, 1], [1, 1, 1]]


@pytest.mark.parametrize("k", [1, 3, 5, 7])
def test_top_k(k):
    expected = (rank_of(SCORES, CLASSES) < k).mean()
    found = run(metrics.top_k_categorical_accuracy, np.eye(7)[CLASSES], SCORES, k=k)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    for classes in (CLASSES, CLASSES[:, None]):
        found = run(metrics.sparse_top_k_categorical_accuracy, classes, SCORES, k=k)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_every_loss_is_a_metric():
    for name, function in losses.BUILT_IN.items():
        assert metrics.get(name) is getattr(metrics, name) is function


def test_get():
    assert metrics.get("binary_accuracy") is metrics.binary_accuracy
    assert metrics.get(np.add) is np.add
    assert metrics.serialize(metrics.mae) == "mean_absolute_error"
    with pytest.raises(ArgumentError, match=r"Unknown metric function:binary_acuracy.*'binary_accuracy'"):
        metrics.get("binary_acuracy")
    with pytest.raises(ValueError, match="Could not interpret metric function identifier"):
        metrics.get(None)


def test_wrapper_of_later_keras():
    config = {"name": "accuracy", "dtype": "float32", "fn": "categorical_accuracy"}
    assert metrics.get({"class_name": "MeanMetricWrapper", "config": config}) is metrics.categorical_accuracy
    assert metrics.get({"class_name": "CategoricalAccuracy",
                        "config": {"name": "acc", "dtype": "float32"}}) is metrics.categorical_accuracy
    assert metrics.get({"class_name": "MeanSquaredError",
                        "config": {"name": "mse", "dtype": "float32"}}) is metrics.mse
    with pytest.raises(ModelFormatError, match="BinaryAccuracy: 'threshold' is not supported"):
        metrics.get({"class_name": "BinaryAccuracy", "config": {"threshold": 0.7}})
    with pytest.raises(ArgumentError, match="Unknown metric function: AUC"):
        metrics.get({"class_name": "AUC", "config": {}})


class Counter:
    """A stateful metric, as far as cloning knows."""

    def __init__(self, start=0):
        self.start = start

    def get_config(self):
        return {"start": self.start}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def test_clones():
    counter = Counter(3)
    clone = metrics.clone_metric(counter)
    assert clone is not counter
    assert clone.start == 3
    assert metrics.clone_metric(metrics.mse) is metrics.mse
    assert metrics.clone_metrics(None) is None
    cloned = metrics.clone_metrics({"a": [counter, "acc"], "b": metrics.mae})
    assert cloned["a"][0].start == 3
    assert cloned["a"][0] is not counter
    assert cloned["a"][1] == "acc"
    assert cloned["b"] is metrics.mae
