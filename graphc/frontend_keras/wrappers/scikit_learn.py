"""Models as scikit-learn's estimators: for clone, cross validation, grid search and pipelines.

scikit-learn itself is not needed, unless it is what asks. What does not live here: training and prediction (engine/).
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, GraphcError
from graphc.frontend_keras.engine.sequential import Sequential
from graphc.frontend_keras.utils.checks import did_you_mean
from graphc.frontend_keras.utils.generic_utils import has_arg, to_list
from graphc.frontend_keras.utils.np_utils import to_categorical

__all__ = ["BaseWrapper", "KerasClassifier", "KerasRegressor", "NotTrainedError"]

_USES: tuple[Callable[..., Any], ...] = (Sequential.fit, Sequential.predict, Sequential.predict_classes,
                                         Sequential.evaluate)


class NotTrainedError(GraphcError, ValueError, AttributeError):
    """A prediction was asked of an estimator that has not been fitted."""


class BaseWrapper:
    """What KerasClassifier and KerasRegressor share: the model's maker and its parameters.

    build_fn   makes and compiles a model: a function, anything else with `__call__`, or None, where a subclass
               defines `__call__` itself. Its arguments are parameters of the estimator, and should have defaults.
    sk_params  values of these parameters, and of arguments of a model's fit, predict, predict_classes and evaluate.
               An argument of a call wins over one given here.

    Raises ArgumentError (a ValueError) for other parameters.
    """

    _estimator_type = ""  # what scikit-learn before 1.6 reads

    def __init__(self, build_fn: Callable[..., Any] | None = None, **sk_params: Any):
        self.build_fn, self.sk_params = build_fn, sk_params
        self.check_params(sk_params)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({shown})"

    # ---- parameters

    def check_params(self, params: Mapping[str, Any]) -> None:
        """Raises ArgumentError (a ValueError) where nothing takes one of these parameters."""
        takers = [*_USES, self._maker()]
        for name in params:
            if name != "nb_epoch" and not any(has_arg(taker, name) for taker in takers):
                known = [parameter for taker in takers for parameter in inspect.signature(taker).parameters]
                raise ArgumentError(f"{name} is not a legal parameter", where=type(self).__name__,
                                    expected="an argument of build_fn, fit, predict, predict_classes or evaluate",
                                    fix=did_you_mean(name, known))

    def get_params(self, deep: bool = True, **params: Any) -> dict[str, Any]:
        """Parameters and their values, the very objects, as scikit-learn's clone wants them; arguments change nothing.
        """
        return {**self.sk_params, "build_fn": self.build_fn}

    def set_params(self, **params: Any) -> BaseWrapper:
        """Change parameters, all or, after an exception, none. Raises ArgumentError (a ValueError)."""
        before = self.build_fn
        self.build_fn = params.pop("build_fn", before)
        try:
            self.check_params(params)
        except ArgumentError:
            self.build_fn = before
            raise
        self.sk_params.update(params)
        return self

    def filter_sk_params(self, fn: Callable[..., Any], override: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The parameters that `fn` takes, then those of `override`, whoever takes them."""
        return {**{name: value for name, value in self.sk_params.items() if has_arg(fn, name)}, **(override or {})}

    def _maker(self) -> Callable[..., Any]:
        maker = self if self.build_fn is None else self.build_fn
        if not callable(maker):
            raise ArgumentError("there is nothing that makes the model", where=type(self).__name__,
                                expected="a function `build_fn`, or a subclass that defines __call__",
                                got=repr(self.build_fn))
        return maker

    # ---- training

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """Make a new model and train it.

        x  what the model takes: (samples, features) or others; also a list of rows, a table of pandas, or a sparse
           matrix
        y  (samples,) or (samples, outputs)

        Keywords are those of a model's fit. Returns its History.
        """
        maker, x = self._maker(), array_like(x)
        model = maker(**self.filter_sk_params(maker))
        history = model.fit(x, self._targets(model, array_like(y)),
                            **{**copy.deepcopy(self.filter_sk_params(Sequential.fit)), **kwargs})
        self.model = model
        shape: tuple[int, ...] = getattr(x, "shape", ())
        if len(shape) == 2:
            self.n_features_in_ = shape[1]
        return history

    def _targets(self, model: Any, y: Any, classes: int | None = None) -> Any:
        """One-hot rows of `y` where the model's loss wants them."""
        loss = getattr(model.loss, "__name__", model.loss)
        return to_categorical(y, classes) if loss == "categorical_crossentropy" and np.ndim(y) != 2 else y

    def _trained(self) -> Any:
        if not self.__sklearn_is_fitted__():
            raise NotTrainedError("the estimator has not been fitted yet", where=type(self).__name__,
                                  fix="Call fit first.")
        return self.model

    # ---- scikit-learn's protocol

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model")

    def __sklearn_tags__(self) -> Any:
        tags, kind = import_module("sklearn.utils"), self._estimator_type or None
        return tags.Tags(estimator_type=kind, target_tags=tags.TargetTags(required=True),
                         classifier_tags=tags.ClassifierTags() if kind == "classifier" else None,
                         regressor_tags=tags.RegressorTags() if kind == "regressor" else None,
                         input_tags=tags.InputTags(three_d_array=True, sparse=True), non_deterministic=True)


