"""Findings made small: what can be left out, or be as in the sound file, without another verdict."""

import json
import os
import signal

TRIES = 120


def shrunk(bench, data, base, verdict):
    """A smaller file with the same verdict; the file itself where none is found."""
    tries = [TRIES]

    def same(changed):
        tries[0] -= 1
        return tries[0] > 0 and _verdict(bench, changed) == verdict[:200]

    if bench.kind == "json":
        data = _without_nodes(data, same)
    if bench.kind in ("json", "yaml"):
        return _without_pieces(data, same)
    return _as_before(data, base, same) if base is not None and len(base) == len(data) else data


def _verdict(bench, data):
    """The verdict in a process of its own, which may die of it."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(6)
        os.write(write, bench.verdict(data)[:200].encode("utf-8", "replace"))
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        said = answer.read().decode()
    os.waitpid(child, 0)
    return said


def _without_nodes(data, same):
    try:
        tree = [json.loads(data)]
    except ValueError:
        return data

    def text():
        return json.dumps(tree[0]).encode("utf-8", "surrogatepass")

    if not same(text()):
        return data
    waiting = [tree[0]]
    while waiting:
        node = waiting.pop()
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))[::-1] if isinstance(node, list) else []
        for key in keys:
            kept = node[key]
            del node[key]
            if not same(text()):
                if isinstance(node, dict):
                    node[key] = kept
                else:
                    node.insert(key, kept)
                waiting.append(kept)
    return text()


def _without_pieces(data, same):
    size = len(data) // 2
    while size:
        at = 0
        while at < len(data):
            less = data[:at] + data[at + size:]
            if same(less):
                data = less
            else:
                at += size
        size //= 2
    return data


def _as_before(data, base, same):
    """Byte after byte as in the sound file, from large pieces to small ones."""
    size = len(data)
    while size:
        for at in range(0, len(data), size):
            if data[at:at + size] != base[at:at + size]:
                less = data[:at] + base[at:at + size] + data[at + size:]
                if same(less):
                    data = less
        size //= 8
    return data
