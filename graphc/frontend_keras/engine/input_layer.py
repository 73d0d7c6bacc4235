"""Input: where a model begins.

What does not live here: feeding arrays (training_arrays.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.base_layer import Layer
from graphc.frontend_keras.engine.legacy import renamed_keywords
from graphc.frontend_keras.engine.node import Node
from graphc.frontend_keras.engine.shapes import default_name, shape_argument
from graphc.frontend_keras.utils.generic_utils import unpack_singleton

__all__ = ["Input", "InputLayer"]

MAX_RANK = 32


class InputLayer(Layer):
    """The layer behind an input tensor.

    input_shape        shape of one sample
    batch_size         number of samples of a batch, where it is fixed
    batch_input_shape  both in one, instead of input_shape
    dtype              element type; default floatx, or that of `input_tensor`
    input_tensor       a tensor to begin with instead of a placeholder: nothing is fed then
    sparse             kept for configurations: every input takes sparse matrices, whose rows become dense in batches

    Raises ArgumentError (a ValueError) without a shape or with two shapes.
    """

    supports_masking = True

    @renamed_keywords({"input_dtype": "dtype"})
    def __init__(self, input_shape: Any = None, batch_size: int | None = None, batch_input_shape: Any = None,
                 dtype: str | None = None, input_tensor: Any = None, sparse: bool = False, name: str | None = None):
        super().__init__(name=name or default_name("input"))
        if input_shape and batch_input_shape:
            raise ArgumentError("Only provide the input_shape OR batch_input_shape argument to InputLayer, "
                                "not both at the same time", where=self.name)
        if input_tensor is not None and batch_input_shape is None:
            batch_input_shape = K.int_shape(input_tensor)
        if batch_input_shape is None:
            if input_shape is None:
                raise ArgumentError("An Input layer should be passed either a `batch_input_shape` or an "
                                    "`input_shape`", where=self.name)
            batch_input_shape = (batch_size, *shape_argument(input_shape, "input_shape", self.name))
        self.batch_input_shape = shape_argument(batch_input_shape, "batch_input_shape", self.name)
        if len(self.batch_input_shape) > MAX_RANK:
            raise ShapeError("an input of too many axes", where=self.name, expected=f"at most {MAX_RANK}",
                             got=len(self.batch_input_shape))
        self.dtype = np.dtype(dtype).name if dtype else (K.floatx() if input_tensor is None else K.dtype(input_tensor))
        self.trainable, self.built, self.sparse = False, True, sparse
        self.is_placeholder = input_tensor is None
        self._begin(K.placeholder(shape=self.batch_input_shape, dtype=self.dtype, name=self.name)
                    if input_tensor is None else input_tensor)

    def _begin(self, tensor: Any) -> None:
        shape = K.int_shape(tensor)
        tensor._keras_history = (self, 0, 0)
        tensor._keras_mask = None
        Node(self, [], [], [], [tensor], [tensor], [None], [None], [shape], [shape])

    def __reduce__(self) -> Any:
        """A copy begins with a placeholder of its own."""
        return type(self).from_config, (self.get_config(),)

    def get_config(self) -> dict[str, Any]:
        return {"batch_input_shape": self.batch_input_shape, "dtype": self.dtype, "sparse": self.sparse,
                "name": self.name}


def Input(shape: Any = None, batch_shape: Any = None, name: str | None = None,  # noqa: N802 (Keras's name)
          dtype: str | None = None, sparse: bool = False, tensor: Any = None) -> Any:
    """A tensor that a model begins with.

    shape        shape of one sample; None stands for any size
    batch_shape  the same with the number of samples of a batch in front
    dtype        element type, default floatx
    tensor       a tensor to begin with instead of a placeholder

    Raises ArgumentError (a ValueError) when none of shape, batch_shape and tensor is given.
    """
    if shape is None and batch_shape is None and tensor is None:
        raise ArgumentError("Please provide to Input either a `shape` or a `batch_shape` argument. Note that `shape` "
                            "does not include the batch dimension", where=name or "Input")
    if shape is not None and batch_shape is None:
        batch_shape = (None, *shape_argument(shape, "shape", name or "Input"))
    layer = InputLayer(batch_input_shape=batch_shape, name=name, dtype=dtype, sparse=sparse, input_tensor=tensor)
    return unpack_singleton(layer._inbound_nodes[0].output_tensors)
