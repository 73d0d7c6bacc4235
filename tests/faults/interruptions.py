"""F5: a signal or an exception at any point of a training leaves the model at a step boundary, and usable.

A KeyboardInterrupt comes at a random time (SIGINT), and at the n-th line of Python that graphc runs, for n at random;
exceptions come from callbacks, metrics and Sequences. Afterwards weights, slots and the count of steps are, bit for bit,
what they are after some step of a training without interruption; predictions are those of the weights; and the
training that goes on from its checkpoint leaves the bits of one that never stopped. SIGTERM ends a child as it would without graphc,
and the checkpoint holds the step that was done last.

What does not live here: the trainings (trainings.py).
"""

import os
import random
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field

import numpy as np

import graphc
from graphc.frontend_keras import callbacks
from graphc.frontend_keras.saving.checkpoints import CheckpointFolder
from tests.faults.kills import HOOKS, Stage, finished
from tests.faults.operations import memory_folder
from tests.faults.trainings import FREQUENCIES, TRAININGS, Batches, Training

SOURCES = os.path.dirname(graphc.__file__) + os.sep
WAYS = ("line", "SIGINT", "callback", "metric", "Sequence")


class UserError(Exception):
    """What the user's code raises."""


@dataclass
class Figures:
    points: int = 0
    hit: int = 0
    terminated: int = 0
    by_way: dict = field(default_factory=dict)
    wrong: list = field(default_factory=list)

    def __str__(self):
        ways = ", ".join(f"{way} {count}" for way, count in sorted(self.by_way.items()))
        return f"{self.points} points, {self.hit} of them hit ({ways}): {len(self.wrong)} wrong"

    def check(self, sound, story):
        if not sound:
            self.wrong.append(story)


class Boundaries(callbacks.Callback):
    """Notes the state after each step, and where a callback has changed it."""

    def __init__(self, training):
        super().__init__()
        self.training, self.states = training, {training.state()}

    def on_batch_end(self, batch, logs=None):
        self.states.add(self.training.state())

    on_epoch_begin = on_epoch_end = on_train_end = on_batch_end


class Raising(callbacks.Callback):
    """Raises in a hook, at the n-th time."""

    def __init__(self, hook, time):
        super().__init__()
        self.hook, self.left = hook, time
        setattr(self, hook, self._count)

    def _count(self, *_):
        self.left -= 1
        if not self.left:
            raise UserError


class Subject:
    """A training, how it is without interruption, and how to begin it anew."""

    def __init__(self, name, sequence):
        self.training = training = Training(name, sequence)
        self.twin = Training(name)
        boundaries = Boundaries(training)
        began = time.monotonic()
        self.expected = self.begin(more=[boundaries])
        self.seconds = time.monotonic() - began
        self.states = boundaries.states

    def begin(self, folder=None, frequency="epoch", more=()):
        self.training.restart()
        return self.training.run(folder, frequency, more)

    def predicts_its_weights(self):
        """Whether the model computes with the weights that it has."""
        self.twin.model.set_weights(self.training.model.get_weights())
        return all(np.array_equal(self.training.model.predict(x), self.twin.model.predict(x))
                   for x in (self.training.x[:5], self.training.x))


def lines_of(work):
    """How many lines of graphc `work` runs."""
    count = 0

    def local(frame, event, arg):
        nonlocal count
        count += event == "line"
        return local

    sys.settrace(lambda frame, event, arg: local if frame.f_code.co_filename.startswith(SOURCES) else None)
    try:
        work()
    finally:
        sys.settrace(None)
    return count


def at_line(number, work):
    """`work`, with a KeyboardInterrupt at that line of graphc."""
    left = number

    def local(frame, event, arg):
        nonlocal left
        left -= event == "line"
        if not left:
            sys.settrace(None)
            raise KeyboardInterrupt
        return local

    sys.settrace(lambda frame, event, arg: local if frame.f_code.co_filename.startswith(SOURCES) else None)
    try:
        return work()
    finally:
        sys.settrace(None)


