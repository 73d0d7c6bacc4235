"""Processes that make batches: forked, so that they have the user's code and data without being sent them.

Each has a thread here that hands it one call at a time and waits for the answer, so whatever happens to a process is an
error of the batch it was making. Results are sent back pickled.

What does not live here: which batches are made, and when (data_utils.py).
"""

from __future__ import annotations

import pickle
import random
import signal
import traceback
import warnings
from collections.abc import Callable
from multiprocessing import get_all_start_methods, get_context
from typing import Any

import numpy as np

from graphc.errors import GraphcError
from graphc.frontend_keras.utils.workers import Workers

_ours: set[Any] = set()
"""This process's ends of the pipes to all such processes. Each new one closes them: else it would keep the others
waiting when this process is killed."""


class WorkerError(GraphcError, RuntimeError):
    """A process ended in the middle of a batch, or its result cannot be sent to this one."""


def available() -> bool:
    """Whether processes can be forked here."""
    return "fork" in get_all_start_methods()


class Processes(Workers):
    """`count` processes that carry out `make(*arguments)`, in the order in which the arguments are handed in.

    NumPy's and Python's global generators are seeded anew for each call: by numbers drawn from NumPy's here when the
    processes are started, and by the number of the call. So random batches depend neither on which process makes them
    nor on when, and no two are alike because of the fork.

    calls  how many calls there were before, and since
    seed   what the generators are seeded with beside the number of a call
    """

    def __init__(self, count: int, make: Callable[..., Any], calls: int = 0, seed: list[int] | None = None):
        self.calls = calls
        self.seed = np.random.randint(1 << 32, size=8, dtype=np.uint32).tolist() if seed is None else seed
        self._pairs = [_started(make, self.seed) for _ in range(count)]
        self._free = list(self._pairs)
        super().__init__(count)

    @property
    def processes(self) -> list[Any]:
        return [process for process, _ in self._pairs]

    def submit(self, call: Callable[..., Any], *args: Any) -> Any:
        self.calls += 1
        return super().submit(None, self.calls, args)  # type: ignore[arg-type]

    def end(self) -> None:
        """End the processes, also those that are busy."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.join()

    def _work(self) -> None:
        process, pipe = self._free.pop()
        try:
            self._serve(lambda _, number, args: _asked(process, pipe, number, args))
        finally:
            _ours.discard(pipe)
            pipe.close()


def _started(make: Callable[..., Any], seed: list[int]) -> tuple[Any, Any]:
    """A process, and the pipe to it."""
    context = get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_process, args=(there, make, seed), daemon=True)
    _ours.add(here)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that there are other threads: they hold no lock at a fork
        process.start()
    there.close()
    return process, here


def _asked(process: Any, pipe: Any, number: int, args: tuple[Any, ...]) -> Any:
    """The result of one call in the process; what it raised is raised here."""
    try:
        pipe.send((number, args))
        done, result = pipe.recv()
    except (EOFError, OSError) as error:
        process.join(1.0)
        raise WorkerError("a process ended while it made a batch", where="use_multiprocessing",
                          got=f"exit code {process.exitcode}",
                          fix="Too little memory, or a crash in the code that makes batches?") from error
    if done:
        return result
    raise result


def _process(pipe: Any, make: Callable[..., Any], seed: list[int]) -> None:
    """What a process does: answer calls until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the training's process decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for one in _ours:
        one.close()
    while True:
        try:
            number, args = pipe.recv()
        except (EOFError, OSError):
            return
        np.random.seed(np.random.SeedSequence([*seed, number]).generate_state(8))
        random.seed(f"{seed} {number}")
        pipe.send_bytes(_answer(make, args))


def _answer(make: Callable[..., Any], args: tuple[Any, ...]) -> bytes:
    """The pickled pair of whether it went well and the result or what was raised."""
    try:
        batch = make(*args)
        try:
            return pickle.dumps((True, batch), pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            raise WorkerError("a batch cannot be sent to the process that trains", where="use_multiprocessing",
                              expected="arrays", got=f"{type(batch).__name__}, {error}") from None
    except BaseException as error:
        error.add_note(f"in a process that makes batches:\n{''.join(traceback.format_tb(error.__traceback__))}")
        try:
            text = pickle.dumps((False, error))
            pickle.loads(text)
            return text
        except Exception:
            told = WorkerError(f"{type(error).__name__}: {error}", where="use_multiprocessing")
            return pickle.dumps((False, told))
