"""The base of all layers: its weights, its calls, its configuration.

What does not live here: the record of its calls (node.py, node_access.py), losses and updates
(attachments.py), demands on inputs (input_spec.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, GraphcError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import initializers
from graphc.frontend_keras.engine import dialects, layouts
from graphc.frontend_keras.engine.attachments import Attachments
from graphc.frontend_keras.engine.copies import Copyable
from graphc.frontend_keras.engine.input_spec import InputSpec, check_inputs, symbolic_inputs
from graphc.frontend_keras.engine.legacy import shape_first
from graphc.frontend_keras.engine.node import Node
from graphc.frontend_keras.engine.node_access import NodeAccess
from graphc.frontend_keras.engine.shapes import StaticShape, default_name, shape_argument, snake_case
from graphc.frontend_keras.utils.checks import KeywordError, did_you_mean
from graphc.frontend_keras.utils.generic_utils import has_arg, is_all_none, to_list, unpack_singleton

MAX_WEIGHT = 1 << 40  # numbers in one weight
MAX_OUTPUT = 1 << 53  # numbers that a row of an output may have

KEYWORDS = ("input_shape", "input_dim", "batch_input_shape", "batch_size", "dtype", "name", "trainable", "weights",
            "input_dtype")

_trainable_clock = [0]


def trainable_clock() -> int:
    """How often any layer's `trainable` has changed: no change, nothing to check."""
    return _trainable_clock[0]


class NotBuiltLayerError(GraphcError, RuntimeError):
    """A question about weights was asked before the layer had any."""


