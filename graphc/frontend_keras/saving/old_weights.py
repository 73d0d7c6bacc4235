"""Weights as Keras 1, Keras on Theano and the layers of CuDNN wrote them, in the form that layers have here.

What does not live here: finding them in files (weight_files.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.frontend_keras.layers.cudnn_recurrent import GATES, from_plain, to_plain

Arrays = list[np.ndarray]

_CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "ConvLSTM2D")
_PLAIN = {"CuDNNLSTM": "LSTM", "CuDNNGRU": "GRU"}
_LSTM_ORDER = (0, 2, 1, 3)  # Keras 1 had the gates i, c, f, o; now they are i, f, c, o


def adapted(layer: Any, arrays: Sequence[np.ndarray], version: str, backend: str) -> Arrays:
    """The arrays of `layer` in a file of this Keras version and backend; those that need no change as they are.

    version  "1" where a file names none
    """
    inner = _inside(layer, list(arrays))
    if inner is not None:
        found = [(places, adapted(part, [arrays[i] for i in places], version, backend)) for part, places in inner]
        if not hasattr(layer, "_is_graph_network"):
            return [array for _, new in found for array in new]
        made = list(arrays)
        for places, new in found:
            for place, array in zip(places, new, strict=True):
                made[place] = array
        return made
    made = _of_keras_1(layer, list(arrays)) if version.split(".")[0] == "1" else list(arrays)
    if backend == "theano" and type(layer).__name__ in _CONVOLUTIONS and made:
        kernels = 2 if type(layer).__name__ == "ConvLSTM2D" else 1
        made[:kernels] = [_flipped(kernel) for kernel in made[:kernels]]
    return _recurrent(layer, made)


def _inside(layer: Any, arrays: Arrays) -> list[tuple[Any, list[int]]] | None:
    """The layers inside of a wrapper or network, each with the places of its arrays; None for a layer of its own."""
    kind = type(layer).__name__
    if kind == "Bidirectional":
        half = len(arrays) // 2
        return [(layer.forward_layer, list(range(half))), (layer.backward_layer, list(range(half, len(arrays))))]
    if kind == "TimeDistributed":
        return [(layer.layer, list(range(len(arrays))))]
    if not hasattr(layer, "_is_graph_network"):
        return None
    if len(arrays) != len(layer.weights):
        return []
    place = {id(weight): i for i, weight in enumerate(layer.weights)}
    return [(part, [place[id(weight)] for weight in part.weights]) for part in layer.layers if part.weights]


def _flipped(kernel: np.ndarray) -> np.ndarray:
    """A kernel (places..., in, out) for correlation instead of convolution."""
    return np.flip(kernel, tuple(range(kernel.ndim - 2)))


def _of_keras_1(layer: Any, arrays: Arrays) -> Arrays:
    kind, made = type(layer).__name__, list(arrays)
    first = getattr(layer, "data_format", None) == "channels_first"
    if kind == "Conv1D" and made and made[0].ndim == 4:
        kernel = made[0]
        if kernel.shape[:2] != (layer.kernel_size[0], 1) or kernel.shape[3] != layer.filters:
            kernel = kernel.transpose(2, 3, 1, 0)
        made[0] = kernel[:, 0]
    elif kind == "Conv2D" and first:
        made[0] = made[0].transpose(2, 3, 1, 0)
    elif kind == "Conv2DTranspose":
        made[0] = made[0].transpose(2, 3, 0, 1) if first else made[0].transpose(0, 1, 3, 2)
    elif kind == "Conv3D" and first:
        made[0] = made[0].transpose(2, 3, 4, 1, 0)
    elif kind == "GRU" and len(made) == 9:
        made = _gates(made, (0, 1, 2), -1)
    elif kind == "LSTM" and len(made) == 12:
        made = _gates(made, _LSTM_ORDER, -1)
    elif kind == "ConvLSTM2D" and len(made) == 12:
        made = _gates([a.transpose(2, 3, 1, 0) if first and a.ndim == 4 else a for a in made], _LSTM_ORDER, -1)
    return made


def _gates(arrays: Arrays, order: Sequence[int], axis: int) -> Arrays:
    """Kernel, recurrent kernel and bias from those of each gate."""
    return [np.concatenate([arrays[3 * gate + part] for gate in order], axis) for part in range(3)]


def _recurrent(layer: Any, arrays: Arrays) -> Arrays:
    """Between CuDNN's layers and the ordinary ones, by the bias: CuDNN has one row with two numbers a unit and gate."""
    kind = type(layer).__name__
    gates = GATES.get(_PLAIN.get(kind, kind))
    if gates is None or len(arrays) != 3:
        return arrays
    units, bias = layer.units, arrays[2]
    of_library = bias.shape == (2 * gates * units,)
    if of_library == (kind in _PLAIN):
        return arrays
    return to_plain(arrays) if of_library else from_plain(arrays)
