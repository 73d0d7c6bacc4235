"""Layers of several inputs: Add, Concatenate, Dot and their kin, and the functions named like them.

What does not live here: the arithmetic (backend).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.base_layer import Layer

__all__ = ["Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract", "add", "average",
           "concatenate", "dot", "maximum", "minimum", "multiply", "subtract"]

Shape = tuple[int | None, ...]


class _Merge(Layer):
    """Base of the elementwise merges: inputs are broadcast, those of fewer axes gain axes after the batch.

    Subclasses define `_merge_function`, called with a list of tensors of one rank.
    """

    supports_masking = True

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)

    def build(self, input_shape: Any) -> None:
        if not isinstance(input_shape, list) or len(input_shape) < 2:
            got = len(input_shape) if isinstance(input_shape, list) else 1
            raise ArgumentError("A merge layer should be called on a list of at least 2 inputs. "
                                f"Got {got} inputs", where=self.name)
        batches = {shape[0] for shape in input_shape if shape and shape[0] is not None}
        if len(batches) > 1:
            raise ShapeError("Can not merge tensors with different batch sizes. Got tensors with shapes : "
                             f"{input_shape}", where=self.name)
        reduce(self._broadcast, [shape[1:] for shape in input_shape])
        self.built = True

    def _broadcast(self, a: Shape, b: Shape) -> Shape:
        """The common shape of two samples, aligned at the last axis. Raises ShapeError where there is none."""
        long, short = (a, b) if len(a) >= len(b) else (b, a)
        joined = list(long)
        for axis in range(-len(short), 0):
            x, y = long[axis], short[axis]
            if None in (x, y):
                joined[axis] = None
            elif 1 not in (x, y) and x != y:
                raise ShapeError(f"Operands could not be broadcast together with shapes {a} {b}", where=self.name,
                                 fix="Of the same images in another layout? See K.set_image_data_format."
                                 if sorted(map(str, a)) == sorted(map(str, b)) else "")
            else:
                joined[axis] = y if x == 1 else x
        return tuple(joined)

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        _need_list(self, inputs)
        rank = max(K.ndim(x) for x in inputs)
        grown = []
        for x in inputs:
            while K.ndim(x) < rank:
                x = K.expand_dims(x, 1)
            grown.append(x)
        return self._merge_function(grown)

    def _merge_function(self, inputs: list[Any]) -> Any:
        raise NotImplementedError

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Steps count where they count in all inputs that have a mask."""
        masks = [one for one in _masks_of(self, inputs, mask) if one is not None]
        if not masks:
            return None
        return K.all(K.stack(masks, axis=0), axis=0) if len(masks) > 1 else masks[0]


def _masks_of(layer: Layer, inputs: Any, mask: Any) -> Sequence[Any]:
    """The masks of a list of inputs. Raises ArgumentError for anything else."""
    if mask is None:
        return ()
    if not isinstance(mask, list):
        raise ArgumentError("`mask` should be a list", where=layer.name, got=type(mask).__name__)
    _need_list(layer, inputs)
    if len(mask) != len(inputs):
        raise ArgumentError("`inputs` and `mask` should have the same length", where=layer.name,
                            expected=len(inputs), got=len(mask))
    return mask


def _need_list(layer: Layer, inputs: Any) -> None:
    if not isinstance(inputs, list):
        raise ArgumentError("A merge layer should be called on a list of inputs", where=layer.name,
                            got=type(inputs).__name__)
    if len(inputs) < 2:
        raise ArgumentError(f"A merge layer should be called on a list of at least 2 inputs. Got {len(inputs)} inputs",
                            where=layer.name)


class _Fold(_Merge):
    """Merges that combine the first two inputs, then the result with the third, and so on."""

    def _combine(self, x: Any, y: Any) -> Any:
        raise NotImplementedError

    def _merge_function(self, inputs: list[Any]) -> Any:
        return reduce(self._combine, inputs)


class Add(_Fold):
    """The sum of the inputs."""

    def _combine(self, x: Any, y: Any) -> Any:
        return x + y


class Subtract(_Fold):
    """The first input minus the second; there are two."""

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        if len(input_shape) != 2:
            raise ArgumentError("A `Subtract` layer should be called on exactly 2 inputs", where=self.name,
                                got=len(input_shape))

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        if isinstance(inputs, list):
            self.build([K.int_shape(x) for x in inputs])
        return super().call(inputs)

    def _combine(self, x: Any, y: Any) -> Any:
        return x - y


class Multiply(_Fold):
    """The product of the inputs, elementwise."""

    def _combine(self, x: Any, y: Any) -> Any:
        return x * y


class Average(_Fold):
    """The mean of the inputs, elementwise."""

    def _combine(self, x: Any, y: Any) -> Any:
        return x + y

    def _merge_function(self, inputs: list[Any]) -> Any:
        return super()._merge_function(inputs) / len(inputs)


class Maximum(_Fold):
    """The largest of the inputs, elementwise."""

    def _combine(self, x: Any, y: Any) -> Any:
        return K.maximum(x, y)


