"""HDF5 files of numbers and texts, read with suspicion and written whole or not at all (runtime/files.py).

Refused: links other than hard ones, data outside of the file, virtual, compound and variable-length data, filters that
are plugins, more numbers than the reader asks for, and storage that cannot hold what it declares.

libhdf5 itself is not proof against files made to harm: within `untrusted()` a process of its own parses them.

What does not live here: that process (hdf5_apart.py, hdf5_child.py), which groups a model has (weight_files.py,
keras3.py).
"""

from __future__ import annotations

import fcntl
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import IO, Any

import numpy as np

from graphc.errors import GraphcError, ModelFormatError
from graphc.frontend_keras.saving.hdf5_heaps import Heaps
from graphc.runtime.files import replacing

MAGIC = b"\x89HDF\r\n\x1a\n"
MAX_TEXT = 16 << 20       # bytes of one attribute
MAX_NAME, MAX_DEPTH, MAX_RANK = 4096, 64, 32
MAX_CHUNKS = MAX_TEXTS = 1 << 20
_FILTERS = (1, 2, 3)      # deflate, shuffle, fletcher32
_RATIO = 1100             # deflate makes at most 1032 bytes of one
_SLACK = 1 << 20          # bytes that may be declared without being stored
_SHARED = 1 << 30         # bytes of a list of texts of any length, which may share the longest heap of the file
_SPLIT = 64512            # bytes of an attribute that HDF5 keeps in an object's header
_UNTRUSTED: ContextVar[bool] = ContextVar("untrusted", default=False)


def h5py() -> Any:
    return import_module("h5py")


@contextmanager
def untrusted() -> Iterator[None]:
    """Within, HDF5 files are parsed by a process of its own: what breaks libhdf5, or keeps it busy, ends that alone.

        with untrusted():
            model = load_model("downloaded.h5")
    """
    token = _UNTRUSTED.set(True)
    try:
        yield
    finally:
        _UNTRUSTED.reset(token)


@contextmanager
def reading(path: Any) -> Iterator[Folder]:
    """The root of an HDF5 file, or of a h5py group or Folder that is open already.

    Raises ModelFormatError, OSError.
    """
    if isinstance(path, Folder):
        yield path
        return
    if _is_group(path):
        yield Folder(path, "/")
        return
    with open(os.fspath(path), "rb") as file:
        name = str(os.fspath(path))
        if file.read(len(MAGIC)) != MAGIC:
            raise ModelFormatError("not an HDF5 file", where=name)
        _share(file, name)
        if _UNTRUSTED.get():
            with import_module("graphc.frontend_keras.saving.hdf5_apart").reading(file, name) as root:
                yield root
            return
    with opened(name, name) as group:
        yield Folder(group, "/")


def _share(file: IO[bytes], name: str) -> None:
    """Keep writers out while the file is open, as HDF5 programs ask of each other; where locks exist at all.

    Raises ModelFormatError where one is at work.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ModelFormatError("the file is being written by another program", where=name) from error
    except OSError:
        pass


def _is_group(path: Any) -> bool:
    return not isinstance(path, (str, bytes, os.PathLike)) and isinstance(path, h5py().Group)


def opened(path: str, name: str) -> Any:
    """The h5py file at a path, which errors call `name`. Raises ModelFormatError."""
    try:
        return h5py().File(path, "r", locking=False)
    except (OSError, RuntimeError, ValueError, KeyError, MemoryError) as error:
        raise ModelFormatError("not an HDF5 file that can be read", where=name,
                               got=str(error).replace(path, name)) from error


def _typed(method: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator: what HDF5 says of a broken file becomes a ModelFormatError."""

    @functools.wraps(method)
    def checked(self: Folder, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except GraphcError:
            raise
        except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, OverflowError,
                MemoryError) as error:
            raise ModelFormatError("the file is broken", where=self.where, got=f"{error!s:.200}") from error

    return checked


