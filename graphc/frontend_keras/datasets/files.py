"""Files of data sets: found or downloaded, and read with suspicion: bounded, and nothing in them is executed.

What does not live here: downloading (utils/downloads.py), pickles (pickled.py), what a data set consists of.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import tokenize
import zipfile
import zlib
from typing import Any

import numpy as np

from graphc.errors import GraphcError
from graphc.frontend_keras.datasets import pickled
from graphc.frontend_keras.utils.downloads import DownloadError, cache_folder, get_file

MAX_BYTES = 1 << 28
"""Of one array, or of one file that is read as a whole."""
_IDX = {1: 2049, 3: 2051}  # rank -> number that a file of bytes begins with


class MissingDataError(GraphcError, FileNotFoundError):
    """A data set's file that is not there and could not be downloaded."""

    __str__ = GraphcError.__str__


class DataFormatError(GraphcError, ValueError):
    """A data set's file that does not hold what it should."""


def located(name: str, origin: str, file_hash: str | None = None, cache_subdir: str = "datasets",
            untar: bool = False) -> str:
    """The path of a data set's file, which is downloaded unless it is there.

    name  below the folder of data sets; or an absolute path, and what is there is then read whatever its hash

    Raises MissingDataError, which names the file, the folder, and where it is from.
    """
    if os.path.isabs(name) and os.path.exists(name):
        return name
    try:
        return get_file(name, origin, untar=untar, file_hash=file_hash, cache_subdir=cache_subdir)
    except DownloadError as error:
        file = f"{name}.tar.gz" if untar else name
        path = os.path.join(cache_folder(None, cache_subdir, (file,)), file)
        there, folder = os.path.exists(path), os.path.dirname(path)
        what = "is another file than that of the data set" if there else "is not there"
        raise MissingDataError(f"{file} {what}, and could not be downloaded", where=folder, got=str(error),
                               fix=f"Get it from {origin} and put it there as {os.path.basename(file)}.") from error


def arrays_of(path: str, *names: str, lists: tuple[str, ...] = ()) -> list[Any]:
    """Arrays of numbers in an .npz file, of rank 1 or more.

    lists  names of those that may be arrays of objects: they are read as lists

    Raises DataFormatError, PickleError (both ValueErrors), OSError.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return [_member(archive, name, path, name in lists) for name in names]
    except GraphcError:
        raise
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, ValueError, TypeError, RuntimeError,
            SyntaxError, tokenize.TokenError, MemoryError) as error:
        raise DataFormatError("not a file of arrays that can be read", where=path, expected="an .npz file with "
                              + ", ".join(names), got=f"{error!s:.200}") from error


def _member(archive: zipfile.ZipFile, name: str, path: str, may_be_list: bool) -> Any:
    where = f"{path}, {name}"
    with archive.open(f"{name}.npy") as file:
        content = io.BytesIO(read_bounded(file, where))
    version = np.lib.format.read_magic(content)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, by_columns, dtype = read_header(content)
    data = content.read()
    if dtype.kind == "O" and may_be_list:
        found = pickled.loads(data, where)
        if not isinstance(found, list):
            raise DataFormatError("not an array", where=where, got=type(found).__name__)
        return found
    if dtype.kind not in "biuf" or not shape or pickled.count_of(shape) * dtype.itemsize != len(data):
        raise DataFormatError("not an array of numbers", where=where, got=f"{dtype}, shape {shape!r:.100}, "
                              f"{len(data)} bytes")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if by_columns else "C").copy()


def read_bounded(file: Any, where: str, most: int = MAX_BYTES) -> bytes:
    """All of a file. Raises DataFormatError where that is more than `most` bytes."""
    data = file.read(most + 1)
    if len(data) > most:
        raise DataFormatError("the file is too large", where=where, expected=f"at most {most} bytes")
    return data


def idx_of(path: str, rank: int) -> np.ndarray:
    """The bytes in a gzipped IDX file, as uint8 of this rank: 1 or 3.

    The format is that of http://yann.lecun.com/exdb/mnist. Raises DataFormatError, OSError.
    """
    try:
        with gzip.open(path, "rb") as file:
            data = read_bounded(file, path)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataFormatError("not a gzip file that can be read", where=path, got=f"{error!s:.200}") from error
    header = np.frombuffer(data[:4 * (rank + 1)], ">u4").tolist()
    if len(header) != rank + 1 or header[0] != _IDX[rank]:
        raise DataFormatError(f"not an IDX file of bytes of rank {rank}", where=path, got=f"{data[:4]!r}")
    count = 1
    for size in header[1:]:
        count *= size
    if len(data) != 4 * len(header) + count:
        raise DataFormatError("an IDX file with too few or too many bytes", where=path,
                              expected=f"{count} for the shape {header[1:]}", got=len(data) - 4 * len(header))
    return np.frombuffer(data, np.uint8, offset=4 * len(header)).reshape(header[1:]).copy()


def pickle_of(path: str) -> Any:
    """What a pickle of numbers holds. Raises DataFormatError, PickleError, OSError."""
    with open(path, "rb") as file:
        return pickled.loads(read_bounded(file, path), path)


def json_of(path: str) -> dict[str, int]:
    """A JSON table of numbers. Raises DataFormatError, OSError."""
    with open(path, "rb") as file:
        data = read_bounded(file, path, MAX_BYTES >> 4)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataFormatError("not JSON", where=path, got=f"{error!s:.200}") from error
    if not isinstance(found, dict) or not all(type(number) is int for number in found.values()):
        raise DataFormatError("not a table of numbers", where=path, got=f"{found!r:.100}")
    return found


def same_length(where: str, *parts: Any) -> None:
    """Raise DataFormatError unless all parts of a data set have as many samples."""
    counts = [len(part) for part in parts]
    if len(set(counts)) != 1:
        raise DataFormatError("parts of a data set have different numbers of samples", where=where, got=counts)
