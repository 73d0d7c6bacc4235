"""The estimators as Keras 2.2.4 has them, and as scikit-learn uses them."""

import copy
import functools
import pickle
import subprocess
import sys

import numpy as np
import pytest

from graphc.errors import ArgumentError
from graphc.frontend_keras import callbacks
from graphc.frontend_keras.layers import Dense
from graphc.frontend_keras.models import Sequential
from graphc.frontend_keras.wrappers.scikit_learn import BaseWrapper, KerasClassifier, KerasRegressor, NotTrainedError

RNG = np.random.default_rng(0)
POINTS = RNG.normal(0, 1, (60, 2)).astype("float32")
SIDES = np.where(POINTS[:, 0] > 0, "right", "left")
CORNERS = np.where(POINTS[:, 0] > 0, 10, 20) + np.where(POINTS[:, 1] > 0, 1, 2)
HEIGHTS = POINTS @ [1.0, -2.0]

pytestmark = pytest.mark.usefixtures("fresh_session")


def one_sigmoid(kernel="zeros"):
    model = Sequential([Dense(1, activation="sigmoid", input_dim=2, kernel_initializer=kernel)])
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    return model


def softmax(classes=4, hidden=(), loss="categorical_crossentropy"):
    model = Sequential()
    for units in hidden:
        model.add(Dense(units, activation="tanh"))
    model.add(Dense(classes, activation="softmax"))
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def line(units=1):
    model = Sequential([Dense(units, input_dim=2, kernel_initializer="zeros")])
    model.compile("sgd", "mse")
    return model


class Builder:
    def __init__(self, classes):
        self.classes = classes

    def __call__(self, hidden=()):
        return softmax(self.classes, hidden)

    def method(self, hidden=()):
        return softmax(self.classes, hidden)


class OwnClassifier(KerasClassifier):
    def __call__(self, hidden=()):
        return softmax(4, hidden)


class TestParameters:
    def test_kept(self):
        estimator = KerasClassifier(softmax, hidden=[3], epochs=2)
        assert estimator.sk_params == {"hidden": [3], "epochs": 2}
        assert estimator.get_params() == {"hidden": [3], "epochs": 2, "build_fn": softmax}
        assert estimator.set_params(epochs=3, batch_size=8) is estimator
        assert estimator.get_params(deep=False)["epochs"] == 3
        assert "hidden=[3]" in repr(estimator) and repr(estimator).startswith("KerasClassifier(")

    def test_unknown(self):
        with pytest.raises(ArgumentError, match="epoch is not a legal parameter.*Did you mean 'epochs'"):
            KerasClassifier(softmax, epoch=2)
        estimator = KerasClassifier(softmax, epochs=2)
        with pytest.raises(ValueError, match="kernel is not a legal parameter"):
            estimator.set_params(kernel="ones", epochs=9)
        assert estimator.sk_params == {"epochs": 2}
        estimator.set_params(build_fn=one_sigmoid, kernel="ones")
        with pytest.raises(ArgumentError):
            estimator.set_params(build_fn=line, classes=3)
        assert estimator.build_fn is one_sigmoid

    def test_keras_1_epochs(self):
        assert KerasClassifier(softmax, nb_epoch=2).sk_params == {"nb_epoch": 2}

    @pytest.mark.parametrize("build_fn", [None, 3])
    def test_nothing_that_builds(self, build_fn):
        with pytest.raises(ArgumentError, match="nothing that makes the model"):
            BaseWrapper(build_fn)

    def test_filter(self):
        estimator = KerasClassifier(softmax, hidden=[3], epochs=2, verbose=0)
        assert estimator.filter_sk_params(softmax) == {"hidden": [3]}
        assert estimator.filter_sk_params(Sequential.fit, {"epochs": 5, "x": 1}) == {"epochs": 5, "verbose": 0, "x": 1}

    @pytest.mark.parametrize("build_fn", [Builder(4), Builder(4).method, functools.partial(softmax, 4)],
                             ids=["instance", "method", "partial"])
    def test_kinds_of_builders(self, build_fn):
        estimator = KerasClassifier(build_fn, hidden=[5], verbose=0)
        estimator.fit(POINTS, CORNERS)
        assert estimator.model.layers[0].units == 5

    def test_own_class(self):
        estimator = OwnClassifier(hidden=[6], verbose=0)
        estimator.fit(POINTS, CORNERS)
        assert estimator.model.layers[0].units == 6


