"""graphc.runtime.files.OPS in other hands: every call of the operating system is seen before and after it is made.

What does not live here: what is done then (the other modules).
"""

import errno
import os
import re
import signal
import tempfile
from contextlib import contextmanager

from graphc.runtime import files

NAMES = ("open", "write", "fsync", "close", "replace", "unlink", "mkdir", "rmdir")
ERRORS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EINTR": errno.EINTR, "EACCES": errno.EACCES, "EROFS": errno.EROFS}


def memory_folder():
    """A new folder, in memory where the system has that: tests that synchronise a lot are not here for the disk."""
    return tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


class Watched:
    """Operations that tell `before` and `after` of each call: its name and what it concerns."""

    def __init__(self):
        self.paths = {}
        for name in NAMES:
            setattr(self, name, self._watched(name, getattr(os, name)))

    def before(self, name, path, args):
        """May raise, or return what the call shall return in place of being made."""

    def after(self, name, path, args):
        pass

    def _watched(self, name, call):
        def watched(*args, **kwargs):
            path = self.paths.get(args[0], args[0]) if isinstance(args[0], int) else os.fspath(args[0])
            made = self.before(name, path, args)
            if made is None:
                made = call(*args, **kwargs)
            if name == "open":
                self.paths[made] = path
            self.after(name, path, args)
            return made

        return watched


@contextmanager
def in_place(operations):
    """These operations in place of the real ones."""
    saved = {name: getattr(files.OPS, name) for name in NAMES}
    try:
        for name in NAMES:
            setattr(files.OPS, name, getattr(operations, name))
        yield operations
    finally:
        for name, call in saved.items():
            setattr(files.OPS, name, call)


class Counted(Watched):
    """Counts the calls: `calls`, and `said`, what they were."""

    def __init__(self):
        super().__init__()
        self.calls, self.said = 0, []

    def before(self, name, path, args):
        self.calls += 1
        self.said.append(f"{name} {plain(path)}")


class Failing(Counted):
    """Lets calls fail.

    faults: number of the call, from 1 -> a name of ERRORS, or "short" for a write that takes half of the bytes; a
    `close` that fails has closed all the same. With `last`, calls from there on go on failing until it is reached.
    """

    def __init__(self, faults):
        super().__init__()
        self.faults = dict(faults)
        self.happened = []

    def before(self, name, path, args):
        super().before(name, path, args)
        kind = self.faults.get(self.calls)
        if kind is None:
            return None
        self.happened.append(f"{kind} at {self.said[-1]}")
        if kind == "short":
            return os.write(args[0], args[1][:max(1, len(args[1]) // 2)]) if name == "write" else None
        if name == "close":
            os.close(args[0])
        raise OSError(ERRORS[kind], os.strerror(ERRORS[kind]), path)


def plain(path):
    """A path without what differs from run to run."""
    name = os.path.basename(path) if isinstance(path, str) else str(path)
    if re.fullmatch(r"ckpt-[0-9]+\.tmp-[0-9]+", name):
        return "unfinished"
    return "finished" if re.fullmatch(r"ckpt-[0-9]+", name) else name if "." in name else "the folder"


class Deadly(Watched):
    """Kills the process at the n-th time that an event comes; `in_the_middle` splits writes in two.

    Events are "before fsync state.json", "in the middle of write state.json", "after replace unfinished" and the like.
    """

    def __init__(self, event, time):
        super().__init__()
        self.event, self.left = event, time

    def reach(self, event):
        if event == self.event:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)

    def before(self, name, path, args):
        self.reach(f"before {name} {plain(path)}")
        if name == "write" and len(args[1]) > 1 and self.event == f"in the middle of write {plain(path)}":
            written = os.write(args[0], args[1][:len(args[1]) // 2])
            self.reach(self.event)
            return written
        return None

    def after(self, name, path, args):
        self.reach(f"after {name} {plain(path)}")
