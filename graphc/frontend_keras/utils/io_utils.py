"""Data in HDF5 files as arrays, and questions about files that a user answers at the terminal.

What does not live here: reading and writing models (saving/).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any, ClassVar
from weakref import WeakValueDictionary

import numpy as np

from graphc.errors import ArgumentError, IndexRangeError, ModelFormatError
from graphc.frontend_keras.utils.hdf5_dict import H5Dict, h5dict

__all__ = ["H5Dict", "HDF5Matrix", "ask_to_proceed_with_overwrite", "h5dict"]

Normalizer = Callable[[np.ndarray], np.ndarray]


class HDF5Matrix:
    """A data set in an HDF5 file in place of an array: rows are read when they are asked for.

        x = HDF5Matrix("data.h5", "images", start=1000)
        model.fit(x, y, shuffle="batch")

    datapath    the file
    dataset     name of the data set in it
    start, end  the rows of it that this stands for
    normalizer  a function that all rows go through

    Files that are in use are open once, see `refs`. Raises ModelFormatError for what holds no array in the file itself,
    ArgumentError for rows that are not there, OSError.
    """

    refs: ClassVar[WeakValueDictionary[str, Any]] = WeakValueDictionary()

    def __init__(self, datapath: Any, dataset: str, start: int = 0, end: int | None = None,
                 normalizer: Normalizer | None = None):
        path = os.fspath(datapath)
        self._file = self.refs.get(path)
        if not self._file:  # not open, or closed by somebody
            self._file = self.refs[path] = import_module("h5py").File(path, "r")
        self.data = _dataset(self._file, dataset, path)
        self.start, self.end = start, self.data.shape[0] if end is None else end
        if not 0 <= self.start <= self.end <= self.data.shape[0]:
            raise ArgumentError("rows that are not there", where=f"HDF5Matrix, {path}, {dataset}",
                                expected=f"0 <= start <= end <= {self.data.shape[0]}", got=f"{start} to {end}")
        self.normalizer = normalizer
        first = self._read(slice(0, 1))
        self._base_shape, self._base_dtype = first.shape[1:], first.dtype

    def _read(self, rows: Any) -> Any:
        found = self.data[rows]
        return found if self.normalizer is None else self.normalizer(found)

    def __len__(self) -> int:
        return self.end - self.start

    def __getitem__(self, key: Any) -> Any:
        """A row, the rows of a slice, or those of a list or array of numbers, or of bools. Raises IndexRangeError."""
        if isinstance(key, slice):
            if key.stop is not None and key.stop > len(self):
                raise self._outside(key.stop)
            places = range(*key.indices(len(self)))
            if places.step > 0:
                return self._read(slice(self.start + places.start, self.start + places.stop, places.step))
            return self[list(places)]
        if isinstance(key, (int, np.integer)):
            return self._read(int(self._places(np.array([key]))[0]))
        return self._rows(np.asarray(key))

    def _rows(self, key: np.ndarray) -> Any:
        """Rows in any order: HDF5 reads them in theirs, each once."""
        if key.dtype == bool:
            key = np.flatnonzero(key)
        distinct, places = np.unique(self._places(key.astype(np.int64)), return_inverse=True)
        found = self.data[distinct.tolist()][places.ravel()] if len(distinct) else self.data[0:0]
        return found if self.normalizer is None else self.normalizer(found)

    def _places(self, key: np.ndarray) -> np.ndarray:
        for number in key[(key < -len(self)) | (key >= len(self))]:
            raise self._outside(number)
        return np.where(key < 0, key + self.end, key + self.start)

    def _outside(self, number: int) -> IndexRangeError:
        return IndexRangeError("a row that is not there", where="HDF5Matrix", expected=f"less than {len(self)}",
                               got=number)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self._base_shape)

    @property
    def dtype(self) -> np.dtype:
        """The element type of what is read, behind the normalizer."""
        return self._base_dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape))


def _dataset(file: Any, name: str, path: str) -> Any:
    """An array in a file, and not one that the file only refers to. Raises ModelFormatError."""
    found, where = file.get(name), f"HDF5Matrix, {path}, {name}"
    if not isinstance(found, import_module("h5py").Dataset) or not found.shape:
        raise ModelFormatError("no data set with rows", where=where, got=list(file)[:20])
    outside = found.file != file or found.is_virtual or found.external
    if outside:
        raise ModelFormatError("its numbers lie outside of the file", where=where)
    return found


def ask_to_proceed_with_overwrite(filepath: str) -> bool:
    """Ask at the terminal whether to replace an existing file; True when the answer is yes."""
    answer = input(f"[WARNING] {filepath} already exists - overwrite? [y/n]").strip().lower()
    while answer not in ("y", "n"):
        answer = input("Enter \"y\" (overwrite) or \"n\" (cancel).").strip().lower()
    if answer == "n":
        return False
    print("[TIP] Next time specify overwrite=True!")
    return True
