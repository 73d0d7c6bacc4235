"""What a training has to remember so that going on from it gives the bits of never having stopped.

    facts      what must be equal: layers and their configuration, optimizer, loss, shapes of the data, arguments of fit
    position   epoch, batches done in it, steps done in all, whether a callback has stopped the training
    order      the order of the samples, which each epoch shuffles further; where a Sequence is
    random     the generators of NumPy and Python, as they were before the next batch was made; of random ops: the seeds
               drawn when they were made
    states     weights, slots, moving averages, sums of metrics, states of recurrent layers, the count of random steps:
               all that the training function reads. A state kept as a table and a scale is kept as both, because
               multiplying them would round
    callbacks  what each callback's `get_state` returns, the history among them

All of a checkpoint is checked before the first thing changes.

What does not live here: when checkpoints are made (keeping.py), files (saving/checkpoints.py).
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphc
from graphc.errors import CheckpointError, GraphcError, ModelFormatError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.backend.leaves import State
from graphc.frontend_keras.backend.lowering import walk
from graphc.frontend_keras.backend.random import seeds_behind
from graphc.frontend_keras.backend.variables import Variable
from graphc.frontend_keras.saving.text import json_value
from graphc.frontend_keras.utils import global_random
from graphc.runtime.writes import store

_KEYS = {"made_with", "facts", "position", "order", "stream", "random", "states", "callbacks"}
_MOST = 2**53


@dataclass
class Position:
    """Where a training is: `batch` batches of epoch `epoch` are done, and `steps` batches in all.

    stopped  whether a callback has ended the training
    size     the samples of the last batch of a Sequence
    order    the order of the samples, or None
    stream   where Sequences are: {"training": position, "validation": position}, each None where there is none;
             or None, for a training on arrays. A position: {"queue": of batches made ahead, "sequence": its own state}
    chance   the states of the global generators there; None: as they are
    """

    epoch: int = 0
    batch: int = 0
    steps: int = 0
    stopped: bool = False
    size: int = 0
    order: np.ndarray | None = None
    stream: Any = None
    chance: dict[str, Any] | None = None


class Memory:
    """The parts of one training: reads them out, and sets them again.

    function  the training function; it need not be compiled
    facts     arguments and shapes that must be equal when the training goes on
    """

    def __init__(self, model: Any, function: Any, facts: Mapping[str, Any]):
        self.model = model
        self.callbacks: list[Any] = []
        tensors = walk([*function.outputs, *function.assignments.values(), *function.assignments])
        found = [*model.weights, *model.optimizer.weights, *(t for t in tensors if isinstance(t, State))]
        self.states: list[State] = list(dict.fromkeys(found))
        self.seeds = seeds_behind(tensors)
        self.facts = json.loads(json.dumps({**_facts(model, self.states), "seeds": len(self.seeds), **facts}))

    # ---- out of the training

    def taken(self, position: Position) -> dict[str, Any]:
        """Everything, for a checkpoint; arrays are the live ones."""
        return {
            "made_with": _made_with(), "facts": self.facts,
            "position": {"epoch": position.epoch, "batch": position.batch, "steps": position.steps,
                         "stopped": bool(position.stopped), "size": position.size},
            "order": position.order, "stream": position.stream,
            "random": {**(position.chance or global_random.get_state()),
                       "seeds": self.model._functions.seeds(self.seeds)},
            "states": [[state.value.hint, *_parts(state)] for state in self.states],
            "callbacks": [[name, number, state] for name, number, callback in _numbered(self.callbacks)
                          if (state := _state_of(callback)) is not None]}

    # ---- into it

    def check(self, found: Any) -> None:
        """Raise ModelFormatError for what makes no sense, whatever the training is."""
        if not isinstance(found, dict) or found.keys() != _KEYS:
            raise ModelFormatError("not the state of a training", got=f"{found!r:.200}")
        _check_position(found["position"], found["facts"], found["order"])
        _check_stream(found["stream"])
        _check_random(found["random"])
        for entry in _listed(found["states"], 3, "states"):
            name, table, scale = entry
            if not isinstance(name, str) or not isinstance(table, np.ndarray) \
                    or not (scale is None or (isinstance(scale, np.ndarray) and scale.shape == ()
                                              and scale.dtype == table.dtype)):
                raise ModelFormatError("not a state", where="states", got=f"{name!r:.80}")
        shapes = [[table.dtype.name, list(table.shape)] for _, table, _ in found["states"]]
        if not isinstance(found["facts"], dict) or found["facts"].get("states") != shapes:
            raise ModelFormatError("the states are not those that the checkpoint says", where="states",
                                   got=f"{len(shapes)} arrays")
        if len(found["random"]["seeds"]) != found["facts"].get("seeds"):
            raise ModelFormatError("another number of seeds than the checkpoint says", where="random")
        for entry in _listed(found["callbacks"], 3, "callbacks"):
            if not isinstance(entry[0], str) or not _whole(entry[1]):
                raise ModelFormatError("not a callback's state", where="callbacks", got=f"{entry!r:.80}")

    def compare(self, found: dict[str, Any], where: str) -> None:
        """Raise CheckpointError where the checkpoint is of another training; warn where bits may differ."""
        for name in [*self.facts, *(name for name in found["facts"] if name not in self.facts)]:
            saved, own = found["facts"].get(name), self.facts.get(name)
            if saved != own:
                at, saved, own = _difference(saved, own)
                raise CheckpointError(f"the checkpoint is of another training: other {name}{at}", where=where,
                                      expected=f"{saved!r:.300} as in the checkpoint", got=f"{own!r:.300}",
                                      fix="Change it back, or give another folder to train from the start.")
        generator = np.random.get_state(legacy=False)["bit_generator"]
        if found["random"]["numpy"]["bit_generator"] != generator:
            raise CheckpointError("NumPy's global generator is another", where=where, got=generator,
                                  expected=found["random"]["numpy"]["bit_generator"], fix="Set it before calling fit.")
        for name, own in _made_with().items():
            if isinstance(found["made_with"], dict) and found["made_with"].get(name) != own:
                warn(f"{where}: the checkpoint was made with {name} {found['made_with'].get(name)}, this is "
                     f"{own}: the training goes on, but not with the same bits")

    def restore_seeds(self, found: dict[str, Any]) -> None:
        """Set the seeds of random ops; functions that are made from now on have them."""
        self.model._functions.set_seeds(dict(zip(self.seeds, found["random"]["seeds"], strict=True)))

    def restore(self, found: dict[str, Any]) -> Position:
        """Set everything but the seeds to what a checkpoint that `check` and `compare` have passed holds."""
        self._restore_callbacks(found["callbacks"])
        global_random.set_state(found["random"])
        store(pair for state, (_, table, scale) in zip(self.states, found["states"], strict=True)
              for pair in _pairs(state, table, scale))
        self.model.stop_training = found["position"]["stopped"]
        order = None if found["order"] is None else found["order"].copy()
        return Position(**found["position"], order=order, stream=copy.deepcopy(found["stream"]))

    def _restore_callbacks(self, saved: list[Any]) -> None:
        present = {(name, number): callback for name, number, callback in _numbered(self.callbacks)}
        for name, number, state in saved:
            callback = present.get((name, number))
            if callback is not None and hasattr(callback, "set_state"):
                _give_state(callback, state)
            else:
                warn(f"the checkpoint holds the state of a callback {name}, and there is none now to take it")


def _numbered(callbacks: Sequence[Any]) -> list[tuple[str, int, Any]]:
    """Callbacks with the names of their classes, and how many of that class come before."""
    names = [type(callback).__name__ for callback in callbacks]
    return [(name, names[:i].count(name), callback) for i, (name, callback) in enumerate(zip(names, callbacks))]


def _give_state(callback: Any, state: Any) -> None:
    """Give it arrays that it may change. Raises CheckpointError for what is not its state."""
    try:
        callback.set_state(copy.deepcopy(state))
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise CheckpointError("the state of a callback is of another kind", where=type(callback).__name__,
                              got=f"{state!r:.100}, {type(error).__name__}: {error}") from error


def _state_of(callback: Any) -> Any:
    get_state: Callable[[], Any] | None = getattr(callback, "get_state", None)
    return None if get_state is None else get_state()


def _parts(state: State) -> tuple[np.ndarray, np.ndarray | None]:
    return state.parts() if isinstance(state, Variable) else (state.array, None)


def _pairs(state: State, table: np.ndarray, scale: np.ndarray | None) -> list[tuple[np.ndarray, Any]]:
    return state.to_set_parts(table, scale) if isinstance(state, Variable) else [(state.array, table)]


def _made_with() -> dict[str, str]:
    return {"graphc": graphc.__version__, "target": K.target(), "precision": K.precision()}


# ---- facts


def _facts(model: Any, states: Sequence[State]) -> dict[str, Any]:
    return {"layers": [[type(layer).__name__, [list(w.shape) for w in layer.weights]] for layer in model.layers],
            "configuration": _digest(model),
            "optimizer": [type(model.optimizer).__name__, _hypers(model.optimizer)],
            "loss": _plain(model.loss), "loss_weights": _plain(model.loss_weights),
            "metrics": list(model.metrics_names),
            "states": [[state.dtype, list(state.shape)] for state in states]}


def _hypers(optimizer: Any) -> dict[str, Any]:
    """The optimizer's configuration, with the values that its variables began with."""
    first = {name: value.initializer.tolist() for name, value in vars(optimizer).items()
             if isinstance(value, Variable) and isinstance(value.initializer, np.ndarray) and not value.rank}
    return {name: first.get(name, value) for name, value in _plain(optimizer.get_config()).items()}


