"""Files from the network, kept in a folder: downloaded once, checked by their hash, whole or not there.

What does not live here: taking archives apart (archives.py), the files of particular data sets (datasets/).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from graphc.errors import ArgumentError, GraphcError, StorageError
from graphc.frontend_keras.backend.config import config_path
from graphc.frontend_keras.utils.archives import extract_archive
from graphc.frontend_keras.utils.progbar import Progbar
from graphc.runtime.files import make_folders, replacing

_SCHEMES = ("http", "https", "ftp", "file")
_PIECE, _MOST = 1 << 18, 64 << 30  # bytes of one read, of one file
_PATIENCE = 30.0                   # seconds without an answer
_ALGORITHMS = ("auto", "md5", "sha256")
_EVERYBODYS = os.path.join("/tmp", ".keras")


class DownloadError(GraphcError, OSError):
    """A file that the network did not give, or gave otherwise than its hash says; nothing of it is left."""

    __str__ = GraphcError.__str__


def get_file(fname: str, origin: str, untar: bool = False, md5_hash: str | None = None, file_hash: str | None = None,
             cache_subdir: str = "datasets", hash_algorithm: str = "auto", extract: bool = False,
             archive_format: Any = "auto", cache_dir: str | None = None) -> str:
    """The path of a file that is downloaded unless it is there.

    fname           its name below the folder, or an absolute path
    origin          its URL: http, https, ftp or file
    untar           the file is `fname`.tar.gz; it is taken apart, and the path is `fname` without the ending
    file_hash       SHA-256 or MD5 in hexadecimal digits: a file that is there and differs is downloaded anew, and one
                    that differs after the download is refused; `md5_hash` is an older name of it
    cache_subdir    folder below `cache_dir`, or an absolute path
    hash_algorithm  "sha256", "md5", or "auto": by the length of the hash
    extract         whether the file is taken apart, if it is an archive
    archive_format  "tar", "zip", a list of these, "auto" for both, None for none
    cache_dir       default: the folder of keras.json (KERAS_HOME or ~/.keras); /tmp/.keras where it cannot be written

    Raises DownloadError (an OSError), StorageError, ArchiveError, ArgumentError.
    """
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    name = f"{fname}.tar.gz" if untar else fname
    folder = cache_folder(cache_dir, cache_subdir, (fname, name))
    path, unpacked = os.path.join(folder, name), os.path.join(folder, fname)
    if untar and os.path.exists(unpacked) and not os.path.exists(path):
        return unpacked
    if not _is_there(path, file_hash, hash_algorithm):
        make_folders(os.path.dirname(path))
        _download(origin, path, file_hash, hash_algorithm)
    if untar:
        if not os.path.exists(unpacked):
            extract_archive(path, folder, "tar")
        if not os.path.exists(unpacked):
            raise DownloadError("the archive does not hold what it should", where=path, expected=fname)
        return unpacked
    if extract:
        extract_archive(path, folder, archive_format)
    return path


def cache_folder(cache_dir: str | None, cache_subdir: str, names: tuple[str, ...] = ()) -> str:
    """The folder that `get_file` keeps files in; one where one of `names` is need not be writable.

    Raises StorageError.
    """
    base = config_path().parent if cache_dir is None else os.path.expanduser(cache_dir)
    wanted = os.path.join(base, cache_subdir)
    if any(os.path.exists(os.path.join(wanted, name)) for name in names) and _is_ours(wanted):
        return wanted
    for folder in (wanted, os.path.join(_EVERYBODYS, cache_subdir)):
        try:
            make_folders(folder)
        except OSError as error:
            refused = error
            continue
        if os.access(folder, os.W_OK) and _is_ours(folder):
            return folder
        refused = PermissionError(13, "Permission denied")
    raise StorageError("no folder for downloaded files can be written", refused, where=wanted,
                       fix="Set KERAS_HOME, or pass cache_dir.")


def _is_ours(folder: str) -> bool:
    """Whether it is not one that somebody else has laid for us where everybody may write."""
    below = os.path.abspath(folder)
    while below.startswith(_EVERYBODYS):
        if os.path.lexists(below) and os.lstat(below).st_uid != os.geteuid():
            return False
        below = os.path.dirname(below)
    return True


def _is_there(path: str, file_hash: str | None, algorithm: str) -> bool:
    if not os.path.exists(path):
        return False
    if file_hash is None or validate_file(path, file_hash, algorithm):
        return True
    print(f"A local file was found, but it seems to be incomplete or outdated because the {algorithm} file hash does "
          f"not match the original value of {file_hash} so we will re-download the data.")
    return False


def _download(origin: str, path: str, file_hash: str | None, algorithm: str) -> None:
    if urlsplit(origin).scheme not in _SCHEMES:
        raise ArgumentError("not a URL that files are fetched from", where="get_file", expected=f"one of {_SCHEMES}",
                            got=origin)
    print("Downloading data from", origin)
    with replacing(path) as temporary:
        with open(temporary, "xb") as file:
            for piece in _pieces(origin):
                file.write(piece)
        if file_hash is not None and not validate_file(temporary, file_hash, algorithm):
            raise DownloadError("the hash of the downloaded file is another one", where=origin, expected=file_hash,
                                got=_hash_file(temporary, _algorithm_of(file_hash, algorithm)))


def _pieces(origin: str) -> Iterator[bytes]:
    """What the URL gives, while a bar shows how much. Raises DownloadError."""
    request, errors, http = (import_module(name) for name in ("urllib.request", "urllib.error", "http.client"))
    got = 0
    try:
        with request.urlopen(origin, timeout=_PATIENCE) as answer:
            length = answer.headers.get("Content-Length")
            size = int(length) if length and length.isdigit() else None
            bar = Progbar(size)
            while piece := answer.read(_PIECE):
                got += len(piece)
                if got > (_MOST if size is None else size):
                    raise DownloadError("more bytes than there should be", where=origin, got=got)
                yield piece
                bar.update(got)
    except errors.HTTPError as error:
        error.close()
        raise DownloadError(f"URL fetch failure on {origin}: {error.code} -- {error.msg}") from error
    except errors.URLError as error:
        raise DownloadError(f"URL fetch failure on {origin}: {error.errno} -- {error.reason}") from error
    except (TimeoutError, ConnectionError, http.HTTPException) as error:
        raise DownloadError(f"URL fetch failure on {origin}: {error!r:.200}") from error
    if size is not None and got != size:
        raise DownloadError("the connection ended too early", where=origin, expected=f"{size} bytes", got=got)


def validate_file(fpath: str, file_hash: str, algorithm: str = "auto", chunk_size: int = 65535) -> bool:
    """Whether a file has this hash.

    algorithm   "sha256", "md5", or "auto": by the length of the hash
    chunk_size  bytes that are read at a time

    Raises ArgumentError, OSError.
    """
    return _hash_file(fpath, _algorithm_of(file_hash, algorithm), chunk_size) == str(file_hash).lower()


def _algorithm_of(file_hash: str, algorithm: str) -> str:
    if algorithm not in _ALGORITHMS:
        raise ArgumentError(f"an unknown hash algorithm: {algorithm}", expected=f"one of {_ALGORITHMS}")
    if algorithm == "auto":
        return "sha256" if len(str(file_hash)) == 64 else "md5"
    return algorithm


def _hash_file(fpath: str, algorithm: str = "sha256", chunk_size: int = 65535) -> str:
    """The hash of a file, in hexadecimal digits."""
    digest = hashlib.sha256() if algorithm == "sha256" else hashlib.md5(usedforsecurity=False)
    with open(fpath, "rb") as file:
        while piece := file.read(chunk_size):
            digest.update(piece)
    return digest.hexdigest()
