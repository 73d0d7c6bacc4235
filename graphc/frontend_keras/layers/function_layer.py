"""Lambda: a function as a layer.

What does not live here: code in files. Keras stores a lambda's bytecode; here a function is only ever found by
name among the custom objects, and bytecode is never read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphc.errors import ArgumentError, ModelFormatError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine import dialects
from graphc.frontend_keras.engine.base_layer import Layer
from graphc.frontend_keras.utils.generic_utils import get_custom_objects, has_arg


class FunctionName(str):
    """A function's name in a configuration, with the function itself for readers in the same process.

    Written to a file, pickled or read from one it is the name alone.
    """

    function: Callable[..., Any]

    def __new__(cls, function: Callable[..., Any]) -> FunctionName:
        made = super().__new__(cls, getattr(function, "__name__", type(function).__name__))
        made.function = function
        return made

    def __copy__(self) -> FunctionName:
        return self

    def __deepcopy__(self, memo: Any) -> FunctionName:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


_KNOWN: dict[str, Callable[..., Any]] = {}


def know_function(function: Callable[..., Any]) -> None:
    """Let configurations name this function of graphc's own."""
    _KNOWN[function.__name__] = function


_CODE_KEYS = ("function", "function_type", "output_shape", "output_shape_type", "mask", "module",
              "output_shape_module")


class Lambda(Layer):
    """A function of K as a layer.

    function      (inputs, mask=None?, **arguments) -> tensor
    output_shape  what compute_output_shape answers: the shape of one sample's output, or a function of the input's
                  shape. A call does not need it: its shape follows from the function
    mask          the mask of the output: a tensor, or a function (inputs, mask)
    arguments     keywords for the function
    """

    def __init__(self, function: Callable[..., Any], output_shape: Any = None, mask: Any = None,
                 arguments: Mapping[str, Any] | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        if not callable(function):
            raise ArgumentError("`function` is not a function", where=self.name, got=repr(function))
        self.function, self.arguments = function, dict(arguments or {})
        self._output_shape, self.mask = output_shape, mask
        self.supports_masking = mask is not None

    def call(self, inputs: Any, mask: Any = None) -> Any:  # type: ignore[override]
        arguments = dict(self.arguments)
        if has_arg(self.function, "mask"):
            arguments["mask"] = mask
        output = self.function(inputs, **arguments)
        return output if isinstance(output, list) or K.is_tensor(output) else K.constant(output)

    def compute_output_shape(self, input_shape: Any) -> Any:
        if self._output_shape is None:
            return super().compute_output_shape(input_shape)
        if not callable(self._output_shape):
            first = input_shape[0] if isinstance(input_shape, list) else input_shape
            return (first[0], *self._output_shape)
        shape = self._output_shape(input_shape)
        if not isinstance(shape, (list, tuple)):
            raise ArgumentError("`output_shape` function must return a tuple or a list of tuples", where=self.name,
                                got=repr(shape))
        return shape if isinstance(shape, list) and shape and isinstance(shape[0], (list, tuple)) else tuple(shape)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def get_config(self) -> dict[str, Any]:
        """The function's name stands for it: read from a file, this needs custom_objects={name: function}."""
        shape = self._output_shape
        return {**super().get_config(), "function": FunctionName(self.function), "function_type": "function",
                "output_shape": FunctionName(shape) if callable(shape) else shape,
                "output_shape_type": "function" if callable(shape) else "raw", "arguments": self.arguments}

    @classmethod
    def from_config(cls, config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """A Lambda whose function is a custom object, by its own name or by the name of the layer; the function itself
        where the configuration is what get_config() returned.

        Raises ModelFormatError where there is none: no code is read from a configuration.
        """
        if not isinstance(config, Mapping):
            raise ModelFormatError("the configuration of a layer is not a dict", where="Lambda", got=f"{config!r:.100}")
        known = {**_KNOWN, **get_custom_objects(), **(custom_objects or {})}
        plain = {key: value for key, value in config.items() if key not in _CODE_KEYS}
        found = _function_of(config, known)
        shape = config.get("output_shape")
        if isinstance(shape, FunctionName):
            shape = shape.function
        plain = dialects.layer_keywords(cls, plain)
        return cls(found, output_shape=None if isinstance(shape, str) else shape, **plain)


def _function_of(config: Mapping[str, Any], known: Mapping[str, Any]) -> Callable[..., Any]:
    stored, layer_name = config.get("function"), str(config.get("name"))
    if isinstance(stored, FunctionName):
        return stored.function
    if isinstance(stored, Mapping):
        stored = stored.get("config")
    for name in (stored, layer_name):
        if isinstance(name, str) and callable(known.get(name)):
            return known[name]
    what = f"the function {stored!r:.60}" if isinstance(stored, str) else "a function stored as code"
    raise ModelFormatError(f"{what} is not read from a file", where=f"Lambda {layer_name}",
                           fix=f"Pass custom_objects={{{stored if isinstance(stored, str) else layer_name!r}: "
                               "the_function}.")
