"""Mutations of JSON and YAML text: cuts, changed and doubled pieces, tokens that only text has.

What does not live here: mutations of what the text says (trees.py).
"""

import json

import yaml

JSON_TOKENS = ["NaN", "-Infinity", "1e999", "9" * 5000, "1E-400", "\\ud800", '"a":1,"a":2', "[" * 100, "{" * 70, '"\\u0000"',
               "\ufeff", "//", "'", "0x10", "01", "+1", "true", ",,", '{"a":', "null" * 3, "\x00", "\x1b[31m"]
YAML_TOKENS = ["&a ", "*a", "<<: *a\n", "!!python/object/new:os.system [touch pwned]", "!!python/name:os.system ''",
               "!!python/module:subprocess ''", "!!python/tuple [1, 2]", "!!binary aGk=", "!!set {a}", "!!omap [a: 1]",
               "\n---\n", "\n...\n", "%YAML 1.1\n---\n", "%TAG ! tag:x,2000:\n", ".inf", ".nan", "0x1F", "1_000", "0b1",
               "12:30:45", "2001-01-01", "~", "? [a]\n: b\n", "\t", "|\n  x", ">-\n  y", "!", "!<x> y", "{a: [b", "? ", "- ",
               "yes", "!!float 3", "!!int '3'", "!!str 3", "!!null ''", "&a [*a]"]


def mutate(text, rng, tokens):
    """Bytes of the text with one to four changes."""
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(rng.randrange(1, 5)):
        if not data:
            break
        at = rng.randrange(len(data))
        kind = rng.randrange(7)
        if kind == 0:
            del data[at // 512 * 512 if rng.random() < 0.5 else at:]
        elif kind == 1:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            data[at:at + rng.randrange(1, 20)] = b""
        elif kind == 3:
            data[at:at] = data[at:at + rng.randrange(1, 200)]
        elif kind == 4:
            data[at:at + rng.randrange(3)] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 4)))
        else:
            data[at:at + rng.choice([0, 0, 1, 5])] = rng.choice(tokens).encode("utf-8", "surrogatepass")
    return bytes(data)


def as_json(value, rng):
    return json.dumps(value, ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, None, 1]))


def as_yaml(value, rng):
    flow = rng.choice([None, False, True])
    value = json.loads(json.dumps(value).replace("\\ud800", "?"))  # YAML has no half characters
    return yaml.dump(value, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), default_flow_style=flow,
                     allow_unicode=rng.random() < 0.5)