class TestClassifier:
    def test_one_sigmoid(self):
        estimator = KerasClassifier(one_sigmoid, kernel="ones", epochs=1, verbose=0)
        history = estimator.fit(POINTS, SIDES)
        assert len(history.history["acc"]) == 1
        assert estimator.classes_.tolist() == ["left", "right"] and estimator.n_classes_ == 2
        kernel, bias = estimator.model.get_weights()
        right = 1 / (1 + np.exp(-(POINTS @ kernel + bias)))
        np.testing.assert_allclose(estimator.predict_proba(POINTS), np.hstack([1 - right, right]), atol=1e-6)
        predicted = np.where(right[:, 0] > 0.5, "right", "left")
        assert estimator.predict(POINTS).tolist() == predicted.tolist()
        assert estimator.score(POINTS, SIDES) == pytest.approx((predicted == SIDES).mean(), abs=1e-6)

    @pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
    @pytest.mark.parametrize("column", [False, True])
    def test_labels_become_indices(self, loss, column):
        y = CORNERS[:, None] if column else CORNERS
        estimator = KerasClassifier(softmax, loss=loss, verbose=0)
        estimator.fit(POINTS, y)
        assert estimator.classes_.tolist() == [11, 12, 21, 22]
        found = estimator.predict(POINTS)
        assert found.tolist() == estimator.classes_[estimator.predict_proba(POINTS).argmax(1)].tolist()
        assert estimator.score(POINTS, y) == pytest.approx((found == CORNERS).mean(), abs=1e-6)

    def test_score_of_some_classes(self):
        estimator = KerasClassifier(softmax, verbose=0)
        estimator.fit(POINTS, CORNERS)
        some = CORNERS < 20
        expected = (estimator.predict(POINTS[some]) == CORNERS[some]).mean()
        assert estimator.score(POINTS[some], CORNERS[some]) == pytest.approx(expected, abs=1e-6)

    def test_rows_of_probabilities(self):
        rows = np.eye(3)[RNG.integers(0, 3, 60)]
        estimator = KerasClassifier(softmax, classes=3, verbose=0)
        estimator.fit(POINTS, rows)
        assert estimator.classes_.tolist() == [0, 1, 2]
        expected = (estimator.predict(POINTS) == rows.argmax(1)).mean()
        assert estimator.score(POINTS, rows) == pytest.approx(expected, abs=1e-6)

    def test_sample_weight(self):
        weights = np.where(SIDES == "right", 1.0, 0.0)
        estimator = KerasClassifier(one_sigmoid, verbose=0, batch_size=60)
        estimator.fit(POINTS, SIDES, sample_weight=weights)
        # one step of SGD at 0.01 from p = 1/2, where all that count have label 1: bias += 0.01 * (1 - 1/2)
        np.testing.assert_allclose(estimator.model.get_weights()[1], [0.005], rtol=1e-5)

    def test_arguments_of_a_call_win(self):
        counted = []
        counter = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: counted.append(epoch))
        estimator = KerasClassifier(one_sigmoid, verbose=0, epochs=5, nb_epoch=7)
        estimator.fit(POINTS, SIDES, epochs=2, callbacks=[counter])
        assert counted == [0, 1]

    def test_lists(self):
        estimator = KerasClassifier(one_sigmoid, verbose=0)
        estimator.fit(POINTS.tolist(), SIDES.tolist())
        assert estimator.predict(POINTS[:3].tolist()).tolist() == estimator.predict(POINTS[:3]).tolist()
        assert estimator.n_features_in_ == 2

    def test_refusals(self):
        estimator = KerasClassifier(one_sigmoid, verbose=0)
        for ask in (estimator.predict, estimator.predict_proba):
            with pytest.raises(NotTrainedError, match="Call fit first"):
                ask(POINTS)
        with pytest.raises(ArgumentError, match="Invalid shape for y"):
            estimator.fit(POINTS, np.zeros((60, 2, 2)))
        estimator.fit(POINTS, SIDES)
        with pytest.raises(ArgumentError, match="not there in fit.*'up'"):
            estimator.score(POINTS[:2], ["left", "up"])
        estimator.model.compile("sgd", "binary_crossentropy")
        with pytest.raises(ValueError, match="not configured to compute accuracy"):
            estimator.score(POINTS, SIDES)


