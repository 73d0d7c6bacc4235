"""F2: the n-th call of the operating system fails, for every n.

After each refusal: fit has raised StorageError with the number of the error, or has gone on where that is right (a write
that takes half of its bytes, an interrupted one); the checkpoint before is the newest sound one, or the new one is; the
same model trains on; and the training that goes on leaves the bits of one that met no refusal. A kernel cache gives
what was put into it or nothing, and a file that is replaced is the old one or the new one.

What does not live here: how calls are made to fail (operations.py).
"""

import os
import random
import resource
import shutil
import subprocess
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from graphc.errors import StorageError
from graphc.frontend_keras.saving import hdf5
from graphc.frontend_keras.saving.checkpoints import CheckpointFolder
from graphc.runtime.cache import KernelCache
from graphc.runtime.files import replacing
from tests.faults.kills import finished
from tests.faults.operations import Counted, Failing, in_place, memory_folder
from tests.faults.trainings import Training

KINDS = ("ENOSPC", "EIO", "EINTR", "EACCES", "EROFS", "short")


@dataclass
class Figures:
    points: int = 0  # calls that can fail
    faults: int = 0
    refused: int = 0
    wrong: list = field(default_factory=list)

    def __str__(self):
        return (f"{self.faults} faults at {self.points} calls, {self.refused} refused with a typed error, "
                f"{len(self.wrong)} wrong")

    def check(self, sound, story):
        if not sound:
            self.wrong.append(story)


def state_number(number):
    return {"number": number, "numbers": np.arange(40.0) + number, "more": [np.full((3, 2), number, "f4"), "text"]}


def _number(found):
    """Which `state_number` this is, all of it; None for none."""
    if found is None:
        return None
    expected = state_number(found["number"])
    whole = (np.array_equal(found["numbers"], expected["numbers"]) and found["more"][1] == "text"
             and np.array_equal(found["more"][0], expected["more"][0]))
    return found["number"] if whole else "mixed"


def newest(folder):
    """The number of the newest state that a folder gives."""
    with CheckpointFolder(folder) as opened:
        return _number(opened.newest(lambda found: None))


def _save_third(folder):
    with CheckpointFolder(folder) as opened:
        opened.save(state_number(3))


@contextmanager
def _two_saved():
    """A folder with two checkpoints, so that a third makes room."""
    folder = memory_folder()
    try:
        with CheckpointFolder(folder) as opened:
            opened.save(state_number(1))
            opened.save(state_number(2))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def folders(pairs, seed):
    """Every call of a save, each kind of error; then pairs of faults at random."""
    figures, chance = Figures(), random.Random(seed)
    with _two_saved() as folder, in_place(Counted()) as counted:
        _save_third(folder)
    figures.points = counted.calls
    plans = [{n: kind} for n in range(1, counted.calls + 1) for kind in KINDS]
    plans += [{n: chance.choice(KINDS) for n in chance.sample(range(1, counted.calls + 8), 2)} for _ in range(pairs)]
    for plan in plans:
        with _two_saved() as folder:
            with in_place(Failing(plan)) as failing:
                refused = _refused(lambda: _save_third(folder))
            figures.faults += len(failing.happened)
            figures.refused += refused is not None
            _check_folder(figures, folder, refused, failing.happened)
    return figures


def _refused(work):
    try:
        work()
    except StorageError as error:
        return error
    return None


def _check_folder(figures, folder, refused, happened):
    found = newest(folder)  # cleans up what is unfinished
    story = f"{'; '.join(happened)}: {refused}, then {found}"
    figures.check(found == 3 if refused is None else found in (2, 3), story)
    figures.check(refused is None or (refused.errno and str(folder) in str(refused)), f"error without place: {story}")
    _save_third(folder)
    figures.check(newest(folder) == 3 and not _unfinished(folder) and len(finished(folder)) <= 2, f"after: {story}")


def _unfinished(folder):
    return [name for name in os.listdir(folder) if ".tmp" in name]


