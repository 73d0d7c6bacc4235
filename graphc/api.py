"""The way in for callers outside Keras: compile a graph, a model, or a function over traced values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.compiler import Executable, compile_graph
from graphc.errors import ArgumentError
from graphc.ir.builder import Builder
from graphc.ir.graph import Graph
from graphc.ir.parser import parse, parse_type
from graphc.ir.traced import Traced
from graphc.passes.choices import Choices


def compile(model_or_graph: Any, *, target: str = "cpu", precision: str = "default",
            convolution: str = "auto") -> Callable[..., list[np.ndarray]]:
    """Compile a graph, graph text, or a Keras-style model to a callable.

    precision    "highest" keeps to algorithms that round no more than plain sums do
    convolution  "direct" or "winograd" in place of what the cost model would choose

    The callable takes one array per input, in order, and returns a list of new arrays, one per
    output. A model is compiled for inference; it reads the model's live weights at every call.
    Raises ShapeError, DTypeError for inputs that do not fit; ParseError for text; CompileError.

        f = graphc.compile("graph g(%x: f32[B,3]) { %y = relu(%x)  return %y }")
        (y,) = f(np.ones((2, 3), "float32"))
    """
    choices = Choices(precision, convolution)
    if isinstance(model_or_graph, str):
        model_or_graph = parse(model_or_graph)
    if isinstance(model_or_graph, Graph):
        return compile_graph(model_or_graph, target=target, choices=choices)
    lower = getattr(model_or_graph, "lower_to_graph", None)
    if lower is None:
        raise ArgumentError("cannot be compiled", where="graphc.compile", expected="a Graph, graph text or a model",
                            got=type(model_or_graph).__name__)
    graph, states = lower()
    return compile_graph(graph, states, target=target, choices=choices)


def function(*types: str, target: str = "cpu") -> Callable[[Callable[..., Any]], Executable]:
    """A decorator that traces a Python function over values of the given types and compiles it.

        @graphc.function("f32[B,3]", "f32[B,3]")
        def f(x, y):
            return (x * y).tanh()
    """

    def trace(body: Callable[..., Any]) -> Executable:
        builder = Builder()
        names = body.__code__.co_varnames[:body.__code__.co_argcount]
        inputs = [Traced(builder, builder.input(parse_type(t), n)) for t, n in zip(types, names, strict=True)]
        made = body(*inputs)
        outputs = made if isinstance(made, tuple | list) else (made,)
        return compile_graph(builder.graph([t.value for t in outputs], body.__name__), target=target)

    return trace