class TestRegressor:
    def test_line(self):
        estimator = KerasRegressor(line, epochs=3, verbose=0)
        estimator.fit(POINTS, HEIGHTS)
        kernel, bias = estimator.model.get_weights()
        expected = (POINTS @ kernel + bias)[:, 0]
        np.testing.assert_allclose(estimator.predict(POINTS), expected, atol=1e-6)
        assert estimator.predict(POINTS[:1]).shape == (1,)
        assert estimator.score(POINTS, HEIGHTS) == pytest.approx(-np.mean((expected - HEIGHTS) ** 2), rel=1e-5)

    def test_several_outputs_and_metrics(self):
        estimator = KerasRegressor(line, units=2, verbose=0)
        estimator.fit(POINTS, POINTS)
        assert estimator.predict(POINTS).shape == (60, 2)
        estimator.model.compile("sgd", "mse", metrics=["mae"])
        expected = -np.mean((estimator.predict(POINTS) - POINTS) ** 2)
        assert estimator.score(POINTS, POINTS) == pytest.approx(expected, rel=1e-5)


class Rows:
    """Numbers that can be asked for their rows, and not for all at once, as those in a large file."""

    def __init__(self, numbers):
        self.numbers, self.shape, self.dtype = numbers, numbers.shape, numbers.dtype

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, rows):
        return self.numbers[rows]

    def __array__(self, dtype=None, copy=None):
        raise MemoryError


class TestDataThatIsNoArray:
    """Sparse matrices and rows in files are what the model takes, so that all results are those of the same numbers."""

    KINDS = ("csr_matrix", "csr_array", "csc_matrix", "rows")

    @staticmethod
    def made(kind):
        return Rows(POINTS) if kind == "rows" else getattr(pytest.importorskip("scipy.sparse"), kind)(POINTS)

    @pytest.mark.parametrize("kind", KINDS)
    def test_classifier(self, kind):
        x, estimator = self.made(kind), KerasClassifier(one_sigmoid, kernel="ones", verbose=0)
        estimator.fit(x, SIDES, shuffle=False, validation_data=(x, SIDES == "right"))
        kernel, bias = estimator.model.get_weights()
        right = 1 / (1 + np.exp(-(POINTS @ kernel + bias)))
        np.testing.assert_allclose(estimator.predict_proba(x), np.hstack([1 - right, right]), atol=1e-6)
        predicted = np.where(right[:, 0] > 0.5, "right", "left")
        assert estimator.predict(x).tolist() == predicted.tolist()
        assert estimator.score(x, SIDES) == pytest.approx((predicted == SIDES).mean(), abs=1e-6)
        assert estimator.n_features_in_ == 2

    @pytest.mark.parametrize("kind", KINDS)
    def test_regressor(self, kind):
        x, estimator = self.made(kind), KerasRegressor(line, batch_size=60, verbose=0)
        estimator.fit(x, HEIGHTS)
        kernel, bias = estimator.model.get_weights()
        # one step of SGD at 0.01 from zeros: the gradient of mean((0 - y)^2) is -2 x^T y / 60
        np.testing.assert_allclose(kernel[:, 0], 0.02 * POINTS.T @ HEIGHTS / 60, rtol=1e-4)
        expected = (POINTS @ kernel + bias)[:, 0]
        np.testing.assert_allclose(estimator.predict(x), expected, atol=1e-6)
        assert estimator.score(x, HEIGHTS) == pytest.approx(-np.mean((expected - HEIGHTS) ** 2), rel=1e-5)


