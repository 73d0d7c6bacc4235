"""Batches of the images that a table names, whose labels are columns of it.

What does not live here: the order, the random changes, most labels (iterators.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, DTypeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.preprocessing.image.directory_iterator import ENDINGS, files_below, known_class_mode
from graphc.frontend_keras.preprocessing.image.iterators import FileIterator

_WHERE = "DataFrameIterator"
_MODES = ("categorical", "binary", "sparse", "input", "other", None)
_WITHOUT_CLASSES = ("input", "other", None)


class DataFrameIterator(FileIterator):
    """Batches of changed images: x or (x, y). Prints how many images and classes it has found.

    dataframe   a pandas DataFrame, or a dict of columns; rows with a missing value are left out, and of rows that name
                the same image all but the first one
    directory   the images lie in it, at any depth
    x_col       column of the images' file names
    y_col       column of the labels; for class_mode "other" also a list of columns
    has_ext     whether the names have their endings
    classes     labels in the order of their numbers; default: in the order in which they first occur
    class_mode  as for DirectoryIterator, or "other": y is the columns `y_col` as they are

    The rest is that of DirectoryIterator; `subset` is a part of the files. The order is that of the files, sorted.
    Raises ArgumentError, DTypeError.
    """

    def __init__(self, dataframe: Any, directory: Any, image_data_generator: Any, x_col: str = "filenames",
                 y_col: Any = "class", has_ext: bool = True, target_size: Any = (256, 256), color_mode: str = "rgb",
                 classes: Any = None, class_mode: str | None = "categorical", batch_size: int = 32,
                 shuffle: bool = True, seed: int | None = None, data_format: str | None = None,
                 save_to_dir: str | None = None, save_prefix: str = "", save_format: str = "png",
                 follow_links: bool = False, subset: str | None = None, interpolation: str = "nearest",
                 dtype: Any = None):
        self.common_init(image_data_generator, target_size, color_mode, data_format, save_to_dir, save_prefix,
                         save_format, subset, interpolation)
        self.class_mode = known_class_mode(class_mode, _MODES, _WHERE)
        if classes and class_mode in _WITHOUT_CLASSES:
            raise ArgumentError("classes cannot be set", where=_WHERE, got=f"class_mode={class_mode!r}")
        self.directory, self.dtype = os.fspath(directory), dtype or K.floatx()
        names, kept = _named_images(dataframe, x_col, has_ext)
        files = files_below(self.directory, follow_links, self.split)
        self.filenames, rows = _matched(files, {name: row for name, row in zip(names, kept)}, has_ext)
        rows_with_all = _complete(dataframe, rows)
        self.filenames = [file for file, complete in zip(self.filenames, rows_with_all) if complete]
        rows = [row for row, complete in zip(rows, rows_with_all) if complete]
        self._take_labels(dataframe, y_col, kept, rows, classes)
        self.samples = len(self.filenames)
        of_classes = f" belonging to {self.num_classes} classes" if self.num_classes else ""
        print(f"Found {self.samples} images{of_classes}.")
        super().__init__(self.samples, batch_size, shuffle, seed)

    def _take_labels(self, dataframe: Any, y_col: Any, kept: list[int], rows: list[int], classes: Any) -> None:
        self.num_classes, self.class_indices = 0, {}
        self.classes = np.zeros((0,), dtype="int32")
        if self.class_mode == "other":
            self.data = _numbers(dataframe, y_col)[rows]
        elif self.class_mode not in _WITHOUT_CLASSES:
            labels = _column(dataframe, y_col)
            names = list(classes) if classes else list(dict.fromkeys(labels[row] for row in kept))
            self.num_classes, self.class_indices = len(names), {name: number for number, name in enumerate(names)}
            unknown = [labels[row] for row in rows if labels[row] not in self.class_indices]
            if unknown:
                raise ArgumentError(f"the label {unknown[0]!r} is not among `classes`", where=_WHERE)
            self.classes = np.array([self.class_indices[labels[row]] for row in rows], dtype=np.int64)

    def _labels(self, images: np.ndarray, rows: np.ndarray) -> np.ndarray | None:
        return self.data[rows] if self.class_mode == "other" else super()._labels(images, rows)


def _column(table: Any, name: Any) -> list[Any]:
    try:
        found = table[name]
    except KeyError as error:
        raise ArgumentError(f"no column {name!r}", where=_WHERE, got=list(_columns(table))) from error
    return list(found)


def _columns(table: Any) -> Any:
    return table if isinstance(table, Mapping) else table.columns


def _named_images(table: Any, x_col: Any, has_ext: Any) -> tuple[list[str], list[int]]:
    """The file names and their rows, each name once."""
    if not isinstance(x_col, str):
        raise ArgumentError("x_col must be a string", where=_WHERE, got=repr(x_col))
    if not isinstance(has_ext, bool):
        raise ArgumentError("has_ext must be True where the names in x_col have their endings, else False",
                            where=_WHERE, got=repr(has_ext))
    rows: dict[str, int] = {}
    for row, name in enumerate(_column(table, x_col)):
        rows.setdefault(str(name), row)
    names = list(rows)
    if has_ext and names and not names[0].endswith(tuple(f".{ending}" for ending in ENDINGS)):
        raise ArgumentError("has_ext is set to True but extension not found in x_col", where=_WHERE, got=names[0])
    return names, list(rows.values())


def _matched(files: list[str], rows: dict[str, int], has_ext: bool) -> tuple[list[str], list[int]]:
    """The files that the table names, by their path below the folder or by their last part, and their rows."""
    found: dict[int, str] = {}
    for file in files:
        path = file if has_ext else os.path.splitext(file)[0]
        row = rows.get(path, rows.get(os.path.basename(path)))
        if row is not None:
            found.setdefault(row, file)
    return list(found.values()), list(found)


def _complete(table: Any, rows: list[int]) -> list[bool]:
    """Whether a row has no missing value, in any column."""
    columns = [_column(table, name) for name in _columns(table)]
    return [all(column[row] is not None and column[row] == column[row] for column in columns) for row in rows]


def _numbers(table: Any, y_col: Any) -> np.ndarray:
    """One column, or several side by side, as an array. Raises DTypeError for what is no number."""
    columns = [np.array(_column(table, name)) for name in ([y_col] if isinstance(y_col, str) else y_col)]
    if any(column.dtype.kind not in "biuf" for column in columns):
        raise DTypeError("y_col column/s must be numeric datatypes", where=_WHERE,
                         got=[str(column.dtype) for column in columns])
    return columns[0] if isinstance(y_col, str) else np.stack(columns, axis=1)
