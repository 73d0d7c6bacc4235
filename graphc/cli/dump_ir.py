"""`graphc dump-ir MODEL`: a model or a graph at any stage of its way to machine code.

What does not live here: the stages (graphc/dump.py), reading files (files.py).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graphc.cli.arguments import ArgumentParser, add_choices, add_target, add_trusted, batch_size, choices_of
from graphc.cli.files import load
from graphc.cli.models import bind_batch, graph_of, model_dot
from graphc.dump import dump
from graphc.errors import ArgumentError
from graphc.ir.export import graph_data, graph_dot
from graphc.ir.graph import Graph
from graphc.ir.parser import parse_all

STAGES = ("model", "lowered", "train", "optimized", "fused", "kernels", "source", "llvm", "asm")
GRAPH_STAGES = ("lowered", "optimized", "fused", "kernels")  # their text is graphs
STAGES_HELP = """
stages:
  model      the model's own configuration
  lowered    the graph as the layers made it
  train      the graph of a whole training step, as the layers, the loss and the optimizer made it
  optimized  the graph after all passes
  fused      the kernels, and for every pair of ops why they share a kernel or do not
  kernels    the kernels with their places in memory
  source     the generated source of every kernel
  llvm, asm  what becomes of the source on this machine; asm --target cuda is PTX

Text of the stages lowered, train and optimized can be read back by this command; that of fused and kernels is
one graph for every kernel.
"""


def configure(parser: ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = STAGES_HELP
    parser.add_argument("model", help="a model (.json, .yaml, .h5), graph text, or - for stdin")
    parser.add_argument("--stage", choices=STAGES, default="lowered", help="what to show (default: lowered)")
    parser.add_argument("--train", action="store_true", help="the whole training step instead of inference")
    parser.add_argument("--optimizer", help="of the training step (default: the file's own, else sgd)")
    parser.add_argument("--loss", help="of the training step (default: the file's own)")
    parser.add_argument("--batch", type=batch_size, metavar="N", help="a number of rows, or symbolic (the default)")
    add_target(parser)
    add_choices(parser)
    add_trusted(parser)
    parser.add_argument("--format", choices=("text", "json", "dot"), default="text")
    parser.add_argument("-o", "--output", metavar="FILE", help="write there instead of to stdout")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    text = render(options).rstrip("\n") + "\n"
    if options.output in (None, "-"):
        sys.stdout.write(text)
    else:
        Path(options.output).write_text(text, encoding="utf-8")
    return 0


def render(options: argparse.Namespace) -> str:
    """What the command prints."""
    loaded = load(options.model, trusted=options.trusted)
    if options.stage == "model":
        return _model_text(loaded, options.format)
    train = options.train or options.stage == "train"
    graph = bind_batch(graph_of(loaded, train, options.optimizer, options.loss), options.batch)
    stage = "lowered" if options.stage == "train" else options.stage
    return FORMATS[options.format](dump(graph, stage, choices_of(options)), stage)


def _model_text(loaded: Any, format: str) -> str:
    if isinstance(loaded, Graph):
        raise ArgumentError("graph text holds no model", where="--stage model", fix="Show it with --stage lowered.")
    return model_dot(loaded) if format == "dot" else loaded.to_json(indent=2)


def _as_text(text: str, stage: str) -> str:
    return text


def _as_json(text: str, stage: str) -> str:
    content = {"graphs": [graph_data(g) for g in parse_all(text, stage)]} if stage in GRAPH_STAGES else {"text": text}
    return json.dumps({"stage": stage, **content}, indent=2, allow_nan=False)


def _as_dot(text: str, stage: str) -> str:
    if stage not in GRAPH_STAGES:
        raise ArgumentError("this stage cannot be drawn", where="--format dot", expected=", ".join(GRAPH_STAGES),
                            got=stage)
    return "\n\n".join(graph_dot(g) for g in parse_all(text, stage))


FORMATS: dict[str, Callable[[str, str], str]] = {"text": _as_text, "json": _as_json, "dot": _as_dot}