class Folder:
    """A group. `where` names it in errors."""

    def __init__(self, group: Any, where: str, heaps: Heaps | None = None):
        self._group, self.where = group, where
        self._heaps = heaps or Heaps(group)

    @_typed
    def __contains__(self, name: str) -> bool:
        return name in self._group

    @_typed
    def folder(self, path: str) -> Folder:
        """The group at a path below. Raises ModelFormatError."""
        found, where = self._find(path)
        if not isinstance(found, h5py().Group):
            raise ModelFormatError("not a group", where=where)
        return Folder(found, where, self._heaps)

    @_typed
    def array(self, path: str, most: int) -> np.ndarray:
        """The numbers at a path below, at most `most` of them. Raises ModelFormatError."""
        return np.asarray(self._dataset(path, most)[()])

    def _dataset(self, path: str, most: int) -> Any:
        found, where = self._find(path)
        if not isinstance(found, h5py().Dataset):
            raise ModelFormatError("not a dataset", where=where)
        _check(found, where, most)
        return found

    def _find(self, path: str) -> tuple[Any, str]:
        found, where = self._group, self.where
        parts = [part for part in path.split("/") if part]
        if len(path) > MAX_NAME or len(parts) > MAX_DEPTH or "." in parts or not parts:
            raise ModelFormatError("not a name of something in the file", where=where, got=repr(path[:100]))
        for part in parts:
            where = f"{where.rstrip('/')}/{part}"
            link = found.get(part, getlink=True) if isinstance(found, h5py().Group) else None
            if link is not None and not isinstance(link, h5py().HardLink):
                raise ModelFormatError("a link that leads elsewhere", where=where, got=type(link).__name__)
            found = found.get(part) if link is not None else None
            if found is None:
                raise ModelFormatError("not in the file", where=where)
        return found, where

    # ---- attributes

    @_typed
    def has(self, name: str) -> bool:
        """Whether there is an attribute of this name."""
        return name in self._group.attrs

    @_typed
    def text(self, name: str) -> str | None:
        """An attribute that is a text; None if there is none. Raises ModelFormatError."""
        if name not in self._group.attrs:
            return None
        attribute = self._attribute(name)
        if attribute.shape != ():
            raise ModelFormatError(f"{name} is not one text", where=self.where, got=f"shape {attribute.shape}")
        return _decoded(self._group.attrs[name], name, self.where)

    @_typed
    def texts(self, name: str) -> list[str]:
        """An attribute that is a list of texts, also one that is split into name0, name1 and so on."""
        if name in self._group.attrs:
            return self._texts(name)
        found: list[str] = []
        number = 0
        while f"{name}{number}" in self._group.attrs:
            found += self._texts(f"{name}{number}")
            number += 1
            if len(found) > MAX_TEXTS or sum(map(len, found)) > MAX_TEXT:
                raise ModelFormatError(f"{name} is too long", where=self.where, expected=f"at most {MAX_TEXT} bytes")
        if not number:
            raise ModelFormatError(f"the group has no attribute {name}", where=self.where)
        return found

    def _texts(self, name: str) -> list[str]:
        attribute = self._attribute(name)
        if len(attribute.shape) != 1:
            raise ModelFormatError(f"{name} is not a list of texts", where=self.where, got=f"shape {attribute.shape}")
        if attribute.shape == (0,):  # of any type: an empty list was written as floats
            return []
        return [_decoded(value, name, self.where) for value in self._group.attrs[name]]

    def _attribute(self, name: str) -> Any:
        attribute = self._group.attrs.get_id(name)
        if attribute.shape is None:
            raise ModelFormatError(f"{name} is empty", where=self.where)
        kind, count = h5py().check_string_dtype(attribute.dtype), int(np.prod(attribute.shape, dtype=float))
        if count * attribute.dtype.itemsize > MAX_TEXT or count > MAX_TEXTS:
            raise ModelFormatError(f"{name} is too long", where=self.where, expected=f"at most {MAX_TEXT} bytes")
        if kind is None and attribute.shape != (0,):
            raise ModelFormatError(f"{name} is not text", where=self.where, got=attribute.dtype)
        any_length = kind is not None and kind.length is None
        if any_length and count > 1 and count * self._group.file.id.get_filesize() > _SHARED \
                and count * self._heaps.longest > _SHARED:
            raise ModelFormatError(f"{name} is a list of texts of any length", where=self.where,
                                   expected="texts of a fixed length in a file as large as this")
        return attribute


