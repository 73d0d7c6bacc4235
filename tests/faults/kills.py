"""F1: a training that is killed (SIGKILL) and called again leaves the bits of one that never stopped.

The parent compiles a training and forks children that begin it; so a child costs no compilation. A child is killed by the
parent at a random time, or at a random time after a checkpoint has been begun, or kills itself at a named point. Children
that go on start from spoilt weights and other random numbers. What they leave has to be, bit for bit, what a child
leaves that had no checkpoints: weights, slots, history, and the next numbers of the random generators.

What does not live here: the trainings (trainings.py).
"""

import mmap
import os
import random
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass, field

from graphc.frontend_keras import callbacks
from graphc.frontend_keras.saving.checkpoints import CheckpointFolder
from tests.faults.operations import Deadly, in_place
from tests.faults.trainings import FREQUENCIES, TRAININGS, Training

FILES = ("tensors.safetensors", "state.json", "manifest.json")
IN_SAVE = ["before mkdir unfinished", "after mkdir unfinished",
           *(f"{when} {name}" for name in FILES
             for when in ("before open", "after open", "in the middle of write", "before fsync", "after fsync",
                          "after close")),
           "before open unfinished", "after fsync unfinished", "before replace unfinished", "after replace unfinished",
           "before fsync the folder", "after fsync the folder", "before replace finished", "after replace finished",
           *(f"after unlink {name}" for name in FILES), "before rmdir unfinished", "after rmdir unfinished"]
HOOKS = ["on_train_begin", "on_epoch_begin", "on_batch_begin", "on_batch_end", "on_epoch_end", "get_state",
         "on_train_end"]
POINTS = IN_SAVE + HOOKS


@dataclass
class Figures:
    """What happened: kills, those inside of a save, those at named points, trainings that were different at the end."""

    trials: int = 0
    kills: int = 0
    inside: int = 0
    named: int = 0
    resumed: int = 0
    points: set = field(default_factory=set)
    different: list = field(default_factory=list)

    def __str__(self):
        return (f"{self.trials} trainings, {self.kills} kills, {self.inside} of them inside of a save "
                f"({100 * self.inside // max(1, self.kills)} %), {self.named} at {len(self.points)} of {len(POINTS)} "
                f"named points, {self.resumed} went on from a checkpoint: {len(self.different)} different")


class Hooks(callbacks.Callback):
    """Tells a Deadly that a hook is reached."""

    def __init__(self, deadly):
        super().__init__()
        for hook in HOOKS:
            setattr(self, hook, lambda *args, hook=hook: deadly.reach(hook))


class Stage:
    """A training that is ready, and the memory in which its children say what they do."""

    def __init__(self, name, sequence):
        self.training = Training(name, sequence)
        self.shared = mmap.mmap(-1, 4096)
        began = time.monotonic()
        self.expected = self.child(lambda: self.training.run())
        self.seconds = time.monotonic() - began

    def child(self, work, killer=None, by=signal.SIGKILL):
        """What `work` returns in a forked child; None where a signal has ended that."""
        reading, writing = os.pipe()
        self.shared[0:3] = b"\0\0\0"  # inside of a save; how many have begun; steps done
        pid = os.fork()
        if not pid:
            status = 1
            try:
                os.close(reading)
                self.training.seed(8)  # Python's own generator is seeded anew in a forked process
                os.write(writing, work().encode())
                status = 0
            finally:
                os._exit(status)
        os.close(writing)
        if killer is not None:
            killer(pid)
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        status = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == by:
            return None
        assert status == 0, f"the child ended with {status}"
        return said

    def work(self, folder, frequency, deadly, more=()):
        """What a child does."""
        if finished(folder):
            self.training.spoil()
        save = CheckpointFolder.save

        def noted(*args):
            self.shared[0], self.shared[1] = 1, min(self.shared[1] + 1, 255)
            number = save(*args)
            self.shared[0] = 0
            return number

        CheckpointFolder.save = noted
        if deadly is None:
            return self.training.run(folder, frequency, more)
        with in_place(deadly):
            return self.training.run(folder, frequency, [Hooks(deadly)])

    def random_killer(self, chance):
        """Kills at a random time; half of them at a random time after a save has begun."""
        if chance.random() < 0.5:
            number, wait = chance.randint(1, 4), chance.uniform(0, 0.02)
        else:
            number, wait = 0, chance.uniform(0, 1.5 * self.seconds + 0.05)

        def kill(pid):
            end = time.monotonic() + 5
            while self.shared[1] < number and time.monotonic() < end and not _has_ended(pid):
                time.sleep(0.0002)
            time.sleep(wait)
            os.kill(pid, signal.SIGKILL)

        return kill


def finished(folder):
    """The names of the checkpoints there."""
    return [name for name in os.listdir(folder) if name.startswith("ckpt-") and ".tmp" not in name]


def _has_ended(pid):
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def one(stage, chance, figures, point=None):
    """A training that is killed once, twice or three times, then brought to its end."""
    folder, frequency = tempfile.mkdtemp(), chance.choice(FREQUENCIES)
    figures.trials += 1
    try:
        result, story = None, [stage.training.name, frequency]
        for left in reversed(range(chance.choice((1, 1, 2, 3)))):
            named = point is not None and not left
            deadly = Deadly(point, chance.randint(1, 3)) if named else None
            result = stage.child(lambda deadly=deadly: stage.work(folder, frequency, deadly),
                                 None if named else stage.random_killer(chance))
            if result is None:
                figures.kills += 1
                figures.inside += bool(stage.shared[0])
                figures.named += named
                figures.points |= {point} if named else set()
                story.append(point if named else "a random time")
        if result is None:
            figures.resumed += bool(finished(folder))
            result = stage.child(lambda: stage.work(folder, frequency, None))
        if result != stage.expected:
            figures.different.append(story)
    finally:
        shutil.rmtree(folder)


def run(kills, seed, report=lambda figures: None):
    """At least so many kills, half of them at named points, over all trainings; the figures."""
    chance, figures = random.Random(seed), Figures()
    kinds = [(name, False) for name in TRAININGS] + [("dropped", True)]
    points = []
    for i, (name, sequence) in enumerate(kinds):
        stage = Stage(name, sequence)
        while figures.kills < kills * (i + 1) / len(kinds):
            if not points:
                points = chance.sample(POINTS, len(POINTS))
            one(stage, chance, figures, points.pop() if chance.random() < 0.6 else None)
        report(figures)
    return figures
