"""The one family of errors: each says what, where, what was expected, what was got, and the fix. And warnings.

What does not live here: deciding that something is wrong.
"""

import os
import sys
import warnings

_OURS = os.path.dirname(__file__) + os.sep
_BETWEEN = {"contextlib", "copy", "functools", "importlib._bootstrap", "importlib._bootstrap_external",
            "_frozen_importlib", "_frozen_importlib_external"}
"""Modules that call us back from our own code."""


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn, at the line outside of graphc that led here, however many calls ago; here where there is none."""
    here = frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(_OURS) or frame.f_globals.get("__name__") in _BETWEEN:
        if frame.f_back is None or frame.f_back.f_globals.get("__name__") == "threading":
            frame = here
            break
        frame = frame.f_back
    warnings.warn_explicit(message, category, frame.f_code.co_filename, frame.f_lineno,
                           module=frame.f_globals.get("__name__", "__main__"),
                           registry=frame.f_globals.setdefault("__warningregistry__", {}))


class GraphcError(Exception):
    """Base of every error that graphc raises on purpose.

    what      one sentence: what is wrong
    where     the layer, op, pass, file or argument it concerns
    expected  what would have been right
    got       what was found
    fix       what to do, where that is obvious
    """

    def __init__(self, what: str, *, where: str = "", expected: object = None, got: object = None,
                 fix: str = ""):
        self.what, self.where, self.expected, self.got, self.fix = what, where, expected, got, fix
        super().__init__(what)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.expected is not None:
            text += f"; expected {self.expected}"
        if self.got is not None:
            text += f"; got {self.got}"
        return f"{text}. {self.fix}" if self.fix else text


class ShapeError(GraphcError, ValueError):
    """Shapes or ranks that do not fit."""


class DTypeError(GraphcError, TypeError):
    """An element type that does not fit."""


class ArgumentError(GraphcError, ValueError):
    """An argument outside its domain: an unknown name, a non-finite hyper-parameter."""


class UnknownOpError(GraphcError, KeyError):
    """An op name that nobody defined."""

    __str__ = GraphcError.__str__


class VerifyError(GraphcError):
    """A graph that breaks its own rules."""


class ParseError(GraphcError, ValueError):
    """Graph text that cannot be read; str() underlines the place."""


class ModelFormatError(GraphcError, ValueError):
    """A model file or configuration that cannot be trusted or understood."""


class IndexRangeError(GraphcError, IndexError):
    """An index outside the axis it points into."""


class NotDifferentiableError(GraphcError, ValueError):
    """A gradient was asked through an op that has none."""


class CompileError(GraphcError):
    """A pass or a kernel that could not be compiled; names the pass, the op and the layer."""


class OutOfMemoryError(GraphcError, MemoryError):
    """More memory than there is; nothing has changed."""


class TargetError(GraphcError):
    """A target that does not exist or cannot run here."""


class CheckpointError(GraphcError, ValueError):
    """A checkpoint that is damaged, that belongs to another training, or that another process works with."""


class StorageError(GraphcError, OSError):
    """The disk refused something that must not be lost; `errno`, `strerror` and `filename` are those of the refusal."""

    __str__ = GraphcError.__str__

    def __init__(self, what: str, refused: OSError, *, where: str, fix: str = ""):
        super().__init__(what, where=where, got=refused.strerror or str(refused), fix=fix)
        self.errno, self.strerror, self.filename = refused.errno, refused.strerror, where
