"""N1 to N3 with some of the places and types."""

import pytest

from graphc.ir.types import F32, F64
from tests.soak import indices, numbers


@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_special_values_at_places_of_a_vector_loop(dtype):
    count, failures = numbers.elementwise_failures(dtype, places=(0, 17, 36))
    assert count > 10_000
    assert not failures


@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_special_values_in_folds(dtype):
    assert not numbers.fold_failures(dtype)[1]


def test_nan_comes_through_layers():
    assert not numbers.lost_in_layers(numbers.layer_stacks()[::5])


def test_the_floating_point_environment():
    assert not numbers.environment_failures()


def test_indices_out_of_range_in_ops(monkeypatch):
    monkeypatch.setattr(indices, "TYPES", {"i1": "i8", "i8": "i64", "u4": "u32", "u8": "u64"})
    count, failures = indices.op_failures()
    assert count > 20
    assert not failures


@pytest.mark.parametrize("check", [lambda: indices.on_cpu(1, ["i4", "u8"]), lambda: indices.on_cpu(3, ["i8", "f4"]),
                                   lambda: indices.on_device(["i8"])], ids=["one thread", "three threads", "device"])
def test_indices_out_of_range_in_models(check):
    count, failures = check()
    assert count
    assert not failures
