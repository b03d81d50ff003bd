import threading

import numpy as np
import pytest

import foretaste as ft


def exact(rows, q, k):
    distances = np.sqrt(((rows.astype(np.float64) - q) ** 2).sum(1))
    nearest = np.argsort(distances, kind="stable")[:k]
    return nearest, distances[nearest]


def test_an_answer_is_the_nearest_rows_in_order(col, rows):
    q = rows[17] + np.float32(0.01)
    answer = col.search(q, k=12)
    ids, distances = exact(rows, q, 12)
    assert answer.ids.dtype == np.int64 and np.array_equal(answer.ids, ids)
    assert answer.distances.dtype == np.float64 and np.allclose(answer.distances, distances)
    assert np.array_equal(answer.scores, -answer.distances)
    assert len(answer) == 12 and answer.stopped_because == "complete"
    assert [hit.id for hit in answer] == ids.tolist() == [hit.id for hit in answer.hits]
    assert answer[0].payload == {"n": 17, "even": False} and answer[-1].id == ids[-1]
    with pytest.raises(IndexError):
        answer[12]
    first = answer.to_list()[0]
    assert first == {"id": 17, "distance": distances[0], "score": -distances[0], "payload": {"n": 17, "even": False}}
    table = answer.to_numpy()
    assert table.dtype.names == ("id", "distance", "score") and table["id"].dtype == np.int64
    assert np.array_equal(table["id"], ids)
    assert answer.problem is None and answer.estimated_recall == answer.recall_lower_bound == 1.0
    assert [hit.stage for hit in answer] == ["exact"] * 12 and answer[0].uncertainty is None
    assert all("row" in line for line in answer.explain())
    assert answer.cost["rows_exact"] >= 500 and "17" in repr(answer) and "17" in repr(answer[0])


@pytest.mark.parametrize(
    "form",
    [
        lambda q: q,
        lambda q: q.tolist(),
        lambda q: q.astype(np.float64),
        lambda q: np.repeat(q, 3)[::3],
        lambda q: q[::-1].copy()[::-1],
        lambda q: tuple(q),
    ],
)
def test_a_query_comes_in_many_forms(col, rows, form):
    assert col.search(form(rows[5]), k=3).ids[0] == 5


def test_a_read_only_query_is_taken_as_it_is(col, rows):
    q = rows[5].copy()
    q.setflags(write=False)
    assert col.search(q, k=1).ids.tolist() == [5]


def test_a_filter_is_text_or_a_dict(col, rows):
    passing = np.arange(500)[(np.arange(500) % 2 == 0) & (np.arange(500) < 100)]
    nearest = passing[exact(rows[passing], rows[3], 10)[0]]
    for where in ("n < 100 and even = true", {"n": {"<": 100}, "even": True}):
        assert np.array_equal(col.search(rows[3], where=where).ids, nearest)
    short = col.search(rows[3], k=10, where="n < 4")
    assert len(short) == 4 and short.stopped_because == "exhausted"
    none = col.search(rows[3], where="n < 0")
    assert len(none) == 0 and none.ids.shape == (0,) and none.to_list() == [] and not none


def test_a_bad_filter_says_where(col, rows):
    with pytest.raises(ft.BadFilter) as error:
        col.search(rows[0], where="n < 'x'")
    assert error.value.at == 4 and isinstance(error.value, ValueError)
    with pytest.raises(ft.BadFilter):
        col.search(rows[0], where={"n": {"~": 3}})
    with pytest.raises(ft.BadFilter, match="n: a set"):
        col.search(rows[0], where={"n": {1}})
    with pytest.raises(TypeError):
        col.search(rows[0], where=3)


def test_a_shorter_level_compares_the_first_dimensions(col, rows):
    ids, _ = exact(rows[:, :4], rows[9, :4], 5)
    assert np.array_equal(col.search(rows[9], k=5, dims=4).ids, ids)
    assert np.array_equal(col.search(rows[9, :4], k=5, dims=4).ids, ids)
    # Any length from the first level on; below it nothing was declared.
    ids, _ = exact(rows[:, :6], rows[9, :6], 5)
    assert np.array_equal(col.search(rows[9], k=5, dims=6).ids, ids)
    with pytest.raises(ft.BadRequest, match="level"):
        col.search(rows[9], dims=3)