class Minimum(_Fold):
    """The smallest of the inputs, elementwise."""

    def _combine(self, x: Any, y: Any) -> Any:
        return K.minimum(x, y)


class Concatenate(_Merge):
    """The inputs in a row along `axis`; their other sizes are equal."""

    def __init__(self, axis: int = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = axis

    def build(self, input_shape: Any) -> None:
        if not isinstance(input_shape, list) or len(input_shape) < 2:
            raise ArgumentError("A `Concatenate` layer should be called on a list of at least 2 inputs",
                                where=self.name)
        rest = []
        for shape in input_shape:
            if not -len(shape) <= self.axis < len(shape):
                raise ShapeError(f"axis {self.axis} does not exist", where=self.name, got=shape)
            axis = self.axis % len(shape)
            rest.append((*shape[:axis], *shape[axis + 1:]))
        if any(len(one) != len(rest[0]) or any(None not in pair and pair[0] != pair[1] for pair in zip(one, rest[0]))
               for one in rest):
            raise ShapeError("A `Concatenate` layer requires inputs with matching shapes except for the concat axis. "
                             f"Got inputs shapes: {input_shape}", where=self.name)
        self.built = True

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        _need_list(self, inputs)
        return K.concatenate(inputs, axis=self.axis)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks in a row; ones where an input has none."""
        masks = _masks_of(self, inputs, mask)
        if not any(one is not None for one in masks):
            return None
        full = []
        for x, one in zip(inputs, masks, strict=True):
            if one is None:
                full.append(K.cast(K.ones_like(x), "bool"))
            else:
                one = K.expand_dims(one) if K.ndim(one) < K.ndim(x) else one
                full.append(K.cast(K.cast(one, K.floatx()) * K.ones_like(x), "bool"))
        return K.all(K.concatenate(full, axis=self.axis), axis=-1, keepdims=False)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


class Dot(_Merge):
    """For each sample the sums of products over one axis of each of two inputs.

    axes       the axes to sum over, one for both inputs or one each; the batch is axis 0
    normalize  whether to divide by the lengths along those axes first (cosine similarity)
    """

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        pair = [axes] if isinstance(axes, int) else axes
        if not isinstance(pair, (list, tuple)) or not all(isinstance(a, int) for a in pair):
            raise ArgumentError("Invalid type for `axes` - should be a list or an int", where=self.name, got=repr(axes))
        if not isinstance(axes, int) and len(pair) != 2:
            raise ArgumentError("Invalid format for `axes` - should contain two elements", where=self.name,
                                got=repr(axes))
        self.axes: Any = axes
        self.normalize = bool(normalize)

    def _axes_for(self, shapes: Sequence[Shape]) -> list[int]:
        pair = [self.axes] * 2 if isinstance(self.axes, int) else list(self.axes)
        for axis, shape in zip(pair, shapes):
            if not -len(shape) <= axis < len(shape) or axis % len(shape) == 0:
                raise ShapeError(f"cannot sum over axis {axis}", where=self.name, got=shape)
        return [axis % len(shape) for axis, shape in zip(pair, shapes)]

    def build(self, input_shape: Any) -> None:
        if not isinstance(input_shape, list) or len(input_shape) != 2:
            raise ArgumentError("A `Dot` layer should be called on a list of 2 inputs", where=self.name)
        axes = self._axes_for(input_shape)
        sizes = [shape[axis] for shape, axis in zip(input_shape, axes)]
        if None not in sizes and sizes[0] != sizes[1]:
            raise ShapeError(f"Dimension incompatibility {sizes[0]} != {sizes[1]}. Layer shapes: {input_shape[0]}, "
                             f"{input_shape[1]}", where=self.name)
        self.built = True

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        _need_list(self, inputs)
        axes = self._axes_for([K.int_shape(x) for x in inputs])
        if self.normalize:
            inputs = [K.l2_normalize(x, axis=axis) for x, axis in zip(inputs, axes)]
        return K.batch_dot(inputs[0], inputs[1], axes)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


def _function(layer: Callable[..., Layer], text: str) -> Callable[..., Any]:
    def merge(inputs: Any, **kwargs: Any) -> Any:
        return layer(**kwargs)(inputs)

    merge.__doc__ = f"{text} Keywords go to the layer."
    return merge


add = _function(Add, "The sum of a list of tensors, by a new layer.")
subtract = _function(Subtract, "The first of two tensors minus the second, by a new layer.")
multiply = _function(Multiply, "The product of a list of tensors, by a new layer.")
average = _function(Average, "The mean of a list of tensors, by a new layer.")
maximum = _function(Maximum, "The largest of a list of tensors, by a new layer.")
minimum = _function(Minimum, "The smallest of a list of tensors, by a new layer.")


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """A list of tensors in a row along `axis`, by a new layer."""
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Any, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any) -> Any:
    """The sums of products over one axis of each of two tensors, by a new layer."""
    return Dot(axes=axes, normalize=normalize, **kwargs)(inputs)
