"""Functions of K that move elements, and those that tell and make shapes of tensors.

What does not live here: windows (sliding.py).
"""

import numpy as np

from graphc.frontend_keras import backend as K
from tests.frontend_keras.backend_samples.sample import normal, row

X, IMAGES, VOLUMES = normal(2, 3, 4), normal(2, 3, 4, 2), normal(2, 2, 3, 2, 2)
ROWS_WANTED = np.array([[1, 0], [1, 1]], np.int32)


def enlarged(x, factors, first):
    for axis, factor in enumerate(factors, start=2 if first else 1):
        x = np.repeat(x, factor, axis)
    return x


def between(x, factors, first):
    """Values on the lines between neighbours: place i of the result lies at i / factor."""
    for axis, factor in enumerate(factors, start=2 if first else 1):
        size = x.shape[axis]
        at = np.arange(size * factor) / factor
        low = np.floor(at).astype(int)
        share = (at - low).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
        x = np.take(x, low, axis) * (1 - share) + np.take(x, np.minimum(low + 1, size - 1), axis) * share
    return x


def padded(x, *margins):
    return np.pad(x, margins)


ROWS = [
    row("reshape", lambda x: K.reshape(x, (-1, 6)), lambda x: x.reshape(-1, 6), X),
    row("reshape", lambda x: K.reshape(x, (K.shape(x)[0], 4, 3)), lambda x: x.reshape(2, 4, 3), X),
    row("transpose", K.transpose, np.transpose, X),
    row("permute_dimensions", lambda x: K.permute_dimensions(x, (2, 0, 1)), lambda x: x.transpose(2, 0, 1), X),
    row("flatten", K.flatten, np.ravel, X), row("batch_flatten", K.batch_flatten, lambda x: x.reshape(2, -1), X),
    row("expand_dims", K.expand_dims, lambda x: x[..., None], X),
    row("expand_dims", lambda x: K.expand_dims(x, 1), lambda x: x[:, None], X),
    row("squeeze", lambda x: K.squeeze(x, 1), lambda x: x[:, 0], X[:, :1]),
    row("repeat", lambda x: K.repeat(x, 3), lambda x: np.stack([x] * 3, 1), X[:, 0]),
    row("repeat_elements", lambda x: K.repeat_elements(x, 2, axis=1), lambda x: np.repeat(x, 2, 1), X),
    row("tile", lambda x: K.tile(x, [2, 1, 3]), lambda x: np.tile(x, (2, 1, 3)), X),
    row("concatenate", lambda x, y: K.concatenate([x, y, x]), lambda x, y: np.concatenate([x, y, x], -1), X, X + 1),
    row("concatenate", lambda x, y: K.concatenate([x, y], axis=1), lambda x, y: np.concatenate([x, y], 1), X, X[:, :1] + 1),
    row("stack", lambda x, y: K.stack([x, y]), lambda x, y: np.stack([x, y]), X, X + 1),
    row("stack", lambda x, y: K.stack([x, y], axis=-1), lambda x, y: np.stack([x, y], -1), X, X + 1),
    row("reverse", lambda x: K.reverse(x, 1), lambda x: x[:, ::-1], X),
    row("reverse", lambda x: K.reverse(x, [0, 2]), lambda x: x[::-1, :, ::-1], X),
    row("slice", lambda x: K.slice(x, [0, 1, 0], [-1, 2, 3]), lambda x: x[:, 1:3, :3], X),
    row("gather", K.gather, lambda x, i: x[i], X, ROWS_WANTED),
    row("one_hot", lambda i: K.one_hot(i, 3), lambda i: np.eye(3)[i], ROWS_WANTED),
    row("arange", lambda: K.arange(5), lambda: np.arange(5, dtype=np.int32)),
    row("arange", lambda: K.arange(1, 8, 3, "int64"), lambda: np.arange(1, 8, 3)),
    row("arange", lambda x: K.arange(K.shape(x)[0]), lambda x: np.arange(len(x), dtype=np.int32), X),
    row("shape", K.shape, lambda x: np.array(x.shape, np.int32), X),
    row("temporal_padding", K.temporal_padding, lambda x: padded(x, (0, 0), (1, 1), (0, 0)), X),
    row("temporal_padding", lambda x: K.temporal_padding(x, (2, 0)), lambda x: padded(x, (0, 0), (2, 0), (0, 0)), X),
    row("spatial_2d_padding", K.spatial_2d_padding, lambda x: padded(x, (0, 0), (1, 1), (1, 1), (0, 0)), IMAGES),
    row("spatial_2d_padding", lambda x: K.spatial_2d_padding(x, ((1, 0), (0, 2)), "channels_first"),
        lambda x: padded(x, (0, 0), (0, 0), (1, 0), (0, 2)), IMAGES),
    row("spatial_3d_padding", K.spatial_3d_padding, lambda x: padded(x, (0, 0), (1, 1), (1, 1), (1, 1), (0, 0)), VOLUMES),
    row("spatial_3d_padding", lambda x: K.spatial_3d_padding(x, ((1, 0), (0, 2), (1, 1)), "channels_first"),
        lambda x: padded(x, (0, 0), (0, 0), (1, 0), (0, 2), (1, 1)), VOLUMES),
    *(row("resize_images", lambda x, how=how, rule=rule: K.resize_images(x, 2, 3, how, rule),
          lambda x, how=how, rule=rule: (enlarged if rule == "nearest" else between)(x, (2, 3), how == "channels_first"),
          IMAGES)
      for how in ("channels_last", "channels_first") for rule in ("nearest", "bilinear")),
    *(row("resize_volumes", lambda x, how=how: K.resize_volumes(x, 2, 1, 3, how),
          lambda x, how=how: enlarged(x, (2, 1, 3), how == "channels_first"), VOLUMES)
      for how in ("channels_last", "channels_first")),
]