def _digest(model: Any) -> str:
    """A hash of the model's configuration, with numbers in place of the names."""
    try:
        config = json.loads(json.dumps(model.get_config(), default=_by_name))
    except (GraphcError, NotImplementedError):
        return "none"
    names: dict[str, str] = {}
    _collect_names(config, names)
    return hashlib.sha256(json.dumps(_renamed(config, names), sort_keys=True).encode()).hexdigest()


def _collect_names(config: Any, names: dict[str, str]) -> None:
    if isinstance(config, dict):
        if isinstance(config.get("name"), str):
            names.setdefault(config["name"], f"#{len(names)}")
        for value in config.values():
            _collect_names(value, names)
    elif isinstance(config, list):
        for value in config:
            _collect_names(value, names)


def _renamed(config: Any, names: Mapping[str, str]) -> Any:
    if isinstance(config, dict):
        return {key: _renamed(value, names) for key, value in config.items()}
    if isinstance(config, list):
        return [_renamed(value, names) for value in config]
    return names.get(config, config) if isinstance(config, str) else config


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=_by_name))


def _by_name(value: Any) -> Any:
    try:
        return json_value(value)
    except (TypeError, NotImplementedError):
        return type(value).__name__


def _difference(saved: Any, own: Any) -> tuple[str, Any, Any]:
    """Where two facts differ first."""
    if isinstance(saved, list) and isinstance(own, list):
        for i, (a, b) in enumerate(zip(saved, own)):
            if a != b:
                return f", number {i + 1}", a, b
        return "", f"{len(saved)} of them", f"{len(own)} of them"
    return "", saved, own


