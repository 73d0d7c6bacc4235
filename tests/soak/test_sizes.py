"""N4 with some of the shapes."""

from tests.soak import sizes

NAMES = [f"{what} {power}" for what, power in (
    ("Dense units", "2^63"), ("RepeatVector", "2^31"), ("UpSampling2D", "2^63"), ("ZeroPadding2D", "2^63"),
    ("Conv2D filters", "2^32"), ("Embedding", "2^63"), ("Reshape", "2^32"), ("Lambda tile", "2^63"),
    ("broadcast", "2^31"), ("outer sum", "2^63"), ("LSTM units", "2^32"))]


def test_sizes_that_no_memory_holds_are_refused():
    assert sizes.failures_of(NAMES)[0] == []


def test_a_model_is_usable_after_a_batch_that_was_too_large():
    assert sizes.too_large() is None


def test_there_are_as_many_cases_as_are_promised():
    assert len(sizes.cases()) >= 40
    assert set(NAMES) <= sizes.cases().keys()


