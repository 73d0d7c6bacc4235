"""Every name of Keras's module of convolutions, those of Keras 1 included; and the names of Keras 1 that took another
argument.

Keras keeps upsampling, padding and cropping in this module and pooling by its names, so scripts import them from here.

What does not live here: the layers (convolutional_plain.py, convolutional_transposed.py, convolutional_depthwise.py,
spatial.py, pooling.py).
"""

from __future__ import annotations

from functools import partial
from typing import Any

from graphc.errors import warn
from graphc.frontend_keras.layers.convolutional_base import Convolution
from graphc.frontend_keras.layers.convolutional_depthwise import DepthwiseConv2D, SeparableConv1D, SeparableConv2D
from graphc.frontend_keras.layers.convolutional_plain import Conv1D, Conv2D, Conv3D
from graphc.frontend_keras.layers.convolutional_transposed import Conv2DTranspose, Conv3DTranspose
from graphc.frontend_keras.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from graphc.frontend_keras.layers.spatial import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)


class _Conv(Convolution):
    """What scripts derive convolutions from: Convolution of `rank` spatial axes."""

    def __init__(self, rank: int, *args: Any, **kwargs: Any):
        self.rank = rank
        super().__init__(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {"rank": self.rank, **super().get_config()}


Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D
Convolution2DTranspose = Deconvolution2D = Deconv2D = Conv2DTranspose
Deconvolution3D = Deconv3D = Conv3DTranspose


def _dilated(layer: Any, old: str, *args: Any, atrous_rate: Any = 1, **kwargs: Any) -> Any:
    """`layer` with dilation_rate=atrous_rate, and a warning."""
    warn(f"`{old}` is a name of Keras 1: use `{layer.__name__}` with the argument `dilation_rate`")
    return layer(*args, dilation_rate=atrous_rate, **kwargs)


AtrousConvolution1D = partial(_dilated, Conv1D, "AtrousConvolution1D")
AtrousConvolution2D = partial(_dilated, Conv2D, "AtrousConvolution2D")
AtrousConv1D, AtrousConv2D = AtrousConvolution1D, AtrousConvolution2D

__all__ = ["AtrousConv1D", "AtrousConv2D", "AtrousConvolution1D", "AtrousConvolution2D", "AveragePooling1D",
           "AveragePooling2D", "AveragePooling3D", "Conv1D", "Conv2D", "Conv2DTranspose", "Conv3D",
           "Conv3DTranspose", "Convolution1D", "Convolution2D", "Convolution2DTranspose", "Convolution3D",
           "Cropping1D", "Cropping2D", "Cropping3D", "Deconv2D", "Deconv3D", "Deconvolution2D", "Deconvolution3D",
           "DepthwiseConv2D", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "SeparableConv1D", "SeparableConv2D",
           "SeparableConvolution1D", "SeparableConvolution2D", "UpSampling1D", "UpSampling2D", "UpSampling3D",
           "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"]
