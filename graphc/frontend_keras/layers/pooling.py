"""Pooling layers: the largest or the average element of windows, or of all places.

What does not live here: the functions of K behind them (backend/pooling.py), convolutions (convolutional.py).
"""

from __future__ import annotations

from typing import Any

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.legacy import renamed_keywords
from graphc.frontend_keras.layers.convolutional_base import CONVERT_1, SpatialLayer, numbers, padding_word

__all__ = ["AveragePooling1D", "AveragePooling2D", "AveragePooling3D", "AvgPool1D", "AvgPool2D", "AvgPool3D",
           "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D", "GlobalAvgPool1D",
           "GlobalAvgPool2D", "GlobalAvgPool3D", "GlobalMaxPool1D", "GlobalMaxPool2D", "GlobalMaxPool3D",
           "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D", "MaxPool1D", "MaxPool2D", "MaxPool3D",
           "MaxPooling1D", "MaxPooling2D", "MaxPooling3D"]

POOLING_1D_1 = {"pool_length": "pool_size", "stride": "strides", "border_mode": "padding"}
POOLING_1 = {"border_mode": "padding", "dim_ordering": "data_format"}


class _Pooling(SpatialLayer):
    """Base of the layers that pool windows.

    pool_size    sizes of a window, one for each spatial axis; one number stands for all
    strides      how far windows lie apart; None is pool_size
    padding      valid: windows inside the input only; same: as many as the input has places, over the strides
    data_format  channels_last or channels_first; None is K.image_data_format() at construction

    Raises ArgumentError for arguments outside their domain, ShapeError for inputs that do not fit.
    """

    mode = "max"

    def __init__(self, pool_size: Any, strides: Any, padding: str, data_format: str | None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.pool_size = numbers(pool_size, self.rank, "pool_size", self.name)
        self.strides = self.pool_size if strides is None else numbers(strides, self.rank, "strides", self.name)
        self.padding = padding_word(padding, self.name)

    def _pooling_function(self, inputs: Any, pool_size: Any, strides: Any, padding: str, data_format: str) -> Any:
        """What is done to windows; subclasses may do something else. One spatial axis comes as two here."""
        pool = K.pool3d if self.rank == 3 else K.pool2d
        return pool(inputs, pool_size, strides, padding, data_format, pool_mode=self.mode)

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        return self._pooling_function(inputs=inputs, pool_size=self.pool_size, strides=self.strides,
                                      padding=self.padding, data_format=self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pool_size": self.pool_size, "padding": self.padding,
                "strides": self.strides, "data_format": self.data_format}


class _Pooling1D(_Pooling):
    rank = 1

    @renamed_keywords(POOLING_1D_1)
    def __init__(self, pool_size: Any = 2, strides: Any = None, padding: str = "valid",
                 data_format: str | None = "channels_last", **kwargs: Any):
        super().__init__(pool_size, strides, padding, data_format, **kwargs)

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        unit = 2 if self.data_format == "channels_last" else 3
        pooled = self._pooling_function(inputs=K.expand_dims(inputs, unit), pool_size=(*self.pool_size, 1),
                                        strides=(*self.strides, 1), padding=self.padding,
                                        data_format=self.data_format)
        return K.squeeze(pooled, unit)

    def get_config(self) -> dict[str, Any]:
        return {**SpatialLayer.get_config(self), "strides": self.strides, "pool_size": self.pool_size,
                "padding": self.padding, "data_format": self.data_format}


class _Pooling2D(_Pooling):
    rank = 2

    @renamed_keywords(POOLING_1, convert=CONVERT_1)
    def __init__(self, pool_size: Any = (2, 2), strides: Any = None, padding: str = "valid",
                 data_format: str | None = None, **kwargs: Any):
        super().__init__(pool_size, strides, padding, data_format, **kwargs)


class _Pooling3D(_Pooling):
    rank = 3

    @renamed_keywords(POOLING_1, convert=CONVERT_1)
    def __init__(self, pool_size: Any = (2, 2, 2), strides: Any = None, padding: str = "valid",
                 data_format: str | None = None, **kwargs: Any):
        super().__init__(pool_size, strides, padding, data_format, **kwargs)


class MaxPooling1D(_Pooling1D):
    """The largest element of each window of steps: (batch, steps, channels) to (batch, new steps, channels)."""


class MaxPooling2D(_Pooling2D):
    """The largest element of each window of images, channel by channel."""


class MaxPooling3D(_Pooling3D):
    """The largest element of each window of volumes, channel by channel."""


class AveragePooling1D(_Pooling1D):
    """The average of each window of steps; padding never counts."""

    mode = "avg"


class AveragePooling2D(_Pooling2D):
    """The average of each window of images, channel by channel; padding never counts."""

    mode = "avg"


class AveragePooling3D(_Pooling3D):
    """The average of each window of volumes, channel by channel; padding never counts."""

    mode = "avg"


class _GlobalPooling(SpatialLayer):
    """Base of the layers that pool all places: (batch, places and channels) to (batch, channels)."""

    @renamed_keywords({"dim_ordering": "data_format"}, convert=CONVERT_1)
    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


class _GlobalPooling1D(_GlobalPooling):
    rank = 1

    def __init__(self, data_format: str | None = "channels_last", **kwargs: Any):
        super().__init__(data_format, **kwargs)


class _GlobalPooling2D(_GlobalPooling):
    rank = 2


class _GlobalPooling3D(_GlobalPooling):
    rank = 3


class _GlobalMax(_GlobalPooling):
    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        return K.max(inputs, axis=list(self.spatial_axes))


class _GlobalAverage(_GlobalPooling):
    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        return K.mean(inputs, axis=list(self.spatial_axes))


class GlobalMaxPooling1D(_GlobalMax, _GlobalPooling1D):
    """The largest element of each channel over all steps. data_format is channels_last unless given."""


class GlobalAveragePooling1D(_GlobalAverage, _GlobalPooling1D):
    """The average of each channel over all steps that are not masked; the output carries no mask.

    data_format is channels_last unless given. A sample of which every step is masked gives NaN, as in Keras.
    """

    supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:  # type: ignore[override]
        if mask is None:
            return super().call(inputs)
        (steps,) = self.spatial_axes
        kept = K.expand_dims(K.cast(mask, K.dtype(inputs)), 3 - steps)
        return K.sum(inputs * kept, axis=steps) / K.sum(kept, axis=steps)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None


class GlobalMaxPooling2D(_GlobalMax, _GlobalPooling2D):
    """The largest element of each channel of an image."""


class GlobalAveragePooling2D(_GlobalAverage, _GlobalPooling2D):
    """The average of each channel of an image."""


class GlobalMaxPooling3D(_GlobalMax, _GlobalPooling3D):
    """The largest element of each channel of a volume."""


class GlobalAveragePooling3D(_GlobalAverage, _GlobalPooling3D):
    """The average of each channel of a volume."""


MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
GlobalAvgPool1D, GlobalAvgPool2D, GlobalAvgPool3D = (
    GlobalAveragePooling1D, GlobalAveragePooling2D, GlobalAveragePooling3D)