class Layer(NodeAccess, Attachments, Copyable):
    """Base of the layers: subclasses define `call`, those with weights also `build`.

    name               unique within a model; default `dense_1`, `dense_2`, ...
    trainable          whether training changes the weights
    input_shape        shape of one input sample, for the first layer of a Sequential; input_dim=n is (n,)
    batch_size         number of samples of a batch, where it is fixed
    batch_input_shape  both of them in one
    dtype              element type of the input
    weights            arrays to start from instead of the initializers

    Raises KeywordError (a TypeError) for other keywords.
    """

    input_spec: Any = None
    supports_masking = False
    stateful = False
    activity_regularizer: Any = None
    _trainable = True

    def __init__(self, **kwargs: Any):
        for keyword in kwargs:
            if keyword not in KEYWORDS:
                raise KeywordError(f"Keyword argument not understood: {keyword}", where=type(self).__name__,
                                   fix=did_you_mean(keyword, KEYWORDS))
        self.name = str(kwargs.get("name") or self._default_name())
        self.trainable = bool(kwargs.get("trainable", True))
        self.built = False
        self._trainable_weights: list[Any] = []
        self._non_trainable_weights: list[Any] = []
        self._inbound_nodes: list[Node] = []
        self._outbound_nodes: list[Node] = []
        self._initial_weights = kwargs.get("weights")
        self._penalised_weights: list[tuple[Any, Any]] = []
        self._clear_attachments()
        self._take_input_shape(kwargs)

    def _default_name(self) -> str:
        return default_name(snake_case(type(self).__name__))

    def _take_input_shape(self, given: Mapping[str, Any]) -> None:
        if given.get("batch_input_shape") is not None:
            shape = shape_argument(given["batch_input_shape"], "batch_input_shape", self.name)
        elif "input_shape" in given:
            shape = (given.get("batch_size"), *shape_argument(given["input_shape"], "input_shape", self.name))
        elif given.get("input_dim") is not None:
            shape = (given.get("batch_size"), *shape_argument((given["input_dim"],), "input_dim", self.name))
        else:
            return
        self.batch_input_shape = shape
        self.dtype = given.get("dtype") or given.get("input_dtype") or K.floatx()

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if value != self._trainable:
            _trainable_clock[0] += 1
        self._trainable = value

    # ---- weights

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs of this shape; here there are none."""
        self.built = True

    @shape_first
    def add_weight(self, name: str | None = None, shape: Sequence[int] = (), dtype: str | None = None,
                   initializer: Any = None, regularizer: Any = None, trainable: bool = True,
                   constraint: Any = None) -> Any:
        """A new variable of the layer, initialised when it is first needed.

        regularizer  a penalty on it that joins the total loss
        constraint   applied after each update

        Keras 1's order, in which the shape comes first, is taken too. Raises ArgumentError for an unknown shape.
        """
        if any(size is None for size in shape):
            raise ArgumentError(f"the shape of the weight {name!r} is not known", where=self.name, got=tuple(shape),
                                fix="Give the layers before it an input_shape without None here.")
        if prod(int(size) for size in shape) > MAX_WEIGHT:
            raise ShapeError(f"the weight {name!r} is too large", where=self.name,
                             expected=f"at most {MAX_WEIGHT} numbers", got=tuple(shape))
        dtype = dtype or K.floatx()
        first = initializers.first_value(initializers.get(initializer or "glorot_uniform"), tuple(shape), dtype)
        variable = K.variable(first, dtype=dtype, name=name, constraint=constraint)
        if regularizer is not None:
            with K.name_scope("weight_regularizer"):
                self.add_loss(regularizer(variable))
            self._penalised_weights.append((regularizer, variable))
        (self._trainable_weights if trainable else self._non_trainable_weights).append(variable)
        return variable

    @property
    def trainable_weights(self) -> list[Any]:
        return self._trainable_weights if self.trainable else []

    @trainable_weights.setter
    def trainable_weights(self, weights: list[Any]) -> None:
        self._trainable_weights = weights

    @property
    def non_trainable_weights(self) -> list[Any]:
        return self._non_trainable_weights if self.trainable else self._trainable_weights + self._non_trainable_weights

    @non_trainable_weights.setter
    def non_trainable_weights(self, weights: list[Any]) -> None:
        self._non_trainable_weights = weights

    @property
    def weights(self) -> list[Any]:
        """The variables, trainable ones first."""
        return self.trainable_weights + self.non_trainable_weights

    def get_weights(self) -> list[np.ndarray]:
        """The values of the weights, in their order."""
        return K.batch_get_value(self.weights)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace the values of the weights; nothing changes when one does not fit. Raises ShapeError."""
        K.batch_set_value(matched(self.name, self.weights, weights))

    def count_params(self) -> int:
        """Number of scalars in the weights. Raises NotBuiltLayerError (a RuntimeError) before they exist."""
        if not self.built:
            raise NotBuiltLayerError(f"You tried to call `count_params` on {self.name}, but the layer isn't built",
                                     fix=f"Build it with `{self.name}.build(batch_input_shape)`, or call it.")
        return sum(int(K.count_params(weight)) for weight in self.weights)

    # ---- calls

    def call(self, inputs: Any, **kwargs: Any) -> Any:
        """What the layer computes, in terms of K."""
        return inputs

    def __call__(self, inputs: Any, **kwargs: Any) -> Any:
        """Apply the layer to a tensor or a list of them; the call becomes a node.

        Raises ShapeError for inputs that do not fit, ArgumentError for what is no symbolic tensor.
        """
        inputs = list(inputs) if isinstance(inputs, tuple) else inputs
        try:
            return self._apply(inputs, kwargs)
        except ShapeError as error:
            layouts.advise(error, self, inputs, kwargs)
            raise

    def _apply(self, inputs: Any, kwargs: dict[str, Any]) -> Any:
        with K.name_scope(self.name):
            tensors = symbolic_inputs(self, inputs)
            if not tensors:
                raise ArgumentError("called on an empty list", where=self.name, expected="at least one tensor")
            check_inputs(self, inputs)
            if not self.built:
                self._build_for(tensors)
                check_inputs(self, inputs)
            masks = unpack_singleton([getattr(x, "_keras_mask", None) for x in tensors])
            outputs, output_masks = self._call_and_mask(inputs, masks, dict(kwargs))
            made = [K.identity(x) if any(x is one for one in tensors) else x for x in to_list(outputs)]
            self._check_sizes(made)
            self._note_own_shapes(tensors, made)
            self._add_inbound_node(tensors, made, to_list(masks), output_masks, kwargs)
            self._penalise_activity(made, tensors)
        return made if isinstance(outputs, list) else made[0]

    def assert_input_compatibility(self, inputs: Any) -> None:
        """Raises ShapeError for inputs that the layer's `input_spec` does not allow."""
        check_inputs(self, inputs)

    def _check_sizes(self, outputs: list[Any]) -> None:
        for shape in map(K.int_shape, outputs):
            if prod(size for size in shape if size is not None) > MAX_OUTPUT:
                raise ShapeError("the output is larger than any memory", where=self.name, got=shape)

    def _note_own_shapes(self, inputs: list[Any], outputs: list[Any]) -> None:
        """Give outputs the sizes that a subclass's compute_output_shape knows and the ops in `call` do not tell."""
        if type(self).compute_output_shape is Layer.compute_output_shape or not any(
                None in K.int_shape(x)[1:] for x in outputs):
            return
        said = self.compute_output_shape(unpack_singleton([K.int_shape(x) for x in inputs]))
        for x, shape in zip(outputs, said if isinstance(said, list) else [said]):
            found = K.int_shape(x)
            if shape is not None and len(shape) == len(found):
                x._keras_shape = tuple(one if size is None else size for size, one in zip(found, shape))

    def _build_for(self, tensors: list[Any]) -> None:
        """Build for the shapes of these inputs; a build that fails leaves the layer unbuilt and without weights."""
        try:
            self.build(unpack_singleton([K.int_shape(x) for x in tensors]))
            self.built = True
            if self._initial_weights is not None:
                self.set_weights(self._initial_weights)
                self._initial_weights = None
        except Exception:
            self.built = False
            self._trainable_weights, self._non_trainable_weights, self._penalised_weights = [], [], []
            self._clear_attachments()
            raise

    def _call_and_mask(self, inputs: Any, masks: Any, kwargs: dict[str, Any]) -> tuple[Any, Any]:
        """Outputs and their masks; `masks` go into the call where it takes them."""
        if not is_all_none(masks) and "mask" not in kwargs and has_arg(self.call, "mask"):
            kwargs["mask"] = masks
        outputs = self.call(inputs, **kwargs)
        outputs = list(outputs) if isinstance(outputs, tuple) else outputs
        if not all(K.is_tensor(x) for x in to_list(outputs)):
            raise ArgumentError("`call` did not return a tensor or a list of tensors", where=self.name,
                                got=f"{outputs!r:.200}")
        return outputs, self.compute_mask(inputs, masks)

    def _add_inbound_node(self, inputs: list[Any], outputs: list[Any], input_masks: list[Any], output_masks: Any,
                          arguments: dict[str, Any]) -> None:
        layers, nodes, indices = zip(*(getattr(x, "_keras_history", (None, None, None)) for x in inputs))
        if not isinstance(output_masks, (list, tuple)):
            output_masks = [output_masks] * len(outputs)
        Node(self, layers, nodes, indices, inputs, outputs, input_masks, output_masks,
             [K.int_shape(x) for x in inputs], [K.int_shape(x) for x in outputs], arguments)
        phased = getattr(self, "uses_learning_phase", False) or any(x._uses_learning_phase for x in inputs)
        for index, (x, mask) in enumerate(zip(outputs, output_masks)):
            x._keras_history = (self, len(self._inbound_nodes) - 1, index)
            x._keras_mask = mask
            x._uses_learning_phase = x._uses_learning_phase or phased

    def _penalise_activity(self, outputs: list[Any], inputs: list[Any]) -> None:
        if self.activity_regularizer is not None:
            with K.name_scope("activity_regularizer"):
                self.add_loss([self.activity_regularizer(x) for x in outputs], inputs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the output. Raises MaskError (a TypeError) for a mask that the layer would lose."""
        if self.supports_masking:
            return mask
        if not is_all_none(mask):
            raise MaskError(f"Layer {self.name} does not support masking, but was passed an input_mask",
                            got=f"{mask!r:.200}")
        return None

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output for inputs of this shape, with None for unknown sizes."""
        several = isinstance(input_shape, list)
        shapes: list[StaticShape] = input_shape if several else [input_shape]
        layer = self if self.built or type(self).build is Layer.build else self._twin()
        inputs = [K.placeholder(shape=tuple(shape), name=f"{self.name}_shape") for shape in shapes]
        with K.name_scope(layer.name):
            if layer is not self:
                layer._build_for(inputs)
            outputs = layer.call(inputs if several else inputs[0])
        found = [K.int_shape(x) for x in to_list(outputs)]
        return found if isinstance(outputs, list) else found[0]

    def _twin(self) -> Layer:
        """An unbuilt layer of the same configuration under another name."""
        return type(self).from_config({**self.get_config(), "name": f"{self.name}_twin"})

    # ---- configuration

    def get_config(self) -> dict[str, Any]:
        """What `from_config` makes an equal layer of; the weights are not in it."""
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable}
        if hasattr(self, "batch_input_shape"):
            config["batch_input_shape"] = self.batch_input_shape
            config["dtype"] = self.dtype
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """A layer from a configuration of this or a later Keras. Raises ModelFormatError."""
        return cls(**dialects.layer_keywords(cls, config))


class MaskError(GraphcError, TypeError):
    """A mask reached a layer that cannot pass it on."""


def matched(where: str, variables: Sequence[Any], values: Sequence[Any]) -> list[tuple[Any, np.ndarray]]:
    """Each variable with its value. Raises ShapeError for another number or another shape."""
    if len(variables) != len(values):
        raise ShapeError(f"You called `set_weights(weights)` on layer \"{where}\" with a weight list of length "
                         f"{len(values)}, but the layer was expecting {len(variables)} weights",
                         got=f"{values!r:.100}")
    pairs = [(variable, np.asarray(value)) for variable, value in zip(variables, values)]
    for variable, value in pairs:
        if K.int_shape(variable) != value.shape:
            raise ShapeError(f"Layer weight shape {K.int_shape(variable)} not compatible with provided weight shape "
                             f"{value.shape}", where=f"{where}, {variable.name}")
    return pairs


__all__ = ["InputSpec", "Layer", "MaskError", "Node", "NotBuiltLayerError", "matched", "trainable_clock"]
