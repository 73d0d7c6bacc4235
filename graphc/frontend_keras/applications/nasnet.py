"""NASNet-A, large and mobile (Zoph et al., 2017, arXiv:1707.07012).

What does not live here: the cells (nasnet_cells.py), input, head and weights (frame.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.applications import imagenet_utils
from graphc.frontend_keras.applications.frame import Frame, channels_last, pooled_classifier
from graphc.frontend_keras.applications.imagenet_utils import decode_predictions
from graphc.frontend_keras.applications.nasnet_cells import normal_cell, normalized, reduction_cell
from graphc.frontend_keras.applications.pretrained import PublishedFile, WeightFiles
from graphc.frontend_keras.layers import Activation, Conv2D

__all__ = ["NASNet", "NASNetLarge", "NASNetMobile", "decode_predictions", "preprocess_input"]


def _published(kind: str, top_md5: str, no_top_md5: str) -> WeightFiles:
    folder = "https://github.com/titu1994/Keras-NASNet/releases/download/v1.2/"
    return WeightFiles(PublishedFile(f"nasnet_{kind}.h5", f"{folder}NASNet-{kind}.h5", top_md5),
                       PublishedFile(f"nasnet_{kind}_no_top.h5", f"{folder}NASNet-{kind}-no-top.h5", no_top_md5))


FILES: Mapping[int, WeightFiles] = MappingProxyType({
    224: _published("mobile", "020fb642bf7360b370c678b08e0adf61", "1ed92395b5b598bdda52abe5c0dbfd63"),
    331: _published("large", "11577c9a518f0070763c2b964a382f17", "d81d89dc07e6e56530c4e77faddd61b5")})
"""Default size of the image -> weights."""


def NASNet(input_shape: Any = None, penultimate_filters: int = 4032, num_blocks: int = 6,  # noqa: N802
           stem_block_filters: int = 96, skip_reduction: bool = True, filter_multiplier: int = 2,
           include_top: bool = True, weights: Any = None, input_tensor: Any = None, pooling: str | None = None,
           classes: int = 1000, default_size: int | None = None) -> Any:
    """A NASNet-A for images of at least 32 x 32, channels last. Other arguments and errors: see frame.Frame.

    penultimate_filters  filters of the last feature map, a multiple of 24
    num_blocks           normal cells in each of the three groups
    stem_block_filters   filters of the convolution that begins
    skip_reduction       whether the first cell behind a reduction still sees what that reduction saw
    filter_multiplier    growth of the filters at each reduction
    default_size         rows and columns of the image where the caller leaves them open; default 331

    Raises ShapeError (a ValueError) where rows or columns are not known, which include_top=False needs input_shape for:
    Keras makes such a model, but there is no image on which it runs.
    """
    where, default_size = "NASNet", 331 if default_size is None else default_size
    if penultimate_filters % 24:
        raise ArgumentError("For NASNet-A models, the value of `penultimate_filters` needs to be divisible by 24",
                            where=where, got=penultimate_filters)
    with channels_last(where):
        frame = Frame(where, include_top, weights, input_tensor, input_shape, pooling, classes)
        x = frame.begin(frame.shape(default_size, least=32))
        if None in K.int_shape(x)[1:]:
            raise ShapeError("the cells of a NASNet can only be joined where rows and columns are known", where=where,
                             got=f"`input_shape={K.int_shape(x)[1:]}`",
                             fix=f"Pass input_shape=({default_size}, {default_size}, 3), or other sizes.")
        x = Conv2D(stem_block_filters, (3, 3), strides=(2, 2), use_bias=False, name="stem_conv1",
                   kernel_initializer="he_normal")(x)
        x = _cells(normalized(x, "stem_bn1"), penultimate_filters // 24, num_blocks, filter_multiplier, skip_reduction)
        x = frame.head(Activation("relu")(x), pooled_classifier("predictions", pool=None))
        return frame.model("NASNet", x, FILES.get(default_size))


def _cells(x: Any, filters: int, count: int, growth: int, skip_reduction: bool) -> Any:
    """Two reductions, then three groups of normal cells with a reduction between each two."""
    previous = None
    for divisor, label in ((growth ** 2, "stem_1"), (growth, "stem_2")):
        x, previous = reduction_cell(x, previous, filters // divisor, label), x
    for group in range(3):
        width = filters * growth ** group
        if group:
            reduced = reduction_cell(x, previous, width, f"reduce_{group * count}")
            x, previous = reduced, previous if skip_reduction else x
        first = group * count + (group > 0)
        for index in range(first, first + count):
            x, previous = normal_cell(x, previous, width, str(index)), x
    return x


def NASNetLarge(input_shape: Any = None, include_top: bool = True, weights: Any = "imagenet",  # noqa: N802
                input_tensor: Any = None, pooling: str | None = None, classes: int = 1000) -> Any:
    """NASNet-A (6 @ 4032) for images of 331 x 331; see NASNet."""
    return NASNet(input_shape, 4032, 6, 96, True, 2, include_top, weights, input_tensor, pooling, classes, 331)


def NASNetMobile(input_shape: Any = None, include_top: bool = True, weights: Any = "imagenet",  # noqa: N802
                 input_tensor: Any = None, pooling: str | None = None, classes: int = 1000) -> Any:
    """NASNet-A (4 @ 1056) for images of 224 x 224; see NASNet."""
    return NASNet(input_shape, 1056, 4, 32, False, 2, include_top, weights, input_tensor, pooling, classes, 224)


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images with values 0 to 255 as values from -1 to 1; see imagenet_utils.preprocess_input."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf")
