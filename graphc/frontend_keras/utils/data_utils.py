"""Batches made by the user's own code: Sequence, and the queues that have batches made ahead of their use.

What does not live here: training on them (engine/training_generator.py); files from the network (downloads.py), whose
names Keras has here.
"""

from __future__ import annotations

import copy
import inspect
import math
import random
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from graphc.errors import ArgumentError, warn
from graphc.frontend_keras.utils import global_random
from graphc.frontend_keras.utils.downloads import get_file, validate_file

__all__ = ["GeneratorEnqueuer", "NotThreadSafeError", "OrderedEnqueuer", "Sequence", "SequenceEnqueuer",
           "get_file", "iter_sequence_infinite", "validate_file"]

if TYPE_CHECKING:
    from concurrent.futures import Future

    from graphc.frontend_keras.utils.workers import Workers

Batches = Iterator[Any]


class NotThreadSafeError(ArgumentError, RuntimeError):
    """Several threads were to take batches of a generator that only one may use."""


class Sequence:
    """A data set in batches: subclasses define `__getitem__(index)`, one batch, and `__len__()`, their number.

    `on_epoch_end()` may change the data between two epochs. A Sequence where it does defines `get_state()` and
    `set_state(state)` as a callback does (callbacks.BackupAndRestore), so that a training may go on from a checkpoint.
    """

    def __getitem__(self, index: int) -> Any:
        raise ArgumentError("a Sequence defines __getitem__", where=type(self).__name__)

    def __len__(self) -> int:
        raise ArgumentError("a Sequence defines __len__", where=type(self).__name__)

    def on_epoch_end(self) -> None:
        """After each epoch."""

    def _settle(self) -> None:
        """Called before processes are made which would each draw for themselves what has to be the same for all."""

    def get_state(self) -> Any:
        """What a checkpoint has to hold: numbers, texts, arrays, lists, tuples and dicts of them; or None."""
        return None

    def set_state(self, state: Any) -> None:
        """Go on from what `get_state` returned."""

    def __iter__(self) -> Batches:
        return (self[i] for i in range(len(self)))


def iter_sequence_infinite(sequence: Sequence, first: int = 0) -> Batches:
    """The batches of a sequence in their order, over and over again; `on_epoch_end` is not called.

    first: how many batches are left out at the beginning, unless the sequence is an iterator and knows its place
    """
    if first and iter(sequence) is not sequence:
        yield from (sequence[i] for i in range(first, len(sequence)))
    while True:
        yield from sequence


