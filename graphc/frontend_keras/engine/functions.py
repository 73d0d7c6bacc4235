"""The compiled functions of a model: training, testing, prediction.

Each comes in two forms. The general one takes inputs, targets, sample weights and the learning phase, as Keras's
functions do. The specialised one has the phase compiled in, and sample weights of 1 unless they are asked for, so
that the compiler can fold both away; it is what fit, evaluate and predict call.

What does not live here: loops over batches (training_arrays.py), compiling (backend/function.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.phases import phase_givens
from graphc.runtime.guards import lock_for_forks

TRAIN, TEST, PREDICT = "train", "test", "predict"


class ModelFunctions:
    """The functions of one compiled state of a model, each made when it is first needed."""

    def __init__(self, model: Any):
        self.model = model
        self._made: dict[Any, Any] = {}
        self._making = lock_for_forks()
        self._training_updates: list[Any] | None = None
        self._seeds: dict[Any, int] = {}

    def seeds(self, tensors: Sequence[Any]) -> list[int]:
        """The seeds of random ops (backend/random.py) that the functions have compiled in."""
        return [self._seeds.get(t, t.op.attr("value")) for t in tensors]

    def set_seeds(self, seeds: Mapping[Any, int]) -> None:
        """Compile these seeds in; functions that have others are made anew."""
        if any(self._seeds.get(t, t.op.attr("value")) != seed for t, seed in seeds.items()):
            self._seeds = dict(seeds)
            self._made.clear()
            self.model._forget_fast_paths()

    @property
    def have_slots(self) -> bool:
        """Whether the optimizer has made its state for these functions."""
        return self._training_updates is not None

    def keep_slots(self, arrays: list[Any]) -> None:
        """Let the optimizer's state begin with these arrays, where they fit: those of functions no longer needed.

        They do not where other weights are trained now.
        """
        self._optimizer_updates()
        optimizer = self.model.optimizer
        if [array.shape for array in arrays] == [tuple(K.int_shape(weight)) for weight in optimizer.weights]:
            optimizer.set_weights(arrays)

    def general(self, kind: str) -> Any:
        """The K.function with Keras's signature."""
        return self._get((kind, "general"), lambda: self._general(kind))

    def special(self, kind: str, weighted: bool = False) -> Any:
        """The K.function with a fixed phase.

        weighted  whether sample weights are inputs, after the targets
        """
        return self._get((kind, weighted), lambda: self._special(kind, weighted))

    def _get(self, key: Any, make: Any) -> Any:
        if key not in self._made:
            with self._making:
                if key not in self._made:
                    self._made[key] = make()
        return self._made[key]

    def _general(self, kind: str) -> Any:
        inputs = self._inputs(kind, weighted=True)
        phase = K.learning_phase()
        if self.model._uses_dynamic_learning_phase():
            inputs.append(phase)
        return K.function(inputs, self._outputs(kind), updates=self._updates(kind), name=f"{kind}_function",
                          givens=self._seeds, **self._keywords(kind))

    def _special(self, kind: str, weighted: bool) -> Any:
        outputs, updates = self._outputs(kind), self._updates(kind)
        news = [value for update in updates for value in (update if isinstance(update, tuple) else [update])]
        givens: dict[Any, Any] = {**self._seeds, **phase_givens([*outputs, *news], kind == TRAIN)}
        if not weighted and kind != PREDICT:
            givens.update((weights, 1.0) for weights in self.model._feed_sample_weights)
        return K.function(self._inputs(kind, weighted), outputs, updates=updates, name=f"{kind}_function",
                          givens=givens, **self._keywords(kind))

    def _inputs(self, kind: str, weighted: bool) -> list[Any]:
        model = self.model
        if kind == PREDICT:
            return list(model._feed_inputs)
        return [*model._feed_inputs, *model._feed_targets, *(model._feed_sample_weights if weighted else [])]

    def _outputs(self, kind: str) -> list[Any]:
        model = self.model
        return list(model.outputs) if kind == PREDICT else [model.total_loss, *model.metrics_tensors]

    def _updates(self, kind: str) -> list[Any]:
        model = self.model
        if kind == PREDICT:
            return model.state_updates
        if kind == TEST:
            return model.state_updates + model.metrics_updates
        return model.updates + self._optimizer_updates() + model.metrics_updates

    def _optimizer_updates(self) -> list[Any]:
        """The updates of one step. The optimizer makes its slots here, so it is asked only once."""
        if self._training_updates is None:
            model = self.model
            with K.name_scope("training"), K.name_scope(type(model.optimizer).__name__):
                self._training_updates = list(model.optimizer.get_updates(
                    params=model._collected_trainable_weights, loss=model.total_loss))
        return self._training_updates

    def _keywords(self, kind: str) -> dict[str, Any]:
        return {} if kind == PREDICT and not self.model._is_compiled else self.model._function_kwargs
