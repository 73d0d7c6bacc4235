"""Attacks that are known from other loaders of models, one of each kind, as files.

CONFIGURATIONS come in by every way: JSON, YAML, HDF5, archive. TEXTS are no configurations. HDF5 changes a sound file.
"""

import io
import json
import os
import zipfile

import h5py
import numpy as np

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import Dense
from graphc.frontend_keras.models import Sequential

LAMBDA = ["4wEAAAAAAAAAAAAAAAEAAAABAAAAQwAAAHMEAAAAfABTACkBTqkA", None, None]
NAN, DIGITS = float("nan"), "9" * 10**7


def one(kind, settings=None, **more):
    return {"class_name": "Sequential", "config": {"name": "m", "layers": [
        {"class_name": kind, "config": settings if settings is not None else {}, **more}]}}


def dense(**change):
    return one("Dense", {"name": "d", "units": 3, "batch_input_shape": [None, 4], **change})


def functional(*layers, output="a"):
    first = {"class_name": "InputLayer", "name": "x", "config": {"batch_input_shape": [None, 2], "name": "x"}, "inbound_nodes": []}
    described = [{"class_name": kind, "name": name, "config": {"name": name, **settings},
                  "inbound_nodes": [[[source, 0, 0, {}]] for source in sources]} for kind, name, settings, sources in layers]
    return {"class_name": "Model", "config": {"name": "m", "layers": [first, *described], "input_layers": [["x", 0, 0]],
                                              "output_layers": [[output, 0, 0]]}}


def _units(value):
    return dense(units=value)


def _shape(value):
    return dense(batch_input_shape=value)


def _fixed(kind, **settings):
    return one(kind, {"batch_input_shape": [None, 4, 3], **settings})