def trainings(sample, seed):
    """Faults in the saves of a real training, which is then called again. sample: how many, or None for all."""
    figures, chance, training = Figures(), random.Random(seed), Training("dense")

    def fit(folder, operations):
        training.restart()
        with in_place(operations):
            return training.run(folder)

    folder = memory_folder()
    expected = fit(folder, counted := Counted())
    shutil.rmtree(folder)
    figures.points = counted.calls
    plans = [(n, kind) for n in range(1, counted.calls + 1) for kind in ("ENOSPC", "EIO", "EINTR", "short")]
    for n, kind in plans if sample is None else chance.sample(plans, sample):
        folder, got, refused = memory_folder(), None, None
        failing = Failing({n: kind})
        try:
            got = fit(folder, failing)
        except StorageError as error:
            refused = error
        figures.faults += len(failing.happened)
        figures.refused += refused is not None
        story = f"{failing.happened} in a training: {refused}"
        figures.check(not _unfinished(folder) or "unlink" in story or "rmdir" in story, f"left over: {story}")
        if refused is not None:
            if finished(folder):
                training.spoil()
                got = training.run(folder)
            else:
                got = fit(folder, Counted())
        figures.check(got == expected, story)
        shutil.rmtree(folder)
    return figures


def caches():
    """Every call while an entry is put into a kernel cache."""
    figures = Figures()
    for plan in [{}, *({n: kind} for n in range(1, 20) for kind in KINDS)]:
        folder = Path(memory_folder())
        cache = KernelCache(folder / "kernels")
        with in_place(Failing(plan)) as failing, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            cache.put("k_0123456789", "source", b"object code")
        figures.points = figures.points or failing.calls
        figures.faults += len(failing.happened)
        story = f"{failing.happened} in the cache"
        figures.check(cache.get("k_0123456789") == b"object code", story)
        figures.check(KernelCache(folder / "kernels").get("k_0123456789") in (None, b"object code"), story)
        if not failing.happened:
            figures.check(KernelCache(folder / "kernels").get("k_0123456789") is not None, story)
        shutil.rmtree(folder)
    return figures


def replacements():
    """Every call while a file is replaced."""
    figures = Figures()
    for plan in [{}, *({n: kind} for n in range(1, 12) for kind in KINDS)]:
        folder = Path(memory_folder())
        target = folder / "model.h5"
        with hdf5.writing(target) as file:
            file.attrs["number"] = 1
        raised = False
        with in_place(Failing(plan)) as failing:
            try:
                with replacing(target) as temporary:
                    Path(temporary).write_bytes(b"new")
            except OSError:
                raised = True
        figures.points = figures.points or failing.calls
        figures.faults += len(failing.happened)
        figures.refused += raised
        new = target.read_bytes() == b"new"
        story = f"{failing.happened} while a file is replaced: {'new' if new else 'old'}, {os.listdir(folder)}"
        figures.check(new or (raised and target.read_bytes().startswith(hdf5.MAGIC)), story)
        figures.check(len(os.listdir(folder)) == 1 or "unlink" in story, story)
        shutil.rmtree(folder)
    return figures


def size_limits():
    """The system's own limit of the size of a file (RLIMIT_FSIZE), from 0 to what is needed."""
    figures = Figures()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in range(0, 1400, 50):
        with _two_saved() as folder:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
            try:
                refused = _refused(lambda: _save_third(folder))
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
            figures.points += 1
            figures.faults += refused is not None
            figures.refused += refused is not None
            _check_folder(figures, folder, refused, [f"{limit} bytes"])
    return figures


def full_disk():
    """A real file system that is full; None where this process may not mount one."""
    place = memory_folder()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True).returncode:
        os.rmdir(place)
        return None
    figures, folder = Figures(), os.path.join(place, "kept")
    try:
        with CheckpointFolder(folder) as opened:
            opened.save(state_number(1))
            opened.save(state_number(2))
        for free in range(0, 32):
            with open(os.path.join(place, "filler"), "wb") as file:
                room = os.statvfs(place)
                file.write(b"x" * max(0, room.f_bavail * room.f_frsize - 1024 * free))
            refused = _refused(lambda: _save_third(folder))
            os.unlink(os.path.join(place, "filler"))
            figures.points += 1
            figures.faults += refused is not None
            figures.refused += refused is not None
            _check_folder(figures, folder, refused, [f"{free} KiB free"])
            with CheckpointFolder(folder) as opened:
                opened.newest(lambda found: None)
                opened.save(state_number(2))
    finally:
        subprocess.run(["umount", place], check=True)
        os.rmdir(place)
    return figures
