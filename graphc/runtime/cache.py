"""The kernel cache: object code on disk, so that a second process compiles nothing.

An entry NAME is two files in a private folder: NAME.py, the readable source, and NAME.o, a header
(magic, format, length, SHA-256) and the object code. Anything else than a sound entry in a safe folder
is a miss; without a safe folder the cache lives in memory, after one warning.

What does not live here: names (the compiler hashes sources and versions into them), loading.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
import tempfile
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MAGIC = b"graphc-kernel-1\n"
_HEADER = struct.Struct("<16sQ32s")
_NAME = re.compile(r"k_[0-9a-f]{8,64}")
LARGEST_ENTRY = 64 << 20


@dataclass(frozen=True)
class CacheInfo:
    """path is None when the cache lives in memory."""

    path: Path | None
    entries: int
    bytes: int


class KernelCache:
    """Entries by name; see the module."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._memory: dict[str, bytes] = {}
        self._sources = tempfile.gettempdir()
        self._safe = self._prepare()

    def get(self, name: str) -> bytes | None:
        """The object code, or None where there is no sound entry."""
        if not self._safe:
            return self._memory.get(name)
        return self._read(self.folder / f"{name}.o")

    def put(self, name: str, source: str, code: bytes) -> None:
        """Store an entry; a full or read-only disk turns the cache into one in memory."""
        self._memory[name] = code
        if not self._safe:
            return
        try:
            self._write(f"{name}.py", source.encode())
            self._write(f"{name}.o", _HEADER.pack(MAGIC, len(code), hashlib.sha256(code).digest()) + code)
        except OSError as error:
            self._give_up(f"cannot be written ({error.strerror})")

    def source_path(self, name: str) -> Path:
        """Where the source of an entry lies or would lie."""
        return self.folder / f"{name}.py"

    def info(self) -> CacheInfo:
        if not self._safe:
            return CacheInfo(None, len(self._memory), sum(map(len, self._memory.values())))
        files = self._files()
        return CacheInfo(self.folder, sum(f.suffix == ".o" for f in files), sum(f.stat().st_size for f in files))

    def clear(self) -> int:
        """Remove all entries; how many there were."""
        count = self.info().entries
        self._memory.clear()
        for file in self._files() if self._safe else []:
            file.unlink(missing_ok=True)
        return count

    def verify(self) -> list[str]:
        """Names of the entries that are damaged."""
        return [f.stem for f in self._files() if f.suffix == ".o" and self._read(f) is None] if self._safe else []

    def _files(self) -> list[Path]:
        return [f for f in sorted(self.folder.iterdir()) if f.suffix in (".py", ".o") and _NAME.fullmatch(f.stem)]

    def _read(self, path: Path) -> bytes | None:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            return None
        with open(handle, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022 \
                    or status.st_size > LARGEST_ENTRY:
                return None
            content = file.read()
        if len(content) < _HEADER.size:
            return None
        magic, length, digest = _HEADER.unpack_from(content)
        code = content[_HEADER.size:]
        if magic != MAGIC or length != len(code) or hashlib.sha256(code).digest() != digest:
            return None
        return code

    def _write(self, name: str, content: bytes) -> None:
        handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=".new-")
        try:
            with open(handle, "wb") as file:
                file.write(content)
            os.replace(temporary, self.folder / name)
        except BaseException:
            os.unlink(temporary)
            raise

    def _prepare(self) -> bool:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            return self._give_up(f"cannot be made ({error.strerror})")
        reason = unsafe(self.folder)
        return self._give_up(reason) if reason else True

    def _give_up(self, reason: str) -> bool:
        self._safe = False
        warnings.warn(f"graphc's kernel cache {self.folder} {reason}; kernels are kept in memory only", stacklevel=3)
        return False


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