CONFIGURATIONS = {
    "json01 Lambda": one("Lambda", {"name": "l", "function": LAMBDA, "function_type": "lambda"}),
    "json01 Lambda by name": one("Lambda", {"function": "system", "function_type": "function", "module": "os"}),
    "json03 module": one("Popen", {"args": ["touch", "pwned"]}, module="subprocess"),
    "json03 module of a known class": one("Popen", {}, module="subprocess", registered_name="Dense"),
    "json05 own module": one("load", {"path": "/etc/passwd"}, module="graphc.cli.files"),
    "json05 dotted": one("graphc.cli.files.load", {"path": "/etc/passwd"}),
    "json07 class": one("__class__"), "json07 reduce": one("__reduce__"), "json07 key": dense(__init__=1),
    "json07 keys": dense(__class__="Popen"), "json09 path": dense(vocabulary="/etc/passwd"),
    "json09 URL": dense(kernel_initializer="http://127.0.0.1:1/"),
    "json09 file URL": dense(kernel_initializer={"class_name": "file:///proc/self/environ", "config": {}}),
    "json11 long name": dense(name="x" * 2**20),
    "json15 twice": {"class_name": "Sequential", "config": {"name": "m", "layers": dense()["config"]["layers"] * 2}},
    "json19 true": _units(True), "json19 text": _units("3"), "json19 half": _units(3.5), "json19 null": _units(None),
    "json19 list": _units([3]), "json19 dict": _units({}), "json19 negative": _units(-1), "json19 switch": dense(use_bias=[]),
    "json23 cycle": functional(("Dense", "a", {"units": 2}, ["b"]), ("Dense", "b", {"units": 2}, ["a"])),
    "json23 self": functional(("Dense", "a", {"units": 2}, ["a"])),
    "json23 nobody": functional(("Dense", "a", {"units": 2}, ["nobody"])),
    "json27 two shapes": functional(("Dense", "d", {"units": 3}, ["x", "e"]), ("Embedding", "e", {"input_dim": 3, "output_dim": 5}, ["x"]),
                                    output="d"),
    "json29 embedding": one("Embedding", {"input_dim": 2**62, "output_dim": 4, "input_length": 3}),
    "json29 units": _units(2**62), "json31 two open": _fixed("Reshape", target_shape=[-1, -1]),
    "json31 mismatch": _fixed("Reshape", target_shape=[5]), "json31 overflow": _fixed("Reshape", target_shape=[2**40, 2**40]),
    "json31 permute": _fixed("Permute", dims=[1, 1]), "json31 repeat": one("RepeatVector", {"n": 2**62, "batch_input_shape": [None, 4]}),
    "json33 rate": _fixed("Dropout", rate="much"), "json33 epsilon": _fixed("BatchNormalization", epsilon=-1), "json33 units": _fixed("LSTM", units=0),
    "json33 size": _fixed("Conv1D", filters=2, kernel_size=0), "json33 stride": _fixed("Conv1D", filters=2, kernel_size=1, strides=0),
    "json35 text": _shape([None, "4"]), "json35 float": _shape([None, 4.5]), "json35 negative": _shape([None, -4]),
    "json35 long": _shape([None] + [1] * 100), "json35 nested": _shape([None, [4]]), "json35 dict": _shape({"a": 5}),
    "json35 dtype": dense(dtype="float32, float32"), "json35 dtype list": dense(dtype=["f4"]),
    "activation": dense(activation="os.system"), "activation class": dense(activation={"class_name": "eval", "config": "1"}),
    "no layers": {"class_name": "Sequential", "config": {"name": "m", "layers": 3}}, "no config": {"class_name": "Sequential"},
    "a layer": {"class_name": "Dense", "config": {"units": 3}}, "a list": [dense()], "a number": 3,
}
ALIKE = [("dense", "DENSE"), ("\ufb01le", "file"), ("\u212a", "K"), ("e\u0301", "\u00e9"), ("\u00df", "ss"), ("\u00b5", "\u03bc")]
"""Names that are equal after NFKC or case folding."""
TEXTS = {
    "json17 keys": json.dumps({str(i): 0 for i in range(1 << 20)}), "json17 string": '"' + "x" * (17 << 20) + '"',
    "json17 digits": '{"a": ' + DIGITS + "}", "json17 long string": json.dumps({"a": "x" * 70000}),
    "json21 BOM": "\ufeff{}", "json21 behind": "{} x", "json21 two": "{} {}", "json21 empty": "", "json21 twice": '{"a": 1, "a": 2}',
    "json33 NaN": json.dumps(_fixed("Dropout", rate=NAN)), "json33 infinite": '{"a": 1e999}',
    "json25 chain": json.dumps(functional(*(("Dense", f"l{i}", {"units": 2}, [f"l{i - 1}" if i else "x"]) for i in range(100_000)),
                                          output="l99999")),
    "deep": "[" * 100_000,
}
BOMB = "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)])
YAML = {
    "yaml02 new": "!!python/object/new:os.system [touch pwned]", "yaml02 name": "!!python/name:os.system",
    "yaml02 module": "!!python/module:subprocess", "yaml02 apply": "!!python/object/apply:os.system ['touch pwned']",
    "yaml04 laughs": BOMB, "yaml06 merge": "a: &a {b: 1}\nc:\n  <<: [*a, *a, *a]", "yaml08 documents": "--- 1\n--- !!python/name:os.system",
    "yaml recursive": "&a [*a]", "yaml binary": "!!binary aGk=", "yaml date": "a: 2001-01-01", "yaml deep": "[" * 500,
}


# ---- HDF5


def sound():
    """A file with /model_weights/d/d/kernel:0, as bytes."""
    K.clear_session()
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        Sequential([Dense(3, input_shape=(4,), name="d")], name="m").save(file)
    return buffer.getvalue()


def changed(change, canaries):
    """The sound file, where `change` has made the kernel anew."""
    buffer = io.BytesIO(sound())
    with h5py.File(buffer, "r+") as file:
        group = file["model_weights/d/d"]
        del group["kernel:0"]
        change(file, group, canaries)
    return buffer.getvalue()


def _made(*arguments, **options):
    return lambda file, group, canaries: group.create_dataset("kernel:0", *arguments, **options)


