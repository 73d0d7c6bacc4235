"""Reading what a command is given: graph text, or a model as JSON, YAML or HDF5; `-` is stdin. Writing text whole.

A known ending decides what a file is, else its first bytes. What does not live here: the readers themselves
(ir/parser.py, frontend_keras/models.py, model_files.py).
"""

from __future__ import annotations

import re
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, ModelFormatError
from graphc.ir.parser import parse
from graphc.runtime.files import replacing

MAX_TEXT = 16 * 2**20  # bytes of graph text, JSON or YAML
MAX_H5 = 2 * 2**30     # bytes of an HDF5 file that comes through stdin

ENDINGS = {".json": "json", ".yaml": "yaml", ".yml": "yaml", ".h5": "h5", ".hdf5": "h5", ".keras": "h5",
           ".graph": "graph", ".txt": "graph"}
_H5_MAGIC = b"\x89HDF\r\n\x1a\n"
_GRAPH_START = re.compile(rb'(?:\s|#[^\n]*\n)*graph(?:\s+[A-Za-z_"]|\s*$)')


def load(path: str, seed: int = 0, trusted: bool = False) -> Any:
    """A Graph, or a Keras-style model; its initial weights and its layers' seeds follow from `seed`.

    trusted  an HDF5 file is parsed by this process, which is a little faster, and not by one of its own

    Raises OSError where the file cannot be read, ParseError or ModelFormatError where it cannot be understood.
    """
    np.random.seed(seed % 2**32)  # Keras draws what a model leaves open from this generator
    start = _start(path)
    kind = _kind(path, start)
    if kind == "h5":
        return _load_h5(path, start, trusted)
    text = _text(path, start)
    if kind == "graph":
        return parse(text, "stdin" if path == "-" else path)
    models = import_module("graphc.frontend_keras.models")  # graph text needs no Keras
    return models.model_from_json(text) if kind == "json" else models.model_from_yaml(text)


def holds_weights(path: str, trusted: bool = False) -> bool:
    """Whether a file holds a model's weights, and not its architecture alone. Raises as `load`."""
    if _kind(path, _start(path)) != "h5":
        return False
    holds: bool = import_module("graphc.cli.model_files").holds_weights(path, trusted)
    return holds


def _kind(path: str, start: bytes) -> str:
    return ENDINGS.get(Path(path).suffix.lower()) or kind_of(start)


def kind_of(start: bytes) -> str:
    """json, yaml, h5 or graph, from the first bytes."""
    if start.startswith(_H5_MAGIC):
        return "h5"
    if _GRAPH_START.match(start):
        return "graph"
    return "json" if start.lstrip().startswith(b"{") else "yaml"


def write_whole(path: str, text: str) -> None:
    """Write a text file that takes the place of `path` when all of it is there. Raises OSError."""
    with replacing(path) as temporary:
        Path(temporary).write_text(text, encoding="utf-8")


def _start(path: str) -> bytes:
    """The first bytes; all of them, up to the limit, where the file can be read only once."""
    if path == "-":
        start = sys.stdin.buffer.read(MAX_TEXT + 1)
        return start + sys.stdin.buffer.read(MAX_H5 + 1 - len(start)) if start.startswith(_H5_MAGIC) else start
    with open(path, "rb") as file:
        return file.read(MAX_TEXT + 1)


def _text(path: str, content: bytes) -> str:
    if len(content) > MAX_TEXT:
        raise ModelFormatError("the file is too large", where=path, expected=f"at most {MAX_TEXT} bytes of text")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelFormatError("the file is not UTF-8 text", where=path, got=f"byte {error.start}") from None


def _load_h5(path: str, content: bytes, trusted: bool) -> Any:
    load_file = import_module("graphc.cli.model_files").load_file
    if path != "-":
        return load_file(path, trusted)
    if len(content) > MAX_H5:
        raise ArgumentError("the model is too large to come through stdin", expected=f"at most {MAX_H5} bytes")
    with tempfile.NamedTemporaryFile(suffix=".h5") as file:
        file.write(content)
        file.flush()
        return load_file(file.name, trusted)
