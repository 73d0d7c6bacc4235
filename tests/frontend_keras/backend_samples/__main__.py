"""`python -m tests.frontend_keras.backend_samples [--target cpu]` compiles the rows of each topic as one function of K and
compares the results: minutes where nothing is cached, which is why the tests use the reference target.

What does not live here: the rows.
"""

import argparse

import numpy as np

from graphc.frontend_keras import backend as K
from tests.frontend_keras.backend_samples import elementwise, loops, losses, products, reductions, shaping, sliding

TOPICS = (elementwise, reductions, shaping, products, sliding, losses, loops)


def differing(rows):
    """The number of results of `rows`, and the names of those that differ."""
    places, feeds, outputs, wanted, names = [], [], [], [], []
    for row in rows:
        fed = [K.placeholder(x.shape, dtype=K.floatx() if x.dtype.kind == "f" else str(x.dtype)) for x in row.inputs]
        made, values = row.call(*fed), row.expected(*row.inputs)
        made, values = (x if isinstance(x, list) else [x] for x in (made, values))
        places, feeds, outputs, wanted = places + fed, [*feeds, *row.inputs], outputs + made, wanted + values
        names += [row.name] * len(made)
    found = K.function(places, outputs)(feeds)
    return len(found), [name for name, one, other in zip(names, found, wanted, strict=True)
                        if not np.allclose(one, other, rtol=2e-5, atol=2e-5 * np.abs(np.asarray(other, float)).max())]


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.frontend_keras.backend_samples")
    parser.add_argument("--target", default="cpu", help="cpu, cuda or reference")
    K.set_target(parser.parse_args().target)
    failed = False
    for topic in TOPICS:
        count, names = differing(topic.ROWS)
        failed |= bool(names)
        print(f"{topic.__name__.rpartition('.')[2]}: {count} results, {len(names)} differ {' '.join(names)}", flush=True)
    raise SystemExit(int(failed))


if __name__ == "__main__":
    main()
