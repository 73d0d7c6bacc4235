"""Products of K.

What does not live here: convolutions (sliding.py).
"""

import numpy as np

from graphc.frontend_keras import backend as K
from tests.frontend_keras.backend_samples.sample import normal, row


def rule(text):
    return lambda x, y: np.einsum(text, x, y)


def added(x, b, first):
    if not first:
        return x + b
    # a bias of several axes is read in another shape, not transposed: so do Keras and the files that it wrote
    return x + (b.reshape(-1, *[1] * (x.ndim - 2)) if b.ndim == 1 else b.reshape(b.shape[-1], *b.shape[:-1]))


ROWS = [
    row("dot", K.dot, rule("ij,jk->ik"), normal(3, 4), normal(4, 5)),
    row("dot", K.dot, rule("aij,jk->aik"), normal(2, 3, 4), normal(4, 5)),
    row("dot", K.dot, rule("ij,ajk->iak"), normal(3, 4), normal(2, 4, 5), known=True),
    row("batch_dot", K.batch_dot, rule("bij,bjk->bik"), normal(2, 3, 4), normal(2, 4, 5)),
    row("batch_dot", lambda x, y: K.batch_dot(x, y, axes=[2, 2]), rule("bij,bkj->bik"), normal(2, 3, 4), normal(2, 5, 4)),
    row("batch_dot", lambda x, y: K.batch_dot(x, y, 1), lambda x, y: (x * y).sum(1, keepdims=True), normal(3, 4),
        normal(3, 4, seed=1)),
    row("batch_dot", lambda x, y: K.batch_dot(x, y, (1, 2)), rule("bj,bij->bi"), normal(2, 4), normal(2, 3, 4)),
    row("bias_add", K.bias_add, lambda x, b: x + b, normal(2, 4), normal(4)),
    *(row("bias_add", lambda x, b, how=how: K.bias_add(x, b, data_format=how),
          lambda x, b, how=how: added(x, b, how == "channels_first"), normal(*shape),
          normal(shape[1] if how == "channels_first" else shape[-1]))
      for how in ("channels_last", "channels_first") for shape in ((2, 3, 4), (2, 3, 4, 5), (2, 3, 2, 4, 5))),
    row("bias_add", lambda x, b: K.bias_add(x, b, "channels_first"), lambda x, b: added(x, b, True), normal(2, 3, 4, 5),
        normal(4, 5, 3)),
]
