"""Convolution and pooling written as loops over windows, in NumPy float64, channels last: what the tests compare with.

What does not live here: anything of graphc.
"""

from itertools import product

import numpy as np


def padded(x, size, strides, padding, dilations, value=0.0):
    """`x` with `value` around it: TensorFlow's rule for same, zeros in front only for causal."""
    margins = [(0, 0)]
    for extent, k, s, d in zip(x.shape[1:-1], size, strides, dilations, strict=True):
        reach = (k - 1) * d
        if padding == "same":
            missing = max((-(-extent // s) - 1) * s + reach + 1 - extent, 0)
            margins.append((missing // 2, missing - missing // 2))
        else:
            margins.append((reach if padding == "causal" else 0, 0))
    return np.pad(np.asarray(x, np.float64), [*margins, (0, 0)], constant_values=value)


def windows(x, size, strides, padding, dilations, value=0.0):
    """{place: the window [N,*size,C] there}, and the shape of the places."""
    x = padded(x, size, strides, padding, dilations, value)
    count = tuple((extent - (k - 1) * d - 1) // s + 1
                  for extent, k, s, d in zip(x.shape[1:-1], size, strides, dilations, strict=True))
    found = {}
    for place in product(*map(range, count)):
        where = [slice(p * s, p * s + (k - 1) * d + 1, d)
                 for p, k, s, d in zip(place, size, strides, dilations, strict=True)]
        found[place] = x[(slice(None), *where)]
    return found, count


def convolution(x, w, strides, padding="valid", dilations=None):
    size = w.shape[:-2]
    seen, count = windows(x, size, strides, padding, dilations or (1,) * len(size))
    out = np.zeros((len(x), *count, w.shape[-1]))
    for place, window in seen.items():
        out[(slice(None), *place)] = np.tensordot(window, w, axes=w.ndim - 1)
    return out


def depthwise(x, w, strides, padding="valid", dilations=None):
    """Channel c of the input gives channels c * multiplier ... of the output."""
    out = [convolution(x[..., c:c + 1], w[..., c:c + 1, :], strides, padding, dilations) for c in range(x.shape[-1])]
    return np.concatenate(out, axis=-1)


def pooled(x, size, strides, padding, mode):
    """Padding counts neither for the largest element nor for the average."""
    seen, count = windows(x, size, strides, padding, (1,) * len(size), value=np.nan)
    out = np.zeros((len(x), *count, x.shape[-1]))
    axes = tuple(range(1, 1 + len(size)))
    for place, window in seen.items():
        out[(slice(None), *place)] = (np.nanmax if mode == "max" else np.nanmean)(window, axis=axes)
    return out


def to_first(x):
    """Channels last to channels first."""
    return np.moveaxis(x, -1, 1)
