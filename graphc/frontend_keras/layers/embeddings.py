"""Embedding: rows of a table, looked up by number.

What does not live here: the lookup and its gradient (K.gather, graphc.ir.ops_gather).
"""

from __future__ import annotations

from typing import Any

from graphc.errors import ShapeError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import constraints, initializers, regularizers
from graphc.frontend_keras.backend.shaping import as_indices
from graphc.frontend_keras.engine.base_layer import Layer
from graphc.frontend_keras.engine.legacy import renamed_keywords
from graphc.frontend_keras.engine.shapes import positive

__all__ = ["Embedding"]


class Embedding(Layer):
    """Whole numbers (batch, ...) to vectors (batch, ..., output_dim).

    input_dim     how many numbers there are: each input is from 0 to input_dim - 1
    output_dim    the length of a vector
    mask_zero     whether 0 marks steps that later layers skip
    input_length  the number of steps, or a tuple of sizes; None leaves it open

    Inputs are float32 unless said otherwise, and whole all the same. Weights: embeddings (input_dim, output_dim).
    Raises ShapeError for an input_length that does not fit the input; when it runs, IndexError for a number outside
    and for one that is not whole.
    """

    @renamed_keywords({"init": "embeddings_initializer", "W_regularizer": "embeddings_regularizer",
                       "W_constraint": "embeddings_constraint"})
    def __init__(self, input_dim: int, output_dim: int, embeddings_initializer: Any = "uniform",
                 embeddings_regularizer: Any = None, activity_regularizer: Any = None,
                 embeddings_constraint: Any = None, mask_zero: bool = False, input_length: Any = None, **kwargs: Any):
        if kwargs.pop("dropout", None) is not None:
            warn("`Embedding` no longer has the argument `dropout`: put a SpatialDropout1D layer behind it.")
        if "input_shape" not in kwargs and "batch_input_shape" not in kwargs:
            known = input_length if isinstance(input_length, (list, tuple)) else (input_length,)
            kwargs["input_shape"] = tuple(known)
        super().__init__(**kwargs)
        self.input_dim = positive(input_dim, "input_dim", self.name)
        self.output_dim = positive(output_dim, "output_dim", self.name)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = self.supports_masking = bool(mask_zero)
        self.input_length = input_length

    def build(self, input_shape: Any) -> None:
        self.embeddings = self.add_weight("embeddings", (self.input_dim, self.output_dim),
                                          initializer=self.embeddings_initializer,
                                          regularizer=self.embeddings_regularizer,
                                          constraint=self.embeddings_constraint)
        self.built = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return K.not_equal(inputs, 0) if self.mask_zero else None

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        if self.input_length is not None:
            self._check_length(K.int_shape(inputs))
        return K.gather(self.embeddings, as_indices(inputs, "int32"))

    def _check_length(self, shape: Any) -> None:
        known = self.input_length if isinstance(self.input_length, (list, tuple)) else (self.input_length,)
        found = tuple(shape[1:])
        if len(known) != len(found) or any(a is not None and b is not None and a != b for a, b in zip(known, found)):
            raise ShapeError(f'"input_length" is {self.input_length}, but received input has shape {tuple(shape)}',
                             where=self.name)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "input_dim": self.input_dim, "output_dim": self.output_dim,
                "embeddings_initializer": initializers.serialize(self.embeddings_initializer),
                "embeddings_regularizer": regularizers.serialize(self.embeddings_regularizer),
                "activity_regularizer": regularizers.serialize(self.activity_regularizer),
                "embeddings_constraint": constraints.serialize(self.embeddings_constraint),
                "mask_zero": self.mask_zero, "input_length": self.input_length}
