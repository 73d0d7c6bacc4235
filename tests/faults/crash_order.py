"""F3: whatever of the calls made so far a loss of power leaves on the disk, the old or the new checkpoint is read.

The calls of several saves are logged. A loss of power after any of them leaves what was synchronised: of a file what was
written before its fsync, of a folder the names that changed before its own. Anything else may be there or not, each on its
own and in any order, and of a write also the first half; which is more than file systems do. The states are
laid out as real folders and read. (After T. S. Pillai et al., "All file systems are not created equal", OSDI 2014.)

What does not live here: the calls themselves (operations.py).
"""

import os
import random
import shutil
import warnings
from dataclasses import dataclass, field

from graphc.errors import CheckpointError
from graphc.frontend_keras.saving.checkpoints import CheckpointFolder
from tests.faults.operations import Watched, in_place, memory_folder
from tests.faults.refusals import newest, state_number


class Log(Watched):
    """entries: ("name", folder, name, what), ("rename", folder, old, new, what), ("write", what, bytes),
    ("sync", what), ("saved", number); folders and files are numbers, 0 is `root`."""

    def __init__(self, root):
        super().__init__()
        self.entries, self._numbers, self._count = [], {os.path.abspath(root): 0}, 0

    def _made(self, path):
        self._count += 1
        self._numbers[path] = self._count
        self.entries.append(("name", self._numbers[os.path.dirname(path)], os.path.basename(path), self._count))

    def after(self, name, path, args):
        if name == "mkdir" or (name == "open" and args[1] & os.O_CREAT):
            self._made(path)
        elif name == "write":
            self.entries.append(("write", self._numbers[path], bytes(args[1])))
        elif name == "fsync" and path in self._numbers:
            self.entries.append(("sync", self._numbers[path]))
        elif name in ("unlink", "rmdir"):
            self.entries.append(("name", self._numbers[os.path.dirname(path)], os.path.basename(path), None))
            del self._numbers[path]
        elif name == "replace":
            self._moved(path, os.fspath(args[1]))

    def _moved(self, old, new):
        self._numbers = {new + path[len(old):] if (path + "/").startswith(old + "/") else path: number
                         for path, number in self._numbers.items()}
        self.entries.append(("rename", self._numbers[os.path.dirname(new)], os.path.basename(old),
                             os.path.basename(new), self._numbers[new]))


def logged(saves):
    """The log of so many saves into a new folder."""
    root = memory_folder()
    log = Log(root)
    try:
        with in_place(log), CheckpointFolder(os.path.join(root, "kept")) as opened:
            for number in range(1, saves + 1):
                opened.save(state_number(number))
                log.entries.append(("saved", number))
    finally:
        shutil.rmtree(root)
    return log.entries


def uncertain(entries):
    """The places of those of the entries that a loss of power now may undo."""
    found, synced = [], set()
    for i in reversed(range(len(entries))):
        kind, where = entries[i][:2]
        if kind == "sync":
            synced.add(where)
        elif kind != "saved" and where not in synced:
            found.append(i)
    return found[::-1]


def choices(places, chance, most):
    """Sets of places that are undone, and those whose writes are cut in half: all, none, each alone, others at random."""
    yield set(places), set()
    yield set(), set()
    for place in places:
        yield {place}, set()
        yield set(places) - {place}, set()
        yield set(), {place}
    for _ in range(most):
        yield ({p for p in places if chance.random() < 0.5}, {p for p in places if chance.random() < 0.3})


def lay_out(entries, undone, halved, files, root):
    """The state of the disk as folders and files; `files`: the numbers of what is no folder."""
    names, contents = {}, {}
    for i, (kind, where, *rest) in enumerate(entries):
        if i in undone or kind in ("sync", "saved"):
            continue
        if kind == "write":
            contents[where] = contents.get(where, b"") + rest[0][:len(rest[0]) // 2 if i in halved else None]
        elif kind == "name":
            names.setdefault(where, {})[rest[0]] = rest[1]
        else:
            old, new, what = rest
            if names.setdefault(where, {}).get(old) == what:
                names[where][old] = None
            names[where][new] = what
    _write(root, 0, names, contents, files)


def _write(path, number, names, contents, files):
    os.makedirs(path, exist_ok=True)
    for name, what in names.get(number, {}).items():
        if what is None:
            continue
        if what in files:
            with open(os.path.join(path, name), "wb") as file:
                file.write(contents.get(what, b""))
        else:
            _write(os.path.join(path, name), what, names, contents, files)


@dataclass
class Figures:
    states: int = 0
    old: int = 0
    new: int = 0
    wrong: list = field(default_factory=list)

    def __str__(self):
        return (f"{self.states} states of the disk, {self.old} give the checkpoint that was told of last, {self.new} "
                f"the one being written: {len(self.wrong)} give anything else")


def run(states, seed, saves=4):
    """Read up to so many different states; the figures."""
    entries, chance, figures, seen = logged(saves), random.Random(seed), Figures(), set()
    files = {entry[1] for entry in entries if entry[0] == "write"}
    prefixes = list(range(len(entries) + 1))
    chance.shuffle(prefixes)
    plans = [(length, choice) for length in prefixes
             for choice in choices(uncertain(entries[:length]), chance, max(1, 4 * states // len(entries)))]
    chance.shuffle(plans)
    for length, (undone, halved) in plans:
        halved = {i for i in halved - undone if entries[i][0] == "write"}
        key = (length, frozenset(undone), frozenset(halved))
        if key in seen or len(seen) >= states:
            continue
        seen.add(key)
        _read(entries[:length], undone, halved, files, figures)
    return figures


def _read(entries, undone, halved, files, figures):
    told = max([0, *(entry[1] for entry in entries if entry[0] == "saved")])
    root = memory_folder()
    try:
        lay_out(entries, undone, halved, files, root)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a checkpoint that has to be passed over should not stand there
            found = newest(os.path.join(root, "kept")) or 0
    except (CheckpointError, UserWarning) as error:
        found = str(error)
    finally:
        shutil.rmtree(root)
    figures.states += 1
    figures.old += found == told
    figures.new += found == told + 1
    if found not in (told, told + 1):
        last = entries[-1][:3] if entries else ()
        figures.wrong.append(f"after {len(entries)} calls ({last}) without {sorted(undone)}, halved {sorted(halved)}: "
                             f"{found} in place of {told} or {told + 1}")
