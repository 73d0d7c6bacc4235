"""Pictures of models: as graphs for Graphviz, and as files.

What does not live here: drawing without Graphviz (drawing/), tables of layers (layer_utils.py).
"""

from __future__ import annotations

import os
import re
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

from graphc.errors import ArgumentError, warn
from graphc.frontend_keras.utils.extras import MissingLibraryError, optional
from graphc.runtime.files import replacing

__all__ = ["model_to_dot", "plot_model"]

RANKDIRS = ("TB", "LR", "BT", "RL")


def model_to_dot(model: Any, show_shapes: bool = False, show_layer_names: bool = True, rankdir: str = "TB") -> Any:
    """A pydot.Dot with a node for each layer, named str(id(layer)), and an edge for each tensor between two.

    show_shapes       whether nodes show the shapes of what goes in and comes out
    show_layer_names  whether they show names beside classes
    rankdir           where edges lead: TB is top to bottom; LR, BT, RL

    A wrapper shows the layer inside in brackets; a model inside is one node. Graphviz itself is not needed.
    Raises MissingLibraryError (an ImportError) without pydot, ArgumentError (a ValueError) for a model without a graph.
    """
    _check_rankdir(rankdir)
    pydot = optional("pydot", "plot", "model_to_dot")
    drawing = import_module("graphc.frontend_keras.utils.drawing.boxes").sketch(model)
    dot = pydot.Dot()
    dot.set("rankdir", rankdir)
    dot.set("concentrate", True)
    dot.set_node_defaults(shape="record")
    for box, layer in zip(drawing.boxes, drawing.layers):
        title = f"{box.name}: {box.kind}" if show_layer_names else box.kind
        label = _in_record(title)
        if show_shapes:
            inputs, outputs = (_in_record(shapes[0] if len(shapes) == 1 else f"[{', '.join(shapes)}]")
                               for shapes in (box.inputs, box.outputs))
            label += f"\\n|{{input:|output:}}|{{{{{inputs}}}|{{{outputs}}}}}"
        dot.add_node(pydot.Node(str(id(layer)), label=f'"{label}"'))
    for source, target in drawing.arrows:
        dot.add_edge(pydot.Edge(*(str(id(drawing.layers[end])) for end in (source, target))))
    return dot


def plot_model(model: Any, to_file: Any = "model.png", show_shapes: bool = False, show_layer_names: bool = True,
               rankdir: str = "TB") -> str:
    """Draw a model into a file; returns the name of the file that was written.

    to_file  its ending is the format: png where there is none
    The other arguments are those of model_to_dot.

    Graphviz draws where pydot and its program `dot` are installed. Without them graphc draws by itself, which it can
    only as SVG: for any other ending it writes the picture beside, under the same name ending in .svg, and warns.
    Raises OSError where the file cannot be written, ArgumentError (a ValueError) for a model without a graph.
    """
    path = Path(to_file)
    if shutil.which("dot") and _has_pydot():
        kind = path.suffix[1:] or "png"
        model_to_dot(model, show_shapes, show_layer_names, rankdir).write(os.fspath(path), format=kind)
        return os.fspath(path)
    if path.suffix.lower() != ".svg":
        beside = path.with_suffix(".svg")
        warn(f"Graphviz is not installed here (pydot and its program `dot`), so that there is no {path.name}: "
             f"the picture is in {beside}. For other formats: pip install \"graphc-compiler[plot]\" and "
             "install Graphviz.")
        path = beside
    _check_rankdir(rankdir)
    drawing = import_module("graphc.frontend_keras.utils.drawing.boxes").sketch(model)
    text = import_module("graphc.frontend_keras.utils.drawing.svg").draw(drawing, show_shapes, show_layer_names,
                                                                         rankdir)
    with replacing(path) as temporary:
        Path(temporary).write_text(text, encoding="utf-8")
    return os.fspath(path)


def _check_rankdir(rankdir: str) -> None:
    if rankdir not in RANKDIRS:
        raise ArgumentError("`rankdir` is no direction", where="rankdir", expected=", ".join(RANKDIRS),
                            got=repr(rankdir))


def _in_record(text: str) -> str:
    """`text` as Graphviz shows it in a record: signs that mean something there are escaped, control signs are gone."""
    printable = "".join(sign if sign.isprintable() else " " for sign in text)
    return re.sub(r'([\\{}|<>"])', r"\\\1", printable)


def _has_pydot() -> bool:
    try:
        return bool(optional("pydot", "plot", "plot_model"))
    except MissingLibraryError:
        return False
