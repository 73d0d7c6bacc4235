"""Every function of K with samples of it: arguments, and the same computed by NumPy.

Each topic has a module with its rows. `SAMPLES` are functions of tensors; `FACTS` are those that make, change or tell
something else, each with a test of its own. tests/frontend_keras/test_backend_samples.py runs both and fails where a
function of K has neither.

What does not live here: finer points of single functions (tests/frontend_keras/test_backend_*.py).
"""

from tests.frontend_keras.backend_samples import (
    elementwise,
    facts,
    loops,
    losses,
    products,
    random,
    reductions,
    shaping,
    sliding,
    variables,
)

SAMPLES = [row for topic in (elementwise, reductions, shaping, products, sliding, losses, loops) for row in topic.ROWS]
FACTS = {name: fact for topic in (variables, random, facts) for name, fact in topic.FACTS.items()}
