"""Mutations of HDF5 files: of what is in them, made with h5py, and of their bytes.

What does not live here: what the texts in them say (trees.py).
"""

import io
import json
import re

import h5py
import numpy as np

from tests.hostile import trees

SIGNATURES = (b"TREE", b"HEAP", b"SNOD", b"GCOL", b"OHDR", b"OCHK", b"FRHP", b"FHDB", b"FHIB", b"BTHD", b"BTLF", b"BTIN",
              b"FAHD", b"EAHD", b"SMTB")
ERRORS = (ValueError, TypeError, KeyError, RuntimeError, OSError, AttributeError, NotImplementedError, UnicodeError,
          OverflowError, StopIteration, IndexError)


def mutate(data, rng, canaries):
    """Bytes of a mutated file."""
    if rng.random() < 0.5:
        data = mutate_contents(data, rng, canaries)
        if rng.random() < 0.7:
            return data
    return mutate_bytes(data, rng)


def mutate_bytes(data, rng):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 3, 8])):
        if len(data) < 100:
            break
        at, width = _place(data, rng), rng.choice([1, 1, 1, 2, 4, 8])
        kind = rng.randrange(8)
        if kind < 2:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            data[at:at + width] = bytes([rng.choice([0, 255, 127, 128])]) * width
        elif kind == 3:
            data[at:at + width] = bytes(rng.randrange(256) for _ in range(width))
        elif kind == 4:  # addresses and lengths moved to other places
            other = _place(data, rng)
            data[at:at + 8] = data[other:other + 8]
        elif kind == 5:
            number = int.from_bytes(data[at:at + width], "little") + rng.choice([-1, 1, 8, -8, 512])
            data[at:at + width] = (number % 256**width).to_bytes(width, "little")
        elif kind == 6:
            size = rng.choice([8, 64, 512])
            source = rng.randrange(len(data))
            data[at:at + size] = data[source:source + size]
        elif rng.random() < 0.3:
            del data[rng.randrange(1, len(data) // 512 + 2) * 512:]
    return bytes(data)


def _place(data, rng):
    """Somewhere, mostly where the format says what is where."""
    kind = rng.random()
    if kind < 0.15:
        return rng.randrange(96)
    if kind < 0.7:
        found = [m.start() for m in re.finditer(b"|".join(SIGNATURES), bytes(data))]
        if found:
            return min(rng.choice(found) + rng.randrange(80), len(data) - 1)
    return rng.randrange(len(data))


def mutate_contents(data, rng, canaries):
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as file:
        for _ in range(rng.choice([1, 1, 2, 4])):
            names = []
            file.visit(names.append)
            try:
                rng.choices([_change_attribute, _change_dataset, _change_link], [4, 4, 2])[0](file, names, rng, canaries)
            except ERRORS:
                continue  # what h5py cannot make; the rest of the changes counts
    return buffer.getvalue()


# ---- attributes


def _change_attribute(file, names, rng, canaries):
    nodes = [node for node in (file, *(file.get(name) for name in names)) if node is not None and len(node.attrs)]
    node = rng.choice(nodes)
    name = rng.choice(list(node.attrs))
    if name in ("model_config", "training_config") and rng.random() < 0.6:
        text = node.attrs[name]
        value = json.loads(text.decode() if isinstance(text, bytes) else text)
        node.attrs[name] = np.bytes_(json.dumps(trees.mutate(value, rng, canaries)).encode("utf-8", "surrogatepass"))
        return
    if name in ("layer_names", "weight_names") and rng.random() < 0.5:
        listed = [one if isinstance(one, bytes) else one.encode() for one in node.attrs[name]]
        rng.choice([listed.reverse, lambda: listed.append(rng.choice([b"..", b"/", b"d/d", b"x" * 5000, b"\xff", b""])),
                    lambda: listed.extend(listed), listed.pop, listed.clear])()
        node.attrs[name] = np.array(listed) if listed else np.array([], "f8")
        return
    node.attrs[name] = rng.choice([
        7, 2.5, np.zeros(3), np.zeros((2, 2), "S3"), np.array([b"d"] * 3), h5py.Empty("f"), h5py.Empty("S10"), "text",
        ["a", "b"], b"\xff\xfe{", "a\x00b", "x" * 60000, file.ref, np.array(["1"] * 40, "S64"), np.bytes_(b"3"),
        np.bytes_(b"1.2.2"), np.bytes_(b"theano"), np.bytes_(b"3.9-tf"), rng.choice(canaries), np.zeros((), [("a", "i4")])])
    if rng.random() < 0.2:
        del node.attrs[name]


# ---- datasets


def _change_dataset(file, names, rng, canaries):
    path = rng.choice([name for name in names if isinstance(file.get(name), h5py.Dataset)])
    shape, dtype = file[path].shape, file[path].dtype
    parent, _, name = path.rpartition("/")
    group = file[parent] if parent else file
    del group[name]
    rng.choice(DATASETS)(group, name, shape, dtype, rng, canaries)


def _other_type(group, name, shape, dtype, rng, canaries):
    group.create_dataset(name, shape, rng.choice([
        "f2", "f8", ">f4", "i8", "u1", "?", "c8", "S4", "V8", h5py.ref_dtype, h5py.regionref_dtype,
        h5py.enum_dtype({"a": 1}, basetype="i4"), h5py.vlen_dtype("f4"), h5py.string_dtype(), [("a", "f4"), ("b", "f4")],
        h5py.opaque_dtype(np.dtype("V4"))]))


def _other_shape(group, name, shape, dtype, rng, canaries):
    made = rng.choice([(), (0,), (*shape, 1), shape[::-1], (10**6,) * 3, (2**31, 2**31), (1,) * 32, (2**40,), shape[:-1], None])
    chunks = True if made and rng.random() < 0.5 else None
    group.create_dataset(name, made, dtype, chunks=chunks) if made is not None else group.create_dataset(name, data=h5py.Empty("f4"))


def _stored_elsewhere(group, name, shape, dtype, rng, canaries):
    count = int(np.prod(shape)) * dtype.itemsize
    group.create_dataset(name, shape, dtype, external=[(rng.choice(canaries), 0, count or h5py.h5f.UNLIMITED)])


def _virtual(group, name, shape, dtype, rng, canaries):
    layout = h5py.VirtualLayout(shape, dtype)
    layout[...] = h5py.VirtualSource(rng.choice([*canaries, "."]), "x", shape, dtype)
    group.create_virtual_dataset(name, layout)


def _linked(group, name, shape, dtype, rng, canaries):
    group[name] = rng.choice([h5py.ExternalLink(rng.choice(canaries), "/x"), h5py.SoftLink("/"), h5py.SoftLink(group.name),
                              h5py.SoftLink(f"{group.name}/{name}"), group, group.file["/"]])


def _chunked(group, name, shape, dtype, rng, canaries):
    rank = len(shape)
    side = 2 ** (22 // max(rank, 1))  # of a chunk that is much larger than what is in it
    options = rng.choice([{"chunks": (1,) * rank}, {"chunks": (2**10,) * rank, "maxshape": (None,) * rank},
                          {"chunks": shape, "compression": "gzip", "shuffle": True}, {"chunks": shape, "compression": "lzf"},
                          {"chunks": shape, "fletcher32": True}, {"chunks": shape, "scaleoffset": 4},
                          {"chunks": (side,) * rank, "maxshape": (None,) * rank, "compression": "gzip"}])
    made = group.create_dataset(name, shape, dtype, **options)
    if rng.random() < 0.6 and int(np.prod(shape)) < 10**5:
        made[...] = 1


def _filtered(group, name, shape, dtype, rng, canaries):
    space, properties = h5py.h5s.create_simple(shape), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk(shape)
    properties.set_filter(rng.choice([32001, 32004, 305, 4, 5, 6, 65535]), h5py.h5z.FLAG_OPTIONAL, (1, 2))
    h5py.h5d.create(group.id, name.encode(), h5py.h5t.IEEE_F32LE, space, properties)


def _odd_numbers(group, name, shape, dtype, rng, canaries):
    """Types of numbers that NumPy does not have."""
    kind = h5py.h5t.IEEE_F32LE.copy() if rng.random() < 0.5 else h5py.h5t.STD_I32LE.copy()
    kind.set_precision(rng.randrange(1, 32))
    h5py.h5d.create(group.id, name.encode(), kind, h5py.h5s.create_simple(shape))


DATASETS = [_other_type, _other_shape, _stored_elsewhere, _virtual, _linked, _chunked, _filtered, _odd_numbers]


# ---- groups and links


def _change_link(file, names, rng, canaries):
    path = rng.choice(names)
    kind = rng.randrange(6)
    if kind == 0:
        del file[path]
    elif kind == 1:
        file.move(path, rng.choice([*names, "x"]) + rng.choice(["", "_", "/d"]))
    elif kind == 2:
        file[f"{path}/again"] = file[path]
    elif kind == 3:
        other = rng.choice(names)
        if other != path:
            del file[path]
            file[path] = file[other]
    elif kind == 4:
        del file[path]
        file[path] = rng.choice([h5py.ExternalLink(rng.choice(canaries), "/"), h5py.SoftLink("/model_weights"),
                                 h5py.SoftLink("/" + path)])
    else:
        del file[path]
        file[path] = np.zeros(3) if rng.random() < 0.5 else h5py.h5t.IEEE_F32LE.dtype
