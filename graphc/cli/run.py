"""`graphc run [--target T] script.py [args]`: a Keras script runs as it is; `import keras` gives graphc's frontend.

The script is `__main__`, sees its own `sys.argv` and folder, and fails as under Python: with its traceback,
without the frames of this file. What does not live here: the alias itself (frontend_keras/alias.py).
"""

from __future__ import annotations

import argparse
import builtins
import sys
from pathlib import Path
from types import ModuleType, TracebackType

from graphc.cli.arguments import ArgumentParser, add_target
from graphc.frontend_keras import backend
from graphc.frontend_keras.alias import install_as_keras


def configure(parser: ArgumentParser) -> None:
    add_target(parser, default=None)
    parser.add_argument("script", help="a Python file that uses Keras")
    parser.add_argument("args", nargs=argparse.REMAINDER, help="the script's own arguments")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Run the script. SystemExit passes through; any other exception is shown and gives status 1."""
    source = Path(options.script).read_bytes()
    install_as_keras()
    if options.target:
        backend.set_target(options.target)
    sys.argv = [options.script, *options.args]
    sys.path.insert(0, str(Path(options.script).resolve().parent))
    module = ModuleType("__main__")
    module.__file__ = options.script
    module.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = module
    try:
        exec(compile(source, options.script, "exec", dont_inherit=True), module.__dict__)
    except Exception as error:
        frames = _own_frames(error.__traceback__)
        sys.excepthook(type(error), error.with_traceback(frames), frames)
        return 1
    return 0


def _own_frames(frames: TracebackType | None) -> TracebackType | None:
    """The frames from the script on."""
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return frames