class TestScikitLearn:
    """What scikit-learn itself does with an estimator; its own results are the reference."""

    def test_kinds(self):
        base = pytest.importorskip("sklearn.base")
        classifier, regressor = KerasClassifier(one_sigmoid), KerasRegressor(line)
        assert base.is_classifier(classifier) and not base.is_classifier(regressor)
        assert base.is_regressor(regressor) and not base.is_regressor(classifier)

    @pytest.mark.parametrize("estimator", [
        KerasClassifier(softmax, hidden=[3, 4], callbacks=[callbacks.EarlyStopping()]), KerasClassifier(Builder(4)),
        OwnClassifier(hidden=(3,)), KerasRegressor(line)], ids=["lists", "instance", "own", "regressor"])
    def test_clone(self, estimator):
        clone = pytest.importorskip("sklearn.base").clone(estimator)
        assert type(clone) is type(estimator) and clone is not estimator
        assert set(clone.get_params()) == set(estimator.get_params())
        assert not hasattr(clone, "model")

    def test_grid_search(self):
        selection = pytest.importorskip("sklearn.model_selection")
        grid = selection.GridSearchCV(KerasClassifier(softmax, verbose=0, epochs=2), {"hidden": [(), (3,)],
                                                                                    "batch_size": [20]}, cv=2)
        grid.fit(POINTS, CORNERS)
        assert set(grid.best_params_) == {"hidden", "batch_size"}
        assert grid.score(POINTS, CORNERS) == grid.best_estimator_.score(POINTS, CORNERS)
        assert np.isfinite(grid.cv_results_["mean_test_score"]).all()

    def test_cross_validation(self):
        selection = pytest.importorskip("sklearn.model_selection")
        estimator = KerasClassifier(one_sigmoid, kernel="ones", verbose=0, epochs=3)
        scores = selection.cross_val_score(estimator, POINTS, SIDES, cv=3)
        assert scores.shape == (3,) and (scores > 0.5).all()  # a kernel of ones already sees the side
        by_metric = selection.cross_val_score(estimator, POINTS, SIDES, cv=3, scoring="roc_auc")
        assert (by_metric > 0.5).all()

    def test_sparse_matrices(self):
        """Folds of a sparse matrix score as those of the dense one."""
        selection, sparse = pytest.importorskip("sklearn.model_selection"), pytest.importorskip("scipy.sparse")
        estimator = KerasClassifier(one_sigmoid, kernel="ones", verbose=0, shuffle=False)
        scores = [selection.cross_val_score(estimator, x, SIDES, cv=3) for x in (sparse.csr_matrix(POINTS), POINTS)]
        np.testing.assert_allclose(*scores)
        tags = pytest.importorskip("sklearn.utils")
        assert not hasattr(tags, "get_tags") or tags.get_tags(estimator).input_tags.sparse

    def test_pipeline(self):
        pipeline = pytest.importorskip("sklearn.pipeline")
        preprocessing = pytest.importorskip("sklearn.preprocessing")
        chain = pipeline.make_pipeline(preprocessing.StandardScaler(), KerasRegressor(line, verbose=0))
        chain.fit(POINTS * 100, HEIGHTS, kerasregressor__epochs=2)
        scaled = chain[0].transform(POINTS * 100)
        np.testing.assert_array_equal(chain.predict(POINTS * 100), chain[1].predict(scaled))
        assert chain.set_params(kerasregressor__epochs=4)[1].sk_params["epochs"] == 4
        assert "KerasRegressor" in repr(chain)

    def test_copies_of_a_fitted_one(self):
        pytest.importorskip("sklearn.utils.validation").check_is_fitted(self.fitted())
        estimator = self.fitted()
        for twin in (copy.deepcopy(estimator), pickle.loads(pickle.dumps(estimator))):
            np.testing.assert_array_equal(twin.predict_proba(POINTS), estimator.predict_proba(POINTS))

    @staticmethod
    def fitted():
        estimator = KerasClassifier(one_sigmoid, verbose=0)
        estimator.fit(POINTS, SIDES)
        return estimator


def test_nothing_heavy_is_imported():
    code = ("import sys; import graphc.frontend_keras.wrappers.scikit_learn; "
            "print(sorted({'sklearn', 'pydot', 'PIL', 'scipy', 'h5py', 'numba'} & set(sys.modules)))")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
