"""Normalising images: by their own mean and deviation, or by those of a data set.

What does not live here: random changes (generator.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import ShapeError, warn
from graphc.frontend_keras.preprocessing.image.array_iterator import warn_of_channels
from graphc.frontend_keras.utils.extras import optional

_WHERE = "ImageDataGenerator"
_EPSILON = 1e-6


class Statistics:
    """The part of an ImageDataGenerator that normalises.

    mean, std             of each channel, float arrays that broadcast with an image; None before `fit`
    principal_components  the matrix that whitens flat images; None before `fit`
    """

    featurewise_center: bool
    featurewise_std_normalization: bool
    samplewise_center: bool
    samplewise_std_normalization: bool
    zca_whitening: bool
    zca_epsilon: float
    rescale: float | None
    preprocessing_function: Any
    dtype: Any
    data_format: str
    row_axis: int
    col_axis: int
    channel_axis: int
    mean: np.ndarray | None
    std: np.ndarray | None
    principal_components: np.ndarray | None

    def standardize(self, x: np.ndarray) -> np.ndarray:
        """Images normalised, in this order: preprocessing_function, rescale, by themselves, by the data set, whitened.

        x   an image or a batch; floats are overwritten. The mean and deviation "of itself" are those of all of x.

        Warns where `fit` has not been called and was needed.
        """
        if self.preprocessing_function:
            x = self.preprocessing_function(x)
        if self._changes_values() and np.asarray(x).dtype.kind != "f":
            x = np.asarray(x, dtype=self.dtype if np.dtype(self.dtype).kind == "f" else "float32")
        if self.rescale:
            x *= self.rescale
        if self.samplewise_center:
            x -= np.mean(x, keepdims=True)
        if self.samplewise_std_normalization:
            x /= np.std(x, keepdims=True) + _EPSILON
        if (mean := self._fitted("featurewise_center", self.mean)) is not None:
            x -= mean
        if (std := self._fitted("featurewise_std_normalization", self.std)) is not None:
            x /= std + _EPSILON
        if (whitening := self._fitted("zca_whitening", self.principal_components)) is not None:
            x = np.dot(x.reshape(-1, int(np.prod(x.shape[-3:]))), whitening).reshape(x.shape)
        return x

    def _changes_values(self) -> bool:
        return bool(self.rescale or self.samplewise_center or self.samplewise_std_normalization
                    or self.featurewise_center or self.featurewise_std_normalization or self.zca_whitening)

    def _fitted(self, switch: str, value: np.ndarray | None) -> np.ndarray | None:
        """What `fit` has found for a switch; None where the switch is off, and, with a warning, before `fit`."""
        if not getattr(self, switch):
            return None
        if value is None:
            warn(f"This ImageDataGenerator specifies `{switch}`, but it hasn't been fit on any training data. "
                 "Fit it first by calling `.fit(numpy_data)`.")
        return value

    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Take mean, deviation and principal components, as far as they are needed, from images.

        x        of shape (n, height, width, channels), or with the channels first
        augment  whether from images changed at random, `rounds` times each
        seed     of NumPy's global generator

        Whitening is ZCA: with the covariance U S U' of the centred flat images, the matrix is
        U (S + zca_epsilon)^(-1/2) U' (Krizhevsky, Learning Multiple Layers of Features, 2009, appendix A).
        Raises ShapeError, and MissingLibraryError where whitening needs SciPy.
        """
        x = np.array(x, dtype=self.dtype)
        if x.ndim != 4:
            raise ShapeError("Input to `.fit()` should have rank 4", where=_WHERE,
                             got=f"array with shape {x.shape}")
        warn_of_channels(x.shape, self.channel_axis, self.data_format, _WHERE)
        if seed is not None:
            np.random.seed(seed)
        if augment:
            x = self._augmented(x, rounds)
        if self.featurewise_center:
            self.mean = self._by_channel(np.mean, x)
            x = x - self.mean
        if self.featurewise_std_normalization:
            self.std = self._by_channel(np.std, x)
            x = x / (self.std + _EPSILON)
        if self.zca_whitening:
            flat = x.reshape(len(x), -1)
            linalg = optional("scipy.linalg", "image", f"{_WHERE}, zca_whitening")
            axes, variances, _ = linalg.svd(np.dot(flat.T, flat) / len(flat))
            self.principal_components = (axes / np.sqrt(variances + self.zca_epsilon)).dot(axes.T)

    def _augmented(self, x: np.ndarray, rounds: int) -> np.ndarray:
        changed = np.empty((rounds * len(x), *x.shape[1:]), dtype=self.dtype)
        for place in range(len(changed)):
            changed[place] = self.random_transform(x[place % len(x)])
        return changed

    def random_transform(self, x: np.ndarray, seed: int | None = None) -> np.ndarray:
        raise NotImplementedError

    def _by_channel(self, statistic: Any, x: np.ndarray) -> np.ndarray:
        shape = [1, 1, 1]
        shape[self.channel_axis - 1] = x.shape[self.channel_axis]
        return np.reshape(statistic(x, axis=(0, self.row_axis, self.col_axis)), shape)
