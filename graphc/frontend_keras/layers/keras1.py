"""Layers of Keras 1 that Keras 2.2.4 still has, with a warning: MaxoutDense and Highway; and the merging of Keras 1.

What does not live here: the recurrent base of Keras 1 (keras1_recurrent.py), keywords of Keras 1 (engine/legacy.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NoReturn

from graphc.errors import ArgumentError, warn
from graphc.frontend_keras import activations, constraints, initializers, regularizers
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.base_layer import Layer
from graphc.frontend_keras.engine.input_spec import InputSpec
from graphc.frontend_keras.layers import merge as merging


class _Affine1(Layer):
    """What MaxoutDense and Highway share: the arguments of a dense layer of Keras 1, and its two kinds of weights."""

    instead = ""

    def __init__(self, init: Any, W_regularizer: Any, b_regularizer: Any,
                 activity_regularizer: Any, W_constraint: Any, b_constraint: Any, bias: bool,
                 input_dim: int | None, **kwargs: Any):
        warn(f"`{type(self).__name__}` is a layer of Keras 1, which Keras 2 keeps for old models. "
             f"{self.instead}")
        super().__init__(**({"input_shape": (input_dim,)} if input_dim else {}), **kwargs)
        self.init, self.bias, self.input_dim = initializers.get(init), bool(bias), input_dim
        self.W_regularizer, self.b_regularizer = regularizers.get(W_regularizer), regularizers.get(b_regularizer)
        self.W_constraint, self.b_constraint = constraints.get(W_constraint), constraints.get(b_constraint)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.input_spec = InputSpec(ndim=2)

    def _add_main(self, kernel: tuple[int, ...], bias: tuple[int, ...]) -> None:
        self.W = self.add_weight("W", kernel, initializer=self.init, regularizer=self.W_regularizer,
                                 constraint=self.W_constraint)
        self.b: Any = self.add_weight("b", bias, initializer="zero", regularizer=self.b_regularizer,
                                      constraint=self.b_constraint) if self.bias else None

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "init": initializers.serialize(self.init),
                "W_regularizer": regularizers.serialize(self.W_regularizer),
                "b_regularizer": regularizers.serialize(self.b_regularizer),
                "activity_regularizer": regularizers.serialize(self.activity_regularizer),
                "W_constraint": constraints.serialize(self.W_constraint),
                "b_constraint": constraints.serialize(self.b_constraint), "bias": self.bias,
                "input_dim": self.input_dim}


class MaxoutDense(_Affine1):
    """The largest of `nb_feature` affine maps: max_k(x . W[k] + b[k]), (samples, n) to (samples, output_dim).

    Goodfellow et al., Maxout Networks, 2013. Weights: W (nb_feature, n, output_dim), b (nb_feature, output_dim).
    """

    instead = "A Dense layer of output_dim * nb_feature units, Reshape and a Lambda with K.max do the same."

    def __init__(self, output_dim: int, nb_feature: int = 4, init: Any = "glorot_uniform", weights: Any = None,
                 W_regularizer: Any = None, b_regularizer: Any = None, activity_regularizer: Any = None,
                 W_constraint: Any = None, b_constraint: Any = None, bias: bool = True,
                 input_dim: int | None = None, **kwargs: Any):
        super().__init__(init, W_regularizer, b_regularizer, activity_regularizer, W_constraint, b_constraint, bias,
                         input_dim, weights=weights, **kwargs)
        self.output_dim, self.nb_feature = output_dim, nb_feature

    def build(self, input_shape: Any) -> None:
        self._add_main((self.nb_feature, input_shape[1], self.output_dim), (self.nb_feature, self.output_dim))
        self.built = True

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        maps = K.dot(inputs, self.W)
        return K.max(maps if self.b is None else maps + self.b, axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "output_dim": self.output_dim, "nb_feature": self.nb_feature}


class Highway(_Affine1):
    """t activation(x . W + b) + (1 - t) x with t = sigmoid(x . W_carry + b_carry), of the input's shape (samples, n).

    Srivastava et al., Highway Networks, 2015. Weights: W (n, n), W_carry (n, n), b (n,), b_carry (n,), which is 1 at
    first.
    """

    instead = "Dense layers, Multiply and Add do the same."

    def __init__(self, init: Any = "glorot_uniform", activation: Any = None, weights: Any = None,
                 W_regularizer: Any = None, b_regularizer: Any = None, activity_regularizer: Any = None,
                 W_constraint: Any = None, b_constraint: Any = None, bias: bool = True,
                 input_dim: int | None = None, **kwargs: Any):
        if kwargs.pop("transform_bias", None) is not None:
            warn("`transform_bias` of `Highway` is not used any more.")
        super().__init__(init, W_regularizer, b_regularizer, activity_regularizer, W_constraint, b_constraint, bias,
                         input_dim, weights=weights, **kwargs)
        self.activation = activations.get(activation)

    def build(self, input_shape: Any) -> None:
        size = input_shape[1]
        self._add_main((size, size), (size,))
        self.W_carry = self.add_weight("W_carry", (size, size), initializer=self.init)
        self.b_carry: Any = None
        if self.bias:
            self.b_carry = self.add_weight("b_carry", (size,), initializer="one")
            weights = self._trainable_weights
            weights[1:3] = weights[2:0:-1]
        self.built = True

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        gate, main = K.dot(inputs, self.W_carry), K.dot(inputs, self.W)
        if self.bias:
            gate, main = gate + self.b_carry, main + self.b
        gate = K.sigmoid(gate)
        return self.activation(main) * gate + (1 - gate) * inputs

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


# ---- merging

_MODES: Mapping[str, tuple[str, Callable[..., Any]]] = MappingProxyType({
    "sum": ("add", merging.add), "mul": ("multiply", merging.multiply), "ave": ("average", merging.average),
    "max": ("maximum", merging.maximum), "concat": ("concatenate", merging.concatenate), "dot": ("dot", merging.dot),
    "cos": ("dot", merging.dot)})


def merge(inputs: Sequence[Any], mode: Any = "sum", concat_axis: int = -1, dot_axes: Any = -1,
          output_shape: Any = None, output_mask: Any = None, arguments: Any = None, name: str | None = None) -> Any:
    """Several tensors as one, as Keras 1 wrote it; a warning names the function of Keras 2.

    mode  sum, mul, ave, max, concat (along `concat_axis`), dot or cos (over `dot_axes`), or a function of the list

    Raises ArgumentError for another mode.
    """
    from graphc.frontend_keras.layers.function_layer import Lambda
    if callable(mode):
        return Lambda(mode, output_shape=output_shape, mask=output_mask, arguments=arguments, name=name)(list(inputs))
    if mode not in _MODES:
        raise ArgumentError("no mode of `merge`", where="merge", expected=", ".join(_MODES), got=repr(mode))
    title, function = _MODES[mode]
    warn(f"`merge` is a function of Keras 1: use `keras.layers.{title}`")
    given: dict[str, Any] = {} if name is None else {"name": name}
    if mode == "concat":
        given["axis"] = concat_axis
    elif mode in ("dot", "cos"):
        given.update(axes=dot_axes, normalize=mode == "cos")
    return function(list(inputs), **given)


class Merge(Layer):
    """Keras 1 merged whole models with this; neither Keras 2.2.4 nor graphc has it. Raises ArgumentError."""

    def __init__(self, layers: Any = None, mode: Any = "sum", **kwargs: Any):
        function = f"keras.layers.{_MODES[mode][0]}" if isinstance(mode, str) and mode in _MODES else "Lambda"
        _gone("Merge", f"Use `{function}` on the models' outputs, and Model(inputs=..., outputs=...).")


class ConvRecurrent2D(Layer):
    """The base of convolutional recurrent layers before Keras 2.1. Raises ArgumentError."""

    def __init__(self, *args: Any, **kwargs: Any):
        _gone("ConvRecurrent2D", "Use `ConvLSTM2D`, or `ConvRNN2D` with a cell of your own.")


def _gone(name: str, fix: str) -> NoReturn:
    raise ArgumentError(f"`{name}` of Keras 1 is not available", where=name, fix=fix)
