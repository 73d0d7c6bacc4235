"""TensorBoard: what a training does, in files that the program of that name shows.

What does not live here: the format of the files (event_files.py, event_graphs.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from graphc.errors import ArgumentError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.callbacks import event_files
from graphc.frontend_keras.callbacks.base import Callback, Logs, replayable
from graphc.frontend_keras.callbacks.event_graphs import model_graph
from graphc.frontend_keras.utils.checks import finite, path


class TensorBoard(Callback):
    """Writes event files: scalars, histograms, images, the graph, and tables for the projector.

    log_dir          folder, made where it is missing; each training writes a file of its own
    histogram_freq   every how many epochs histograms of weights and activations are written, 0 never; needs validation
                     data that are arrays
    batch_size       rows of validation data, or of embeddings_data, at once; each batch gives a histogram
    write_graph      whether the layers and their connections are written
    write_grads      whether histograms of the total loss's gradients are written, where weights are trained
    write_images     whether weights of up to 3 axes longer than 1 are written as images, with the histograms
    embeddings_freq  every how many epochs what layers make of `embeddings_data` is written, 0 never
    embeddings_layer_names  these layers; default: all Embedding layers
    embeddings_metadata     file of labels, one a line, or a dict of them by layer
    embeddings_data         array, or a list of them, one for each input of the model
    update_freq      "epoch", "batch", or a number of samples after which scalars are written; then steps count samples

    The table of a layer is LAYER_embedding.tsv, one line for each row of embeddings_data, beside
    projector_config.pbtxt. Raises ImportError without the package tensorboardX, ArgumentError (a ValueError) at the end
    of an epoch where data for histograms or embeddings are missing, and at once for a frequency that is none.
    """

    def __init__(self, log_dir: str = "./logs", histogram_freq: int = 0, batch_size: int = 32,
                 write_graph: bool = True, write_grads: bool = False, write_images: bool = False,
                 embeddings_freq: int = 0, embeddings_layer_names: Any = None, embeddings_metadata: Any = None,
                 embeddings_data: Any = None, update_freq: Any = "epoch"):
        super().__init__()
        if update_freq not in ("epoch", "batch"):
            finite(update_freq, "update_freq", 'TensorBoard ("epoch", "batch" or a number of samples)', at_least=0)
        for name, freq in (("histogram_freq", histogram_freq), ("embeddings_freq", embeddings_freq)):
            finite(freq or 0, name, "TensorBoard", at_least=0)
        if histogram_freq or embeddings_freq:
            finite(batch_size, "batch_size", "TensorBoard", at_least=1)
        self._protocol = event_files.protocol()
        self.log_dir = path(log_dir, "log_dir", "TensorBoard")
        self.histogram_freq, self.batch_size = histogram_freq, batch_size
        self.write_graph, self.write_grads, self.write_images = write_graph, write_grads, write_images
        self.embeddings_freq, self.embeddings_layer_names = embeddings_freq, embeddings_layer_names
        self.embeddings_metadata, self.embeddings_data = embeddings_metadata or {}, embeddings_data
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self.samples_seen = self.samples_seen_at_last_write = 0
        self.writer: Any = None
        self._forget()

    def _forget(self) -> None:
        self._watched: tuple[list[str], Any] | None = None
        self._embeddings: tuple[list[str], Any] | None = None

    def get_state(self) -> Any:
        return {"seen": self.samples_seen, "written": self.samples_seen_at_last_write}

    def set_state(self, state: Any) -> None:
        self.samples_seen, self.samples_seen_at_last_write = state["seen"], state["written"]

    def set_model(self, model: Any) -> None:
        self.model = model
        self._forget()
        if self.writer is not None:
            self.writer.close()
        self.writer = event_files.EventWriter(self.log_dir)
        if self.write_graph:
            self.writer.add_graph(model_graph(self._protocol, model))
        if self.embeddings_freq and self.embeddings_data is not None:
            from graphc.frontend_keras.engine.standardize import input_arrays  # which imports the callbacks
            self.embeddings_data = input_arrays(self.embeddings_data, model.input_names,
                                                [None] * len(model.input_names), "embeddings_data")
            self._write_projector_config(model)
        self.writer.flush()

    @replayable
    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        if self.update_freq == "epoch":
            return
        logs = logs or {}
        self.samples_seen += logs["size"]
        if self.samples_seen - self.samples_seen_at_last_write >= self.update_freq:
            self._write_logs(logs, self.samples_seen)
            self.samples_seen_at_last_write = self.samples_seen

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.histogram_freq and not self.validation_data:
            raise ArgumentError("If printing histograms, validation_data must be provided, and cannot be a generator",
                                where="TensorBoard", fix="Give fit validation_data, or set histogram_freq=0.")
        if self.embeddings_freq and self.embeddings_data is None:
            raise ArgumentError("To visualize embeddings, embeddings_data must be provided", where="TensorBoard")
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
            self._write_watched(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._write_embeddings()
        self._write_logs(logs or {}, epoch if self.update_freq == "epoch" else self.samples_seen)

    def on_train_end(self, logs: Logs = None) -> None:
        self.writer.close()
        self.writer = None

    def _write_logs(self, logs: Mapping[str, Any], index: int) -> None:
        self.writer.add([event_files.scalar(self._protocol, name, np.asarray(value).item())
                         for name, value in logs.items() if name not in ("batch", "size")], index)
        self.writer.flush()

    # ---- histograms

    def _write_weights(self, epoch: int) -> None:
        for weight in (weight for layer in self.model.layers for weight in layer.weights):
            tag, value = _tag(weight), K.get_value(weight)
            self.writer.add([event_files.histogram(self._protocol, tag, value)], epoch)
            pictures = as_pictures(value) if self.write_images else None
            if pictures is not None:
                self.writer.add(event_files.images(self._protocol, tag, pictures), epoch)

    def _write_watched(self, epoch: int) -> None:
        """Activations and gradients, which depend on data."""
        if self._watched is None:
            self._watched = self._watch()
        tags, function = self._watched
        inputs = self.model._feed_inputs + self.model._feed_targets + self.model._feed_sample_weights
        for batch in _batches(self.validation_data[:len(inputs)], self.batch_size):
            values = function([*batch, *self.validation_data[len(inputs):]])
            self.writer.add([event_files.histogram(self._protocol, tag, value)
                             for tag, value in zip(tags, values, strict=True)], epoch)

    def _watch(self) -> tuple[list[str], Any]:
        """Tags, and the function of inputs, targets, weights and perhaps the phase that gives what they name."""
        model, found = self.model, dict[str, Any]()
        for layer in model.layers:
            outputs = getattr(layer, "output", None)
            if isinstance(outputs, list):
                found.update((f"{layer.name}_out_{i}", one) for i, one in enumerate(outputs))
            elif outputs is not None:
                found[f"{layer.name}_out"] = outputs
        if self.write_grads:
            trained = model._collected_trainable_weights
            gradients = model.optimizer.get_gradients(model.total_loss, trained)
            found.update((f"{_tag(weight)}_grad", one) for weight, one in zip(trained, gradients, strict=True))
        phase = [K.learning_phase()] if model._uses_dynamic_learning_phase() else []
        inputs = [*model._feed_inputs, *model._feed_targets, *model._feed_sample_weights, *phase]
        return list(found), K.function(inputs, [K.identity(x) for x in found.values()], name="tensorboard")

    # ---- embeddings

    def _embedding_layers(self, model: Any) -> list[Any]:
        names = self.embeddings_layer_names
        return [layer for layer in model.layers
                if (layer.name in names if names else type(layer).__name__ == "Embedding")]

    def _write_projector_config(self, model: Any) -> None:
        lines = []
        for layer in self._embedding_layers(model):
            given = self.embeddings_metadata
            metadata = given if isinstance(given, str) else given.get(layer.name)
            fields = {"tensor_name": f"{layer.name}_embedding", "tensor_path": f"{layer.name}_embedding.tsv",
                      **({} if metadata is None else {"metadata_path": os.fspath(metadata)})}
            lines += ["embeddings {", *(f"  {key}: {json.dumps(value)}" for key, value in fields.items()), "}"]
        with open(os.path.join(self.log_dir, "projector_config.pbtxt"), "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)

    def _write_embeddings(self) -> None:
        layers = self._embedding_layers(self.model)
        if self._embeddings is None:
            phase = [K.learning_phase()] if self.model._uses_dynamic_learning_phase() else []
            function = K.function([*self.model._feed_inputs, *phase], [layer.output for layer in layers])
            self._embeddings = ([0.0] * len(phase), function)  # type: ignore[list-item]
        phases, function = self._embeddings
        parts = [function([*batch, *phases]) for batch in _batches(self.embeddings_data, self.batch_size)]
        for layer, columns in zip(layers, zip(*parts)):
            table = np.concatenate([one.reshape(len(one), -1) for one in columns])
            np.savetxt(os.path.join(self.log_dir, f"{layer.name}_embedding.tsv"), table, fmt="%.8g", delimiter="\t")


def _tag(weight: Any) -> str:
    return str(weight.name).replace(":", "_")


def _batches(arrays: list[Any], batch_size: int) -> Iterator[list[Any]]:
    for start in range(0, len(arrays[0]), batch_size):
        yield [one[start:start + batch_size] for one in arrays]


def as_pictures(weight: np.ndarray) -> np.ndarray | None:
    """A weight as (number, rows, columns): a matrix lies down, a vector stands up, of three axes each map is one.

    None for numbers alone and for more axes than that, axes of length 1 not counted.
    """
    value = np.squeeze(weight)
    if value.ndim == 1:
        return value.reshape(1, -1, 1)
    if value.ndim == 2:
        return (value.T if value.shape[0] > value.shape[1] else value)[np.newaxis]
    if value.ndim == 3:
        return value.transpose(2, 0, 1) if K.image_data_format() == "channels_last" else value
    return None
