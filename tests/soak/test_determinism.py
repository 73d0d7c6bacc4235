"""D1 with two hash seeds, two numbers of threads, a cold and a warm cache, and two models."""

from tests.soak import determinism


def test_the_same_bits_and_the_same_text():
    figures, differing = determinism.compare((1, 77), (1, 3), 1, ("mlp",), ["lowered", "kernels", "source", "cuda source"],
                                             steps=20)
    assert figures["processes"] == 4
    assert figures["trainings"] == 8
    assert not differing
