"""HDF5 files that a process of its own parses: the folders of hdf5.py, whose answers come through a pipe.

The process is believed in nothing: lengths, kinds, shapes and types of what it says are checked, and where it dies, is
not heard of in time or talks nonsense, the file is broken.

What does not live here: what that process does (hdf5_child.py).
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from graphc.errors import GraphcError, ModelFormatError
from graphc.frontend_keras.saving.hdf5 import MAX_RANK, MAX_TEXT, Folder
from graphc.frontend_keras.saving.hdf5_child import LENGTH

START, PATIENCE, RATE = 60.0, 20.0, 8 << 20  # seconds to start, for an answer, and bytes a second on top
_MOST = 7 * MAX_TEXT                         # bytes of a message: a text, every character of it escaped
_PIPE = 1 << 20                              # bytes on their way
_DTYPE = re.compile(r"[<>|][fiu][1248]")
_KEPT = ("LD_LIBRARY_PATH",)                 # of the environment: what libraries may be found by
_SETTINGS = {"HDF5_PLUGIN_PRELOAD": "::", "HDF5_USE_FILE_LOCKING": "FALSE", "OPENBLAS_NUM_THREADS": "1",
             "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}
_PACKAGES = ("graphc.frontend_keras", "graphc.frontend_keras.saving")
# The packages stand for themselves, without the layers that they would import.
_COMMAND = f"""import json, sys, types
path, root = json.loads(sys.argv[1])
sys.path[:] = [*path, root]
for name in {_PACKAGES}:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [root + "/" + name.replace(".", "/")]
from {_PACKAGES[-1]}.hdf5_child import serve
serve()"""


@contextmanager
def reading(file: IO[bytes], name: str) -> Iterator[Folder]:
    """The root of a file that is open, and that errors call `name`.

    Raises ModelFormatError, OSError where no process can be started.
    """
    root = str(Path(__file__).parents[3])
    paths = json.dumps([[os.path.abspath(entry) for entry in sys.path], root])
    environment = {**{key: os.environ[key] for key in _KEPT if key in os.environ}, **_SETTINGS}
    process = subprocess.Popen([sys.executable, "-IBc", _COMMAND, paths, json.dumps([file.fileno(), name])],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               pass_fds=(file.fileno(),), env=environment)
    try:
        yield _Reader(process, name, os.fstat(file.fileno()).st_size).start()
    finally:
        process.kill()
        process.communicate()


class _Reader:
    """The process, asked one question at a time."""

    def __init__(self, process: subprocess.Popen[bytes], name: str, size: int):
        assert process.stdin
        assert process.stdout
        self._process, self._name, self._size = process, name, size
        self._in, self._out = process.stdin.fileno(), process.stdout.fileno()
        with suppress(OSError):
            fcntl.fcntl(self._out, fcntl.F_SETPIPE_SZ, _PIPE)
        self._until = time.monotonic() + START
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)

    def start(self) -> RemoteFolder:
        try:
            self._answer()
        except ModelFormatError as error:
            raise GraphcError("the process that reads HDF5 files does not start", where=self._name, got=error.got,
                              fix="See whether it can: python -c 'import h5py'.") from error
        self._wait_for(self._size)
        self._answer()
        return RemoteFolder(self, 0, "/")

    def ask(self, verb: str, position: int, *arguments: Any, most: int = 0) -> Any:
        """The answer; `most`: bytes that may have to be read for it."""
        question = json.dumps([verb, position, *arguments]).encode()
        self._wait_for(self._size + most)
        try:
            self._write(LENGTH.pack(len(question)) + question)
        except OSError as error:
            raise self._broken(self._end()) from error
        return self._answer()

    def fill(self, array: np.ndarray) -> None:
        """Read what stands in an array into it."""
        self._fill(array.reshape(-1).view(np.uint8).data)

    def broken(self) -> ModelFormatError:
        return self._broken("its reader answers nonsense")

    def _answer(self) -> Any:
        head = bytearray(LENGTH.size)
        self._fill(memoryview(head))
        length = LENGTH.unpack(head)[0]
        if not 0 < length <= _MOST:
            raise self.broken()
        content = bytearray(length)
        self._fill(memoryview(content))
        try:
            found = json.loads(content.decode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError) as error:
            raise self.broken() from error
        if isinstance(found, dict) and list(found) == ["error"]:
            raise self._error(found["error"])
        if not isinstance(found, dict) or list(found) != ["ok"]:
            raise self.broken()
        return found["ok"]

    def _error(self, parts: Any) -> ModelFormatError:
        if not isinstance(parts, list) or len(parts) != 5 or not all(p is None or isinstance(p, str) for p in parts):
            return self.broken()
        what, where, expected, got, fix = (part if part is None else part[:500] for part in parts)
        return ModelFormatError(what or "", where=where or "", expected=expected, got=got, fix=fix or "")

    def _wait_for(self, size: int) -> None:
        self._until = time.monotonic() + PATIENCE + size / RATE

    def _fill(self, view: memoryview) -> None:
        done = 0
        while done < len(view):
            if not self._poll.poll(1000 * max(self._until - time.monotonic(), 0)):
                raise self._broken("its reader takes too long")
            count = os.readv(self._out, [view[done:]])
            if not count:
                raise self._broken(self._end())
            done += count

    def _write(self, content: bytes) -> None:
        while content:
            content = content[os.write(self._in, content):]

    def _end(self) -> str:
        try:
            status = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return "its reader stopped answering"
        return f"its reader was ended by signal {-status}" if status < 0 else f"its reader ended with status {status}"

    def _broken(self, got: str) -> ModelFormatError:
        return ModelFormatError("the file is broken", where=self._name, got=got)


class RemoteFolder(Folder):
    """A group in the other process."""

    def __init__(self, reader: _Reader, position: int, where: str):
        self._reader, self._position, self.where = reader, position, where

    def __contains__(self, name: str) -> bool:
        return self._truth("contains", name)

    def has(self, name: str) -> bool:
        return self._truth("has", name)

    def folder(self, path: str) -> Folder:
        found = self._ask("folder", path)
        if not _is_list(found, 2) or type(found[0]) is not int or not isinstance(found[1], str):
            raise self._reader.broken()
        return RemoteFolder(self._reader, found[0], found[1])

    def array(self, path: str, most: int) -> np.ndarray:
        found = self._ask("array", path, most)
        if not _is_list(found, 2):
            raise self._reader.broken()
        dtype, shape = found
        if not isinstance(dtype, str) or not _DTYPE.fullmatch(dtype) or dtype[1:] == "f1" \
                or not isinstance(shape, list) or len(shape) > MAX_RANK \
                or not all(type(size) is int and size >= 0 for size in shape) or prod(shape) > most:
            raise self._reader.broken()
        array = np.empty(shape, dtype)
        self._reader.fill(array)
        return array

    def text(self, name: str) -> str | None:
        found = self._ask("text", name)
        if found is not None and not _is_text(found):
            raise self._reader.broken()
        return found

    def texts(self, name: str) -> list[str]:
        found = self._ask("texts", name)
        if not isinstance(found, list) or not all(map(_is_text, found)):
            raise self._reader.broken()
        return found

    def _truth(self, verb: str, name: str) -> bool:
        found = self._ask(verb, name)
        if type(found) is not bool:
            raise self._reader.broken()
        return found

    def _ask(self, verb: str, *arguments: Any) -> Any:
        most = 8 * arguments[1] if verb == "array" else 0
        return self._reader.ask(verb, self._position, *arguments, most=most)


def _is_list(found: Any, length: int) -> bool:
    return isinstance(found, list) and len(found) == length


def _is_text(found: Any) -> bool:
    """Whether it is a text without half characters, as hdf5.py returns them."""
    return isinstance(found, str) and len(found) <= MAX_TEXT and not re.search("[\ud800-\udfff]", found)