class SequenceEnqueuer(ABC):
    """Has threads or processes make batches ahead of their use. Base of OrderedEnqueuer and GeneratorEnqueuer.

    sequence             where the batches come from
    use_multiprocessing  whether processes make them (batch_processes.py); threads, with a warning, where none can be
                         forked
    """

    patience = 5.0
    """Seconds that `stop` waits, unless told, for a batch that is being made."""
    wanted: float = math.inf
    """How many batches will be used; where that is known, no further ones are made."""
    ahead = True
    """Whether threads make batches before they are used; else each is made when it is taken, by who takes it."""
    random_seed: int | None = None
    """What processes seed NumPy's and Python's generators with; default: numbers drawn from NumPy's at their start."""

    def __init__(self, sequence: Any, use_multiprocessing: bool = False):
        self.sequence, self.use_multiprocessing = sequence, use_multiprocessing
        self.workers, self._size, self._asked = 0, 1, 0
        self._pool: Workers | None = None
        self._made: deque[Future[Any]] = deque()

    def is_running(self) -> bool:
        return self._pool is not None

    def start(self, workers: int = 1, max_queue_size: int = 10) -> None:
        """Begin to make batches: `workers` at a time, and no more than `max_queue_size` ahead."""
        if self.use_multiprocessing and not _processes().available():
            warn("`use_multiprocessing`: batches are made by threads, since no process can be forked here.")
            self.use_multiprocessing = False
        self.workers, self._size = workers, max(1, max_queue_size)
        self._pool = self._new_pool(**self._processes_before())
        try:
            self._begin()
        except BaseException:
            self.stop()
            raise

    def _new_pool(self, calls: int = 0, seed: list[int] | None = None) -> Workers:
        if not self.use_multiprocessing:
            kinds = import_module("graphc.frontend_keras.utils.workers")
            return kinds.Workers(self._threads(self.workers)) if self.ahead else kinds.WhenAsked()
        getattr(self.sequence, "_settle", lambda: None)()
        if self.random_seed is not None:
            seed = [self.random_seed]
        return _processes().Processes(max(1, self.workers), self._maker(), calls, seed)

    def _processes_before(self) -> dict[str, Any]:
        """Calls and seed of the processes that a training had which goes on now."""
        return {}

    def stop(self, timeout: float | None = None) -> None:
        """Make no more batches, and wait until none is being made, at most `timeout` seconds."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        pool.close()
        left = [future for future in self._made if not future.cancel()]
        self._made.clear()
        end = time.monotonic() + (self.patience if timeout is None else timeout)
        try:
            for future in left:
                future.exception(max(0.0, end - time.monotonic()))
        except TimeoutError:
            pass
        finally:
            pool.end()

    def get(self) -> Batches:
        """The batches, until `stop`. What goes wrong while one is made is raised here; None is left out."""
        try:
            while self.is_running():
                batch = self._next()
                if batch is None:
                    self._asked -= 1
                else:
                    yield batch
        except Exception:
            self.stop()
            raise

    def _threads(self, workers: int) -> int:
        return max(1, workers)

    def _fill(self) -> None:
        """Hand calls to the threads until as many batches are on their way as may be."""
        while self._pool is not None and len(self._made) < self._size and self._asked < self.wanted:
            call = self._call()
            if call is None:
                return
            self._asked += 1
            self._made.append(self._pool.submit(self._maker(), *call))

    @abstractmethod
    def _begin(self) -> None:
        """Hand the first calls to the threads."""

    @abstractmethod
    def _maker(self) -> Callable[..., Any]:
        """The function that makes batches."""

    @abstractmethod
    def _call(self) -> tuple[Any, ...] | None:
        """Its arguments for the next batch; None where that has to wait."""

    @abstractmethod
    def _next(self) -> Any:
        """The next batch; None to leave it out."""


class OrderedEnqueuer(SequenceEnqueuer):
    """The batches of a Sequence, epoch after epoch, each in its place.

    shuffle    whether each epoch takes them in a new order, by Python's own generator (`random.shuffle`)
    remembers  whether a thread notes, before it makes a batch, the states of NumPy's and Python's generators and of the
               sequence: for positions in sequences that change while they make batches

    `sequence.on_epoch_end()` runs when the last batch of an epoch has been used, in the thread that uses them, and
    before a batch of the next epoch is made. Raises ArgumentError for a sequence without batches.
    """

    remembers = False

    def __init__(self, sequence: Any, use_multiprocessing: bool = False, shuffle: bool = False):
        super().__init__(sequence, use_multiprocessing)
        self.shuffle = shuffle
        self._before: deque[tuple[dict[str, Any], Any]] = deque()
        self._order: list[int] = []
        self._waiting: deque[int] = deque()
        self._left = 0
        self._ended = False
        self._start: Any = None

    def position(self) -> dict[str, Any]:
        """Where the batches are that have been used: the order of this epoch, and how many of it are left.

        processes  the seed of the processes that make batches, and how many calls they had for batches used; or None
        """
        pool: Any = self._pool
        processes = {"seed": pool.seed, "calls": pool.calls - len(self._made)} if self.use_multiprocessing else None
        return {"order": list(self._order), "left": self._left, "ended": self._ended, "processes": processes}

    def before_next(self) -> tuple[dict[str, Any], Any] | None:
        """What was noted before the next batch was made; None where none is being made ahead, or nothing noted."""
        if self._made and self.ahead:
            self._made[0].exception()  # waits
        return self._before[0] if self._before else None

    def start_at(self, position: Any) -> None:
        """Begin there, when `start` is called. Raises ArgumentError for what is no position in this sequence."""
        order = position.get("order") if isinstance(position, dict) else None
        if not isinstance(order, list) or sorted(order) != list(range(len(self.sequence))) \
                or position.get("left") not in range(len(order) + 1) or not _is_of_processes(position.get("processes")):
            raise ArgumentError("not a position in this sequence", where=type(self.sequence).__name__,
                                expected=f"an order of {len(self.sequence)} batches", got=f"{position!r:.200}")
        self._start = position

    def _begin(self) -> None:
        self._order = list(range(len(self.sequence)))
        if not self._order:
            raise ArgumentError("the sequence has no batches", where=type(self.sequence).__name__)
        if self._start is None:
            self._begin_epoch()
        else:
            self._order, self._left = list(self._start["order"]), self._start["left"]
            self._ended = bool(self._start["ended"])
            self._waiting = deque(self._order[len(self._order) - self._left:])
            self.end_epoch()
            self._fill()

    def _begin_epoch(self) -> None:
        if self.shuffle:
            random.shuffle(self._order)
        self._left, self._ended = len(self._order), False
        self._waiting = deque(self._order)
        self._fill()

    def _processes_before(self) -> dict[str, Any]:
        return (self._start or {}).get("processes") or {}

    def _maker(self) -> Callable[..., Any]:
        return self._noting if self.remembers and not self.use_multiprocessing else self.sequence.__getitem__

    def _noting(self, index: int) -> Any:
        self._before.append((global_random.get_state(), copy.deepcopy(self.sequence.get_state())))
        return self.sequence[index]

    def _call(self) -> tuple[Any, ...] | None:
        return (self._waiting.popleft(),) if self._waiting else None

    def _next(self) -> Any:
        self.end_epoch()
        self._left -= 1
        future = self._made.popleft()
        self._fill()
        try:
            return future.result()
        finally:
            if self._before:
                self._before.popleft()

    def end_epoch(self) -> None:
        """Where all batches of an epoch have been taken: tell the sequence, and begin the next epoch if there is one.

        Called by `get` at the latest; calling it before, when the last batch has been used, saves time.
        """
        if self._left or not self.is_running():
            return
        if not self._ended:
            self.sequence.on_epoch_end()
            self._ended = True
        if self._asked < self.wanted:
            self._renew_processes()
            self._begin_epoch()

    def _renew_processes(self) -> None:
        """Have processes see what `on_epoch_end` has changed."""
        changes = getattr(type(self.sequence), "on_epoch_end", None) is not Sequence.on_epoch_end
        pool: Any = self._pool
        if changes and self.use_multiprocessing and pool is not None:
            pool.close()
            pool.end()
            self._pool = self._new_pool(pool.calls, pool.seed)


def _processes() -> Any:
    """The module of processes, which few trainings need."""
    return import_module("graphc.frontend_keras.utils.batch_processes")


def _is_of_processes(found: Any) -> bool:
    return found is None or (
        isinstance(found, dict) and found.keys() == {"seed", "calls"} and isinstance(found["seed"], list)
        and all(type(number) is int and number >= 0 for number in [found["calls"], *found["seed"]]))


class GeneratorEnqueuer(SequenceEnqueuer):
    """The batches of a generator, in its order; they end where it ends.

    A plain generator runs in one thread, whatever the number of workers: no two threads may run it at once. Another
    iterator is asked by all of them, and must be made for that. Each process has a generator of its own, as it was when
    the process was started: several give every batch that does not depend on chance several times.

    random_seed  see SequenceEnqueuer; wait_time changes nothing

    Raises NotThreadSafeError (a RuntimeError) where such an iterator was not made for several threads.
    """

    def __init__(self, sequence: Any, use_multiprocessing: bool = False, wait_time: float | None = None,
                 random_seed: int | None = None):
        super().__init__(sequence, use_multiprocessing)
        self.random_seed = random_seed

    def _threads(self, workers: int) -> int:
        return 1 if inspect.isgenerator(self.sequence) else super()._threads(workers)

    def _begin(self) -> None:
        self._fill()

    def _maker(self) -> Callable[..., Any]:
        return partial(next, self.sequence)

    def _call(self) -> tuple[Any, ...] | None:
        return ()

    def get(self) -> Batches:
        """The batches, until `stop` or the end of the generator."""
        try:
            yield from super().get()
        except ValueError as error:
            if "generator already executing" not in str(error):
                raise
            raise NotThreadSafeError("Your generator is NOT thread-safe", fix="Use workers=1, a lock, or a "
                                     "keras.utils.Sequence.") from error

    def _next(self) -> Any:
        self._fill()
        while self._made:
            try:
                batch = self._made.popleft().result()
            except StopIteration:
                self.wanted = 0
                continue
            self._fill()
            return batch
        self.stop()
        return None
