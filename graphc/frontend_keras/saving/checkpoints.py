"""A folder of checkpoints, each whole or not there, whatever happens while one is written.

    lock                     held by the process that trains
    ckpt-7, ckpt-8           the last two
    ckpt-9.tmp-4711          one that is being written, or was when its process died

    ckpt-8/tensors.safetensors   all arrays (tensors.py)
    ckpt-8/state.json            everything else (packing.py)
    ckpt-8/manifest.json         format, number, size and SHA-256 of both

The order in which the disk learns of a checkpoint: a folder under a temporary name; in it the tensors, the state, last
the manifest, each written, synchronised and closed; the names in the folder; the folder's own name by one rename; the
names beside it. Only then does the one before the last go, again by a rename first. So there is no moment at which the
last checkpoint that was told of is not whole, and one under its own name is whole even after a loss of power.

A checkpoint is read with suspicion: sizes and hashes first, of the very bytes that are used then; no name in a file is
ever a path; no file is a link; nothing is unpickled. One that is not sound is passed over, with a warning that says
why, for the one before it.

What does not live here: what a training has to remember (engine/resuming.py).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from graphc.errors import CheckpointError, GraphcError, ModelFormatError, StorageError, warn
from graphc.frontend_keras.saving import packing, tensors
from graphc.frontend_keras.saving.text import parse_json
from graphc.runtime.files import OPS, Bytes, make_folders, read_whole, remove_folder, sync_folder, write_new

FORMAT = 1
KEPT = 2
TENSORS, STATE, MANIFEST = "tensors.safetensors", "state.json", "manifest.json"
_FINISHED = re.compile(r"ckpt-([1-9][0-9]{0,14})")
_UNFINISHED = re.compile(r"ckpt-[0-9]{1,15}\.tmp-[0-9]{1,15}")
_MAX_MANIFEST, _MAX_STATE, _MAX_TENSORS = 1 << 16, 16 << 20, 1 << 40


class CheckpointFolder:
    """The checkpoints in `path`, for one process at a time; use it in a `with` statement.

    Entering makes the folder, takes the lock, and removes what an earlier process left unfinished. Raises
    CheckpointError where another process has the lock, StorageError (an OSError) where the disk refuses.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(os.path.abspath(os.fspath(path)))
        self._lock: int | None = None
        self._sound: list[int] = []  # numbers of those that were read or written here

    def __enter__(self) -> CheckpointFolder:
        with self._refusals("the folder for checkpoints cannot be used", "Give a folder that may be written to."):
            make_folders(self.path)
            self._lock = _locked(self.path / "lock")
            try:
                self._remove(name for name in self._names() if _UNFINISHED.fullmatch(name))
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_: Any) -> None:
        handle, self._lock = self._lock, None
        if handle is not None:
            _held.discard(handle)
            os.close(handle)

    @contextmanager
    def _refusals(self, what: str, fix: str) -> Any:
        try:
            yield
        except StorageError:
            raise
        except OSError as error:
            raise StorageError(what, error, where=str(self.path), fix=fix) from error

    def _names(self) -> list[str]:
        return sorted(os.listdir(self.path))

    def numbers(self) -> list[int]:
        """The numbers of the checkpoints, sound or not, the newest last."""
        return sorted(int(match[1]) for name in self._names() if (match := _FINISHED.fullmatch(name)))

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            remove_folder(self.path / name)

    # ---- writing

    def save(self, state: Any) -> int:
        """Write a checkpoint of a value that packing.py knows; its number. The one before the last two goes.

        Raises StorageError (an OSError) where the disk refuses, CheckpointError for what a checkpoint cannot hold; the
        checkpoints before are then as they were.
        """
        text, arrays = _written(state)
        with self._refusals("the checkpoint could not be written; those before it are whole",
                            "Make room or give another folder, then call fit again: it goes on from the last one."):
            number = max(self.numbers(), default=0) + 1
            name = f"ckpt-{number}"
            temporary = self.path / f"{name}.tmp-{os.getpid()}"
            try:
                remove_folder(temporary)
                OPS.mkdir(temporary)
                self._fill(temporary, number, {TENSORS: tensors.parts(arrays), STATE: [text]})
                OPS.replace(temporary, self.path / name)
            except BaseException:
                with suppress(OSError):
                    remove_folder(temporary)
                raise
            sync_folder(self.path)
            self._sound = [*self._sound, number][-KEPT:]
            self._prune()
        return number

    def _fill(self, folder: Path, number: int, files: dict[str, Iterable[Bytes]]) -> None:
        written = {}
        for name, parts in files.items():
            size, digest = write_new(folder / name, parts)
            written[name] = {"bytes": size, "sha256": digest}
        manifest = {"format": FORMAT, "number": number, "files": written}
        write_new(folder / MANIFEST, [json.dumps(manifest, indent=1).encode()])
        sync_folder(folder)

    def _prune(self) -> None:
        for number in sorted(set(self.numbers()) - set(self._sound)):
            leaving = self.path / f"ckpt-{number}.tmp-{os.getpid()}"
            remove_folder(leaving)
            OPS.replace(self.path / f"ckpt-{number}", leaving)
            remove_folder(leaving)

    def clear(self) -> None:
        """Remove all checkpoints, the oldest first. Raises StorageError."""
        with self._refusals("the checkpoints could not be removed", "Remove the folder."):
            self._sound = []
            self._prune()

    # ---- reading

    def newest(self, check: Callable[[Any], None]) -> Any:
        """What the newest sound checkpoint holds; None where there is none. Its arrays cannot be written to.

        check: raises ModelFormatError for a value that makes no sense

        Warns of each checkpoint that is passed over. Raises CheckpointError where none of those there are is sound.
        """
        reasons = []
        with self._refusals("the checkpoints cannot be read", ""):
            numbers = self.numbers()
        for number in reversed(numbers):
            try:
                found = self._read(number)
                check(found)
            except (ModelFormatError, OSError) as error:
                reasons.append(f"ckpt-{number}: {_reason(error)}")
                continue
            self._sound = [number]
            for reason in reasons:
                warn(f"{self.path}: going on from ckpt-{number}, since a newer one is not sound. {reason}")
            return found
        if reasons:
            raise CheckpointError("no checkpoint of the folder is sound", where=str(self.path),
                                  got="; ".join(reasons)[:2000], fix="Remove the folder to train from the start.")
        return None

    def _read(self, number: int) -> Any:
        folder = self.path / f"ckpt-{number}"
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            raise ModelFormatError("not a folder", where=folder.name)
        contents = {name: self._content(folder, name, entry) for name, entry in self._manifest(folder, number).items()}
        arrays = tensors.parsed(contents[TENSORS], TENSORS)
        return packing.unpack(parse_json(contents[STATE], STATE), arrays, "state")

    def _manifest(self, folder: Path, number: int) -> dict[str, tuple[int, str]]:
        size = os.lstat(folder / MANIFEST).st_size
        if size > _MAX_MANIFEST:
            raise ModelFormatError("the manifest is too long", where=MANIFEST, got=f"{size} bytes")
        found = parse_json(read_whole(folder / MANIFEST, size), MANIFEST)
        if not isinstance(found, dict) or type(found.get("format")) is not int:
            raise ModelFormatError("no manifest of a checkpoint", where=MANIFEST, got=f"{found!r:.200}")
        if found["format"] != FORMAT:
            raise ModelFormatError("another format of checkpoints", where=MANIFEST, expected=FORMAT,
                                   got=found["format"], fix="A newer graphc wrote it.")
        if found.keys() != {"format", "number", "files"} or type(found["number"]) is not int:
            raise ModelFormatError("the manifest has other entries", where=MANIFEST, got=f"{found!r:.200}")
        if found["number"] != number:
            raise ModelFormatError("the checkpoint stands under another's name", where=MANIFEST, expected=number,
                                   got=found["number"])
        files = found["files"]
        if not isinstance(files, dict) or files.keys() != {TENSORS, STATE}:
            raise ModelFormatError("the manifest names other files", where=MANIFEST, expected=[TENSORS, STATE],
                                   got=f"{files!r:.200}")
        return {name: _entry(name, entry) for name, entry in files.items()}

    def _content(self, folder: Path, name: str, entry: tuple[int, str]) -> bytes:
        content = read_whole(folder / name, entry[0])
        if hashlib.sha256(content).hexdigest() != entry[1]:
            raise ModelFormatError("the content is not what was written", where=f"{folder.name}/{name}",
                                   expected=f"SHA-256 {entry[1][:16]}")
        return content


