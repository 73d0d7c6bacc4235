"""Hostile names and numbers on their way to kernels: sources must be those of plain names, and in the emitters' language.

A model, a graph or graph text is made twice, with hostile names and with plain ones. All sources, for CPU and CUDA, must be
equal but for nothing: so no text of a file gets into them. Each is checked as it is before it is compiled.
"""

import json
import random
import sys
import warnings
from collections import Counter

from graphc.codegen.check_source import checked
from graphc.dump import dump
from graphc.errors import GraphcError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.models import model_from_json
from graphc.ir.parser import parse
from graphc.ir.printer import print_graph
from graphc.passes.choices import Choices

PIECES = ['"', "'", '"""', "\\", "\n", "\r", "\u2028", "\x00", "\x1b[31m", "\u202e", "\u200b", "#", ";", ":", "{", "}", "(", ")",
          "%", "{0}", "%s", "$(touch pwned)", "`id`", "__import__('os').system('touch pwned')", "import os", "eval", "é", "ǆ",
          "\U0001f600", "../", "/", "def kernel(", "SIGNATURE = ", "f32*", "\t", " ", "a", "k_0", "p0", "lambda: 0", "x" * 300, "//"]
DTYPES = ["float32", "float64", "int32", "float32, float32", "(2,)f4", "f4,(1,exec)i4", "O", "object", "M8[ns]", "V9", "|S3", "?",
          "__import__('os')", "\x00", "float32\n", "bool", "c8", "e", "np.float32", "f32", "i64"]
FLOATS = [0.0, -0.0, 1e308, -1e308, 5e-324, 1e-45, 3.4028236e38, 0.1, 1 / 3, 123456789.123456789, 2.0**-149, 1e38, 7e22, 2**53 + 1.0]
EVENTS = ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.", "ctypes.dlopen", "pickle.", "marshal.")


def name(rng):
    if rng.random() < 0.2:
        return "".join(chr(rng.choice([rng.randrange(1, 128), rng.randrange(0x300), rng.randrange(0xD7FF)]))
                       for _ in range(rng.randrange(1, 12)))
    return "".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 5)))


def config(rng, names, number, dtype):
    """A small model: its numbers and types are the case's, its names those given."""
    activation = rng.choice(["relu", "elu", "softmax", "tanh"])
    layers = [("Dense", {"units": 3, "activation": activation}), ("LeakyReLU", {"alpha": number}),
              ("Dropout", {"rate": min(abs(number) % 1, 0.9)}), ("BatchNormalization", {"epsilon": abs(number) or 1e-3}),
              ("GaussianNoise", {"stddev": abs(number)})]
    chosen = [layers[0], *rng.sample(layers, 2)]
    described = [{"class_name": kind, "config": {**settings, "name": f"{names[i]}{i}"}} for i, (kind, settings) in enumerate(chosen)]
    described[0]["config"].update(batch_input_shape=[None, 4], dtype=dtype)
    return json.dumps({"class_name": "Sequential", "config": {"name": names[-1], "layers": described}})


def sources(text):
    """What a model becomes, for a processor and a device; None where it is refused."""
    K.clear_session()
    try:
        graph = model_from_json(text).lower_to_graph()[0]
    except GraphcError:
        return None
    return [dump(graph, "source", Choices(device=device)) for device in (False, True)], graph


def run(count, seed, folder):
    """(cases, findings)."""
    seen = []
    active = [True]
    sources(config(random.Random(0), list("abcd"), 1.0, "float32"))  # whatever is imported late
    sys.addaudithook(lambda event, arguments: seen.append(event) if active[0] and event.startswith(EVENTS) else None)
    findings, counts = [], Counter()
    for at in range(count):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of numbers that no float32 holds
                problem = case(random.Random(f"{seed} {at}"), counts)
        except Exception as error:
            problem = f"{type(error).__name__}: {error!s:.150}"
        if problem or seen:
            findings.append(f"case {at}: {problem or seen}")
            seen.clear()
    active[0] = False
    print(f"names: {counts['compiled']} models and {counts['text']} graph texts with sources, {counts['refused']} refused")
    return count, findings


def case(rng, counts):
    number = rng.choice(FLOATS) if rng.random() < 0.5 else rng.uniform(-2, 2) * 10.0 ** rng.randrange(-40, 38)
    dtype = rng.choice(DTYPES) if rng.random() < 0.3 else "float32"
    state = rng.getstate()
    made = []
    hostile = [name(rng) for _ in range(4)]
    for names in (hostile, list("abcd")):
        rng.setstate(state)
        made.append(sources(config(rng, names, number, dtype)))
    if made[0] is None or made[1] is None:  # some names are none: empty ones, or several that are one
        counts["refused"] += 1
        return None
    (texts, graph), (plain, _) = made
    counts["compiled"] += 1
    if texts != plain:
        return f"the names {hostile!r} change the source"
    for text in texts:
        for source in kernels(text):
            checked(source, "kernel")
    again = parse(print_graph(graph))
    counts["text"] += 1
    if dump(again, "source", Choices()) != texts[0]:
        return f"graph text with the names {hostile!r} has other sources"
    return None


def kernels(text):
    """The files in a dump: each begins with a comment and an import."""
    lines = text.splitlines(keepends=True)
    starts = [i for i in range(len(lines) - 1) if lines[i].startswith("# ") and lines[i + 1].startswith(("import", "from"))]
    return ["".join(lines[a:b]) for a, b in zip(starts, [*starts[1:], len(lines)], strict=True)]
