"""What all layers with spatial axes share, and the base of the convolutions.

What does not live here: the convolutions themselves (convolutional.py), pooling (pooling.py).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from graphc.errors import ArgumentError, ShapeError, warn
from graphc.frontend_keras import activations, constraints, initializers, regularizers
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine import layouts
from graphc.frontend_keras.engine.base_layer import Layer
from graphc.frontend_keras.engine.input_spec import InputSpec
from graphc.frontend_keras.engine.shapes import positive

KERAS_1 = MappingProxyType({
    "nb_filter": "filters", "filter_length": "kernel_size", "subsample_length": "strides", "subsample": "strides",
    "border_mode": "padding", "dim_ordering": "data_format", "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer", "b_regularizer": "bias_regularizer", "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint", "bias": "use_bias", "atrous_rate": "dilation_rate"})
"""Keyword of a convolution in Keras 1 -> its name now."""

_LAYOUTS_1 = {"tf": "channels_last", "th": "channels_first", "default": None}


def layout_of(dim_ordering: Any, args: Any = (), kwargs: Any = None) -> Any:
    """The layout that a Keras 1 dim_ordering names; anything else stays."""
    return _LAYOUTS_1.get(dim_ordering, dim_ordering) if isinstance(dim_ordering, str) else dim_ordering


CONVERT_1 = MappingProxyType({"dim_ordering": layout_of})


def sizes_apart(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator for an `__init__` that also takes the kernel's sizes one by one, as Keras 1 did.

    `Convolution2D(64, 3, 3)` and `Convolution2D(64, nb_row=3, nb_col=3)` have kernel_size=(3, 3), with a warning.
    """

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            found, given = None, args[1:]
            behind = names[len(given):]
            if len(given) <= len(names) and all(isinstance(size, int) for size in given) and all(
                    name in kwargs for name in behind):
                args, found = args[:1], (*given, *(kwargs.pop(name) for name in behind))
            if found is not None:
                _check_apart(type(self).__name__, found, kwargs)
                kwargs["kernel_size"] = found
                warn(f"Update your `{type(self).__name__}` call to the Keras 2 API: "
                     f"kernel_size={found}")
            return method(self, *args, **kwargs)

        return wrapper

    return decorate


def _check_apart(title: str, sizes: tuple[int, ...], kwargs: Mapping[str, Any]) -> None:
    """Sizes one by one beside keywords of Keras 2 may be meant as kernel_size and strides. Raises ArgumentError."""
    given = [name for name in ("kernel_size", "padding", "strides", "data_format") if name in kwargs]
    if given:
        raise ArgumentError(f"the kernel's sizes are given one by one, as in Keras 1, beside `{given[0]}` of Keras 2",
                            where=title, got=", ".join(map(str, sizes)),
                            fix=f"Write kernel_size={sizes}, and strides=... if one of them is meant as such.")


def input_of_steps(title: str, kwargs: dict[str, Any]) -> None:
    """Replace input_dim and input_length of a temporal layer by the input_shape they make, with a warning."""
    if kwargs.get("input_dim") is not None:
        shape = (kwargs.pop("input_length", None), kwargs.pop("input_dim"))
        warn(f"Update your `{title}` call to the Keras 2 API: `input_shape={shape}` instead of `input_dim` "
             "and `input_length`")
        kwargs["input_shape"] = shape


