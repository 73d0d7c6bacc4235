"""The kernel cache: object code on disk, so that a second process compiles nothing.

An entry NAME is two files in a private folder: NAME.py, the readable source, and NAME.o, a header
(magic and format, length, name, SHA-256) and the object code. Anything else than a sound entry in a safe folder
is a miss; without a safe folder the cache lives in memory, after one warning. Entries that were not used for the
longest time make room once the folder holds more than GRAPHC_CACHE_LIMIT MiB.

What does not live here: names (the compiler hashes sources and versions into them), loading.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
import struct
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from graphc.errors import ArgumentError, warn
from graphc.runtime.files import OPS, write_new

MAGIC = b"graphc-kernel-2\n"
_HEADER = struct.Struct("<16sQ72s32s")
_NAME = re.compile(r"k_[0-9a-f]{8,64}")
LARGEST_ENTRY = 64 << 20
DEFAULT_LIMIT = 1024  # MiB
_DAY = 86400.0
_NEW = ".new-"


@dataclass(frozen=True)
class CacheInfo:
    """path is None when the cache lives in memory; limit: the most bytes that it holds on disk."""

    path: Path | None
    entries: int
    bytes: int
    limit: int


class KernelCache:
    """Entries by name; see the module."""

    def __init__(self, folder: Path, limit: int | None = None):
        self.folder = folder
        self.limit = limit_from_environment() if limit is None else limit
        self._room: int | None = None  # bytes that may be written before the folder is looked through again
        self._memory: dict[str, bytes] = {}
        self._sources = tempfile.gettempdir()
        self._safe = self._prepare()

    def get(self, name: str) -> bytes | None:
        """The object code, or None where there is no sound entry."""
        if not self._safe:
            return self._memory.get(name)
        path = self.folder / f"{name}.o"
        code = self._read(path)
        if code is not None:
            _mark_used(path)
        return code

    def put(self, name: str, source: str, code: bytes) -> None:
        """Store an entry; a full or read-only disk turns the cache into one in memory."""
        self._memory[name] = code
        if not self._safe:
            return
        try:
            self._write(f"{name}.py", source.encode())
            header = _HEADER.pack(MAGIC, len(code), name.encode(), hashlib.sha256(code).digest())
            self._write(f"{name}.o", header + code)
            self._make_room(len(source) + len(code))
        except OSError as error:
            self._give_up(f"cannot be written ({error.strerror})")

    def source_path(self, name: str) -> Path:
        """Where the source of an entry lies or would lie."""
        return self.folder / f"{name}.py"

    def info(self) -> CacheInfo:
        if not self._safe:
            return CacheInfo(None, len(self._memory), sum(map(len, self._memory.values())), self.limit)
        files = self._sizes()
        return CacheInfo(self.folder, sum(f.suffix == ".o" for f in files), sum(size for size, _ in files.values()),
                         self.limit)

    def clear(self) -> int:
        """Remove all entries; how many there were."""
        count = self.info().entries
        self._memory.clear()
        for file in self._files() if self._safe else []:
            file.unlink(missing_ok=True)
        return count

    def verify(self) -> list[str]:
        """Names of the entries that are damaged."""
        return [f.stem for f in self._objects() if self._read(f) is None and not _is_older(f)]

    def older(self) -> list[str]:
        """Names of the entries that a release with another format of entries has left."""
        return [f.stem for f in self._objects() if _is_older(f)]

    def _objects(self) -> list[Path]:
        return [f for f in self._files() if f.suffix == ".o"] if self._safe else []

    def _files(self) -> list[Path]:
        return [f for f in sorted(self.folder.iterdir())
                if f.suffix in (".py", ".o") and _NAME.fullmatch(f.stem) and not f.is_dir()]

    def _sizes(self) -> dict[Path, tuple[int, float]]:
        """Bytes and time of last use of every file; another process may remove some meanwhile."""
        found = {}
        for file in self._files():
            try:
                status = file.stat()
            except OSError:
                continue
            found[file] = (status.st_size, status.st_mtime)
        return found

    def _make_room(self, written: int) -> None:
        """Count what was written; where that may be too much, let the entries go that were not used for longest."""
        if self._room is not None and written <= self._room:
            self._room -= written
            return
        self._remove_unfinished()
        files = self._sizes()
        total = sum(size for size, _ in files.values())
        if total > self.limit:
            used = {file.stem: at for file, (_, at) in files.items() if file.suffix == ".o"}
            for file in sorted(files, key=lambda file: used.get(file.stem, 0.0)):
                if total <= self.limit * 0.8:
                    break
                file.unlink(missing_ok=True)
                total -= files[file][0]
        self._room = max(self.limit - total, self.limit // 16) // 4

    def _remove_unfinished(self) -> None:
        """Remove what a process that was killed while it wrote has left."""
        for file in self.folder.glob(f"{_NEW}*"):
            with suppress(OSError):
                if time.time() - file.lstat().st_mtime > _DAY:
                    file.unlink()

    def _read(self, path: Path) -> bytes | None:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022 \
                or status.st_size > LARGEST_ENTRY:
            os.close(handle)
            return None
        with open(handle, "rb") as file:
            content = file.read()
        if len(content) < _HEADER.size:
            return None
        magic, length, name, digest = _HEADER.unpack_from(content)
        code = content[_HEADER.size:]
        expected = (MAGIC, len(code), path.stem.encode(), hashlib.sha256(code).digest())
        return code if (magic, length, name.rstrip(b"\0"), digest) == expected else None

    def _write(self, name: str, content: bytes) -> None:
        temporary = self.folder / f"{_NEW}{secrets.token_hex(8)}"
        try:
            write_new(temporary, [content], sync=False, mode=0o600)
            OPS.replace(temporary, self.folder / name)
        except BaseException:
            with suppress(OSError):
                OPS.unlink(temporary)
            raise

    def _prepare(self) -> bool:
        try:
            _make_private(self.folder)
        except OSError as error:
            return self._give_up(f"cannot be made ({error.strerror})")
        reason = unsafe(self.folder)
        return self._give_up(reason) if reason else True

    def _give_up(self, reason: str) -> bool:
        self._safe = False
        warn(f"graphc's kernel cache {self.folder} {reason}; kernels are kept in memory only")
        return False


def _is_older(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        magic = file.read(len(MAGIC))
    return magic.startswith(MAGIC[:-2]) and magic != MAGIC and len(magic) == len(MAGIC)


def limit_from_environment() -> int:
    """Bytes, from GRAPHC_CACHE_LIMIT in MiB. Raises ArgumentError for anything but a whole number above 0."""
    given = os.environ.get("GRAPHC_CACHE_LIMIT", "").strip() or str(DEFAULT_LIMIT)
    if not given.isdecimal() or not int(given):
        raise ArgumentError("not a size", where="GRAPHC_CACHE_LIMIT", expected="a number of MiB above 0",
                            got=repr(given))
    return int(given) << 20


def _mark_used(path: Path) -> None:
    """Note the day of the last use."""
    try:
        if time.time() - path.stat().st_mtime > _DAY:
            os.utime(path)
    except OSError:
        pass  # a read-only folder, or another process removed the entry: it was read all the same


def _make_private(folder: Path) -> None:
    """Make the folder and those above it that are missing, for this user only whatever the umask says."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for made in reversed(missing):
        try:
            made.mkdir(mode=0o700)
        except FileExistsError:
            continue
        made.chmod(0o700)


def unsafe(folder: Path) -> str | None:
    """Why another user could write into the folder; None if nobody else can."""
    own = os.lstat(folder)
    if not stat.S_ISDIR(own.st_mode):
        return "is not a folder"
    if own.st_uid != os.geteuid():
        return "belongs to another user"
    if own.st_mode & 0o022:
        return "can be written by others"
    for parent in folder.absolute().parents:
        status = os.stat(parent)
        if status.st_uid not in (0, os.geteuid()):
            return f"lies in {parent}, which belongs to another user"
        if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
            return f"lies in {parent}, which can be written by others"
    return None


def default_folder() -> Path:
    """GRAPHC_CACHE_DIR, else graphc under XDG_CACHE_HOME or ~/.cache."""
    given = os.environ.get("GRAPHC_CACHE_DIR")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "graphc"


@cache
def kernel_cache() -> KernelCache:
    """The process's cache."""
    return KernelCache(default_folder())