# ---- checks


def _whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MOST


def _listed(value: Any, length: int, where: str) -> list[Any]:
    if not isinstance(value, list) or any(not isinstance(one, list) or len(one) != length for one in value):
        raise ModelFormatError("not a list of what belongs there", where=where, got=f"{value!r:.100}")
    return value


def _check_position(position: Any, facts: Any, order: Any) -> None:
    sound = (isinstance(position, dict) and position.keys() == {"epoch", "batch", "steps", "stopped", "size"}
             and all(_whole(position[name]) for name in ("epoch", "batch", "steps", "size"))
             and isinstance(position["stopped"], bool) and isinstance(facts, dict))
    if sound:
        most = facts.get("batches")
        sound = _whole(most) and position["batch"] <= most and position["batch"] <= position["steps"]
    if not sound:
        raise ModelFormatError("not a position in a training", where="position", got=f"{position!r:.200}")
    if order is not None:
        if not isinstance(order, np.ndarray) or order.dtype != np.int64 or order.ndim != 1:
            raise ModelFormatError("not an order of samples", where="order", got=f"{order!r:.80}")
        if not np.array_equal(np.sort(order), np.arange(len(order))) or len(order) != facts.get("samples"):
            raise ModelFormatError("not an order of all samples, each once", where="order", got=f"{len(order)} numbers")


def _check_stream(stream: Any) -> None:
    if stream is not None and not (_has_keys(stream, {"training", "validation"}) and all(
            one is None or _has_keys(one, {"queue", "sequence"}) for one in stream.values())):
        raise ModelFormatError("not the places of Sequences", where="stream", got=f"{stream!r:.100}")


def _has_keys(found: Any, keys: set[str]) -> bool:
    return isinstance(found, dict) and found.keys() == keys


def _check_random(found: Any) -> None:
    sound = (global_random.is_state(found) and found.keys() == {"numpy", "seeds", "python"}
             and isinstance(found["seeds"], list)
             and all(type(seed) is int and abs(seed) < 2**63 for seed in found["seeds"]))
    if not sound:
        raise ModelFormatError("not the states of random generators", where="random", got=f"{found!r:.100}")