def _low(kind, shape=(4, 3), properties=None):
    return lambda file, group, canaries: h5py.h5d.create(group.id, b"kernel:0", kind(), h5py.h5s.create_simple(shape), properties)


def _virtual(file, group, canaries):
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource(canaries[1], "x", (4, 3), "f4")
    group.create_virtual_dataset("kernel:0", layout)


def _filter(number):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((4, 3))
    properties.set_filter(number, h5py.h5z.FLAG_OPTIONAL, (1,))
    return _low(lambda: h5py.h5t.IEEE_F32LE, properties=properties)


def _link(path, link):
    def change(file, group, canaries):
        if path in file:
            del file[path]
        file[path] = link(canaries)

    return change


def _attribute(path, name, value):
    def change(file, group, canaries):
        group["kernel:0"] = np.zeros((4, 3), "f4")
        file[path].attrs[name] = value

    return change


KERNEL = "model_weights/d/d/kernel:0"
HDF5 = {
    "h5-03 external storage": lambda file, group, canaries: group.create_dataset("kernel:0", (4, 3), "f4", external=[(canaries[0], 0, 48)]),
    "h5-03 pipe": lambda file, group, canaries: group.create_dataset("kernel:0", (4, 3), "f4", external=[(canaries[2], 0, 48)]),
    "h5-03 virtual": _virtual,
    "h5-05 kernel": _link(KERNEL, lambda canaries: h5py.ExternalLink(canaries[1], "/x")),
    "h5-05 group": _link("model_weights/d", lambda canaries: h5py.ExternalLink(canaries[1], "/")),
    "h5-05 root": _link("model_weights", lambda canaries: h5py.ExternalLink(canaries[1], "/")),
    "h5-05 pipe": _link("model_weights/d", lambda canaries: h5py.ExternalLink(canaries[2], "/")),
    "h5-05 soft": _link(KERNEL, lambda canaries: h5py.SoftLink("/model_weights/d/d/bias:0")),
    "h5-05 soft circle": _link(KERNEL, lambda canaries: h5py.SoftLink("/" + KERNEL)),
    "h5-07 a group": lambda file, group, canaries: group.__setitem__("kernel:0", file["/"]),
    "h5-09 reference": _made((4, 3), h5py.ref_dtype), "h5-09 region": _made((4, 3), h5py.regionref_dtype),
    "h5-09 compound": _made((4, 3), [("a", "f4")]), "h5-09 vlen": _made((4, 3), h5py.vlen_dtype("f4")),
    "h5-09 text": _made((4, 3), h5py.string_dtype()), "h5-09 enum": _made((4, 3), h5py.enum_dtype({"a": 1}, basetype="i4")),
    "h5-09 opaque": _low(lambda: h5py.h5t.create(h5py.h5t.OPAQUE, 4)), "h5-09 bitfield": _low(lambda: h5py.h5t.STD_B32LE),
    "h5-09 complex": _made((4, 3), "c8"), "h5-11 large": _made((10**6,) * 3, "f4", chunks=(100,) * 3),
    "h5-13 chunks": _made((10**7,), "u1", chunks=(1,)),
    "h5-13 chunk": _made((4, 3), "f4", chunks=(2**14, 2**14), maxshape=(None, None), compression="gzip"),
    "h5-15 filter": _filter(32001), "h5-15 lzf": _made((4, 3), "f4", chunks=(4, 3), compression="lzf"),
    "shape": _made((3, 4), "f4"), "rank": _made((4, 3, 1), "f4"), "scalar": _made((), "f4"), "empty": _made(data=h5py.Empty("f4")),
    "names": _attribute("model_weights/d", "weight_names", [b"../d", b"d/bias:0"]),
    "long names": _attribute("model_weights/d", "weight_names", [b"x" * 5000, b"d/bias:0"]),
    "attribute": _attribute("model_weights", "layer_names", 7), "attribute shape": _attribute("model_weights", "layer_names", np.zeros((2, 2), "S1")),
    "not text": _attribute("model_weights", "layer_names", np.array([b"\xff"])),
}
POLYGLOT = {"h5-17 script": lambda: b"#!/bin/sh\n".ljust(512) + sound(), "h5-17 superblock": lambda: sound()[:8] + b"\xff" * 8 + sound()[16:],
            "h5-17 short": lambda: sound()[:64], "empty": lambda: b"", "zip": lambda: b"PK\x03\x04" + bytes(100)}


