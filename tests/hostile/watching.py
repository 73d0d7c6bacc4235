"""What a case may do while it loads a file: read that file, and nothing else that the interpreter or the kernel reports.

Python's audit events are all forbidden but for a short list; what libraries in C open is seen by inotify on the canaries,
whose content is looked for in what was loaded.
"""

import ctypes
import fcntl
import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py
import numpy as np

HARMLESS = ("object.__getattr__", "object.__setattr__", "object.__delattr__", "sys._getframe", "sys._getframemodulename",
            "builtins.id", "gc.", "array.__new__", "code.__new__", "numpy.")
# What the inspect module makes of the signatures of object.__init__ and of types, and parses.
OF_BUILTINS = (b"def foo(self, *args, **kwargs): pass", b"def foo(): pass")
PATTERN = b"\xc0\xff\xee\x01canary\x02\x03"
IN_OPEN = 0x20


class Watch:
    """Events of this process while `case` is entered; there is one hook for all."""

    def __init__(self):
        self.active, self.seen, self.paths, self.temporary, self.spawning = False, [], (), None, False
        sys.addaudithook(self._hook)

    def _hook(self, event, arguments):
        if self.active and not event.startswith(HARMLESS) and not self._allowed(event, arguments):
            self.seen.append(f"{event} {arguments[:2]!r:.120}")

    def _allowed(self, event, arguments):
        first = arguments[0] if arguments else None
        if event == "open":
            name = os.fsdecode(first) if isinstance(first, (str, bytes, os.PathLike)) else ""
            writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            return (not writes and name in self.paths) or self._is_temporary(name) or isinstance(first, int) \
                or (self.spawning and name == os.devnull)
        if event == "compile":
            return first in OF_BUILTINS
        if event in ("tempfile.mkstemp", "os.remove", "tempfile.NamedTemporaryFile"):
            return self._is_temporary(os.fsdecode(first))
        if event == "fcntl.flock":
            return arguments[1] == fcntl.LOCK_SH | fcntl.LOCK_NB  # keeps writers out while the file is read
        if self.spawning and event == "subprocess.Popen":
            return first == sys.executable
        return self.spawning and event in ("os.posix_spawn", "fcntl.fcntl", "os.kill")

    def _is_temporary(self, name):
        return self.temporary is not None and f"{name}/".startswith(self.temporary)

    @contextmanager
    def case(self, *paths):
        """Forbidden events of the body are in `seen` afterwards."""
        self.seen, self.paths, self.active = [], paths, True
        try:
            yield
        finally:
            self.active = False


class Canaries:
    """Files that nothing may read: bytes, an HDF5 file and a pipe that would block its reader."""

    def __init__(self, folder: Path):
        self.bytes, self.h5, self.pipe = folder / "canary", folder / "canary.h5", folder / "canary.pipe"
        self.bytes.write_bytes(PATTERN * 4096)
        with h5py.File(self.h5, "w") as file:
            file["x"] = file["kernel"] = np.frombuffer(PATTERN * 12, "u1")
        with suppress(FileExistsError):
            os.mkfifo(self.pipe)
        self.paths = [str(self.bytes), str(self.h5), str(self.pipe)]
        libc = ctypes.CDLL(None, use_errno=True)
        self._events = libc.inotify_init1(os.O_NONBLOCK)
        if self._events < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1: does too much watch files on this machine?")
        for path in self.paths:
            if libc.inotify_add_watch(self._events, path.encode(), IN_OPEN) < 0:
                raise OSError(ctypes.get_errno(), "inotify_add_watch")

    def close(self):
        os.close(self._events)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def opened(self):
        """Whether one was opened since the last call."""
        try:
            return bool(os.read(self._events, 65536))
        except BlockingIOError:
            return False

    @staticmethod
    def shows_in(arrays):
        return any(PATTERN in np.ascontiguousarray(array).tobytes() for array in arrays)
