"""h5dict: an HDF5 group, or a dict, that takes arrays, texts and numbers under names.

Nothing is pickled: a dict holds copies of the arrays themselves. Links that lead out of a file are not followed.
What does not live here: what a model's file holds (saving/).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, GraphcError, ModelFormatError
from graphc.frontend_keras.saving.hdf5 import h5py, write_texts

_MARK = "_is_group"  # tells a dict that is a group from one that somebody stored


class WhatKindError(ArgumentError, TypeError):
    """Neither a path, nor a group, nor a dict."""


class MissingNameError(GraphcError, ValueError):
    """A name that is not there, where nothing may be written."""


class TakenNameError(GraphcError, KeyError):
    """A name that is there already, where values are written once."""

    __str__ = GraphcError.__str__


class H5Dict:
    """Values under names, in a file, a h5py group or a dict.

    path  of a file, or a group, or a dict
    mode  of the file: r reads, w begins anew, a appends

    Arrays become datasets; lists of texts, texts and numbers become attributes, long lists several of them. A name that
    is not there gives a new group, unless the mode is r. Raises WhatKindError (a TypeError).
    """

    def __init__(self, path: Any, mode: str = "a"):
        self.read_only, self._is_file = mode == "r", isinstance(path, str)
        if isinstance(path, str):
            self.data: Any = h5py().File(path, mode)
        elif isinstance(path, dict):
            if mode == "w":
                path.clear()
            path[_MARK] = True
            self.data = path
        elif isinstance(path, h5py().Group):
            self.data = path
        else:
            raise WhatKindError("Required Group, str or dict", where="h5dict", got=f"{path!r:.80}")

    def __setitem__(self, attr: Any, val: Any) -> None:
        """Raises MissingNameError (a ValueError) where the mode is r, TakenNameError (a KeyError) in HDF5."""
        if self.read_only:
            raise MissingNameError("Cannot set item in read only mode", where=f"h5dict[{attr!r}]")
        if isinstance(self.data, dict):
            self.data[_text(attr)] = np.array(val) if isinstance(val, (np.ndarray, np.generic)) else val
        elif attr in self.data:
            raise TakenNameError(f'Cannot set attribute. Group with name "{attr}" exists', where="h5dict")
        elif isinstance(val, (np.ndarray, np.generic)):
            self.data.create_dataset(_text(attr), data=val)
        elif isinstance(val, list) and all(isinstance(one, (str, bytes)) for one in val):
            write_texts(self.data, _text(attr), [_text(one) for one in val])
        else:
            self.data.attrs[_text(attr)] = val

    def __getitem__(self, attr: Any) -> Any:
        """Raises MissingNameError (a ValueError) for a name that is not there, where the mode is r."""
        name = _text(attr)
        if isinstance(self.data, dict):
            found = self.data.get(name)
            if name in self.data:
                return self._below(found) if isinstance(found, dict) and found.get(_MARK) else found
        elif name in self.data.attrs:
            return _plain(self.data.attrs[name])
        elif name in self.data:
            return self._stored(name)
        elif f"{name}0" in self.data.attrs:
            return self._split(name)
        if self.read_only:
            raise MissingNameError("Cannot create group in read only mode", where=f"h5dict[{name!r}]")
        if isinstance(self.data, dict):
            self.data[name] = {_MARK: True}
            return self._below(self.data[name])
        return self._below(self.data.create_group(name))

    def _below(self, data: Any) -> H5Dict:
        return H5Dict(data, "r" if self.read_only else "a")

    def _stored(self, name: str) -> Any:
        if not isinstance(self.data.get(name, getlink=True), h5py().HardLink):
            raise ModelFormatError("a link to another place", where=name, expected="a group or a dataset")
        found = self.data[name]
        return np.asarray(found) if isinstance(found, h5py().Dataset) else self._below(found)

    def _split(self, name: str) -> list[Any]:
        parts: list[Any] = []
        while f"{name}{len(parts)}" in self.data.attrs:
            parts.append(_plain(self.data.attrs[f"{name}{len(parts)}"]))
        return [_text(one) for part in parts for one in part]

    def __contains__(self, key: Any) -> bool:
        name = _text(key)
        return name in self.data or (not isinstance(self.data, dict) and name in self.data.attrs)

    def get(self, key: Any, default: Any = None) -> Any:
        return self[key] if key in self else default  # noqa: SIM401 (this is that method)

    def update(self, *others: Mapping[Any, Any]) -> None:
        """Set all items of mappings."""
        for other in others:
            for key, value in other.items():
                self[key] = value

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.data)

    def iter(self) -> Iterator[Any]:
        return iter(self)

    def __getattr__(self, attr: str) -> Any:
        """What a dict or a group has besides: keys, values, attrs, ..."""
        if attr == "data":  # not made yet
            raise AttributeError(attr)
        return getattr(self.data, attr)

    def close(self) -> None:
        """Write out what is open; close the file if it was opened here."""
        if not isinstance(self.data, dict):
            self.data.file.flush()
            if self._is_file:
                self.data.close()


h5dict = H5Dict


def _text(name: Any) -> str:
    return name.decode("utf-8") if isinstance(name, bytes) else str(name)


def _plain(value: Any) -> Any:
    """Arrays of bytes as lists; everything else as it is."""
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind == "S" else value
