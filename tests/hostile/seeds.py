"""Sound files that mutations begin with: recordings of real Keras, and small models of the frontend.

What does not live here: mutations.
"""

import io
import json
import warnings
from functools import cache
from pathlib import Path

import h5py
import numpy as np

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import (
    LSTM,
    BatchNormalization,
    Bidirectional,
    Conv2D,
    Dense,
    Embedding,
    Flatten,
    Input,
    MaxPooling2D,
    TimeDistributed,
    add,
    concatenate,
)
from graphc.frontend_keras.models import Model, Sequential

CASES = Path(__file__).parents[1] / "reference" / "cases"
LARGEST = 6000  # characters of a text that is mutated


@cache
def small_models():
    """Models that are quickly built and saved, of many kinds of layers."""
    K.clear_session()
    image, words = Input((6, 6, 2), name="image"), Input((5,), name="words", dtype="int32")
    seen = Flatten(name="f")(MaxPooling2D(name="p")(BatchNormalization(name="n")(Conv2D(3, 3, name="c")(image))))
    read = Bidirectional(LSTM(2, name="l"), name="b")(Embedding(7, 3, name="e")(words))
    both = Model([image, words], Dense(2, activation="softmax", name="d")(concatenate([seen, read], name="j")), name="vqa")
    x = Input((4, 3), name="x")
    rows = TimeDistributed(Dense(3, name="r"), name="t")(x)
    net = Model(x, add([x, rows], name="a"), name="rows")
    plain = Sequential([Dense(3, input_shape=(4,), name="d1", activation="relu", kernel_regularizer="l2"),
                        Dense(2, name="d2")], name="plain")
    plain.compile("adam", "mse", metrics=["mae"])
    plain.train_on_batch(np.ones((2, 4)), np.ones((2, 2)))
    return [both, net, plain]


@cache
def trees():
    """Configurations as values."""
    found = [json.loads(model.to_json()) for model in small_models()]
    for path in sorted(CASES.glob("*/*.json")):
        text = path.read_text()
        value = json.loads(text)
        if path.name not in ("meta.json",) and len(text) < LARGEST and "class_name" in value:
            found.append(value)
    return found


@cache
def hdf5_files():
    """HDF5 files as bytes: old and new forms of the format, weights alone, of Keras 2 and 3."""
    found = [path.read_bytes() for path in sorted(CASES.glob("*/*.h5")) if path.stat().st_size < 40_000]
    for model in small_models()[1:]:
        for libver in ("earliest", "latest"):
            for what in (model.save, model.save_weights):
                buffer = io.BytesIO()
                with h5py.File(buffer, "w", libver=libver) as file:
                    what(file)
                found.append(buffer.getvalue())
    found.append(_packed(found[-4]))
    return found


def _packed(data):
    """The same file with chunks and gzip."""
    source, target = h5py.File(io.BytesIO(data)), io.BytesIO()
    with h5py.File(target, "w") as file:
        def copied(name, node):
            if isinstance(node, h5py.Dataset) and node.shape:
                made = file.create_dataset(name, data=node[()], chunks=True, compression="gzip", shuffle=True, fletcher32=True)
            elif isinstance(node, h5py.Dataset):
                made = file.create_dataset(name, data=node[()])
            else:
                made = file.require_group(name)
            made.attrs.update(node.attrs)

        source.visititems(copied)
        file.attrs.update(source.attrs)
    return target.getvalue()


@cache
def archives(folder):
    """.keras archives as bytes."""
    found = [(CASES / "keras3" / "model.keras").read_bytes()]
    for number, model in enumerate(small_models()):
        path = Path(folder) / f"seed{number}.keras"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.save(path)
        found.append(path.read_bytes())
        path.unlink()
    return found
