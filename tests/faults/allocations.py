"""F4: the n-th allocation of an array fails, while a model is built, compiled, trained for a step, or saved.

NumPy gets an allocator of ours (NEP 49), which fails when it is told to; everything that graphc computes with lies in such
arrays, its arenas too. Afterwards the same model trains to the same bits.

What does not live here: the trainings (trainings.py).
"""

import ctypes
import random
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field

import llvmlite.binding as llvm
from numpy._core import _multiarray_umath

from graphc.runtime import threads
from tests.faults.kills import finished
from tests.faults.operations import memory_folder
from tests.faults.trainings import BATCH, Training, Y

_SET_HANDLER = 304  # its place in NumPy's table of functions
_TEXT = """
declare ptr @malloc(i64)
declare ptr @calloc(i64, i64)
declare ptr @realloc(ptr, i64)
declare void @free(ptr)

define i1 @fails(ptr %words) {
  %made = load i64, ptr %words
  %next = add i64 %made, 1
  store i64 %next, ptr %words
  %at = getelementptr i64, ptr %words, i64 1
  %fail = load i64, ptr %at
  %now = icmp eq i64 %next, %fail
  ret i1 %now
}
define void @ours_free(ptr %words, ptr %old, i64 %size) {
  call void @free(ptr %old)
  ret void
}
""" + "".join(f"""
define ptr @ours_{name}(ptr %words, {given}) {{
  %now = call i1 @fails(ptr %words)
  br i1 %now, label %no, label %yes
no:
  ret ptr null
yes:
  %made = call ptr @{name}({given})
  ret ptr %made
}}
""" for name, given in (("malloc", "i64 %a"), ("calloc", "i64 %a, i64 %b"), ("realloc", "ptr %a, i64 %b")))
_NAMES = ("malloc", "calloc", "realloc", "free")


class _Handler(ctypes.Structure):
    """PyDataMem_Handler of numpy/ndarraytypes.h."""

    _fields_ = (("name", ctypes.c_char * 127), ("version", ctypes.c_uint8), ("context", ctypes.c_void_p),
                *((name, ctypes.c_void_p) for name in _NAMES))


class Allocator:
    """Counts allocations, and lets one of them fail. Native code: NumPy may call it while an exception is on its way."""

    def __init__(self):
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine()
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(_TEXT), machine)
        self._engine.finalize_object()
        self._words = (ctypes.c_int64 * 2)()  # made, the number that fails
        self._handler = _Handler(b"failing", 1, ctypes.addressof(self._words),
                                 *(self._engine.get_function_address(f"ours_{name}") for name in _NAMES))
        python = ctypes.pythonapi
        python.PyCapsule_New.restype = ctypes.py_object
        python.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        python.PyCapsule_GetPointer.restype = ctypes.c_void_p
        python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
        table = python.PyCapsule_GetPointer(_multiarray_umath._ARRAY_API, None)
        address = ctypes.cast(table, ctypes.POINTER(ctypes.c_void_p))[_SET_HANDLER]
        self._set = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(address)
        self._capsule = python.PyCapsule_New(ctypes.addressof(self._handler), b"mem_handler", None)

    @property
    def made(self):
        return self._words[0]

    @contextmanager
    def failing(self, number):
        """The allocator at work; number 1 is the first allocation, 0 none."""
        self._words[0], self._words[1] = 0, number
        before = self._set(self._capsule)
        try:
            yield self
        finally:
            self._words[1] = 0
            self._set(before)


ALLOCATOR = Allocator()  # for ever: the arrays that it made need it when they go


@dataclass
class Figures:
    allocations: dict = field(default_factory=dict)
    failures: int = 0
    raised: int = 0
    wrong: list = field(default_factory=list)

    def __str__(self):
        among = ", ".join(f"{name} {count}" for name, count in self.allocations.items())
        return (f"{self.failures} failures among the allocations of {among}; {self.raised} MemoryErrors, "
                f"{len(self.wrong)} trainings different afterwards")


class Trial:
    """Lets one allocation of each part of a training fail."""

    def __init__(self, name, figures):
        self.training, self.figures = Training(name), figures
        self.training.restart()
        self.expected = self.training.run()
        self.steps = self._trajectory()

    def _trajectory(self):
        self.training.restart()
        states = [self.training.state()]
        for i in range(4):
            self._step(i)
            states.append(self.training.state())
        return states

    def _step(self, i):
        rows = slice(i * BATCH, (i + 1) * BATCH)
        self.training.model.train_on_batch(self.training.x[rows], Y[rows])

    def _fails(self, number, work):
        """Whether `work` raised MemoryError with that allocation failing."""
        self.figures.failures += bool(number)
        try:
            with ALLOCATOR.failing(number):
                work()
        except MemoryError:
            self.figures.raised += 1
            return True
        return False

    def _check(self, sound, part, number):
        if not sound:
            self.figures.wrong.append(f"{self.training.name}: allocation {number} of {part}")

    def build(self, number):
        self._fails(number, self.training.prepare)
        self.training.prepare()
        self.training.restart()
        self._check(self.training.run() == self.expected, "build and compile", number)

    def step(self, number):
        self.training.restart()
        threads.set_num_threads(threads.count())  # all programs bind anew
        self._fails(number, lambda: self._step(0))
        done = self.training.state()
        self._check(done in self.steps[:2], "a step, which is half done", number)
        for i in range(self.steps.index(done) if done in self.steps else 0, 4):
            self._step(i)
        self._check(self.training.state() == self.steps[4], "a step", number)

    def fit(self, number):
        self.training.restart()
        threads.set_num_threads(threads.count())  # all programs bind anew
        folder = memory_folder()
        got = []
        if self._fails(number, lambda: got.append(self.training.run(folder, 3))):
            if finished(folder):
                self.training.spoil()
            else:
                self.training.restart()
            got = [self.training.run(folder, 3)]
        self._check(got == [self.expected], "fit with checkpoints", number)
        shutil.rmtree(folder)


def run(sample, seed, names=("dense", "embedded", "recurrent")):
    """Let every allocation fail, or `sample` of each part; the figures."""
    chance, figures = random.Random(seed), Figures()
    for name in names:
        trial = Trial(name, figures)
        for part in (trial.build, trial.step, trial.fit):
            part(0)
            part(0)  # now all that is made once is made
            count, key = ALLOCATOR.made, part.__name__
            figures.allocations[key] = figures.allocations.get(key, 0) + count
            numbers = range(1, count + 1)
            for number in numbers if sample is None else chance.sample(numbers, min(sample, count)):
                part(number)
    return figures
