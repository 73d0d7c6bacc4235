"""`graphc convert A B`: a model from one file format to another.

What does not live here: the formats (frontend_keras/saving/).
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np

from graphc.cli.arguments import ArgumentParser, UsageError, add_trusted
from graphc.cli.feeds import feed_for
from graphc.cli.files import load
from graphc.cli.models import graph_and_states
from graphc.errors import warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.models import load_model, model_from_json, model_from_yaml
from graphc.frontend_keras.saving.keras3 import places
from graphc.frontend_keras.saving.keras3_config import SLOPE, rescaled
from graphc.frontend_keras.utils.generic_utils import to_list

FORMATS = {".h5": "keras2", ".hdf5": "keras2", ".json": "keras2", ".yaml": "keras2", ".yml": "keras2",
           ".keras": "keras3"}
RELATIVE, ABSOLUTE = 1e-4, 1e-5  # how close predictions before and after must be


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("source", metavar="A", help="a model of any Keras: .h5, .keras, .json, .yaml, or - for stdin")
    parser.add_argument("target", metavar="B", help="what to write; its ending says how: .h5, .json and .yaml as "
                                                    "Keras 2 does, .keras and .weights.h5 as Keras 3 does")
    parser.add_argument("--to", choices=("keras2", "keras3"), help="refuse to write the other one's format")
    parser.add_argument("--check", action="store_true",
                        help="read B again and compare predictions for random inputs; status 1 where they differ")
    add_trusted(parser)
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    target: str = options.target
    kind = "weights" if target.endswith(".weights.h5") else Path(target).suffix.lower()
    writes = "keras3" if kind == "weights" else FORMATS.get(kind)
    if writes is None:
        raise UsageError(f"convert: {target}: the ending says no format")
    if options.to not in (None, writes):
        raise UsageError(f"convert: a file {target} is written as {writes}, not as {options.to}")
    model = load(options.source, trusted=options.trusted)
    if not hasattr(model, "layers"):
        raise UsageError(f"convert: {options.source} holds no model but a graph")
    if kind in (".h5", ".hdf5"):
        model = _with_the_hard_sigmoid_of_keras_2(model)
    _write(model, target, kind)
    print(f"{target}: {model.count_params()} parameters in {len(model.layers)} layers")
    return _check(model, target, kind) if options.check else 0


def _with_the_hard_sigmoid_of_keras_2(model: Any) -> Any:
    """The model, or one that Keras 2 can read and that predicts the same, with other weights; it is not compiled."""
    text = model.to_json()
    if '"hard_sigmoid_keras3"' not in text:
        return model
    made = model_from_json(text.replace('"hard_sigmoid_keras3"', '"hard_sigmoid"'))
    for (_, old), (_, new) in zip(places(model), places(made), strict=True):
        if new.weights:
            new.set_weights(rescaled(new, K.batch_get_value(old.weights), 1 / SLOPE))
    warn("weights are rescaled to the hard sigmoid of Keras 2; how the model was trained is left out")
    return made


def _write(model: Any, target: str, kind: str) -> None:
    if kind in (".json", ".yaml", ".yml"):
        text = model.to_json(indent=1) if kind == ".json" else model.to_yaml()
        temporary = f"{target}.{os.getpid()}.tmp"
        Path(temporary).write_text(text)
        os.replace(temporary, target)
    elif kind == "weights":
        model.save_weights(target)
    else:
        model.save(target)


def _check(model: Any, target: str, kind: str) -> int:
    """Print how far predictions of the file lie from the model's."""
    again = _read(model, target, kind)
    graph, states = graph_and_states(model)
    feed = feed_for(graph, states, 0, None)[:len(model.inputs)]
    wanted, found = (to_list(one.predict_on_batch(feed)) for one in (model, again))
    worst = max(float(np.max(np.abs(a - b), initial=0)) for a, b in zip(found, wanted, strict=True))
    same = all(np.allclose(a, b, RELATIVE, ABSOLUTE) for a, b in zip(found, wanted, strict=True))
    print(f"predictions {'agree' if same else 'DIFFER'}: largest difference {worst:.2e}")
    return 0 if same else 1


def _read(model: Any, target: str, kind: str) -> Any:
    if kind in (".h5", ".hdf5", ".keras"):
        return load_model(target, compile=False)
    text = model.to_json() if kind == "weights" else Path(target).read_text()
    again = model_from_yaml(text) if kind in (".yaml", ".yml") else model_from_json(text)
    if kind == "weights":
        again.load_weights(target)
    else:
        K.batch_set_value(list(zip(again.weights, K.batch_get_value(model.weights), strict=True)))
    return again

