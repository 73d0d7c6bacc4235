"""Arguments of convolutions, the lengths of what they make, and kernels of Theano's layout.

What does not live here: the layers, which ask graphc.ir for shapes; whole models (layer_utils.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import ArgumentError, ShapeError

__all__ = ["PaddingError", "conv_input_length", "conv_output_length", "convert_kernel", "deconv_length",
           "normalize_padding", "normalize_tuple"]

PADDINGS = ("valid", "same", "causal")


def normalize_tuple(value: Any, n: int, name: str) -> tuple[Any, ...]:
    """`value` n times where it is one integer, else the tuple of its n items.

    name  of the argument, for the error

    Raises ArgumentError (a ValueError) for another number of items or what is no integer.
    """
    if isinstance(value, int):
        return (value,) * n
    try:
        values = tuple(value)
        for one in values:
            int(one)
    except (TypeError, ValueError):
        values = ()
    if len(values) != n:
        raise ArgumentError(f"The `{name}` argument must be a tuple of {n} integers", where=name, got=repr(value))
    return values


def normalize_padding(value: str) -> str:
    """`value` in small letters. Raises ArgumentError (a ValueError) for no kind of padding."""
    padding = str(value).lower()
    if padding not in PADDINGS:
        raise ArgumentError('The `padding` argument must be one of "valid", "same" (or "causal" for Conv1D)',
                            where="padding", got=repr(value))
    return padding


def convert_kernel(kernel: Any) -> np.ndarray:
    """A copy of a kernel (*sizes, in, out), turned round along its one to three sizes.

    Theano convolves where TensorFlow correlates; doing this twice changes nothing. Raises ShapeError (a ValueError).
    """
    kernel = np.asarray(kernel)
    if not 3 <= kernel.ndim <= 5:
        raise ShapeError("Invalid kernel shape", where="convert_kernel", expected="rank 3, 4 or 5", got=kernel.shape)
    return np.flip(kernel, tuple(range(kernel.ndim - 2))).copy()


def conv_output_length(input_length: int | None, filter_size: int, padding: str, stride: int,
                       dilation: int = 1) -> int | None:
    """Length of a convolution's output: the number of places that a window takes; None for None.

    padding  valid, same, causal or full
    """
    reach = _reach(filter_size, dilation)
    more = _by_padding(padding, {"same": 0, "causal": 0, "valid": 1 - reach, "full": reach - 1})
    return None if input_length is None else (input_length + more + stride - 1) // stride


def conv_input_length(output_length: int | None, filter_size: int, padding: str, stride: int) -> int | None:
    """Length of an input whose convolution has this length; None for None.

    padding  valid, same or full
    """
    pad = _by_padding(padding, {"same": filter_size // 2, "valid": 0, "full": filter_size - 1})
    return None if output_length is None else (output_length - 1) * stride - 2 * pad + filter_size


def deconv_length(dim_size: int | None, stride_size: int, kernel_size: int, padding: str,
                  output_padding: int | None, dilation: int = 1) -> int | None:
    """Length of a transposed convolution's output; None for None.

    padding         valid, same or full
    output_padding  zeros at the end; None for the length whose convolution has `dim_size` places
    """
    reach = _reach(kernel_size, dilation)
    if output_padding is not None:
        base = conv_input_length(dim_size, reach, padding, stride_size)
        return None if base is None else base + output_padding
    more = _by_padding(padding, {"same": 0, "valid": max(reach - stride_size, 0), "full": 2 - stride_size - reach})
    return None if dim_size is None else dim_size * stride_size + more


def _reach(size: int, dilation: int) -> int:
    """Places from the first to the last that a window of `size` sees."""
    return (size - 1) * dilation + 1


def _by_padding(padding: str, table: dict[str, int]) -> int:
    if padding not in table:
        raise PaddingError("unknown padding", where="padding", expected=", ".join(table), got=repr(padding))
    return table[padding]


class PaddingError(ArgumentError, AssertionError):
    """A kind of padding that a length cannot be computed for; Keras asserts it."""
