"""Convolutions of K: plain, depthwise, separable, transposed and unshared ones.

Kernels lie as Keras keeps them, whatever the layout of the data: (*sizes, channels in, channels out), transposed
convolutions (*sizes, out, in), depthwise ones (*sizes, in, multiplier).

What does not live here: padding and layouts (sliding.py), pooling (pooling.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.errors import ShapeError
from graphc.frontend_keras.backend.config import normalize_data_format
from graphc.frontend_keras.backend.naming import current_origin
from graphc.frontend_keras.backend.sizes import dims_of
from graphc.frontend_keras.backend.sliding import Ints, Sliding, channels_last, in_layout, ints
from graphc.frontend_keras.backend.symbols import unify
from graphc.frontend_keras.backend.tensor import Tensor, apply_op, assume, matmul, reshape_to
from graphc.ir.dims import Dim, size_of


def conv1d(x: Tensor, kernel: Tensor, strides: Any = 1, padding: str = "valid", data_format: str | None = None,
           dilation_rate: Any = 1) -> Tensor:
    """(batch, steps, channels) and a kernel (size, channels, filters) give (batch, new steps, filters).

    padding  valid: none; same: as many steps as the input over `strides`; causal: zeros in front only, so that a step
             depends on no later one

    Raises ShapeError for channels that differ and for a kernel larger than the input; so do the other convolutions.
    """
    return _convolved(x, kernel, strides, padding, data_format, dilation_rate, 1)


def conv2d(x: Tensor, kernel: Tensor, strides: Any = (1, 1), padding: str = "valid", data_format: str | None = None,
           dilation_rate: Any = (1, 1)) -> Tensor:
    """Images (batch, rows, columns, channels), or with channels first, and a kernel of 4 axes."""
    return _convolved(x, kernel, strides, padding, data_format, dilation_rate, 2)


def conv3d(x: Tensor, kernel: Tensor, strides: Any = (1, 1, 1), padding: str = "valid",
           data_format: str | None = None, dilation_rate: Any = (1, 1, 1)) -> Tensor:
    """Volumes (batch, *sizes, channels), or with channels first, and a kernel of 5 axes."""
    return _convolved(x, kernel, strides, padding, data_format, dilation_rate, 3)


def _sliding(kernel: Tensor, strides: Any, padding: str, data_format: str | None, dilation_rate: Any,
             count: int) -> Sliding:
    if kernel.rank != count + 2 or not all(isinstance(d, int) for d in kernel.dims[:count]):
        raise ShapeError(f"a convolution over {count} axes needs a kernel of {count + 2} axes of known sizes",
                         where=current_origin(), got=tuple(kernel.shape))
    size: Any = kernel.dims[:count]
    return Sliding("kernel", size, ints(strides, count, "strides"), ints(dilation_rate, count, "dilation_rate"),
                   padding, normalize_data_format(data_format))


def _convolved(x: Tensor, kernel: Tensor, strides: Any, padding: str, data_format: str | None, dilation_rate: Any,
               count: int) -> Tensor:
    sliding = _sliding(kernel, strides, padding, data_format, dilation_rate, count)
    inside = sliding.enter(x)
    inside, kernel = same_channels(x, inside, kernel, -2, sliding.layout)
    out = apply_op("convolution", inside, kernel, strides=sliding.strides, dilations=sliding.dilations)
    return in_layout(out, sliding.layout)


def same_channels(x: Tensor, inside: Tensor, kernel: Tensor, axis: int, layout: str) -> tuple[Tensor, Tensor]:
    """Input and kernel with one number of channels, which `axis` of the kernel holds. Raises ShapeError."""
    channels = unify(inside.dims[-1], kernel.dims[axis])
    if channels is None:
        raise ShapeError("the numbers of channels of input and kernel differ", where=current_origin(),
                         expected=f"{kernel.dims[axis]} channels, as in the kernel of shape {tuple(kernel.shape)}",
                         got=f"{inside.dims[-1]} in the input of shape {tuple(x.shape)} read as {layout}")
    shape = list(kernel.dims)
    shape[axis] = channels
    return assume(inside, (*inside.dims[:-1], channels)), assume(kernel, tuple(shape))


def depthwise_conv2d(x: Tensor, depthwise_kernel: Tensor, strides: Any = (1, 1), padding: str = "valid",
                     data_format: str | None = None, dilation_rate: Any = (1, 1)) -> Tensor:
    """Each channel on its own, `multiplier` filters for each: a kernel (rows, columns, channels, multiplier) gives
    channels * multiplier channels, those of one input channel side by side.
    """
    return _depthwise(x, depthwise_kernel, strides, padding, data_format, dilation_rate, 2)


def separable_conv1d(x: Tensor, depthwise_kernel: Tensor, pointwise_kernel: Tensor, strides: Any = 1,
                     padding: str = "valid", data_format: str | None = None, dilation_rate: Any = 1) -> Tensor:
    """A depthwise convolution of steps, then one of size 1 that mixes the channels."""
    apart = _depthwise(x, depthwise_kernel, strides, padding, data_format, dilation_rate, 1)
    return conv1d(apart, pointwise_kernel, data_format=data_format)


def separable_conv2d(x: Tensor, depthwise_kernel: Tensor, pointwise_kernel: Tensor, strides: Any = (1, 1),
                     padding: str = "valid", data_format: str | None = None, dilation_rate: Any = (1, 1)) -> Tensor:
    """A depthwise convolution of images, then one of size 1 x 1 that mixes the channels."""
    apart = _depthwise(x, depthwise_kernel, strides, padding, data_format, dilation_rate, 2)
    return conv2d(apart, pointwise_kernel, data_format=data_format)


def _depthwise(x: Tensor, kernel: Tensor, strides: Any, padding: str, data_format: str | None, dilation_rate: Any,
               count: int) -> Tensor:
    sliding = _sliding(kernel, strides, padding, data_format, dilation_rate, count)
    inside, kernel = same_channels(x, sliding.enter(x), kernel, -2, sliding.layout)
    out = apply_op("depthwise_convolution", inside, kernel, strides=sliding.strides, dilations=sliding.dilations)
    return in_layout(out, sliding.layout)


def conv2d_transpose(x: Tensor, kernel: Tensor, output_shape: Any, strides: Any = (1, 1), padding: str = "valid",
                     data_format: str | None = None, dilation_rate: Any = (1, 1)) -> Tensor:
    """The images whose convolution with `kernel` (rows, columns, out, in) has the shape of `x`, up to weights: the
    gradient of that convolution with respect to its input.

    output_shape  all sizes of the result, batch and channels included; numbers and scalar tensors of sizes

    Raises ShapeError where a convolution of `output_shape` does not give the shape of `x`.
    """
    return _transposed(x, kernel, output_shape, strides, padding, data_format, dilation_rate, 2)


def conv3d_transpose(x: Tensor, kernel: Tensor, output_shape: Any, strides: Any = (1, 1, 1), padding: str = "valid",
                     data_format: str | None = None) -> Tensor:
    """The same for volumes."""
    return _transposed(x, kernel, output_shape, strides, padding, data_format, 1, 3)


def _transposed(x: Tensor, kernel: Tensor, output_shape: Any, strides: Any, padding: str, data_format: str | None,
                dilation_rate: Any, count: int) -> Tensor:
    sliding = _sliding(kernel, strides, padding, data_format, dilation_rate, count)
    wanted = dims_of(output_shape)
    extents = wanted[1:-1] if sliding.layout == "channels_last" else wanted[2:]
    inside = channels_last(x, sliding.layout)
    inside, kernel = same_channels(x, inside, kernel, -1, sliding.layout)
    inside = _spread_apart(inside, sliding.strides)
    low: list[Dim] = [0] * x.rank
    high: list[Dim] = [0] * x.rank
    places = channels_last(x, sliding.layout).dims[1:-1]
    for axis, extent, place, reach, stride in zip(sliding.axes, extents, places, sliding.reach, sliding.strides,
                                                  strict=True):
        before = _before(padding, place, extent, reach, stride)
        after = extent + before - inside.dims[axis]
        if not _gives(extent, place, reach, stride, padding) or (isinstance(after, int) and after < 0):
            raise ShapeError(f"no convolution with {padding!r} padding of the output shape gives the input shape",
                             where=current_origin(), expected=f"{tuple(x.shape)}",
                             got=f"output shape {output_shape!r:.100} with strides {sliding.strides}")
        low[axis], high[axis] = reach - before, after
    around = apply_op("pad", inside, low=tuple(low), high=tuple(high), value=0.0)
    turned = apply_op("transpose", apply_op("reverse", kernel, axes=tuple(range(count))),
                      perm=(*range(count), count + 1, count))
    out = apply_op("convolution", around, turned, strides=(1,) * count, dilations=sliding.dilations)
    return in_layout(out, sliding.layout)


def _before(padding: str, place: Dim, extent: Dim, reach: int, stride: int) -> int:
    """The padding in front of `extent` elements that have `place` windows."""
    missing = (place - 1) * stride + reach + 1 - extent if padding == "same" else 0
    if not isinstance(missing, int):
        raise ShapeError("the padding of a transposed convolution depends on an unknown size", where=current_origin(),
                         fix="Give the Input a shape without None.")
    return max(missing, 0) // 2


def _gives(extent: Dim, place: Dim, reach: int, stride: int, padding: str) -> bool:
    """Whether `extent` elements may have `place` windows."""
    found = (extent - 1) // stride + 1 if padding == "same" else (extent - reach - 1) // stride + 1
    return not isinstance(found - place, int) or found == place


def _spread_apart(x: Tensor, strides: Ints) -> Tensor:
    """stride - 1 zeros between neighbours along the spatial axes of [N,*S,C]."""
    if all(s == 1 for s in strides):
        return x
    axes = tuple(range(1, x.rank - 1))
    alone = reshape_to(x, (*x.dims[:-1], *(1 for _ in axes), x.dims[-1]))
    extents = tuple((x.dims[axis] - 1) * s + 1 for axis, s in zip(axes, strides, strict=True))
    laid = apply_op("spread", alone, axes=axes, extents=extents, strides=strides, dilations=(1,) * len(axes))
    return reshape_to(laid, (x.dims[0], *extents, x.dims[-1]))


def local_conv1d(inputs: Tensor, kernel: Tensor, kernel_size: Any, strides: Any,
                 data_format: str | None = None) -> Tensor:
    """A convolution of (batch, steps, channels) with weights of its own for each new step.

    Kernel (new steps, size * channels, filters). The channels are last whatever `data_format` says, as in Keras.
    """
    normalize_data_format(data_format)
    return _local(inputs, kernel, kernel_size, strides, "channels_last", 1)


def local_conv2d(inputs: Tensor, kernel: Tensor, kernel_size: Any, strides: Any, output_shape: Sequence[int],
                 data_format: str | None = None) -> Tensor:
    """A convolution of images with weights of its own for each place.

    Kernel (places, weights of a place, filters), places in the order of rows; the weights of a place are ordered
    (row, column, channel), with channels first (channel, row, column). Raises ShapeError.
    """
    return _local(inputs, kernel, kernel_size, strides, normalize_data_format(data_format), 2)


def _local(x: Tensor, kernel: Tensor, kernel_size: Any, strides: Any, layout: str, count: int) -> Tensor:
    size = ints(kernel_size, count, "kernel_size")
    sliding = Sliding("kernel", size, ints(strides, count, "strides"), (1,) * count, "valid", layout)
    seen = sliding.windows(sliding.enter(x))
    places = seen.dims[1:1 + count]
    if kernel.rank != 3 or unify(size_of(places), kernel.dims[0]) is None \
            or unify(size_of(seen.dims[1 + count:]), kernel.dims[1]) is None:
        raise ShapeError("the kernel of an unshared convolution does not fit the input", where=current_origin(),
                         expected=f"({size_of(places)}, {size_of(seen.dims[1 + count:])}, filters)",
                         got=tuple(kernel.shape))
    seen = reshape_to(seen, (seen.dims[0], size_of(places), *seen.dims[1 + count:]))
    weights = (2 + count, *range(2, 2 + count)) if layout == "channels_first" else tuple(range(2, 3 + count))
    rows = apply_op("transpose", seen, perm=(1, 0, *weights))
    out = matmul(reshape_to(rows, (*rows.dims[:2], size_of(rows.dims[2:]))), kernel)
    out = apply_op("transpose", out, perm=(1, 0, 2))
    return in_layout(reshape_to(out, (out.dims[0], *places, out.dims[-1])), layout)
