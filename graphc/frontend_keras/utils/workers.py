"""Threads that make batches.

What does not live here: processes (batch_processes.py), which batches are made, and when (data_utils.py).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class Workers:
    """Daemon threads that carry out calls in the order in which they are handed in.

    Threads of concurrent.futures would keep the process alive while one of them waits for the user's data.
    """

    def __init__(self, count: int):
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]] | None]
        self._calls = queue.SimpleQueue()
        self._count = count
        for _ in range(count):
            threading.Thread(target=self._work, daemon=True).start()

    def submit(self, call: Callable[..., Any], *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._calls.put((future, call, args))
        return future

    def close(self) -> None:
        """Let the threads end after the calls they have; waits for nothing."""
        for _ in range(self._count):
            self._calls.put(None)

    def end(self) -> None:
        """Give up what is still being made, as far as that can be done: threads cannot be ended."""

    def _work(self) -> None:
        self._serve(lambda call, *args: call(*args))

    def _serve(self, carry_out: Callable[..., Any]) -> None:
        """Do what is handed in, by `carry_out(call, *args)`, until `close`."""
        while (task := self._calls.get()) is not None:
            future, call, args = task
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(carry_out(call, *args))
                except BaseException as error:
                    future.set_exception(error)
            del task, future, call, args


class WhenAsked(Workers):
    """Nobody: calls are carried out where their results are asked for."""

    def __init__(self) -> None:
        super().__init__(0)

    def submit(self, call: Callable[..., Any], *args: Any) -> Future[Any]:
        return _Postponed(call, args)


class _Postponed(Future[Any]):
    def __init__(self, call: Callable[..., Any], args: tuple[Any, ...]):
        super().__init__()
        self._task = call, args

    def result(self, timeout: float | None = None) -> Any:
        call, args = self._task
        return call(*args)
