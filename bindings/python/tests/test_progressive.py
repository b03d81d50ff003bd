import gc
import threading

import numpy as np
import pytest

import foretaste as ft


@pytest.fixture(scope="module", params=["flat", "hnsw", "ivf"])
def large(request, tmp_path_factory):
    """Rows in a segment with an index, fresh ones, and some deleted. Only read by tests."""
    random = np.random.default_rng(2)
    rows = random.normal(size=(4000, 16)).astype(np.float32)
    with ft.open(tmp_path_factory.mktemp(request.param) / "t.ft") as db:
        col = db.create_collection("large", dim=16, metric="l2", levels=[8, 16], columns={"n": "int"})
        payloads = [{"n": i} for i in range(4000)]
        col.upsert(np.arange(3500), rows[:3500], payloads=payloads[:3500])
        col.optimize(request.param)
        col.upsert(np.arange(3500, 4000), rows[3500:], payloads=payloads[3500:])
        col.delete(range(0, 4000, 13))
        yield col


def queries(n):
    return np.random.default_rng(3).normal(size=(n, 16)).astype(np.float32)


@pytest.mark.parametrize("how", [{}, {"where": "n < 300"}, {"dims": 8}, {"ef": 300, "nprobe": 40}])
def test_the_last_revision_is_the_answer_at_once(large, how):
    for q in queries(5):
        at_once = large.search(q, k=12, **how)
        revisions = list(large.search(q, k=12, progressive=True, **how))
        last = revisions[-1]
        assert np.array_equal(last.ids, at_once.ids) and last.ids.dtype == np.int64
        assert np.array_equal(last.distances, at_once.distances) and last.distances.dtype == np.float64
        assert np.array_equal(last.scores, at_once.scores)
        assert last.stopped_because == at_once.stopped_because == "complete"
        assert last.settled == len(last) == len(at_once) == 12
        assert last.estimated_recall == (at_once.estimated_recall and pytest.approx(at_once.estimated_recall, abs=0.05))
        assert [hit.error for hit in last.hits] == [0.0] * 12
        before = None
        for number, revision in enumerate(revisions, 1):
            assert revision.number == number
            assert revision.stage in ("sketch", "beam", "refine", "exact")
            assert revision.settled <= len(revision) == len(revision.ids) == len(revision.hits) <= 12
            assert len(set(revision.ids.tolist())) == len(revision)
            assert (revision.stopped_because is None) == (number < len(revisions)) and revision.problem is None
            old = before.ids.tolist() if before else []
            new = revision.ids.tolist()
            assert revision.changed == [i for i in range(len(new)) if i >= len(old) or new[i] != old[i]]
            if before:
                assert before.elapsed_us <= revision.elapsed_us == revision.cost["elapsed_us"]
                assert all(before.cost[key] <= revision.cost[key] for key in before.cost)
            before = revision


def test_hits_of_a_revision_say_how_sure_they_are(large):
    seen, known = set(), 0
    for q in queries(10):
        for revision in large.search(q, k=10, ef=200, nprobe=30, progressive=True):
            for hit, id, distance, score in zip(revision.hits, revision.ids, revision.distances, revision.scores):
                assert (hit.id, hit.distance, hit.score) == (id, distance, score)
                assert hit.error >= 0 and hit.uncertainty is None and hit.payload == {"n": hit.id}
                assert hit.p_final is None or 0 <= hit.p_final <= 1
                seen.add(hit.stage)
            if revision.estimated_recall is not None:
                known += 1
                assert 0 <= revision.recall_lower_bound <= revision.estimated_recall <= 1
            assert revision.stage in repr(revision)
    assert "exact" in seen
    if "graph" in "".join(large.search(queries(1)[0]).explain()):
        assert known > 0


def test_ids_of_mixed_types_are_a_list(db):
    col = db.create_collection("mixed", dim=1, metric="l2")
    col.upsert(["a", 1, "b"], [[0], [1], [2]])
    last = list(col.search([0], progressive=True))[-1]
    assert last.ids == ["a", 1, "b"] and last.stopped_because == "exhausted"


