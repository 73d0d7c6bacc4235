"""Pickles of numbers, read as data: a small interpreter of the pickle format that can make nothing else.

It knows None, bools, numbers, texts, bytes, tuples, lists, dicts, and NumPy's arrays and numbers of plain types. What
else a pickle names is refused, nothing is imported, and memory and time are bounded by the bytes that are read: nothing
is walked through that could hold itself, or one thing many times.

What does not live here: files (files.py).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.errors import GraphcError

_PLAIN = re.compile(r"[biuf][1248]")
_MAX_PROTOCOL, _MAX_RANK, _MAX_SIZE = 5, 32, 1 << 53
MAX_OPERATIONS = 1 << 24
"""Of a pickle, beside those that make a number below 65,536: an empty list takes one byte there and 64 in memory."""
_BYTE, _TWO_BYTES, _END = ord("K"), ord("M"), ord(".")


class PickleError(GraphcError, ValueError):
    """A pickle that is broken, or that holds more than numbers and texts."""


def loads(data: bytes, where: str) -> Any:
    """What a pickle holds; texts of Python 2 as bytes, arrays of objects as lists.

    where  names it in errors

    Raises PickleError.
    """
    try:
        return _plain(_Machine(data).run())
    except PickleError as error:
        error.where = where
        raise
    except (IndexError, KeyError, TypeError, ValueError, OverflowError, AttributeError, struct.error) as error:
        raise PickleError("the pickle is broken", where=where, got=f"{error!r:.200}") from error


def count_of(shape: Any) -> int:
    """The number of elements of an array. Raises PickleError for what is no shape."""
    if not isinstance(shape, tuple) or len(shape) > _MAX_RANK:
        raise PickleError("not a shape")
    count = 1
    for size in shape:
        if type(size) is not int or not 0 <= size < _MAX_SIZE:
            raise PickleError("not a shape")
        count *= size
    return count


def _ascii(text: Any) -> str:
    if not isinstance(text, (str, bytes)):
        raise PickleError("not a text", got=type(text).__name__)
    return text.decode("ascii") if isinstance(text, bytes) else text


class _DType:
    """An element type that is being described."""

    def __init__(self, code: Any, *flags: Any):
        self.code, self.order = _ascii(code), "="
        if self.code not in ("O", "O8") and not _PLAIN.fullmatch(self.code):
            raise PickleError("an array of something else than numbers", got=self.code[:100])

    def set(self, state: Any) -> None:
        self.order = _ascii(state[1])
        if self.order not in ("<", ">", "=", "|"):
            raise PickleError("an unknown order of bytes", got=self.order[:100])

    @property
    def found(self) -> np.dtype:
        return np.dtype(self.order.replace("|", "=") + self.code)

    def number(self, raw: Any) -> Any:
        """A number of this type. Raises PickleError."""
        if self.code in ("O", "O8") or not isinstance(raw, bytes):
            raise PickleError("not a number", got=self.code)
        return np.frombuffer(raw, self.found, 1)[0].item()


class _Array:
    """An array that is being described."""

    def __init__(self, *described: Any) -> None:
        self.value: Any = None

    def set(self, state: Any) -> None:
        _, shape, dtype, by_columns, content = state
        count = count_of(shape)
        if dtype.code in ("O", "O8"):
            if not isinstance(content, list) or len(content) != count or len(shape) != 1:
                raise PickleError("an array of objects that is no list", got=f"shape {shape}")
            self.value = content
            return
        if not isinstance(content, bytes) or len(content) != count * dtype.found.itemsize:
            raise PickleError("an array with too few or too many bytes", got=f"shape {shape}")
        flat = np.frombuffer(content, dtype.found)
        self.value = flat.reshape(shape, order="F" if by_columns else "C").copy()


class _Name:
    """One of the few classes and functions that a pickle may name."""

    def __init__(self, module: Any, name: Any):
        self.name = f"{_ascii(module)}.{_ascii(name)}".replace("numpy._core.", "numpy.core.")
        if self.name not in _NAMES:
            raise PickleError("the pickle names something that arrays of numbers do not need", got=self.name[:200])

    def called(self, arguments: tuple[Any, ...]) -> Any:
        """What it gives. Raises PickleError."""
        return _NAMES[self.name](*arguments)


def _from_bytes(content: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    array = _Array()
    array.set((1, shape, dtype, order == "F", content))
    return array


def _encoded(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise PickleError("bytes in an unknown encoding")
    return text.encode("latin1")


def _not_called(*arguments: Any) -> Any:
    raise PickleError("an array without a description")


_NAMES: dict[str, Callable[..., Any]] = {
    "numpy.core.multiarray._reconstruct": _Array, "numpy.core.multiarray.scalar": lambda dtype, raw: dtype.number(raw),
    "numpy.core.numeric._frombuffer": _from_bytes, "numpy.dtype": _DType, "numpy.ndarray": _not_called,
    "_codecs.encode": _encoded}


def _plain(value: Any) -> Any:
    """The value, and those of a dict, with arrays in place of their descriptions."""
    if isinstance(value, dict):
        return {key: one.value if isinstance(one, _Array) else one for key, one in value.items()}
    return value.value if isinstance(value, _Array) else value


class _Machine:
    """Runs the operations of a pickle on a stack, as Python's pickletools describes them."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # stacks in front of marks
        self.memo: dict[int, Any] = {}
        self.left = MAX_OPERATIONS

    def run(self) -> Any:
        data, at, push = self.data, 0, self.stack.append
        while (code := data[at]) != _END:
            at += 1
            if code == _BYTE:  # most of a pickle of word numbers, and therefore here
                push(data[at])
                at += 1
            elif code == _TWO_BYTES:
                push(data[at] | data[at + 1] << 8)
                at += 2
            else:
                self.at = at
                self._do(code)
                at, push = self.at, self.stack.append
        if len(self.stack) != 1 or self.below:
            raise PickleError("the pickle ends too early")
        return self.stack.pop()

    def _do(self, code: int) -> None:
        operation = _OPERATIONS.get(code)
        if operation is None:
            raise PickleError("an operation that pickles of numbers do not need", got=f"{bytes([code])!r}")
        self.left -= 1
        if self.left < 0:
            raise PickleError("the pickle is too large", expected=f"at most {MAX_OPERATIONS} operations")
        operation(self)

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            raise PickleError("the pickle is cut off")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        end = self.data.index(b"\n", self.at)
        found = self.take(end - self.at).decode("ascii")
        self.at += 1
        return found

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def protocol(self) -> None:
        if (found := self.number("B")) > _MAX_PROTOCOL:
            raise PickleError("an unknown version of the pickle format", got=found)

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        found, self.stack = self.stack, self.below.pop()
        return found

    def together(self, count: int) -> None:
        items = tuple(self.stack[len(self.stack) - count:])
        del self.stack[len(self.stack) - count:]
        self.push(items)

    def append(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise PickleError("items of something that is no list")
        self.stack[-1].extend(items)

    def set_items(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not dict:
            raise PickleError("entries of something that is no dict")
        if not {type(key) for key in items[::2]} <= {int, str, bytes}:
            raise PickleError("a key that is no text")
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def named(self, name: Any, module: Any) -> None:
        self.push(_Name(module, name))

    def call(self) -> None:
        arguments, what = self.stack.pop(), self.stack.pop()
        if not isinstance(what, _Name) or not isinstance(arguments, tuple):
            raise PickleError("the pickle calls something that is no function")
        self.push(what.called(arguments))

    def build(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], (_Array, _DType)):
            raise PickleError("a state of something that is no array")
        self.stack[-1].set(state)

    def remember(self, place: int) -> None:
        self.memo[place] = self.stack[-1]


def _text(form: str) -> Callable[[_Machine], None]:
    return lambda machine: machine.push(machine.take(machine.number(form)).decode("utf-8", "surrogatepass"))


def _bytes(form: str) -> Callable[[_Machine], None]:
    return lambda machine: machine.push(machine.take(machine.number(form)))


_OPERATIONS: dict[int, Callable[[_Machine], None]] = {ord(code): operation for code, operation in {
    "\x80": _Machine.protocol, "\x95": lambda m: m.take(8) and None, "(": _Machine.mark,
    "N": lambda m: m.push(None), "\x88": lambda m: m.push(True), "\x89": lambda m: m.push(False),
    "J": lambda m: m.push(m.number("<i")), "G": lambda m: m.push(m.number(">d")),
    "\x8a": lambda m: m.push(int.from_bytes(m.take(m.number("B")), "little", signed=True)),
    "X": _text("<I"), "\x8c": _text("B"), "\x8d": _text("<Q"),
    "U": _bytes("B"), "T": _bytes("<i"), "C": _bytes("B"), "B": _bytes("<I"), "\x8e": _bytes("<Q"),
    "\x96": _bytes("<Q"),
    "]": lambda m: m.push([]), "}": lambda m: m.push({}), ")": lambda m: m.push(()),
    "t": lambda m: m.push(tuple(m.since_mark())), "\x85": lambda m: m.together(1),
    "\x86": lambda m: m.together(2), "\x87": lambda m: m.together(3),
    "a": lambda m: m.append([m.stack.pop()]), "e": lambda m: m.append(m.since_mark()),
    "s": lambda m: m.set_items([m.stack.pop(-2), m.stack.pop()]), "u": lambda m: m.set_items(m.since_mark()),
    "c": lambda m: m.push(_Name(m.line(), m.line())), "\x93": lambda m: m.named(m.stack.pop(), m.stack.pop()),
    "R": _Machine.call, "b": _Machine.build,
    "q": lambda m: m.remember(m.number("B")), "r": lambda m: m.remember(m.number("<I")),
    "\x94": lambda m: m.remember(len(m.memo)),
    "h": lambda m: m.push(m.memo[m.number("B")]), "j": lambda m: m.push(m.memo[m.number("<I")]),
}.items()}
