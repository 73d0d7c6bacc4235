"""What tests of layers and models need: data, and a test that any layer with one input and one output must pass.

What does not live here: graphc's own tests.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.input_layer import Input
from graphc.frontend_keras.engine.training import Model
from graphc.frontend_keras.utils.generic_utils import has_arg

__all__ = ["get_test_data", "keras_test", "layer_test"]

Pair = tuple[np.ndarray, np.ndarray]


def get_test_data(num_train: int = 1000, num_test: int = 500, input_shape: tuple[int, ...] = (10,),
                  output_shape: tuple[int, ...] = (2,), classification: bool = True,
                  num_classes: int = 2) -> tuple[Pair, Pair]:
    """Data that can be learned, of np.random: ((x, y) to train on, (x, y) to test on), x in float32.

    classification  labels y from 0 to num_classes - 1, the inputs spread around them with deviation 0.7
    otherwise       inputs and targets of `output_shape` spread around a number of each sample's own
    """
    samples = num_train + num_test
    inputs = int(np.prod(input_shape))
    if classification:
        y: np.ndarray = np.random.randint(0, num_classes, size=(samples,))
        centres: np.ndarray = y
        noise = np.random.normal(0.0, 0.7, (samples, inputs))
    else:
        centres = np.random.random((samples,))
        noise = np.random.normal(0.0, 0.7, (samples, inputs + int(np.prod(output_shape))))
        y = (centres[:, None] + noise[:, inputs:]).reshape(samples, *output_shape).astype(np.float32)
    x = (centres[:, None] + noise[:, :inputs]).reshape(samples, *input_shape).astype(np.float32)
    return (x[:num_train], y[:num_train]), (x[num_train:], y[num_train:])


def layer_test(layer_cls: Any, kwargs: Mapping[str, Any] = {}, input_shape: Any = None,
               input_dtype: Any = None, input_data: Any = None, expected_output: Any = None,
               expected_output_dtype: Any = None, fixed_batch_size: bool = False) -> np.ndarray:
    """Take a layer through all that a layer does; returns what it predicts for the input.

    kwargs                 of layer_cls
    input_shape            with the batch axis; None stands for one to three. Default: that of input_data
    input_data             default: random numbers from 0 to 10 of input_dtype
    expected_output        compared with what the layer predicts, to 1e-3
    expected_output_dtype  default: that of the input
    fixed_batch_size       whether the input takes batches of input_shape[0] samples only

    Asked are: weights can be read and set; shape and type of the output are those announced; a model made again of
    its configuration, with the same weights, predicts the same; training goes where the layer behaves otherwise then.
    Raises AssertionError.
    """
    data, input_shape, dtype = _input(input_shape, input_dtype, input_data)
    layer = _with_weights(layer_cls, dict(kwargs))
    announced = layer.compute_output_shape(input_shape)
    x = Input(batch_shape=input_shape, dtype=dtype) if fixed_batch_size else Input(shape=input_shape[1:], dtype=dtype)
    y = layer(x)
    _check(K.dtype(y) == (expected_output_dtype or dtype), "type of the output", expected_output_dtype or dtype,
           K.dtype(y))
    model = Model(x, y)
    found = model.predict(data)
    fits = len(announced) == found.ndim and all(a in (None, b) for a, b in zip(announced, found.shape))
    _check(fits, "shape of the output", announced, found.shape)
    if expected_output is not None:
        np.testing.assert_allclose(found, expected_output, rtol=1e-3)
    again = type(model).from_config(model.get_config(), {layer_cls.__name__: layer_cls})
    if model.weights:
        again.set_weights(model.get_weights())
        np.testing.assert_allclose(again.predict(data), found, rtol=1e-3)
    if has_arg(layer.call, "training"):
        model.compile("rmsprop", "mse")
        model.train_on_batch(data, found)
    layer_cls.from_config({**layer.get_config(), "batch_input_shape": input_shape})
    return found


def _input(shape: Any, dtype: Any, data: Any) -> tuple[np.ndarray, tuple[Any, ...], str]:
    if data is not None:
        return data, tuple(data.shape if shape is None else shape), str(dtype or data.dtype)
    _check(bool(shape), "input", "input_data or input_shape", shape)
    sizes = [int(np.random.randint(1, 4)) if size is None else size for size in shape]
    dtype = str(dtype or K.floatx())
    return (10 * np.random.random(sizes)).astype(dtype), tuple(shape), dtype


def _with_weights(layer_cls: Any, kwargs: dict[str, Any]) -> Any:
    """The layer, made again with its first weights where it has any before it is built."""
    layer = layer_cls(**kwargs)
    weights = layer.get_weights()
    layer.set_weights(weights)
    if weights and has_arg(layer_cls.__init__, "weights"):
        return layer_cls(**{**kwargs, "weights": weights})
    return layer


def _check(holds: bool, what: str, expected: Any, got: Any) -> None:
    if not holds:
        raise AssertionError(f"{what}: expected {expected}, got {got}")


def keras_test(func: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator: after the test, passed or not, the session is cleared."""

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return func(*args, **kwargs)
        finally:
            K.clear_session()

    return wrapper
