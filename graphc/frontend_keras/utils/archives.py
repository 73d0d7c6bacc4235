"""Archives of plain files, taken apart without leaving the folder they are to go to.

Refused: names that lead out of the folder, links, devices, and more bytes or files than a data set has. All is taken
apart in a new folder beside, so that an archive that is refused leaves nothing.

What does not live here: where archives come from (downloads.py).
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Generator
from importlib import import_module
from typing import IO, Any

from graphc.errors import ArgumentError, GraphcError

MAX_BYTES, MAX_FILES = 64 << 30, 1 << 20
_PIECE = 1 << 20
Member = tuple[str, IO[bytes] | None]
"""A file's name and content; of a folder, None."""


class ArchiveError(GraphcError, ValueError):
    """An archive that is broken, or holds what is not to be put on a disk."""


def extract_archive(file_path: str, path: str = ".", archive_format: Any = "auto") -> bool:
    """Put the files of an archive into a folder; files of the same name are replaced.

    archive_format  "tar" (also compressed), "zip", a list of these, "auto" for both, None for none

    Returns whether the file is such an archive. Raises ArchiveError, ArgumentError, OSError.
    """
    formats = ["tar", "zip"] if archive_format == "auto" else archive_format or []
    for name in [formats] if isinstance(formats, str) else formats:
        if name not in _MEMBERS:
            raise ArgumentError(f"an unknown archive format: {name}", where=file_path, expected='"tar" or "zip"')
        if _is_one(file_path, name):
            _extract(_MEMBERS[name](file_path), path, file_path)
            return True
    return False


def _is_one(file_path: str, name: str) -> bool:
    if name == "zip":
        return bool(import_module("zipfile").is_zipfile(file_path))
    return bool(import_module("tarfile").is_tarfile(file_path))


def _extract(members: Generator[Member, None, None], folder: str, where: str) -> None:
    os.makedirs(folder, exist_ok=True)
    beside = tempfile.mkdtemp(prefix=".extracting-", dir=folder)
    try:
        try:
            _write(members, beside, where)
        except ArchiveError:
            raise
        except _broken() as error:
            raise ArchiveError("the archive is broken", where=where, got=f"{error!s:.200}") from error
        _merge(beside, folder)
    finally:
        members.close()
        shutil.rmtree(beside, ignore_errors=True)


def _broken() -> tuple[type[Exception], ...]:
    """What Python's modules raise for a broken archive, and the disk for names that exclude each other."""
    names = {"tarfile": "TarError", "zipfile": "BadZipFile", "gzip": "BadGzipFile", "zlib": "error",
             "lzma": "LZMAError"}
    return (EOFError, RuntimeError, ValueError, NotADirectoryError, IsADirectoryError, FileExistsError,
            *(getattr(import_module(module), name) for module, name in names.items()))


def _write(members: Generator[Member, None, None], folder: str, where: str) -> None:
    left = MAX_BYTES
    for count, (name, content) in enumerate(members, 1):
        if count > MAX_FILES:
            raise ArchiveError("too many files", where=where, expected=f"at most {MAX_FILES}")
        target = os.path.join(folder, *_parts(name, where))
        os.makedirs(target if content is None else os.path.dirname(target), exist_ok=True)
        if content is not None:
            with content, open(target, "wb") as file:
                while piece := content.read(_PIECE):
                    left -= len(piece)
                    if left < 0:
                        raise ArchiveError("the files are too large", where=where, expected=f"{MAX_BYTES} bytes")
                    file.write(piece)


def _parts(name: str, where: str) -> list[str]:
    """The name of a member as names of folders and a file. Raises ArchiveError where it leads elsewhere."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise ArchiveError("a name that leads out of the folder", where=where, got=repr(name[:200]))
    return parts


def _members_of_tar(file_path: str) -> Generator[Member, None, None]:
    with import_module("tarfile").open(file_path) as archive:
        for member in archive:
            if not (member.isfile() or member.isdir()):
                raise ArchiveError("a link or a device", where=file_path, got=repr(member.name[:200]))
            yield member.name, archive.extractfile(member) if member.isfile() else None
        for _ in range(MAX_BYTES // _PIECE):  # to the end of what is compressed, where its checksum is
            if not archive.fileobj.read(_PIECE):
                break


def _members_of_zip(file_path: str) -> Generator[Member, None, None]:
    with import_module("zipfile").ZipFile(file_path) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ArchiveError("a link or a device", where=file_path, got=repr(member.filename[:200]))
            yield member.filename, None if member.is_dir() else archive.open(member)


_MEMBERS = {"tar": _members_of_tar, "zip": _members_of_zip}


def _merge(source: str, target: str) -> None:
    """Move what is in one folder into another one, whose own files stay unless they have the same names."""
    for name in os.listdir(source):
        moved, place = os.path.join(source, name), os.path.join(target, name)
        if os.path.isdir(moved) and os.path.isdir(place):
            _merge(moved, place)
        else:
            os.replace(moved, place)