def numbers(value: Any, count: int, name: str, where: str) -> tuple[int, ...]:
    """`value`, one positive integer or `count` of them, as a tuple. Raises ArgumentError for anything else."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return (positive(value, name, where),) * count
    if len(value) != count:
        raise ArgumentError(f"The `{name}` argument must be a tuple of {count} integers", where=where,
                            got=repr(value))
    return tuple(positive(one, name, where) for one in value)


def padding_word(value: Any, where: str, *more: str) -> str:
    """`value` in lower case: valid, same, or one of `more`. Raises ArgumentError."""
    word = value.lower() if isinstance(value, str) else value
    if word not in ("valid", "same", *more):
        raise ArgumentError("The `padding` argument is unknown", where=where,
                            expected=" or ".join(map(repr, ("valid", "same", *more))), got=repr(value))
    return word


class SpatialLayer(Layer):
    """A layer over `rank` spatial axes; an error about shapes says so where the other layout would fit."""

    rank = 0
    data_format = "channels_last"

    def __init__(self, data_format: str | None = "channels_last", **kwargs: Any):
        super().__init__(**kwargs)
        try:
            self.data_format = K.normalize_data_format(data_format)
        except ArgumentError as error:
            error.where = self.name
            raise
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def channel_axis(self) -> int:
        return 1 if self.data_format == "channels_first" else -1

    @property
    def spatial_axes(self) -> range:
        """The numbers of the spatial axes of a batch."""
        first = 2 if self.data_format == "channels_first" else 1
        return range(first, first + self.rank)

    def __call__(self, inputs: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(inputs, **kwargs)
        except ShapeError as error:
            if self.data_format not in str(error):
                error.fix = f"{error.fix} The layer has data_format={self.data_format!r}.".lstrip()
            layouts.advise(error, self, inputs, kwargs)
            raise

    def channels(self, input_shape: Any) -> int:
        """The number of channels of an input of this shape. Raises ShapeError where it is not known."""
        found = input_shape[self.channel_axis]
        if found is None:
            raise ShapeError("The channel dimension of the inputs should be defined. Found `None`", where=self.name,
                             got=f"{tuple(input_shape)} with data_format={self.data_format!r}")
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self.channel_axis: found})
        return found


class Convolution(SpatialLayer):
    """Base of the layers with filters: their arguments, bias, activation and configuration.

    filters        number of output channels
    kernel_size    one size for each spatial axis; strides, dilation_rate likewise; one number stands for all
    padding        valid: none; same: zeros around, so that only strides make the output smaller
    data_format    channels_last or channels_first; None is K.image_data_format() at construction
    activation     applied to the output; use_bias: whether there is a bias of one number per filter

    Raises ArgumentError for arguments outside their domain, ShapeError for inputs that do not fit.
    """

    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Any = 1, activation: Any = None,
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.filters = positive(filters, "filters", self.name)
        self.kernel_size = numbers(kernel_size, self.rank, "kernel_size", self.name)
        self.strides = numbers(strides, self.rank, "strides", self.name)
        self.padding = padding_word(padding, self.name, *(("causal",) if self.rank == 1 else ()))
        self.dilation_rate = numbers(dilation_rate, self.rank, "dilation_rate", self.name)
        self.activation, self.use_bias = activations.get(activation), bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight("kernel", self.kernel_shape(self.channels(input_shape)),
                                      initializer=self.kernel_initializer, regularizer=self.kernel_regularizer,
                                      constraint=self.kernel_constraint)
        self.add_bias(self.filters)
        self.built = True

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        return (*self.kernel_size, channels, self.filters)

    def add_bias(self, size: int) -> None:
        self.bias: Any = self.add_weight("bias", (size,), initializer=self.bias_initializer,
                                         regularizer=self.bias_regularizer,
                                         constraint=self.bias_constraint) if self.use_bias else None

    def convolve(self, inputs: Any) -> Any:
        """The output without bias and activation."""
        convolution = (K.conv1d, K.conv2d, K.conv3d)[self.rank - 1]
        alone = self.rank == 1
        return convolution(inputs, self.kernel, strides=self.strides[0] if alone else self.strides,
                           padding=self.padding, data_format=self.data_format,
                           dilation_rate=self.dilation_rate[0] if alone else self.dilation_rate)

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        outputs = self.convolve(inputs)
        if self.use_bias:
            outputs = K.bias_add(outputs, self.bias, data_format=self.data_format)
        return self.activation(outputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters, "kernel_size": self.kernel_size,
                "strides": self.strides, "padding": self.padding, "data_format": self.data_format,
                "dilation_rate": self.dilation_rate, "activation": activations.serialize(self.activation),
                "use_bias": self.use_bias, **serialized(self, "kernel", "bias")}


def serialized(layer: Any, *weights: str) -> dict[str, Any]:
    """Initializers, regularizers and constraints of these weights, in the order of Keras's configurations."""
    shown: dict[str, Any] = {}
    for what, module in (("initializer", initializers), ("regularizer", regularizers), ("constraint", constraints)):
        for weight in weights:
            name = f"{weight}_{what}"
            shown[name] = module.serialize(getattr(layer, name))
        if what == "regularizer":
            shown["activity_regularizer"] = regularizers.serialize(layer.activity_regularizer)
    return shown
