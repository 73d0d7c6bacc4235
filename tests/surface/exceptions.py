"""What the table of the surface may lack, each with a reason.

A path stands for itself and everything below it. What does not live here: finding out what is lacking (report.py).
"""

from __future__ import annotations

# Being built: when a line's work is here, the line goes; test_surface.py fails for one that lacks nothing any more.
PENDING: dict[str, tuple[str, ...]] = {}

# Here, and made so that it raises an error that says what to use instead.
REFUSED = {
    "keras.backend.get_session": "use K.function, K.eval, K.get_value or K.set_value",
    "keras.backend.set_session": "leave it out; K.set_target chooses the device",
    "keras.backend.ctc_label_dense_to_sparse": "K.ctc_batch_cost takes dense labels",
    "keras.optimizers.TFOptimizer": "use the optimizer of the same name in keras.optimizers",
}

ABSENT = {
    "keras.utils.generic_utils.func_dump": "no bytecode is ever written or loaded",
    "keras.utils.generic_utils.func_load": "no bytecode is ever written or loaded",
    "keras.utils.data_utils.get_index": "for Keras's worker processes only",
    "keras.utils.data_utils.init_pool": "for Keras's worker processes only",
    "keras.utils.data_utils.init_pool_generator": "for Keras's worker processes only",
    "keras.utils.data_utils.next_sample": "for Keras's worker processes only",
    "keras.engine.saving.load_attributes_from_hdf5_group": "files are read by parts that no model knows",
    "keras.engine.saving.save_attributes_to_hdf5_group": "files are written by parts that no model knows",
    "keras.engine.saving.preprocess_weights_for_loading": "old orders of weights are translated as files are read",
    "keras.engine.saving.pickle_model": "pickle and copy work on models",
    "keras.engine.saving.unpickle_model": "pickle and copy work on models",
    "keras.optimizers.TFOptimizer.weights": "there is no TensorFlow to have them",
    "keras.layers.Layer.built": "an attribute of each layer",
    "keras.layers.Bidirectional.constraints": "empty in Keras 2.2.4, whose layers have no such attribute",
    "keras.layers.ConvLSTM2DCell.input_conv": "part of call",
    "keras.layers.ConvLSTM2DCell.recurrent_conv": "part of call",
    "keras.layers.CuDNNGRU.cell": "LSTM and GRU of their own weights stand for the CuDNN layers",
    "keras.layers.CuDNNLSTM.cell": "LSTM and GRU of their own weights stand for the CuDNN layers",
}

DIFFERENT = {
    "keras.backend.Function": "the options of TensorFlow's sessions have nobody to serve",
}

UNTESTED: dict[str, str] = {}


def pending(path: str) -> str | None:
    """What the work is called that will bring the name, if there is some."""
    return next((work for work, starts in PENDING.items() if below(path, starts)), None)


def below(path: str, starts: tuple[str, ...]) -> bool:
    return any(path == start or path.startswith(f"{start}.") for start in starts)
