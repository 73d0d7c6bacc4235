"""What a layer demands of its inputs, and the check of symbolic inputs against it.

What does not live here: checks of arrays (standardize.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.utils.generic_utils import to_list


class InputSpec:
    """Demands on one input; None demands nothing.

    dtype     element type by name
    shape     sizes, None for any; stands for ndim too
    ndim      number of axes; max_ndim, min_ndim its bounds
    axes      sizes by axis number
    """

    def __init__(self, dtype: str | None = None, shape: Sequence[int | None] | None = None, ndim: int | None = None,
                 max_ndim: int | None = None, min_ndim: int | None = None,
                 axes: Mapping[int, int | None] | None = None):
        self.dtype, self.shape = dtype, shape
        self.ndim = ndim if shape is None else len(shape)
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = dict(axes or {})

    def __repr__(self) -> str:
        given = {name: value for name, value in vars(self).items() if value is not None and value != {}}
        return f"InputSpec({', '.join(f'{name}={value!r}' for name, value in given.items())})"


def symbolic_inputs(layer: Any, inputs: Any) -> list[Any]:
    """The inputs as a list. Raises ArgumentError (a ValueError) for what is no symbolic tensor."""
    tensors = to_list(inputs)
    for x in tensors:
        if not K.is_tensor(x):
            raise ArgumentError(f"Layer {layer.name} was called with an input that isn't a symbolic tensor. "
                                f"Received type: {type(x)}. Full input: {tensors!r:.200}. "
                                "All inputs to the layer should be tensors",
                                fix="Make one with Input(shape=...); arrays go to model.predict.")
    return tensors


def check_inputs(layer: Any, inputs: Any) -> None:
    """Raises ShapeError where the inputs of `layer` do not meet its `input_spec`."""
    if not layer.input_spec:
        return
    tensors, specs = symbolic_inputs(layer, inputs), to_list(layer.input_spec, allow_tuple=True)
    if len(tensors) != len(specs):
        raise ShapeError(f"Layer {layer.name} expects {len(specs)} inputs, but it received {len(tensors)} input "
                         f"tensors. Input received: {inputs!r:.200}")
    for index, (x, spec) in enumerate(zip(tensors, specs)):
        if spec is not None:
            wrong = _mismatch(spec, K.int_shape(x), K.dtype(x))
            if wrong:
                raise ShapeError(f"Input {index} is incompatible with layer {layer.name}: expected {wrong}",
                                 fix=f"The input has shape {K.int_shape(x)}, the batch axis included.")


def _mismatch(spec: InputSpec, shape: tuple[int | None, ...], dtype: str) -> str:
    """Which demand is not met, or nothing."""
    ndim = len(shape)
    if spec.ndim is not None and ndim != spec.ndim:
        return f"ndim={spec.ndim}, found ndim={ndim}"
    if spec.max_ndim is not None and ndim > spec.max_ndim:
        return f"max_ndim={spec.max_ndim}, found ndim={ndim}"
    if spec.min_ndim is not None and ndim < spec.min_ndim:
        return f"min_ndim={spec.min_ndim}, found ndim={ndim}"
    if spec.dtype is not None and dtype != spec.dtype:
        return f"dtype={spec.dtype}, found dtype={dtype}"
    for axis, size in spec.axes.items():
        if size is not None and -ndim <= axis < ndim and shape[axis] not in (size, None):
            return f"axis {axis} of input shape to have value {size} but got shape {shape}"
    if spec.shape is not None and any(None not in pair and pair[0] != pair[1] for pair in zip(spec.shape, shape)):
        return f"shape={tuple(spec.shape)}, found shape={shape}"
    return ""
