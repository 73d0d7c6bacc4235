"""The two cells of NASNet-A (figure 4 of arXiv:1707.07012), channels last.

What does not live here: how cells follow each other (nasnet.py).
"""

from __future__ import annotations

from typing import Any

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.applications.frame import padding_for_stride
from graphc.frontend_keras.layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Cropping2D,
    MaxPooling2D,
    SeparableConv2D,
    ZeroPadding2D,
    add,
    concatenate,
)


def normalized(x: Any, name: str) -> Any:
    return BatchNormalization(momentum=0.9997, epsilon=1e-3, name=name)(x)


def normal_cell(x: Any, previous: Any, filters: int, label: str) -> Any:
    """Five sums of pairs, beside what came before: 6 * filters channels, the size of `x`."""
    p = _fitted(previous, x, filters, label)
    h = _squeezed(x, filters, "normal", label)

    def separable(y: Any, kernel: int, place: str) -> Any:
        return _separable_pair(y, filters, kernel, f"normal_{place}_{label}")

    def means(y: Any, place: str) -> Any:
        return AveragePooling2D((3, 3), strides=(1, 1), padding="same", name=f"normal_{place}_{label}")(y)

    def total(index: int, left: Any, right: Any) -> Any:
        return add([left, right], name=f"normal_add_{index}_{label}")

    sums = [total(1, separable(h, 5, "left1"), separable(p, 3, "right1")),
            total(2, separable(p, 5, "left2"), separable(p, 3, "right2")),
            total(3, means(h, "left3"), p),
            total(4, means(p, "left4"), means(p, "right4")),
            total(5, separable(h, 3, "left5"), h)]
    return concatenate([p, *sums], name=f"normal_concat_{label}")


def reduction_cell(x: Any, previous: Any, filters: int, label: str) -> Any:
    """Five sums of pairs of half the rows and columns, four of which are the result: 4 * filters channels."""
    p = _fitted(previous, x, filters, label)
    h = _squeezed(x, filters, "reduction", label)
    padded = ZeroPadding2D(padding_for_stride(h, 3), name=f"reduction_pad_1_{label}")(h)

    def separable(y: Any, kernel: int, place: str, stride: int = 2) -> Any:
        return _separable_pair(y, filters, kernel, f"reduction_{place}_{label}", stride)

    def pooled(kind: Any, y: Any, place: str, stride: int = 2) -> Any:
        return kind((3, 3), strides=(stride, stride), padding="valid" if stride == 2 else "same",
                    name=f"reduction_{place}_{label}")(y)

    def total(name: str | None, left: Any, right: Any) -> Any:
        return add([left, right], name=name and f"reduction_{name}_{label}")

    first = total("add_1", separable(h, 5, "left1"), separable(p, 7, "right1"))
    second = total("add_2", pooled(MaxPooling2D, padded, "left2"), separable(p, 7, "right2"))
    third = total("add3", pooled(AveragePooling2D, padded, "left3"), separable(p, 5, "right3"))
    fourth = total(None, second, pooled(AveragePooling2D, first, "left4", stride=1))
    fifth = total("add4", separable(first, 3, "left4", stride=1), pooled(MaxPooling2D, padded, "right5"))
    return concatenate([second, third, fourth, fifth], name=f"reduction_concat_{label}")


def _squeezed(x: Any, filters: int, cell: str, label: str) -> Any:
    x = _pointwise(Activation("relu")(x), filters, f"{cell}_conv_1_{label}")
    return normalized(x, f"{cell}_bn_1_{label}")


def _pointwise(x: Any, filters: int, name: str) -> Any:
    return Conv2D(filters, (1, 1), padding="same", use_bias=False, kernel_initializer="he_normal", name=name)(x)


def _separable_pair(x: Any, filters: int, kernel: int, label: str, stride: int = 1) -> Any:
    """Twice: relu, separable convolution, normalisation; the first has the stride."""
    for index in (1, 2):
        x = Activation("relu")(x)
        strided = stride != 1 and index == 1
        if strided:
            x = ZeroPadding2D(padding_for_stride(x, kernel), name=f"separable_conv_1_pad_{label}")(x)
        x = SeparableConv2D(filters, (kernel, kernel), strides=(stride, stride) if strided else (1, 1),
                            padding="valid" if strided else "same", use_bias=False,
                            name=f"separable_conv_{index}_{label}")(x)
        x = normalized(x, f"separable_conv_{index}_bn_{label}")
    return x


def _fitted(previous: Any, x: Any, filters: int, label: str) -> Any:
    """What came before `x`, in the size of `x` and with `filters` channels; `x` itself where nothing did."""
    if previous is None:
        return x
    if K.int_shape(previous)[2] != K.int_shape(x)[2]:
        return _halved(previous, filters, label)
    if K.int_shape(previous)[-1] != filters:
        previous = _pointwise(Activation("relu")(previous), filters, f"adjust_conv_projection_{label}")
        return normalized(previous, f"adjust_bn_{label}")
    return previous


def _halved(x: Any, filters: int, label: str) -> Any:
    """Every other place, and every other one shifted by one, each with half of the filters."""
    x = Activation("relu", name=f"adjust_relu_1_{label}")(x)
    shifted = x
    halves = []
    for index in (1, 2):
        if index == 2:
            shifted = Cropping2D(((1, 0), (1, 0)))(ZeroPadding2D(((0, 1), (0, 1)))(x))
        places = AveragePooling2D((1, 1), strides=(2, 2), padding="valid", name=f"adjust_avg_pool_{index}_{label}")
        halves.append(_pointwise(places(shifted), filters // 2, f"adjust_conv_{index}_{label}"))
    return normalized(concatenate(halves), f"adjust_bn_{label}")