def array_like(x: Any) -> Any:
    """Lists of numbers as an array. What the model takes itself stays: arrays, tables, sparse matrices and data in HDF5
    files, which have a shape, and the data of several inputs."""
    several = isinstance(x, (list, tuple)) and len(x) > 0 and hasattr(x[0], "shape")
    return x if several or isinstance(x, dict) or hasattr(x, "shape") else np.asarray(x)


class KerasClassifier(BaseWrapper):
    """A model as a classifier. Labels may be anything that sorts; the model sees them as 0, 1, 2, ..."""

    _estimator_type = "classifier"

    def fit(self, x: Any, y: Any, sample_weight: Any = None, **kwargs: Any) -> Any:
        """Make a new model and train it; afterwards `classes_` are the labels, sorted, and `n_classes_` their number.

        y              labels (samples,) or (samples, 1), or rows of class probabilities (samples, classes)
        sample_weight  (samples,)

        Keywords are those of a model's fit. Returns its History. Raises ArgumentError (a ValueError) for another shape.
        """
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] > 1:
            classes = np.arange(y.shape[1])
        elif y.ndim == 1 or y.ndim == 2:
            classes, y = np.unique(y), y.reshape(len(y))
            y = np.searchsorted(classes, y)
        else:
            raise ArgumentError(f"Invalid shape for y: {y.shape}", where=type(self).__name__,
                                expected="(samples,) or (samples, classes)")
        self.classes_, self.n_classes_ = classes, len(classes)
        if sample_weight is not None:
            kwargs["sample_weight"] = sample_weight
        return super().fit(x, y, **kwargs)

    def _targets(self, model: Any, y: Any, classes: int | None = None) -> Any:
        return super()._targets(model, y, self.n_classes_)

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """The labels (samples,) that the model finds most likely. Keywords are those of predict_classes."""
        found = self._trained().predict(array_like(x), **self.filter_sk_params(Sequential.predict_classes, kwargs))
        classes = found.argmax(axis=-1) if found.shape[-1] > 1 else (found[..., 0] > 0.5).astype("int32")
        return self.classes_[classes]

    def predict_proba(self, x: Any, **kwargs: Any) -> np.ndarray:
        """Probabilities (samples, classes); those of one sigmoid stand for two classes."""
        found = self._trained().predict(array_like(x), **self.filter_sk_params(Sequential.predict_proba, kwargs))
        return np.hstack([1 - found, found]) if found.shape[1] == 1 else found

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """The accuracy that the model itself counts. Keywords are those of a model's evaluate.

        Raises ArgumentError (a ValueError) where the model was compiled without metrics=["accuracy"], or where a
        label was not among those of fit.
        """
        model = self._trained()
        indices = self._indices(np.asarray(y))
        found = model.evaluate(array_like(x), self._targets(model, indices),
                               **self.filter_sk_params(Sequential.evaluate, kwargs))
        scores = dict(zip(model.metrics_names, to_list(found)))
        if "acc" not in scores:
            raise ArgumentError("The model is not configured to compute accuracy", where=type(self).__name__,
                                fix='Pass `metrics=["accuracy"]` to the `model.compile()` method.')
        return scores["acc"]

    def _indices(self, y: np.ndarray) -> np.ndarray:
        if y.ndim == 2 and y.shape[1] > 1:
            return y
        places = np.minimum(np.searchsorted(self.classes_, y), self.n_classes_ - 1)
        unknown = y[self.classes_[places] != y]
        if unknown.size:
            raise ArgumentError("a label that was not there in fit", where=type(self).__name__,
                                expected=f"one of {self.classes_!r:.200}", got=repr(unknown[0]))
        return places.reshape(len(y))


class KerasRegressor(BaseWrapper):
    """A model as a regressor."""

    _estimator_type = "regressor"

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """Predictions (samples,), or (samples, outputs) of a model of several. Keywords are those of predict."""
        found = self._trained().predict(array_like(x), **self.filter_sk_params(Sequential.predict, kwargs))
        return found[..., 0] if found.shape[-1] == 1 else found

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """Minus the model's loss, so that more is better. Keywords are those of a model's evaluate."""
        loss = self._trained().evaluate(array_like(x), array_like(y),
                                        **self.filter_sk_params(Sequential.evaluate, kwargs))
        return -to_list(loss)[0]
