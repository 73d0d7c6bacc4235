"""Model: a network that can be trained, tested and asked.

What does not live here: what compile prepares (compile.py), the loops (training_arrays.py, fitting.py), batches of
the user's own code (training_generator.py), the compiled functions (functions.py), checks of data (standardize.py,
sample_weights.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, GraphcError, ShapeError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import optimizers
from graphc.frontend_keras.engine import compile as compiling
from graphc.frontend_keras.engine import fitting
from graphc.frontend_keras.engine import training_arrays as loops
from graphc.frontend_keras.engine.base_layer import Layer, trainable_clock
from graphc.frontend_keras.engine.functions import PREDICT, TEST, TRAIN, ModelFunctions
from graphc.frontend_keras.engine.input_layer import Input, InputLayer
from graphc.frontend_keras.engine.legacy import renamed_keywords
from graphc.frontend_keras.engine.network import Network
from graphc.frontend_keras.engine.own_calls import Body, held_layers
from graphc.frontend_keras.engine.rows import Rows
from graphc.frontend_keras.engine.sample_weights import weight_arrays
from graphc.frontend_keras.engine.shapes import positive
from graphc.frontend_keras.engine.standardize import check_lengths, input_arrays, target_arrays
from graphc.frontend_keras.engine.symbolic_data import Feed, refuse_symbolic
from graphc.frontend_keras.engine.training_generator import TrainingOnGenerators
from graphc.frontend_keras.engine.traversal import traceable
from graphc.frontend_keras.utils.generic_utils import unpack_singleton

__all__ = ["Model", "NotCompiledError"]

BATCH_SIZE = 32


class NotCompiledError(GraphcError, RuntimeError):
    """Training or testing was asked of a model that has not been compiled."""


class Model(TrainingOnGenerators, Network):
    """A network with compile, fit, evaluate and predict, on arrays and on generators of batches.

    inputs, outputs  tensors or lists of them, as for Network; without them, a subclass that defines `call`
    """

    _feed_targets: list[Any]
    _feed_sample_weights: list[Any]
    _feed_output_names: list[str]
    _feed_sample_weight_modes: list[str | None]
    _feed_output_shapes: list[tuple[int | None, ...]]
    _feed_loss_fns: list[Any]

    @renamed_keywords({"input": "inputs", "output": "outputs"})
    def __init__(self, inputs: Any = None, outputs: Any = None, name: str | None = None):
        self.optimizer: Any = None
        self.loss: Any = None
        self.metrics: Any = []
        self.loss_weights: Any = None
        self.sample_weight_mode: Any = None
        self.weighted_metrics: Any = None
        self.stop_training = False
        self.history: Any = None
        self._seconds_per_step: dict[tuple[int, int], float] = {}
        self._function_kwargs: dict[str, Any] = {}
        self._target_tensors: Any = None
        self._target_rows: dict[str, tuple[int | None, ...]] = {}
        self._structure_changed()
        super().__init__(inputs, outputs, name)

    def _structure_changed(self) -> None:
        """Forget everything that was compiled; it is compiled again, with the same arguments, when next needed."""
        self._is_compiled = False
        self._functions = ModelFunctions(self)
        self._forget_fast_paths()
        self.train_function = self.test_function = self.predict_function = None

    def _forget_fast_paths(self) -> None:
        self._fast: dict[str, Any] = {}
        self._checked_clock = -1

    # ---- building and compiling

    def build(self, input_shape: Any = None) -> None:
        """Make the graph of a subclass that defines `call`, for inputs of this shape (or list of shapes)."""
        if self.built:
            return
        if type(self).call is Network.call or input_shape is None:
            raise ArgumentError("the model has no inputs", where=self.name, fix="Pass inputs and outputs.")
        shapes = input_shape if isinstance(input_shape, list) else [input_shape]
        fixed = any(getattr(layer, "stateful", False) for layer in held_layers(self))
        inputs = [Input(batch_shape=(shape[0] if fixed else None, *shape[1:])) for shape in shapes]
        outputs = self.call(unpack_singleton(inputs))
        if traceable(inputs, outputs):
            self._init_graph(inputs, outputs)
        else:
            body = Body(self)
            self._init_graph(inputs, body(unpack_singleton(inputs)))
            self._unlisted = [body]
        self._layers = self._layers_in_order_of_attributes()
        self.input_names = self._feed_input_names = [f"input_{i + 1}" for i in range(len(self.inputs))]
        self.output_names = [f"output_{i + 1}" for i in range(len(self.outputs))]
        self._structure_changed()

    def _layers_in_order_of_attributes(self) -> list[Layer]:
        """The layers of a subclass that defines `call`, those in attributes first and in the order of these."""
        named = held_layers(self)
        return named + [layer for layer in self._layers
                        if layer not in named and not isinstance(layer, (InputLayer, Body))]

    def compile(self, optimizer: Any, loss: Any = None, metrics: Any = None, loss_weights: Any = None,
                sample_weight_mode: Any = None, weighted_metrics: Any = None, target_tensors: Any = None,
                **kwargs: Any) -> None:
        """Choose how to train.

        optimizer           a name, a configuration or an optimizer
        loss                a name or function (y_true, y_pred); or a list or dict of them, one for each output
        metrics             list of names or functions for all outputs, or a dict of them by output
        loss_weights        list or dict of the losses' factors in the total
        sample_weight_mode  "temporal" for one weight per time step; also as list or dict
        weighted_metrics    like metrics, but weighted as the loss is
        target_tensors      tensors to take as targets instead of new placeholders

        Other keywords go to K.function. A model that is not built yet is compiled when it is.
        Raises ArgumentError (a ValueError) for unknown names and wrong lengths; the model then stays as it was.
        """
        optimizer = optimizers.get(optimizer)
        if self.built:
            training = compiling.prepare(self, loss, metrics, loss_weights, sample_weight_mode, weighted_metrics,
                                         target_tensors)
            self._take(training)
        self._target_rows = {}
        self.optimizer, self.loss, self.metrics = optimizer, loss or [], metrics or []
        self.loss_weights, self.sample_weight_mode = loss_weights, sample_weight_mode
        self.weighted_metrics, self._target_tensors, self._function_kwargs = weighted_metrics, target_tensors, kwargs

    def _take(self, training: compiling.Training) -> None:
        self._structure_changed()
        self.__dict__.update(vars(training))
        self._is_compiled = True

    def _adapt_targets(self, targets: Sequence[Any]) -> None:
        """Compile again where an own loss gets targets of another shape than the output and than those before.

        The optimizer's state stays.
        """
        rows = compiling.own_target_rows(self, targets)
        if rows != self._target_rows:
            slots = self.optimizer.get_weights() if self._functions.have_slots else None
            self._take(compiling.prepare(self, self.loss, self.metrics, self.loss_weights, self.sample_weight_mode,
                                         self.weighted_metrics, self._target_tensors, rows))
            self._target_rows = rows
            if slots is not None:
                self._functions.keep_slots(slots)

    def _prepare_for(self, x: Any, targets: bool) -> None:
        """Build for the data `x` and compile, where that was put off.

        Raises NotCompiledError (a RuntimeError) when there is nothing to compile with.
        """
        if targets and self.optimizer is None:
            raise NotCompiledError("You must compile a model before training/testing. Use `model.compile(optimizer, "
                                   "loss)`", where=self.name)
        if not self.built:
            self._build_for_data(x)
        if targets and not self._is_compiled:
            self.compile(self.optimizer, self.loss, self.metrics, self.loss_weights, self.sample_weight_mode,
                         self.weighted_metrics, self._target_tensors, **self._function_kwargs)

    def _build_for_data(self, x: Any) -> None:
        arrays = x if isinstance(x, (list, tuple)) else [x]
        if isinstance(x, dict) or any(not hasattr(one, "shape") for one in arrays):
            raise ArgumentError("Please provide as model inputs either a single array or a list of arrays",
                                where=self.name, got=type(x).__name__, fix="Or give the first layer an input_shape.")
        shapes = [(None, *one.shape[1:]) if len(one.shape) > 1 else (None, 1) for one in arrays]
        self.build(unpack_singleton(shapes))

    def _uses_dynamic_learning_phase(self) -> bool:
        return self.uses_learning_phase and not isinstance(K.learning_phase(), int)

    def _check_trainable_weights_consistency(self) -> None:
        collected = getattr(self, "_collected_trainable_weights", None)
        if collected is not None and len(self.trainable_weights) != len(collected):
            warn("Discrepancy between trainable weights and collected trainable weights, did you set "
                 "`model.trainable` without calling `model.compile` after ?")

    def _function(self, kind: str, weighted: bool = False) -> Any:
        """The specialised function; warns where `trainable` has changed since compile."""
        if kind == TRAIN and self._checked_clock != trainable_clock():
            self._check_trainable_weights_consistency()
            self._checked_clock = trainable_clock()
        return self._functions.special(kind, weighted)

    def _make_train_function(self) -> None:
        """Make `train_function`: inputs, targets, sample weights and learning phase -> loss and metrics."""
        self._prepare_for(None, targets=True)
        self.train_function = self._functions.general(TRAIN)

    def _make_test_function(self) -> None:
        self._prepare_for(None, targets=True)
        self.test_function = self._functions.general(TEST)

    def _make_predict_function(self) -> None:
        self.predict_function = self._functions.general(PREDICT)

    # ---- data

    def _standardize_user_data(self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None,
                               batch_size: int | None = None) -> tuple[list[Any], list[Any], list[Any]]:
        """Lists of inputs, targets and sample weights; weights of 1 where none are given."""
        inputs, targets, weights = self._data(x, y, sample_weight, class_weight, batch_size, targets=y is not None)
        if weights is None:
            weights = [np.ones(one.shape[:K.ndim(w)], K.floatx())
                       for one, w in zip(targets, self._feed_sample_weights)] if targets else []
        return inputs, targets, weights

    def _data(self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None,
              batch_size: int | None = None, targets: bool = True) -> tuple[list[Any], list[Any], list[Any] | None]:
        """Checked inputs and targets, and weights where they are not all 1."""
        self._prepare_for(x, targets)
        inputs = input_arrays(x, self._feed_input_names, self._feed_input_shapes, "input")
        for name, one in zip(self._feed_input_names, inputs):
            if one is None:
                raise ArgumentError(f"No data provided for \"{name}\"", where=self.name, got="None")
        outputs: list[Any] = []
        weights = None
        if targets:
            outputs = target_arrays(self, y)
            self._adapt_targets(outputs)
            weights = weight_arrays(sample_weight, class_weight, outputs, self._feed_output_names,
                                    self._feed_sample_weight_modes)
        check_lengths(inputs, outputs, weights or [])
        if self.stateful and batch_size and inputs and inputs[0].shape[0] % batch_size:
            raise ShapeError("In a stateful network, you should only pass inputs with a number of samples that can be "
                             f"divided by the batch size. Found: {inputs[0].shape[0]} samples", where=self.name)
        return inputs, outputs, weights

    def _rows(self, kind: str, inputs: list[Any], targets: Sequence[Any] = (), weights: Sequence[Any] | None = None
              ) -> tuple[Any, Rows]:
        """The function for this data, compiled, and the data in its element types.

        Raises ArgumentError where there are no samples, CompileError.
        """
        function = self._function(kind, weights is not None)
        refuse_symbolic([*inputs, *targets], self.name, "steps")
        rows = Rows([*inputs, *targets, *(weights or ())], function.inputs)
        if not rows.count:
            raise ArgumentError("there are no samples", where=self.name, got=f"shapes {[a.shape for a in inputs]}")
        function.executable  # noqa: B018 (so that no progress bar counts compiling as work)
        return function, rows

    # ---- training, testing, prediction

    def fit(self, x: Any = None, y: Any = None, batch_size: int | None = None, epochs: int = 1, verbose: int = 1,
            callbacks: Sequence[Any] | None = None, validation_split: float = 0.0, validation_data: Any = None,
            shuffle: Any = True, class_weight: Any = None, sample_weight: Any = None, initial_epoch: int = 0,
            steps_per_epoch: int | None = None, validation_steps: int | None = None, checkpoint: Any = None,
            **kwargs: Any) -> Any:
        """Train; returns the History.

        x, y              arrays, lists of them, or dicts of them by layer name; first axis: samples
        batch_size        samples of a step, default 32
        epochs            passes over the data; `initial_epoch` of them are counted as done
        verbose           1 a progress bar, 2 a line per epoch, 0 nothing
        validation_split  share of the samples, the last ones, to validate on; before shuffling
        validation_data   (x, y) or (x, y, sample_weight) to validate on instead
        shuffle           True: samples anew for each epoch, by NumPy's global generator; "batch": whole batches
        class_weight      class -> weight; sample_weight: one number per sample (or step)
        steps_per_epoch   steps that each take all of the data, or none where tensors are the data
        checkpoint        a folder: the training goes on from the last checkpoint in it, with the bits of never having
                          stopped, and makes one after each epoch. Or a callbacks.BackupAndRestore, which says more

        Raises ArgumentError and ShapeError (ValueErrors) for data that do not fit, NotCompiledError; with checkpoints
        CheckpointError (a ValueError) and StorageError (an OSError).
        """
        return fitting.fit(self, x, y, batch_size, epochs, verbose, callbacks, validation_split, validation_data,
                           shuffle, class_weight, sample_weight, initial_epoch, steps_per_epoch, validation_steps,
                           checkpoint, kwargs)

    def evaluate(self, x: Any = None, y: Any = None, batch_size: int | None = None, verbose: int = 1,
                 sample_weight: Any = None, steps: int | None = None) -> Any:
        """The loss, or a list of the loss and the metrics (see metrics_names), over the data.

        Arguments as for `fit`. Results are means over the batches, weighted by their sizes.
        """
        if x is None and y is None and steps is None:
            raise ArgumentError("If evaluating from data tensors, you should specify the `steps` argument",
                                where=self.name)
        inputs, targets, weights = self._data(x, y, sample_weight, targets=y is not None or x is not None)
        if steps is not None:
            function = self._function(TEST, weights is not None)
            results = loops.evaluate_steps(self, function, [*inputs, *targets, *(weights or ())],
                                           positive(steps, "steps", self.name), verbose)
        else:
            size = positive(BATCH_SIZE if batch_size is None else batch_size, "batch_size", self.name)
            function, rows = self._rows(TEST, inputs, targets, weights)
            results = loops.evaluate_loop(self, function, rows, size, verbose)
        return unpack_singleton(results)

    def predict(self, x: Any, batch_size: int | None = None, verbose: int = 0, steps: int | None = None) -> Any:
        """The outputs for `x`, in the order of the samples; a list where the model has several outputs."""
        fast = self._fast.get(PREDICT)
        if (fast is not None and type(x) is np.ndarray and x.shape[1:] == fast[0] and not verbose and steps is None
                and 0 < len(x) <= (BATCH_SIZE if batch_size is None else batch_size if type(batch_size) is int else 0)):
            return fast[1]((x,))[0]
        if x is None and steps is None:
            raise ArgumentError("If predicting from data tensors, you should specify the `steps` argument",
                                where=self.name)
        inputs = self._data(x, None, targets=False)[0]
        if steps is not None:
            return unpack_singleton(loops.predict_steps(self._function(PREDICT), inputs,
                                                        positive(steps, "steps", self.name), verbose))
        size = positive(BATCH_SIZE if batch_size is None else batch_size, "batch_size", self.name)
        self._check_stateful_prediction(inputs, size)
        function, rows = self._rows(PREDICT, inputs)
        self._remember(PREDICT, function)
        return unpack_singleton(loops.predict_loop(function, rows, size, verbose))

    def _check_stateful_prediction(self, inputs: list[Any], batch_size: int) -> None:
        if self.stateful and inputs[0].shape[0] > batch_size and inputs[0].shape[0] % batch_size:
            raise ShapeError("In a stateful network, you should only pass inputs with a number of samples that can be "
                             f"divided by the batch size. Found: {inputs[0].shape[0]} samples. Batch size: "
                             f"{batch_size}", where=self.name)

    def _remember(self, kind: str, function: Any) -> None:
        """Let single arrays of exactly the right shape go straight to the function from now on."""
        rows = [K.int_shape(x)[1:] for x in function.inputs]
        if len(self._feed_inputs) == 1 and len(rows) == (1 if kind == PREDICT else 2) and len(self.outputs) == 1 \
                and not any(None in row for row in rows):
            self._fast[kind] = (*rows, function)

    def train_on_batch(self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None) -> Any:
        """One step of training on one batch; the loss, or a list of the loss and the metrics, before the step."""
        fast = self._fast.get(TRAIN)
        if (fast is not None and type(x) is np.ndarray and type(y) is np.ndarray and x.shape[1:] == fast[0]
                and y.shape[1:] == fast[1] and len(x) == len(y) > 0 and sample_weight is None and class_weight is None
                and self._checked_clock == trainable_clock()):
            return unpack_singleton(fast[2]((x, y)))
        return self._on_batch(TRAIN, x, y, sample_weight, class_weight)

    def test_on_batch(self, x: Any, y: Any, sample_weight: Any = None) -> Any:
        """The loss, or a list of the loss and the metrics, of one batch."""
        fast = self._fast.get(TEST)
        if (fast is not None and type(x) is np.ndarray and type(y) is np.ndarray and x.shape[1:] == fast[0]
                and y.shape[1:] == fast[1] and len(x) == len(y) > 0 and sample_weight is None):
            return unpack_singleton(fast[2]((x, y)))
        return self._on_batch(TEST, x, y, sample_weight, None)

    def _on_batch(self, kind: str, x: Any, y: Any, sample_weight: Any, class_weight: Any) -> Any:
        inputs, targets, weights = self._data(x, y, sample_weight, class_weight)
        if not inputs and not targets:
            return unpack_singleton(self._function(kind)([]))
        inputs, targets = Feed(inputs)(), Feed(targets)()
        function, rows = self._rows(kind, inputs, targets, weights)
        if weights is None:
            self._remember(kind, function)
        return unpack_singleton(function(rows.take(0, rows.count)))

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch."""
        fast = self._fast.get(PREDICT)
        if fast is not None and type(x) is np.ndarray and x.shape[1:] == fast[0] and len(x):
            return fast[1]((x,))[0]
        inputs = Feed(self._data(x, None, targets=False)[0])()
        if not inputs:
            return unpack_singleton(self._function(PREDICT)([]))
        function, rows = self._rows(PREDICT, inputs)
        self._remember(PREDICT, function)
        return unpack_singleton(function(rows.take(0, rows.count)))
