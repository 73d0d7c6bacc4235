"""The process that parses an HDF5 file for one that does not trust it: it answers questions until its input ends.

libhdf5 is a large parser in C. Here it can do little: the file is open before it starts, no other can be opened or
written, memory and processor time are bounded by what the file may need, the environment is empty, and no filter is
loaded. What comes out is JSON and the bytes of arrays, which the parent checks (hdf5_apart.py).

What does not live here: what may be in a file (hdf5.py). Nothing of Keras is imported.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from graphc.errors import ModelFormatError
from graphc.frontend_keras.saving.hdf5 import Folder, bytes_of, h5py, opened

LENGTH = struct.Struct("<q")
MEMORY = 256 << 20   # bytes that parsing may take beyond the file and an array
SECONDS, RATE = 2, 64 << 20  # of processor time for an answer, and bytes a second for reading


def serve() -> None:
    """Answer the parent; the command line says which file descriptor, and what its file is called."""
    number, name = json.loads(sys.argv[2])
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    _rehearse()
    Limits.once()
    _send(answers, {"ok": None})
    folders: list[Folder] = []
    try:
        limits = Limits(os.fstat(number).st_size)
        folders.append(Folder(opened(f"/proc/self/fd/{number}", name), "/"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
        _send(answers, {"ok": None})
    except ModelFormatError as error:
        _send(answers, _told(error))
        return
    while (request := receive(requests.read)) is not None:
        verb, position, *arguments = json.loads(request)
        limits.allow(0)
        try:
            _answer(answers, folders, limits, verb, folders[position], arguments)
        except ModelFormatError as error:
            _send(answers, _told(error))


def _rehearse() -> None:
    """Ask everything once, of a file in memory: what Python imports late must be there before no file can be opened."""
    with h5py().File("rehearsal", "w", driver="core", backing_store=False) as file:
        file["group/numbers"], file["group/texts"] = np.zeros((2, 2), "f4"), np.zeros(2, [("a", "i4"), ("b", "S3")])
        file["group"].create_dataset("packed", data=np.zeros((2, 2), "f4"), compression="gzip", shuffle=True)
        file["elsewhere"] = h5py().SoftLink("/group")
        file.attrs["text"], file.attrs["bytes"], file.attrs["texts"] = "é", b"x", np.array([b"x", b"y"])
        file.attrs["strings"], file.attrs["numbers"] = ["x", "y"], np.zeros(2)
        root = Folder(file, "/")
        asked: list[tuple[Callable[..., Any], Any]] = [
            *((question, name) for question in (root.text, root.texts)
              for name in ("text", "bytes", "texts", "strings", "numbers", "absent")),
            *((lambda path: root.array(path, 9), f"group/{name}") for name in ("numbers", "texts", "packed", "absent")),
            (root.folder, "group"), (root.folder, "elsewhere")]
        for question, name in asked:
            try:
                question(name)
            except ModelFormatError as error:
                json.dumps(_told(error))


class Limits:
    """Of memory and processor time: small, and raised by what an array takes while it is read."""

    def __init__(self, size: int):
        with open("/proc/self/statm") as file:
            self._before = int(file.read().split()[0]) * resource.getpagesize()
        self._size = size
        self.allow(0)

    @staticmethod
    def once() -> None:
        """Nothing is written, no process started, no memory dumped."""
        for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_CORE):
            resource.setrlimit(kind, (0, 0))

    def allow(self, count: int) -> None:
        """Room and time for an array of `count` bytes."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        seconds = used.ru_utime + used.ru_stime + SECONDS + (count + self._size) / RATE
        _lower(resource.RLIMIT_AS, self._before + MEMORY + 2 * self._size + 3 * count)
        _lower(resource.RLIMIT_CPU, int(seconds) + 1)


def _lower(kind: int, wanted: int) -> None:
    """Set the soft limit; the hard one, perhaps the user's own, stays."""
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _answer(answers: IO[bytes], folders: list[Folder], limits: Limits, verb: str, folder: Folder,
            arguments: list[Any]) -> None:
    if verb == "array":
        path, most = arguments
        limits.allow(bytes_of(folder, path, most))
        array = np.asarray(folder.array(path, most), order="C")
        _send(answers, {"ok": [array.dtype.str, list(array.shape)]})
        answers.write(array.reshape(-1).view(np.uint8).data)
        answers.flush()
    elif verb == "folder":
        folders.append(folder.folder(*arguments))
        _send(answers, {"ok": [len(folders) - 1, folders[-1].where]})
    else:
        ask: dict[str, Callable[..., Any]] = {"has": folder.has, "text": folder.text, "texts": folder.texts,
                                              "contains": folder.__contains__}
        _send(answers, {"ok": ask[verb](*arguments)})


def _told(error: ModelFormatError) -> dict[str, Any]:
    parts = (error.what, error.where, error.expected, error.got, error.fix)
    return {"error": [None if part is None else f"{part!s:.400}" for part in parts]}


def _send(stream: IO[bytes], content: Any) -> None:
    data = json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogatepass")
    stream.write(LENGTH.pack(len(data)) + data)
    stream.flush()


def receive(read: Callable[[int], bytes]) -> bytes | None:
    """One message; None at the end."""
    head = read(LENGTH.size)
    return read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else None