@_typed
def bytes_of(folder: Folder, path: str, most: int) -> int:
    """How many bytes `folder.array(path, most)` would read. Raises ModelFormatError."""
    found = folder._dataset(path, most)
    return int(found.size) * int(found.dtype.itemsize)


def _decoded(value: Any, name: str, where: str) -> str:
    try:
        text = value.decode("utf-8") if isinstance(value, bytes) else str(value)
        text.encode("utf-8")
    except UnicodeError as error:
        raise ModelFormatError(f"{name} is not UTF-8 text", where=where, got=str(error)[:100]) from error
    if len(text) > MAX_TEXT:
        raise ModelFormatError(f"{name} is too long", where=where, expected=f"at most {MAX_TEXT} characters")
    return text


def _check(dataset: Any, where: str, most: int) -> None:
    """Raise ModelFormatError unless the dataset holds plain numbers, at most `most`, inside of the file."""
    dtype, shape, properties = dataset.dtype, dataset.shape, dataset.id.get_create_plist()
    numbers = (h5py().h5t.INTEGER, h5py().h5t.FLOAT)
    if dataset.id.get_type().get_class() not in numbers or dtype.kind not in "fiu" or dtype.itemsize > 8:
        raise ModelFormatError("not plain numbers", where=where, got=str(dtype))
    if shape is None or len(shape) > MAX_RANK:
        raise ModelFormatError("not an array", where=where, got=f"shape {shape}")
    count = 1
    for size in shape:
        count *= int(size)
    if count > most:
        raise ModelFormatError("more numbers than the model has there", where=where, expected=f"at most {most}",
                               got=f"shape {shape}")
    if dataset.is_virtual or properties.get_external_count():
        raise ModelFormatError("its numbers lie outside of the file", where=where)
    filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    if not set(filters) <= set(_FILTERS):
        raise ModelFormatError("a filter that is not supported", where=where, expected="gzip", got=filters)
    if dataset.chunks is not None:
        chunks, together = 1, dtype.itemsize
        for size, step in zip(shape, dataset.chunks, strict=True):
            chunks, together = chunks * -(-int(size) // step), together * int(step)
        if chunks > MAX_CHUNKS:
            raise ModelFormatError("too many chunks", where=where, got=chunks)
        if together > _SLACK + count * dtype.itemsize:
            raise ModelFormatError("a chunk is larger than all the numbers", where=where, got=f"{together} bytes")
    declared, stored = count * dtype.itemsize, dataset.id.get_storage_size()
    if stored > dataset.file.id.get_filesize():
        raise ModelFormatError("stores more than the file holds", where=where, got=f"{stored} bytes")
    if declared > _SLACK + _RATIO * stored:
        raise ModelFormatError("declares more than it stores", where=where, got=f"{declared} bytes in {stored}")


# ---- writing


@contextmanager
def writing(path: Any) -> Iterator[Any]:
    """A h5py file to be written; it takes the place of `path` when all went well, at once and for good.

    A h5py group is written as it is.
    """
    if isinstance(path, h5py().Group):
        yield path
        return
    with replacing(path) as temporary, h5py().File(temporary, "w") as file:
        yield file


def write_texts(group: Any, name: str, texts: Sequence[str]) -> None:
    """A list of texts as an attribute, split where it is too long for one."""
    data = [text.encode("utf-8") for text in texts]
    longest = max(map(len, data), default=1)
    if longest > _SPLIT:
        raise ModelFormatError("a name is too long for the file", where=group.name, got=f"{longest} bytes")
    if longest * len(data) <= _SPLIT:
        group.attrs[name] = np.array(data) if data else np.array([], "f8")
        return
    together = _SPLIT // longest
    for number, start in enumerate(range(0, len(data), together)):
        group.attrs[f"{name}{number}"] = np.array(data[start:start + together])
