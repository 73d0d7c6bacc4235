"""How a bug is planted in the compiler for as long as a `with` block runs, and nothing of it stays behind.

The compiler has no switch for it: functions are exchanged wherever graphc's modules hold them, fields of op specs are
overwritten, the words of emitted sources are changed. Kernels compiled meanwhile are not kept.

What does not live here: the bugs (planted.py).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

from graphc import compiler
from graphc.codegen import expressions
from graphc.codegen_cpu.emit import emit_kernel
from graphc.ir import op_spec
from graphc.ir.printer import print_graph
from graphc.passes.inline_composites import inline_composites
from graphc.passes.pipeline import optimize
from graphc.runtime.cache import KernelCache
from tests.fuzz.cases import Case
from tests.fuzz.graphs import wide

Plant = Callable[[], Any]  # gives a context manager


def instead(old: Callable, new: Callable) -> Plant:
    """`new(old, *args)` runs wherever graphc's modules hold `old`, in their tables too."""

    @wraps(old)
    def other(*args: Any, **kwargs: Any) -> Any:
        return new(old, *args, **kwargs)

    @contextmanager
    def there() -> Iterator[None]:
        places = [(holder, key) for module in _modules() for holder, key in _holders(vars(module), old)]
        assert places, f"nobody holds {old}"
        for holder, key in places:
            holder[key] = other
        try:
            yield
        finally:
            for holder, key in places:
                holder[key] = old

    return there


def method(kind: type, name: str, new: Callable) -> Plant:
    """`new(old, self, *args)` in place of a method."""

    old = kind.__dict__[name]
    return attribute(kind, name, lambda self, *args, **kwargs: new(old, self, *args, **kwargs))


def attribute(kind: type, name: str, value: Any) -> Plant:
    """Another attribute of a class."""

    @contextmanager
    def there() -> Iterator[None]:
        old = kind.__dict__[name]
        setattr(kind, name, value)
        try:
            yield
        finally:
            setattr(kind, name, old)

    return there


def spec(name: str, **fields: Any) -> Plant:
    """Other fields of an op's spec."""

    @contextmanager
    def there() -> Iterator[None]:
        one = op_spec(name)
        old = {field: getattr(one, field) for field in fields}
        for field, value in fields.items():
            object.__setattr__(one, field, value)
        try:
            yield
        finally:
            for field, value in old.items():
                object.__setattr__(one, field, value)

    return there


def body(name: str, new: Callable) -> Plant:
    """Another body of a composite where the pipeline inlines it."""

    def inline(old: Callable, *args: Any) -> Any:
        with spec(name, body=new)():
            return old(*args)

    return instead(inline_composites, inline)


def special(name: str, new: Callable) -> Plant:
    """Other code for an op that has a method of its own in graphc.codegen.expressions."""
    return instead(expressions._SPECIAL[name], new)


def source(emitter: Callable, change: Callable[[str], str]) -> Plant:
    """Another text of the kernels that this emitter writes."""

    def emit(old: Callable, kernel: Any, file: Any) -> Any:
        emitted = old(kernel, file)
        return replace(emitted, source=change(emitted.source))

    return instead(emitter, emit)


class _Apart(KernelCache):
    """A cache that finds what another holds, and keeps what is new to itself."""

    def __init__(self, folder: Path, other: KernelCache):
        super().__init__(folder)
        self._other = other

    def get(self, name: str) -> bytes | None:
        return super().get(name) or self._other.get(name)


@contextmanager
def kernels_apart() -> Iterator[None]:
    """Kernels that are compiled meanwhile are not kept."""
    cache = compiler.kernel_cache
    with tempfile.TemporaryDirectory() as folder:
        own = _Apart(Path(folder) / "kernels", cache())
        compiler.kernel_cache = lambda: own
        try:
            yield
        finally:
            compiler.kernel_cache = cache


@contextmanager
def planted(plant: Plant) -> Iterator[None]:
    """The bug is in the compiler. A kernel that it changes has another source, and so a name of its own."""
    with kernels_apart(), plant():
        yield


def optimized_text(case: Case) -> str:
    """The case's graph behind all passes, as text."""
    try:
        return print_graph(optimize(wide(case.graph)))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


class _Seen(Exception):  # noqa: N818  # no error: it carries the answer out of the compiler
    """What the compiler was about to compile."""


def program_text(case: Case) -> str:
    """The sources, the lives and the places in place of the case's program: all but what the runtime does."""

    def seen(memory: Any, states: Any) -> Any:
        kernels = memory.all_kernels
        numbers = {v: i for i, v in enumerate(v for k in kernels for v in (*k.inputs, *k.outputs))}
        emitted = [emit_kernel(kernel) for kernel in kernels]
        words = [[(word.kind, str(numbers.get(word.subject, word.subject))) for word in one.words] for one in emitted]
        lives = [f"{numbers.get(v)} {life}" for v, life in memory.lives.items()]
        in_place = [f"{kernel.aliases} {len(kernel.overwrites)}" for kernel in kernels]
        raise _Seen("\n".join([*(one.source for one in emitted), *map(str, words), *lives, *in_place]))

    old, compiler._program = compiler._program, seen
    try:
        compiler.compile_graph(case.graph, {i: _Buffer(case.arrays[i]) for i in sorted(case.states)})
    except _Seen as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        compiler._program = old
    raise AssertionError("the compiler never came to the program")


class _Buffer:
    def __init__(self, array: Any):
        self.array = array


def _modules() -> list[Any]:
    return [module for name, module in list(sys.modules.items()) if name.split(".")[0] == "graphc" and module]


def _holders(table: Any, old: Callable) -> Iterator[tuple[Any, Any]]:
    """Where a module's variables hold a function: by themselves, in a dict, in a list, in a dict of lists."""
    for key, value in list(table.items() if isinstance(table, dict) else enumerate(table)):
        if value is old:
            yield table, key
        elif isinstance(value, dict | list) and key != "__builtins__" and table is not value:
            for inner, held in list(value.items() if isinstance(value, dict) else enumerate(value)):
                if held is old:
                    yield value, inner
                elif isinstance(held, list):
                    for place, one in enumerate(held):
                        if one is old:
                            yield held, place
