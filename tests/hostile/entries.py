"""Entries of the kernel cache, changed: what is read is the object code of that name, whole, or nothing."""

import os
import random

from graphc.runtime.cache import KernelCache

NAMES = [f"k_{digit * 40}" for digit in "0123"]


def run(count, seed, folder):
    """(cases, findings)."""
    cache = KernelCache(folder / "cache")
    codes = {name: random.Random(name).randbytes(700 + 100 * i) for i, name in enumerate(NAMES)}
    for name, code in codes.items():
        cache.put(name, "# source", code)
    whole = {name: (cache.folder / f"{name}.o").read_bytes() for name in NAMES}
    findings = []
    for at in range(count):
        rng = random.Random(f"{seed} {at}")
        name = rng.choice(NAMES)
        changed = change(whole, name, rng)
        path = cache.folder / f"{name}.o"
        path.write_bytes(changed)
        os.chmod(path, 0o600)
        found = KernelCache(cache.folder).get(name)
        if found != (codes[name] if changed == whole[name] else None):
            findings.append(f"case {at}: a changed entry is used")
    return count, findings


def change(whole, name, rng):
    data = bytearray(whole[name])
    for _ in range(rng.choice([1, 1, 2, 5])):
        at, kind = rng.randrange(len(data) + 1) if data else 0, rng.randrange(7)
        if kind == 0:
            data[at:at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            del data[at // 64 * 64:]
        elif kind == 2:
            data += rng.randbytes(rng.randrange(1, 99))
        elif kind == 3:
            data = bytearray(whole[rng.choice(NAMES)])
        elif kind == 4:
            data[at:at + 8] = rng.choice([b"\xff" * 8, bytes(8), b"\x80\x04c__main"])
        elif kind == 5:
            data[128:] = whole[rng.choice(NAMES)][128:]
        else:
            del data[at:at + rng.randrange(1, 20)]
    return bytes(data)
