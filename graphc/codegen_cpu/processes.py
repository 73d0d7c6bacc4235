"""Kernels compiled side by side: this process and helper processes take sources from one list.

Numba holds the GIL while it types and lowers, so threads would not help. A helper is a fresh interpreter that
compiles what it reads from its standard input until that ends; it never runs the caller's main module.

What does not live here: compiling one source (jit.py), keeping object code (graphc.runtime.cache).
"""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, NamedTuple

from graphc.codegen_cpu import jit
from graphc.errors import CompileError

SOURCES_PER_HELPER = 5  # fewer take less time than the helper's imports
_LENGTH = struct.Struct("<q")
_COMMAND = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {module} import serve; serve()"


class Source(NamedTuple):
    """One kernel to compile: compile_source's arguments, and what an error adds."""

    text: str
    symbol: str
    filename: str
    about: str


def compile_sources(sources: Sequence[Source], processes: int) -> Iterator[tuple[Source, bytes]]:
    """Each source with its object code, in the order in which they are done, by at most `processes` processes.

    Raises CompileError as jit.compile_source, with the source's `about` as a note.
    """
    waiting = deque(sorted(sources, key=lambda source: len(source.text), reverse=True))
    done: deque[tuple[Source, bytes | None]] = deque()
    with _helpers(min(processes - 1, len(sources) // SOURCES_PER_HELPER), waiting, done) as threads:
        while waiting:
            source = _take(waiting)
            if source:
                yield source, _compile(source)
        for thread in threads:
            thread.join()
    for source, code in done:
        yield source, _compile(source) if code is None else code


def _compile(source: Source) -> bytes:
    try:
        return jit.compile_source(source.text, source.symbol, source.filename)
    except CompileError as error:
        error.add_note(source.about)
        raise


@contextmanager
def _helpers(count: int, waiting: deque[Source],
             done: deque[tuple[Source, bytes | None]]) -> Iterator[list[threading.Thread]]:
    """Threads that each feed one helper; whatever way the body is left, no helper outlives it."""
    helpers: list[subprocess.Popen[bytes]] = []
    path = json.dumps([os.path.abspath(entry) for entry in sys.path])
    try:
        for _ in range(count):
            helpers.append(subprocess.Popen([sys.executable, "-I", "-c", _COMMAND.format(module=__name__), path],
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
    except OSError:
        pass  # no interpreter, no memory, no more processes: those that started suffice
    threads = [threading.Thread(target=_feed, args=(helper, waiting, done), daemon=True) for helper in helpers]
    try:
        for thread in threads:
            thread.start()
        yield threads
    finally:
        for helper in helpers:
            helper.kill()
        for helper, thread in zip(helpers, threads, strict=True):
            if thread.ident is not None:
                thread.join()
            helper.communicate()


def _feed(helper: subprocess.Popen[bytes], waiting: deque[Source], done: deque[tuple[Source, bytes | None]]) -> None:
    assert helper.stdin
    assert helper.stdout
    if _receive(helper.stdout) is None:
        return
    while source := _take(waiting):
        try:
            _send(helper.stdin, json.dumps(source[:3]).encode())
            code = _receive(helper.stdout)
        except OSError:
            code = None
        done.append((source, code))
        if code is None:
            return


def serve() -> None:
    """A helper's life: say that it is ready, then answer each source with its object code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _send(answers, b"")
    while (request := _receive(requests)) is not None:
        try:
            code = jit.compile_source(*json.loads(request))
        except CompileError:
            return  # the caller compiles it again, and raises
        _send(answers, code)


def _take(waiting: deque[Source]) -> Source | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None


def _send(stream: IO[bytes], content: bytes) -> None:
    stream.write(_LENGTH.pack(len(content)) + content)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes | None:
    """One message; None at the end of the stream."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    length = _LENGTH.unpack(head)[0]
    content = stream.read(length)
    return content if len(content) == length else None
