"""Files that are whole or not there: what is written is on the disk before anything is told of it.

All of it goes through OPS, a handful of calls of the operating system, so that tests can let the n-th of them fail.

What does not live here: what the files hold.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PIECE = 8 << 20  # bytes per call
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EACCES)  # folders that cannot be synchronised, or not by us
Bytes = bytes | memoryview


class Operations:
    """The calls that change a disk."""

    open = staticmethod(os.open)
    write = staticmethod(os.write)
    fsync = staticmethod(os.fsync)
    close = staticmethod(os.close)
    replace = staticmethod(os.replace)
    unlink = staticmethod(os.unlink)
    mkdir = staticmethod(os.mkdir)
    rmdir = staticmethod(os.rmdir)


OPS = Operations()


def write_new(path: str | Path, parts: Iterable[Bytes], *, sync: bool = True, mode: int = 0o666) -> tuple[int, str]:
    """Write a file that is not there yet; its size in bytes and its SHA-256. With `sync` the disk has it then.

    Raises OSError; the file may then be there in part.
    """
    digest, size = hashlib.sha256(), 0
    handle = OPS.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        for part in parts:
            view = memoryview(part).cast("B")
            for start in range(0, len(view), _PIECE):
                piece = view[start:start + _PIECE]
                digest.update(piece)
                _write_all(handle, piece)
            size += len(view)
        if sync:
            _sync(handle)
    except BaseException:
        with suppress(OSError):
            OPS.close(handle)
        raise
    OPS.close(handle)
    return size, digest.hexdigest()


def _write_all(handle: int, piece: memoryview) -> None:
    while piece:
        try:
            written = OPS.write(handle, piece)
        except InterruptedError:
            continue
        if written <= 0:
            raise OSError(errno.EIO, "the disk takes no bytes")
        piece = piece[written:]


def _sync(handle: int) -> None:
    while True:
        try:
            return OPS.fsync(handle)
        except InterruptedError:
            continue


def sync_folder(folder: str | Path) -> None:
    """Wait until the disk has the names in a folder. Raises OSError, but not where the system knows no such thing."""
    try:
        handle = OPS.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NO_SYNC:
            return
        raise
    try:
        _sync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        with suppress(OSError):
            OPS.close(handle)


def read_whole(path: str | Path, size: int) -> bytes:
    """The content of a file of exactly this size; a link is not followed. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a plain file")
        if status.st_size != size:
            raise OSError(errno.EINVAL, f"{status.st_size} bytes in place of {size}")
        return file.read(size)


def make_folders(folder: str | Path) -> None:
    """Make a folder and those above it that are missing, for good. Raises OSError."""
    missing, path = [], Path(folder)
    while not path.exists():
        missing.append(path)
        path = path.parent
    for made in reversed(missing):
        with suppress(FileExistsError):
            OPS.mkdir(made)
        sync_folder(made.parent)


def remove_folder(folder: str | Path) -> None:
    """Remove a folder and what is in it; of a link, the link. Raises OSError."""
    try:
        status = os.lstat(folder)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode):
        OPS.unlink(folder)
        return
    for entry in os.listdir(folder):
        remove_folder(os.path.join(folder, entry))
    OPS.rmdir(folder)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[str]:
    """The name of a new file beside `path`, which takes its place when all went well; else nothing is left of it."""
    target = Path(os.path.realpath(os.fspath(path)))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        yield str(temporary)
        handle = OPS.open(temporary, os.O_RDWR | os.O_CLOEXEC)
        try:
            _sync(handle)
        finally:
            OPS.close(handle)
        if target.exists():
            os.chmod(temporary, target.stat().st_mode & 0o7777)
        OPS.replace(temporary, target)
        sync_folder(target.parent)
    finally:
        with suppress(OSError):
            OPS.unlink(temporary)