def _saved(folder, choose, name):
    """The files that a driver of HDF5 makes of the sound file."""
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    choose(access)
    with h5py.File(h5py.h5f.create(os.fsencode(folder / name), h5py.h5f.ACC_TRUNC, fapl=access)) as file:
        K.clear_session()
        Sequential([Dense(3, input_shape=(4,), name="d")], name="m").save(file)


def _family(size):
    return lambda folder: _saved(folder, lambda access: access.set_fapl_family(size, h5py.h5p.create(h5py.h5p.FILE_ACCESS)), "m%d.h5")


def _split(folder):
    parts = [h5py.h5p.create(h5py.h5p.FILE_ACCESS) for _ in range(2)]
    _saved(folder, lambda access: access.set_fapl_split(b"0.h5", parts[0], b"1.h5", parts[1]), "m")


def _written(swmr):
    """A file as it lies on the disk while a program writes it, which the program never finishes."""
    def make(folder):
        with h5py.File(folder / "whole.h5", "w", libver="latest") as file:
            K.clear_session()
            Sequential([Dense(3, input_shape=(4,), name="d")], name="m").save(file)
            if swmr:
                file.swmr_mode = True
            file.flush()
            (folder / "m0.h5").write_bytes((folder / "whole.h5").read_bytes())

    return make


DRIVERS = {"h5-19 family": _family(1 << 20), "h5-19 family in parts": _family(4096), "h5-19 split": _split,
           "h5-19 SWMR": _written(True), "h5-19 unfinished": _written(False)}
"""Each makes m0.h5 in a folder."""


# ---- archives


def archive(config=None, weights=None, metadata=b"{}", packing=zipfile.ZIP_STORED, more=()):
    """A .keras archive; entries that are None are left out."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", packing) as file:
        for name, content in (("metadata.json", metadata), ("config.json", config), ("model.weights.h5", weights), *more):
            if content is not None:
                file.writestr(name, content)
    return made.getvalue()


def _plain():
    return json.dumps(dense())


def _spoiled(packing):
    """An archive whose compressed configuration is no such thing."""
    data = bytearray(archive(json.dumps(dense(name="d" * 200)), sound(), packing=packing))
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as file:
        info = file.getinfo("config.json")
    start = info.header_offset + 30 + len(info.filename) + (9 if packing == zipfile.ZIP_LZMA else 0)
    data[start:info.header_offset + 30 + len(info.filename) + info.compress_size] = b"\xff" * (
        info.header_offset + 30 + len(info.filename) + info.compress_size - start)
    return bytes(data)


ARCHIVES = {
    "no config": lambda: archive(None, sound()), "no weights": lambda: archive(_plain()),
    "config is no text": lambda: archive(b"\xff\xfe", sound()), "weights are none": lambda: archive(_plain(), b"no"),
    "weights elsewhere": lambda: archive(_plain(), sound()), "a bomb": lambda: archive(b"{" + b" " * (15 << 20), sound(), packing=zipfile.ZIP_BZIP2),
    "a bomb of weights": lambda: archive(_plain(), bytes(64 << 20), packing=zipfile.ZIP_BZIP2),
    "metadata is a list": lambda: archive(_plain(), sound(), b"[1]"), "metadata is broken": lambda: archive(_plain(), sound(), b"{"),
    **{f"broken {name}": lambda packing=packing: _spoiled(packing) for name, packing in
       (("deflate", zipfile.ZIP_DEFLATED), ("bzip2", zipfile.ZIP_BZIP2), ("lzma", zipfile.ZIP_LZMA))},
    "a way out": lambda: archive(None, None, None, more=[("../config.json", b"{}"), ("/etc/passwd", b"")]),
}
