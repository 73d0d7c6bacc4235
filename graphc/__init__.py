"""graphc: from model graphs to fused native kernels.

Public names: compile, function, parse, Graph, install_as_keras and the errors; all are loaded when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphc.api import compile, function
    from graphc.errors import GraphcError
    from graphc.frontend_keras.alias import install_as_keras
    from graphc.ir.graph import Graph
    from graphc.ir.parser import parse

__version__ = "0.1.0"
__all__ = ["Graph", "GraphcError", "compile", "errors", "function", "install_as_keras", "parse"]

_HOME = {"compile": "graphc.api", "function": "graphc.api", "GraphcError": "graphc.errors",
         "Graph": "graphc.ir.graph", "parse": "graphc.ir.parser", "install_as_keras": "graphc.frontend_keras.alias"}


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("graphc.errors")
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'graphc' has no attribute {name!r}")
