"""Batches of the images in a folder, whose subfolders are the classes.

What does not live here: the order, the random changes, the labels (iterators.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator as Stream
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.preprocessing.image.iterators import FileIterator

ENDINGS = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")
_MODES = ("categorical", "binary", "sparse", "input", None)


class DirectoryIterator(FileIterator):
    """Batches of changed images: x or (x, y). Prints how many images and classes it has found.

    directory    its subfolders hold PNG, JPG, BMP, PPM and TIF files, at any depth
    target_size  (height, width) of all images
    color_mode   "rgb", "rgba" or "grayscale"
    classes      names of subfolders, in the order of their numbers; default: all, sorted
    class_mode   what y is: "categorical" (one-hot rows), "binary" (numbers as floats), "sparse" (numbers as int32),
                 "input" (the images), None (there is no y)
    subset       "training" or "validation": the part of each class that the generator's validation_split says
    follow_links whether links to folders are followed
    interpolation  as for load_img

    The rest is that of NumpyArrayIterator. Attributes: filenames, classes, class_indices, samples, num_classes.
    Raises ArgumentError, OSError.
    """

    def __init__(self, directory: Any, image_data_generator: Any, target_size: Any = (256, 256),
                 color_mode: str = "rgb", classes: Any = None, class_mode: str | None = "categorical",
                 batch_size: int = 32, shuffle: bool = True, seed: int | None = None, data_format: str | None = None,
                 save_to_dir: str | None = None, save_prefix: str = "", save_format: str = "png",
                 follow_links: bool = False, subset: str | None = None, interpolation: str = "nearest",
                 dtype: Any = None):
        self.common_init(image_data_generator, target_size, color_mode, data_format, save_to_dir, save_prefix,
                         save_format, subset, interpolation)
        self.class_mode = known_class_mode(class_mode, _MODES, "DirectoryIterator")
        self.directory, self.dtype = os.fspath(directory), dtype or K.floatx()
        names = list(classes) if classes else _subfolders(self.directory)
        self.num_classes, self.class_indices = len(names), {name: number for number, name in enumerate(names)}
        self.filenames, numbers = [], []
        for number, name in enumerate(names):
            found = list(files_below(os.path.join(self.directory, name), follow_links, self.split))
            self.filenames += [os.path.join(name, file) for file in found]
            numbers += [number] * len(found)
        self.classes = np.array(numbers, dtype="int32")
        self.samples = len(self.filenames)
        print(f"Found {self.samples} images belonging to {self.num_classes} classes.")
        super().__init__(self.samples, batch_size, shuffle, seed)


def known_class_mode(class_mode: Any, modes: tuple[Any, ...], where: str) -> Any:
    """The word itself. Raises ArgumentError."""
    if class_mode not in modes:
        raise ArgumentError(f"Invalid class_mode: {class_mode}", where=where, expected=f"one of {modes}")
    return class_mode


def _subfolders(directory: str) -> list[str]:
    return sorted(name for name in os.listdir(directory) if os.path.isdir(os.path.join(directory, name)))


def files_below(folder: str, follow_links: bool, split: tuple[float, float] | None = None) -> list[str]:
    """Paths below `folder` of its images at any depth, folder by folder; `split`: the part between two fractions."""
    found = [os.path.normpath(os.path.join(os.path.relpath(root, folder), name))
             for root, name in _images(folder, follow_links)]
    return found if split is None else found[int(split[0] * len(found)):int(split[1] * len(found))]


def _images(folder: str, follow_links: bool) -> Stream[tuple[str, str]]:
    for root, _, names in sorted(os.walk(folder, followlinks=follow_links), key=lambda walked: walked[0]):
        for name in sorted(names):
            if not name.lower().endswith(tuple(f".{ending}" for ending in ENDINGS)):
                continue
            if name.lower().endswith(".tiff"):
                warn("Using '.tiff' files with multiple bands will cause distortion. Please verify your "
                     "output.")
            yield root, name
