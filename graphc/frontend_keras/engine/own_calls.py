"""Models that define `call`: the layers that they hold, and graphs where `call` uses functions of K beside layers.

Where `call` is made of layers alone, the model's graph is that of these layers. Where not, it is one layer, Body, whose
`call` is the model's; what the layers inside attach to a call (activity penalties, batch statistics) hangs on Body's.

What does not live here: when such a model is built (training.py), how graphs are run (network.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.base_layer import Layer
from graphc.frontend_keras.utils.generic_utils import to_list

_OF_GRAPH = ("_layers", "_layers_by_depth", "_input_layers", "_output_layers", "_input_coordinates",
             "_output_coordinates", "_unlisted")


def held_layers(model: Any) -> list[Layer]:
    """The layers in a model's attributes, and in lists, tuples and dicts there, in their order, each once."""
    return list(dict.fromkeys(layer for name, value in vars(model).items() if name not in _OF_GRAPH
                              for layer in _layers_in(value)))


def _layers_in(value: Any) -> Iterable[Layer]:
    if isinstance(value, Layer):
        yield value
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _layers_in(one)
    elif isinstance(value, Mapping):
        yield from _layers_in(list(value.values()))


class Called:
    """The outputs of one run of a model's `call`, and what its layers attached meanwhile.

    losses, updates  what hangs on the inputs
    state_updates    those of the updates that stateful layers make
    fixed            losses that hang on no input, as those of weights
    """

    def __init__(self, model: Any, inputs: Any, keywords: Mapping[str, Any]):
        layers = list(dict.fromkeys([*held_layers(model), *model.layers]))
        known = {layer: set(layer._state_updates) for layer in layers if hasattr(layer, "_state_updates")}
        with ExitStack() as stack:
            moved = [(layer, *stack.enter_context(layer._attachments_moved())) for layer in layers]
            self.outputs = model.call(inputs, **keywords)
        self.fixed = [loss for layer in layers for loss in layer.get_losses_for(None)]
        self.losses = [loss for _, losses, _ in moved for loss in losses]
        self.updates = [update for _, _, updates in moved for update in updates]
        self.state_updates = [update for layer, _, updates in moved if layer not in known
                              and getattr(layer, "stateful", False) for update in updates]
        self.state_updates += [update for layer, before in known.items() for key in set(layer._state_updates) - before
                               for update in layer._state_updates[key]]


class Body(Layer):
    """A model's `call` as one layer without weights: these are the layers', which the model lists."""

    supports_masking = True

    def __init__(self, model: Any):
        super().__init__(name=f"{model.name}_call")
        self._model = model
        self._state_updates: dict[tuple[Any, ...], list[Any]] = {}

    def _call_and_mask(self, inputs: Any, masks: Any, kwargs: dict[str, Any]) -> tuple[Any, Any]:
        done = Called(self._model, inputs, kwargs)
        self.add_loss([loss for loss in done.fixed if not any(loss is one for one in self.get_losses_for(None))])
        self.add_loss(done.losses, to_list(inputs))
        self.add_update(done.updates, to_list(inputs))
        self._state_updates[tuple(to_list(inputs))] = done.state_updates
        outputs = [K.identity(x) for x in to_list(done.outputs, allow_tuple=True)]
        output_masks = [getattr(x, "_keras_mask", None) for x in to_list(done.outputs, allow_tuple=True)]
        return (outputs, output_masks) if isinstance(done.outputs, (list, tuple)) else (outputs[0], output_masks[0])
