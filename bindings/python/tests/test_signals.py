import signal
import threading

import numpy as np
import pytest


class Stop(Exception):
    pass


@pytest.fixture
def third_time():
    """A signal again and again, whose third handling raises. While nobody looks for signals they count as one."""
    handled = []

    def handle(*_):
        handled.append(None)
        if len(handled) == 3:
            # On a busy machine the next one would come before the test looks.
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise Stop

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    yield handled
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def many(db):
    col = db.create_collection("many", dim=32, metric="l2", text="t")
    rows = np.random.default_rng(1).normal(size=(20_000, 32)).astype(np.float32)
    col.upsert(np.arange(20_000), rows)
    return col


@pytest.mark.parametrize("threads", [1, 3])
def test_a_signal_ends_a_batch_search(many, third_time, threads):
    queries = np.random.default_rng(2).normal(size=(100_000, 32)).astype(np.float32)
    with pytest.raises(Stop):
        many.search_batch(queries, threads=threads)
    assert len(third_time) == 3
    signal.setitimer(signal.ITIMER_REAL, 0)
    ids, _ = many.search_batch(queries[:3], k=1, threads=threads)
    assert ids.shape == (3, 1)


def test_a_search_of_another_thread_is_not_ended(many, third_time):
    found = []
    queries = np.random.default_rng(2).normal(size=(1000, 32)).astype(np.float32)
    thread = threading.Thread(target=lambda: found.append(many.search_batch(queries, k=1, threads=1)))
    thread.start()
    with pytest.raises(Stop):
        while True:
            many.search(queries[0], k=1)
    thread.join()
    assert found[0][0].shape == (1000, 1) and (found[0][0] >= 0).all()
