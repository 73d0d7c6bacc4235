"""Mutations of what a configuration says: hostile values, nodes deleted, doubled, moved, nested, renamed.

What does not live here: mutations of the text (texts.py).
"""

import copy

from graphc.frontend_keras.engine.registry import layer_classes

WORDS = ["", " ", "3", "a\x00b", "a\nb", "\u202eabc", "x" * 300, "x" * 70000, "é" * 9, "\ud800", "../../canary", "~",
         "file:///proc/self/environ", "http://127.0.0.1:1/", "__class__", "__init__", "__reduce__", "__import__",
         "os.system", "subprocess.Popen", "graphc.cli.files.load", "builtins>eval", "Lambda", "relu", "softmax", "linear",
         "zeros", "glorot_uniform", "same", "valid", "causal", "channels_first", "float16", "float64", "int32", "bool",
         "object", "S3", "sum", "concat", "ave", "mul", "none", "None", "inf", "nan", "1e999",
         'x"); __import__("os").system("touch pwned"); ("']
NUMBERS = [0, 1, 2, 3, -1, -2, 7, 255, 65536, 10**6, 2**31 - 1, 2**31, 2**32, 2**53, 2**62, 2**63 - 1, 2**63, 2**64,
           -2**31, -2**63, 10**30, 0.0, -0.0, 0.5, 1.0, -0.5, 2.0, 3.5, 1e-320, 1e308, -1e308, 1e18]
LARGEST = 20_000  # nodes of a tree that is mutated further
LAMBDA = {"name": "l", "function": ["4wEAAAAAAAAAAAAAAAEAAAABAAAAQwAAAHMEAAAAfABTACkBTqkA", None, None],
          "function_type": "lambda", "output_shape": None}


def hostile(rng, canaries):
    """A value that a configuration should not hold."""
    kind = rng.randrange(9)
    if kind < 2:
        return rng.choice(NUMBERS)
    if kind < 4:
        return rng.choice([*WORDS, *canaries])
    if kind == 4:
        return rng.choice([True, False, None, [], {}, [[]], [None], [1] * 40, [2**31] * 3, [-1, -1], ["a", 1]])
    if kind == 5:
        deep = rng.choice(NUMBERS)
        for _ in range(rng.choice([1, 2, 5, 63, 70, 300])):
            deep = [deep] if rng.random() < 0.7 else {"config": deep}
        return deep
    if kind == 6:
        return {"class_name": rng.choice(class_names()), "config": rng.choice([{}, {"name": "d"}, None, [], {"units": 3}])}
    if kind == 7:
        return {"class_name": "Lambda", "config": copy.deepcopy(LAMBDA)}
    return [rng.choice(NUMBERS) for _ in range(rng.randrange(6))]


def class_names():
    return [*layer_classes(), "Model", "Sequential", "Functional", "Popen", "eval", "__class__"]


def places(tree):
    """(container, key) of every node below the root."""
    found, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else []
        for key in keys:
            found.append((node, key))
            waiting.append(node[key])
    return found


def mutate(tree, rng, canaries):
    """A mutated copy: one to about six changes."""
    root = {"root": copy.deepcopy(tree)}
    for _ in range(1 + min(int(rng.expovariate(0.6)), 12)):
        found = places(root)
        if not 0 < len(found) < LARGEST:
            break
        node, key = rng.choice(found)
        rng.choices([_replace, _splice, _delete, _double, _nest, _tweak, _rename, _class],
                    [5, 3, 2, 2, 1, 3, 2, 2])[0](node, key, found, rng, canaries)
    return root.get("root")


def _replace(node, key, found, rng, canaries):
    node[key] = hostile(rng, canaries)


def _splice(node, key, found, rng, canaries):
    other, at = rng.choice(found)
    node[key] = copy.deepcopy(other[at])


def _delete(node, key, found, rng, canaries):
    del node[key]


def _double(node, key, found, rng, canaries):
    if isinstance(node, list):
        node.insert(rng.randrange(len(node) + 1), copy.deepcopy(node[key]))
    else:
        node[rng.choice([f"{key}_", "name", "config", "layers", *WORDS[:12]])] = copy.deepcopy(node[key])


def _nest(node, key, found, rng, canaries):
    value = node[key]
    node[key] = rng.choice([[value], {"a": value}, {"class_name": rng.choice(class_names()), "config": value},
                            {"class_name": "__tuple__", "items": value}, [[[value]]], [value, value]])


def _tweak(node, key, found, rng, canaries):
    value = node[key]
    if isinstance(value, bool) or value is None:
        node[key] = rng.choice([not value, 1, "true", []])
    elif isinstance(value, (int, float)):
        node[key] = rng.choice([value + 1, value - 1, -value, value * 2, value * 1000, float(value), str(value), [value]])
    elif isinstance(value, str):
        node[key] = rng.choice([value + "_1", value[::-1], value.upper(), value[:-1], value[:2000] * 40, value + "\x00", [value]])
    elif isinstance(value, list):
        node[key] = rng.choice([value[::-1], value[:-1], value[1:], value + value, {"0": value}, value[:1]])
    else:
        node[key] = rng.choice([list(value), list(value.values()), {}, [value]])


def _rename(node, key, found, rng, canaries):
    if isinstance(node, dict):
        keys = [k for _, k in found if isinstance(k, str)]
        node[rng.choice([*WORDS[:20], *keys, *keys])] = node.pop(key)


def _class(node, key, found, rng, canaries):
    holders = [n for n, k in found if k == "class_name"]
    if holders:
        rng.choice(holders)["class_name"] = rng.choice(class_names())