def test_after_the_end_comes_nothing(large):
    revisions = large.search(queries(1)[0], progressive=True)
    assert iter(revisions) is revisions
    assert list(revisions) and list(revisions) == [] and next(revisions, None) is None
    with pytest.raises(StopIteration):
        next(revisions)
    assert revisions.explain() and all(isinstance(line, str) for line in revisions.explain())
    revisions.cancel()
    assert next(revisions, None) is None


def test_several_iterators_go_on_side_by_side_and_one_may_be_dropped(large):
    questions = queries(6)
    at_once = [large.search(q, k=5).ids for q in questions]
    running = [large.search(q, k=5, progressive=True) for q in questions]
    last = [None] * len(running)
    dropped = running[3]
    next(dropped)
    running[3] = None
    del dropped
    gc.collect()
    while any(running):
        for i, revisions in enumerate(running):
            if revisions is None:
                continue
            revision = next(revisions, None)
            if revision is None:
                running[i] = None
            else:
                last[i] = revision
    for i in (0, 1, 2, 4, 5):
        assert np.array_equal(last[i].ids, at_once[i])


def test_a_search_sees_the_moment_when_it_was_begun(col, rows):
    nearest = col.search(rows[3], k=5).ids
    revisions = col.search(rows[3], k=5, progressive=True)
    col.delete(nearest)
    last = list(revisions)[-1]
    del revisions
    gc.collect()
    assert np.array_equal(last.ids, nearest) and [hit.payload["n"] for hit in last.hits] == nearest.tolist()
    assert set(col.search(rows[3], k=5).ids).isdisjoint(nearest)


def test_a_deadline_that_has_passed_gives_the_best_so_far(large):
    q = queries(1)[0]
    answer = large.search(q, deadline_ms=0)
    assert answer.stopped_because == "deadline" and len(answer) <= 10
    assert list(large.search(q, deadline_ms=0, progressive=True))[-1].stopped_because == "deadline"
    for ample in (60_000, 60_000.5):
        assert large.search(q, deadline_ms=ample).stopped_because == "complete"
    for wrong in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="deadline_ms"):
            large.search(q, deadline_ms=wrong)


def test_a_budget_gives_the_best_so_far(large):
    q = queries(1)[0]
    answer = large.search(q, budget=100)
    assert answer.stopped_because == "budget"
    last = list(large.search(q, budget=100, progressive=True))[-1]
    assert last.stopped_because == "budget" and np.array_equal(last.ids, answer.ids)


def test_target_recall_is_above_0_and_at_most_1(large):
    q = queries(1)[0]
    assert len(large.search(q, target_recall=1)) == 10
    for wrong in (0, 1.5, float("nan")):
        with pytest.raises(ft.BadRequest, match="target_recall"):
            large.search(q, target_recall=wrong)
    some, _ = large.search_batch(queries(8), target_recall=0.5)
    more, _ = large.search_batch(queries(8), target_recall=0.99)
    assert some.shape == more.shape == (8, 10)


def test_a_batch_takes_a_deadline_for_each_row(large):
    ids, distances = large.search_batch(queries(3), k=4, deadline_ms=60_000)
    assert (ids >= 0).all() and np.array_equal(ids[1], large.search(queries(3)[1], k=4).ids)
    ids, distances = large.search_batch(queries(3), k=4, deadline_ms=0)
    assert np.isinf(distances[ids < 0]).all()


def test_cancelling_ends_an_answer_with_the_best_so_far(large):
    revisions = large.search(queries(1)[0], ef=400, nprobe=60, progressive=True)
    first = next(revisions)
    thread = threading.Thread(target=revisions.cancel)
    thread.start()
    thread.join()
    rest = list(revisions)
    if first.stopped_because is None:
        assert [revision.stopped_because for revision in rest] == ["cancelled"] and len(rest[0]) == 10
    else:
        assert rest == []


def test_errors_come_when_it_begins(large):
    with pytest.raises(ft.BadRequest, match="level"):
        large.search(queries(1)[0], dims=5, progressive=True)
    with pytest.raises(ft.NonFinite):
        large.search([np.nan] * 16, progressive=True)


def test_an_iterator_goes_on_when_the_database_is_closed(tmp_path):
    db = ft.open(tmp_path / "t.ft")
    col = db.create_collection("c", dim=1, metric="l2")
    col.upsert([1], [[1]])
    revisions = col.search([1], progressive=True)
    db.close()
    assert list(revisions)[-1].ids.tolist() == [1]