def _written(state: Any) -> tuple[bytes, dict[str, np.ndarray]]:
    """A value as text and arrays that can be read again. Raises CheckpointError for what a checkpoint cannot hold."""
    arrays: dict[str, np.ndarray] = {}
    try:
        text = json.dumps(packing.pack(state, arrays, "the state"), allow_nan=False).encode()
        parse_json(text, "the state")
    except RecursionError as error:
        raise CheckpointError("a value that holds itself, or is nested too deeply", where="the state") from error
    except ModelFormatError as error:
        raise CheckpointError("a value that a checkpoint cannot hold", where="the state", got=str(error)) from error
    return text, arrays


def _entry(name: str, entry: Any) -> tuple[int, str]:
    most = _MAX_TENSORS if name == TENSORS else _MAX_STATE
    if (not isinstance(entry, dict) or entry.keys() != {"bytes", "sha256"} or type(entry["bytes"]) is not int
            or not 0 <= entry["bytes"] <= most or not isinstance(entry["sha256"], str)
            or not re.fullmatch("[0-9a-f]{64}", entry["sha256"])):
        raise ModelFormatError("not a size and a hash", where=f"{MANIFEST}, {name}", got=f"{entry!r:.200}")
    return entry["bytes"], entry["sha256"]


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, GraphcError) else f"{getattr(error, 'strerror', None) or error}"


# ---- the lock

_held: set[int] = set()


def _locked(path: Path) -> int:
    """The open lock. Raises CheckpointError where another process has it, OSError."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise CheckpointError("another training works with this folder", where=str(path.parent),
                                  fix="Give each training a folder of its own, or end the other one.") from error
        raise
    _held.add(handle)
    return handle


def _leave_to_parent() -> None:
    """In a forked child: the lock is the parent's, and ends with it."""
    for handle in _held:
        with suppress(OSError):
            os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_leave_to_parent)
