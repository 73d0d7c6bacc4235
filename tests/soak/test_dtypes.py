"""A sample of `python -m tests.soak dtypes`."""

from graphc.ir import registered_ops
from tests.soak.dtypes import figures, retyped


def test_ops_take_a_type_or_refuse_it():
    right, refused, failures = figures(step=29, first=5)
    assert not failures
    assert right > 10
    assert refused > 5


def test_nearly_every_op_is_tried_with_every_type():
    """Those with operands of their own alone (keys, tables of positions) are not."""
    names = {name.split(" ")[0] for name, _ in retyped()}
    assert len(names) > 0.8 * len(registered_ops())
