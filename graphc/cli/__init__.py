"""The command `graphc`: finds the subcommand, and turns errors into one line on stderr and a status.

    0  done    1  the check failed, or the user's script raised    2  bad use, bad input

What does not live here: the subcommands, one file each, loaded when they are asked for.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import TextIO

from graphc.cli.arguments import ArgumentParser, UsageError
from graphc.errors import GraphcError

COMMANDS = {
    "run": "run a Keras script, unmodified, on graphc",
    "dump-ir": "show a model at any stage of its way to machine code",
    "check": "compare every value of a model with the reference in double precision",
    "bisect": "name the first layer in which two models, or two files of one, differ",
    "convert": "write a model in another file format, of Keras 2 or Keras 3",
    "cache": "look at, clear or verify the kernel cache",
    "version": "print the versions of graphc and of what it stands on",
}
PROVING = {"check", "bisect"}
"""Commands whose figures are not to depend on how many threads NumPy's BLAS has."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv`, by default the process's; the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments[:arguments.index("--")] if "--" in arguments else "--debug" in arguments
    try:
        return _dispatch(arguments)
    except (UsageError, GraphcError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            return _quiet_end()
        return _fail(error, one_line(error), debug)
    except KeyboardInterrupt:
        return _fail(None, "interrupted", False, status=130)
    except Exception as error:
        return _fail(error, f"internal error: {type(error).__name__}: {one_line(error)}", debug)


def _dispatch(arguments: list[str]) -> int:
    parser = ArgumentParser(prog="graphc", description="A compiler from Keras-style models to fused native kernels.",
                            epilog="graphc COMMAND --help says more about a command.")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=ArgumentParser)
    asked = next((a for a in arguments if not a.startswith("-")), None)
    for name, text in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name == asked:
            if name in PROVING and "numpy" not in sys.modules:
                _one_thread_for_blas()
            import_module(f"graphc.cli.{name.replace('-', '_')}").configure(subparser)
            subparser.add_argument("--debug", action="store_true", help="show tracebacks of errors")
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    if options.command != "run":
        warnings.showwarning = _show_warning
    status = options.execute(options)
    sys.stdout.flush()
    return status


def _one_thread_for_blas() -> None:
    """Give the reference the same bits on every machine of a kind: those of NumPy's BLAS may depend on its threads.

    It reads their number when NumPy is loaded.
    """
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[name] = "1"


def one_line(error: BaseException) -> str:
    """An error's text on one line, without control characters."""
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    else:
        text = getattr(error, "summary", None) or str(error)
    text = "; ".join(line.strip() for line in text.splitlines() if line.strip())
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text) or type(error).__name__


def _fail(error: BaseException | None, text: str, debug: bool, status: int = 2) -> int:
    if debug and error is not None:
        traceback.print_exception(error)
    print(f"graphc: error: {text}", file=sys.stderr)
    return status


def _show_warning(message: Warning | str, category: type[Warning], filename: str, lineno: int,
                  file: TextIO | None = None, line: str | None = None) -> None:
    print(f"graphc: warning: {one_line(Warning(str(message)))}", file=file or sys.stderr)


def _quiet_end() -> int:
    """Whoever read our output has gone; nothing more can be written to it, not even at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
