"""Images in batches, each image changed as an ImageDataGenerator says: the order, the random numbers, the labels.

The order and all random values come from NumPy's global generator, in the order in which Keras 2.2.4 draws them. What a
batch needs is drawn in one go, while no other iterator draws; changing the images is left to as many threads as like.

What does not live here: where images come from (array_iterator.py, directory_iterator.py, dataframe_iterator.py), how
they are changed (generator.py).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from collections.abc import Iterator as Stream
from functools import partial
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, CheckpointError
from graphc.frontend_keras.preprocessing.image.pictures import (
    CHANNELS,
    array_to_img,
    img_to_array,
    known_color_mode,
    known_format,
    load_img,
)
from graphc.frontend_keras.utils.data_utils import Sequence
from graphc.frontend_keras.utils.np_utils import to_categorical

_DRAWING = threading.RLock()  # one for all: they draw from one generator
os.register_at_fork(before=_DRAWING.acquire, after_in_parent=_DRAWING.release, after_in_child=_DRAWING.release)


class Iterator(Sequence):
    """Batches of n samples, over and over again: by index, or one after the other.

    n           number of samples
    batch_size  samples of a batch; the last one of an epoch has what is left
    shuffle     whether each epoch has a new order
    seed        NumPy's generator is seeded with it, plus the number of batches so far, before each batch

    A subclass defines `_get_batches_of_transformed_samples(index_array)`. Raises ArgumentError.
    """

    def __init__(self, n: int, batch_size: int, shuffle: bool, seed: int | None):
        if batch_size < 1:
            raise ArgumentError("`batch_size` is too small", where=type(self).__name__, expected="1 or more",
                                got=batch_size)
        self.n, self.batch_size, self.shuffle, self.seed = n, batch_size, shuffle, seed
        self.batch_index = 0
        self.total_batches_seen = 0
        self.lock = _DRAWING
        self.index_array: np.ndarray | None = None
        self.index_generator = self._flow_index()

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def __getitem__(self, idx: int) -> Any:
        if not 0 <= idx < len(self):
            raise ArgumentError(f"Asked to retrieve element {idx}, but the Sequence has length {len(self)}",
                                where=type(self).__name__)
        with self.lock:
            self._seed()
            self.total_batches_seen += 1
            if self.index_array is None:
                self._set_index_array()
            make = self._prepared(self._of_order(self.batch_size * idx))
        return make()

    def __iter__(self) -> Stream[Any]:
        return self

    def __next__(self) -> Any:
        return self.next()

    def next(self) -> Any:
        """The next batch; there is always one."""
        with self.lock:
            make = self._prepared(next(self.index_generator))
        return make()

    def reset(self) -> None:
        """Let `next` begin an epoch."""
        self.batch_index = 0

    def on_epoch_end(self) -> None:
        with self.lock:
            self._set_index_array()

    def _settle(self) -> None:
        with self.lock:
            if self.index_array is None:
                self._seed()
                self._set_index_array()

    def get_state(self) -> Any:
        """The order of the samples and the counts of batches."""
        return {"order": self.index_array, "batch": self.batch_index, "seen": self.total_batches_seen}

    def set_state(self, state: Any) -> None:
        order = state["order"]
        if order is not None and not np.array_equal(np.sort(order), np.arange(self.n)):
            raise CheckpointError("not an order of the samples", where=type(self).__name__,
                                  expected=f"the numbers below {self.n}")
        self.index_array = None if order is None else np.asarray(order)
        self.batch_index, self.total_batches_seen = int(state["batch"]), int(state["seen"])

    def _seed(self) -> None:
        if self.seed is not None:
            np.random.seed(self.seed + self.total_batches_seen)

    def _set_index_array(self) -> None:
        self.index_array = np.random.permutation(self.n) if self.shuffle else np.arange(self.n)

    def _of_order(self, start: int) -> np.ndarray:
        assert self.index_array is not None
        return self.index_array[start:start + self.batch_size]

    def _flow_index(self) -> Stream[np.ndarray]:
        """The rows of each batch."""
        while True:
            if not self.n:
                raise ArgumentError("there are no samples", where=type(self).__name__)
            self._seed()
            if self.batch_index == 0 or self.index_array is None:
                self._set_index_array()
            start = (self.batch_index * self.batch_size) % self.n
            self.batch_index = self.batch_index + 1 if start + self.batch_size < self.n else 0
            self.total_batches_seen += 1
            yield self._of_order(start)

    def _prepared(self, rows: np.ndarray) -> Callable[[], Any]:
        """What makes the batch of these rows; called under the lock, and its result outside."""
        return partial(self._get_batches_of_transformed_samples, rows)

    def _get_batches_of_transformed_samples(self, index_array: np.ndarray) -> Any:
        raise ArgumentError("an Iterator defines _get_batches_of_transformed_samples", where=type(self).__name__)

    def common_init(self, image_data_generator: Any, target_size: Any, color_mode: str, data_format: str | None,
                    save_to_dir: str | None, save_prefix: str, save_format: str, subset: str | None,
                    interpolation: str) -> None:
        """Take what iterators over files have in common. Raises ArgumentError."""
        where = type(self).__name__
        self.image_data_generator, self.interpolation = image_data_generator, interpolation
        self.target_size = tuple(target_size)
        self.color_mode = known_color_mode(color_mode, where)
        self.data_format = known_format(data_format, where)
        channels = (CHANNELS[color_mode],)
        last = self.data_format == "channels_last"
        self.image_shape = self.target_size + channels if last else channels + self.target_size
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        self.subset, self.split = subset, split_of(subset, image_data_generator, where)


def split_of(subset: str | None, image_data_generator: Any, where: str) -> tuple[float, float] | None:
    """The part of the samples that a subset is, as fractions; None: all. Raises ArgumentError."""
    fraction = image_data_generator._validation_split
    if subset is None:
        return None
    if subset not in ("training", "validation"):
        raise ArgumentError(f"Invalid subset name: {subset}", where=where, expected='"training" or "validation"')
    return (0, fraction) if subset == "validation" else (fraction, 1)


class ImageIterator(Iterator):
    """An Iterator over images: a subclass says how one is read and what goes with them.

    Attributes that it sets: image_data_generator, data_format, image_shape, dtype, save_to_dir, save_prefix,
    save_format.
    """

    image_data_generator: Any
    data_format: str
    image_shape: tuple[int, ...]
    dtype: Any
    save_to_dir: str | None
    save_prefix: str
    save_format: str
    _names = 10_000
    """How many different numbers the names of saved images have."""

    def _image(self, row: int) -> np.ndarray:
        """An image that may be changed in place."""
        raise NotImplementedError

    def _with_labels(self, images: np.ndarray, rows: np.ndarray) -> Any:
        """What a batch consists of."""
        raise NotImplementedError

    def _prepared(self, rows: np.ndarray) -> Callable[[], Any]:
        if type(self)._get_batches_of_transformed_samples is not ImageIterator._get_batches_of_transformed_samples:
            return super()._prepared(rows)  # a user's own
        return partial(self._batch, rows, self._drawn(len(rows)))

    def _get_batches_of_transformed_samples(self, index_array: np.ndarray) -> Any:
        return self._batch(index_array, self._drawn(len(index_array)))

    def _drawn(self, count: int) -> Iterable[dict[str, Any]]:
        """The parameters of each image: drawn now, unless a user's function may draw between two images."""
        draws = (self.image_data_generator.get_random_transform(self.image_shape) for _ in range(count))
        return draws if self.image_data_generator.preprocessing_function else list(draws)

    def _batch(self, rows: np.ndarray, draws: Iterable[dict[str, Any]]) -> Any:
        images = np.zeros((len(rows), *self.image_shape), dtype=self.dtype)
        for place, (row, parameters) in enumerate(zip(rows, draws)):
            image = self.image_data_generator.apply_transform(self._image(row), parameters)
            images[place] = self.image_data_generator.standardize(image)
        if self.save_to_dir:
            self._save(images, rows, self.save_to_dir)
        return self._with_labels(images, rows)

    def _save(self, images: np.ndarray, rows: np.ndarray, folder: str) -> None:
        for image, row in zip(images, rows):
            name = f"{self.save_prefix}_{row}_{np.random.randint(self._names)}.{self.save_format}"
            array_to_img(image, self.data_format, scale=True).save(os.path.join(folder, name))

    def _computed_in(self) -> np.dtype:
        """The element type of an image while it is changed."""
        dtype = np.dtype(self.dtype)
        return dtype if dtype.kind == "f" else np.dtype("float32")


class FileIterator(ImageIterator):
    """An ImageIterator over files, with one label for each.

    Attributes that a subclass sets, beside those of `common_init`: directory, filenames, classes, num_classes,
    class_mode.
    """

    directory: str
    filenames: list[str]
    classes: Any
    num_classes: int
    class_mode: str | None
    _names = 10_000_000

    def _image(self, row: int) -> np.ndarray:
        img = load_img(os.path.join(self.directory, self.filenames[row]), color_mode=self.color_mode,
                       target_size=self.target_size, interpolation=self.interpolation)
        return img_to_array(img, data_format=self.data_format, dtype=self._computed_in())

    def _with_labels(self, images: np.ndarray, rows: np.ndarray) -> Any:
        labels = self._labels(images, rows)
        return images if labels is None else (images, labels)

    def _labels(self, images: np.ndarray, rows: np.ndarray) -> np.ndarray | None:
        if self.class_mode is None:
            return None
        if self.class_mode == "input":
            return images.copy()
        classes = self.classes[rows]
        if self.class_mode == "categorical":
            return to_categorical(classes, self.num_classes, self.dtype)
        return classes.astype(self.dtype) if self.class_mode == "binary" else classes
