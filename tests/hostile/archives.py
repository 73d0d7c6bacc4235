"""Mutations of .keras archives: entries, names, sizes, bombs, and what is in the entries.

What does not live here: mutations of the configuration (trees.py) and of the weights (hdf5_files.py).
"""

import io
import json
import warnings
import zipfile

from tests.hostile import hdf5_files, texts, trees

NAMES = ["config.json", "metadata.json", "model.weights.h5", "../canary", "/etc/passwd", "a\x00b", "config.json/", "", "x" * 300]


def mutate(data, rng, canaries):
    """Bytes of a mutated archive."""
    if rng.random() < 0.3:
        return _bytes(data, rng)
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        entries = [(info.filename, source.read(info)) for info in source.infolist()]
    for _ in range(rng.choice([1, 1, 2])):
        _change(entries, rng, canaries)
    made = io.BytesIO()
    packing = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w", packing) as target:
        warnings.simplefilter("ignore")  # of names that stand twice
        for name, content in entries:
            target.writestr(zipfile.ZipInfo(name or "."), content, packing)
    return _bytes(made.getvalue(), rng) if rng.random() < 0.15 else made.getvalue()


def _change(entries, rng, canaries):
    at = rng.randrange(len(entries))
    name, content = entries[at]
    kind = rng.randrange(8)
    if kind < 4 and name.endswith(".json"):
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            return
        text = texts.as_json(trees.mutate(value, rng, canaries), rng)
        content = text.encode("utf-8", "surrogatepass") if rng.random() < 0.8 else texts.mutate(text, rng, texts.JSON_TOKENS)
    elif kind < 4:
        try:
            content = hdf5_files.mutate(content, rng, canaries)
        except (OSError, RuntimeError):  # not the first change
            content = hdf5_files.mutate_bytes(content, rng)
    elif kind == 4:
        name = rng.choice(NAMES)
    elif kind == 5:
        entries.insert(rng.randrange(len(entries) + 1), (rng.choice([name, *NAMES]), content))
    elif kind == 6:
        content = rng.choice([b"", b"{}", b"null", bytes(1 << 22), content * 2, content[:len(content) // 2], b"[" * 10**5])
    else:
        del entries[at]
        if not entries:
            entries.append(("config.json", b"{}"))
        return
    entries[at] = (name, content)


def _bytes(data, rng):
    """Bytes changed, mostly in the directory at the end and in the heads of entries."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 2, 4])):
        heads = [i for mark in (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06") for i in _all(data, mark)]
        at = rng.choice(heads) + rng.randrange(46) if heads and rng.random() < 0.8 else rng.randrange(len(data))
        if at >= len(data):
            continue
        kind = rng.randrange(4)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at:at + 4] = rng.choice([b"\xff" * 4, bytes(4), b"\x00\x00\x00\x80"])
        elif kind == 2:
            data[at] = rng.randrange(256)
        elif rng.random() < 0.3:
            del data[rng.randrange(1, len(data) // 512 + 2) * 512:]
    return bytes(data)


def _all(data, mark):
    found, at = [], data.find(mark)
    while at >= 0:
        found.append(at)
        at = data.find(mark, at + 1)
    return found