def test_ids_of_mixed_types_are_a_list(db):
    col = db.create_collection("mixed", dim=1, metric="l2")
    col.upsert(["a", 1, "b"], [[0], [1], [2]])
    answer = col.search([0])
    assert answer.ids == ["a", 1, "b"] and answer.to_numpy()["id"].tolist() == ["a", 1, "b"]
    with pytest.raises(ValueError, match="integer ids"):
        col.search_batch([[0]])


def test_what_a_query_cannot_be(col, rows):
    with pytest.raises(ft.DimensionMismatch):
        col.search(rows[0, :3])
    with pytest.raises(ValueError, match="one vector"):
        col.search(rows[:2])
    with pytest.raises(ft.NonFinite):
        col.search([np.nan] * 8)
    with pytest.raises(ValueError):
        col.search(["a"] * 8)
    with pytest.raises(ft.LimitExceeded):
        col.search(rows[0], k=1_000_000)
    with pytest.raises(OverflowError):
        col.search(rows[0], k=-1)
    for effort in ("ef", "nprobe"):
        with pytest.raises(ValueError, match="at least 1"):
            col.search(rows[0], **{effort: 0})


def test_what_search_does_not_take(col, rows):
    assert len(col.search(rows[0], progressive=False, target_recall=None, deadline_ms=None, rerank=None)) == 10
    with pytest.raises(TypeError, match="kk"):
        col.search(rows[0], kk=3)
    with pytest.raises(TypeError):
        col.search_batch(rows[:1], progressive=True)


def test_a_batch_answers_as_single_searches_do(col, rows):
    for threads in (None, 1, 3, 100):
        ids, distances = col.search_batch(rows[:7], k=5, threads=threads)
        assert ids.shape == distances.shape == (7, 5) and ids.dtype == np.int64
        for row, (i, d) in enumerate(zip(ids, distances)):
            answer = col.search(rows[row], k=5)
            assert np.array_equal(answer.ids, i) and np.array_equal(answer.distances, d)
    ids, distances = col.search_batch(rows[:2], k=5, where="n < 3", dims=4)
    assert (ids[:, 3:] == -1).all() and np.isinf(distances[:, 3:]).all() and (ids[:, :3] >= 0).all()
    ids, distances = col.search_batch(np.empty((0, 8), np.float32), k=5)
    assert ids.shape == (0, 5)
    with pytest.raises(ft.NonFinite):
        col.search_batch(np.full((3, 8), np.nan))
    with pytest.raises(ValueError, match="shape"):
        col.search_batch(rows[0])


@pytest.mark.parametrize(
    "index, parameters",
    [
        ("auto", {}),
        ("flat", {}),
        ("ivf", {"nlist": 8}),
        ("hnsw", {}),
        ("hnsw", {"m": 8, "ef_construction": 60, "edge_bits": 1}),
    ],
)
def test_after_optimize_the_answers_are_as_good(col, rows, index, parameters):
    col.upsert(np.arange(500, 520), rows[:20] + 50)
    col.optimize(index=index, **parameters)
    assert col.stats()["segments"] == 1 and len(col) == 520
    effort = {"ef": 200, "nprobe": 64}
    found = [len(set(col.search(q, k=10, **effort).ids) & set(exact(rows, q, 10)[0])) for q in rows[:50]]
    assert np.mean(found) >= 9.5


def test_what_optimize_cannot_build(col):
    with pytest.raises(ValueError, match="index is one of"):
        col.optimize(index="annoy")
    with pytest.raises(TypeError, match="nlist"):
        col.optimize(index="hnsw", nlist=3)
    with pytest.raises(TypeError, match="build_threads"):
        col.optimize(index="hnsw", threads=9)
    with pytest.raises(ft.BadRequest, match="bits"):
        col.optimize(index="hnsw", edge_bits=9)


def test_searches_and_writes_go_on_from_several_threads(col, rows):
    failures = []

    def search():
        try:
            for i in range(100):
                assert i in col.search(rows[i], k=3).ids
        except BaseException as e:
            failures.append(e)

    def write():
        try:
            for i in range(20):
                col.upsert([1000 + i], rows[:1] + 1000)
        except BaseException as e:
            failures.append(e)

    threads = [threading.Thread(target=work) for work in (search, search, write)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert failures == [] and len(col) == 520