def at_time(seconds, work):
    """`work`, with SIGINT after so many seconds."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def in_sequence(number, work):
    """`work`, with an exception when a batch is asked for the n-th time."""
    taken, left = Batches.__getitem__, [number]

    def take(self, i):
        left[0] -= 1
        if not left[0]:
            raise UserError
        return taken(self, i)

    Batches.__getitem__ = take
    try:
        return work()
    finally:
        Batches.__getitem__ = taken


def in_metric(model, number, work):
    """`work`, with an exception when a metric with state is reset for the n-th time."""
    left = [number]

    class Metric:
        def reset_states(self):
            left[0] -= 1
            if not left[0]:
                raise UserError

    model.stateful_metric_functions.append(Metric())
    try:
        return work()
    finally:
        model.stateful_metric_functions.pop()


def one(subject, way, lines, chance, figures):
    """One interruption and what follows from it."""
    folder, frequency = memory_folder(), chance.choice(FREQUENCIES)
    figures.points += 1
    raising = [Raising(chance.choice(HOOKS), chance.randint(1, 12))] if way == "callback" else []

    def work():
        return subject.begin(folder, frequency, raising)

    story, number, got = f"{subject.training.name}, {frequency}, {way}", 0, None
    try:
        if way == "line":
            number = chance.randint(1, lines)
            got = at_line(number, work)
        elif way == "SIGINT":
            got = at_time(chance.uniform(0.001, subject.seconds), work)
        elif way == "metric":
            got = in_metric(subject.training.model, chance.randint(1, 7), work)
        elif way == "Sequence":
            got = in_sequence(chance.randint(1, 20), work)
        else:
            got = work()
    except (KeyboardInterrupt, UserError) as error:
        story += f" {number} {[one.hook for one in raising]}, {_place(error)}"
        figures.hit += 1
        figures.by_way[way] = figures.by_way.get(way, 0) + 1
        figures.check(subject.training.state() in subject.states, f"not at a step boundary: {story}")
        figures.check(subject.predicts_its_weights(), f"predicts with other weights: {story}")
        if finished(folder):
            subject.training.spoil()
            got = subject.training.run(folder, frequency)
        else:
            got = subject.begin(folder, frequency)
    figures.check(got == subject.expected, f"not the same bits: {story}")
    shutil.rmtree(folder)


def _place(error):
    step = found = error.__traceback__
    while step is not None:
        found = step if step.tb_frame.f_code.co_filename.startswith(SOURCES) else found
        step = step.tb_next
    step = found
    return f"{step.tb_frame.f_code.co_filename.removeprefix(SOURCES)}:{step.tb_lineno}"


def run(points, seed):
    """So many interruptions, spread over the trainings; the figures."""
    chance, figures = random.Random(seed), Figures()
    kinds = [(name, False) for name in TRAININGS] + [("dropped", True)]
    for i, (name, sequence) in enumerate(kinds):
        subject = Subject(name, sequence)
        folder = memory_folder()
        lines = lines_of(lambda folder=folder, subject=subject: subject.begin(folder, 3))
        shutil.rmtree(folder)
        ways = [way for way in WAYS if way != "Sequence" or sequence]
        while figures.points < points * (i + 1) / len(kinds):
            one(subject, chance.choice([*ways, "line", "line"]), lines, chance, figures)
    return figures


# ---- SIGTERM


class Counting(callbacks.Callback):
    """Notes in shared memory how many steps are done."""

    def __init__(self, shared):
        super().__init__()
        self.shared, self.steps = shared, 0

    def set_state(self, state):
        self.steps = state

    def get_state(self):
        return self.steps

    def on_batch_end(self, batch, logs=None):
        self.steps += 1
        self.shared[2] = self.steps


def terminate(points, seed):
    """SIGTERM at random times; the figures."""
    chance, figures = random.Random(seed), Figures()
    for i, name in enumerate(TRAININGS):
        stage = Stage(name, False)
        while figures.points < points * (i + 1) / len(TRAININGS):
            _terminated(stage, chance.uniform(0, 1.2 * stage.seconds), figures)
    return figures


def _terminated(stage, wait, figures):
    folder = memory_folder()
    figures.points += 1
    got = stage.child(lambda: stage.training.run(folder, 1000, [Counting(stage.shared)]),
                      lambda pid: (time.sleep(wait), os.kill(pid, signal.SIGTERM)), signal.SIGTERM)
    story = f"{stage.training.name} after {wait:.3f} s, {stage.shared[2]} steps"
    if got is None and finished(folder):
        figures.hit += 1
        with CheckpointFolder(folder) as opened:
            steps = opened.newest(lambda found: None)["position"]["steps"]
        figures.check(steps == stage.shared[2], f"the checkpoint has {steps} steps: {story}")
        got = stage.child(lambda: stage.work(folder, 1000, None, [Counting(stage.shared)]))
    if got is not None:
        figures.check(got == stage.expected, f"not the same bits: {story}")
    shutil.rmtree(folder)
