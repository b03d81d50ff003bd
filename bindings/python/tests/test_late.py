import numpy as np
import pytest

import foretaste as ft


@pytest.fixture
def late(db):
    """Rows with a matrix of 1 to 5 tokens; every seventh has none."""
    dice = np.random.default_rng(7)
    vectors = dice.normal(size=(200, 8)).astype(np.float32)
    matrices = [dice.integers(-9, 10, size=(n % 5 + 1, 4)).astype(np.float32) for n in range(200)]
    matrices = [None if n % 7 == 0 else matrix for n, matrix in enumerate(matrices)]
    col = db.create_collection("late", dim=8, metric="l2", tokens=(4, "f32"))
    col.upsert(np.arange(150), vectors[:150], payloads=[{"n": n} for n in range(150)], tokens=matrices[:150])
    col.flush()
    col.upsert(np.arange(150, 200), vectors[150:], payloads=[{"n": n} for n in range(150, 200)], tokens=matrices[150:])
    return col, vectors, matrices


QUERY = np.random.default_rng(8).integers(-9, 10, size=(3, 4)).astype(np.float32)


def maxsim(matrix):
    return (QUERY @ matrix.T).max(1).sum()


def test_maxsim_orders_the_nearest_rows_by_late_interaction(late):
    col, vectors, matrices = late
    for where in (None, "n >= 20"):
        nearest = col.search(vectors[0], k=60, where=where).ids
        scores = {id: maxsim(matrices[id]) for id in nearest if matrices[id] is not None}
        answer = col.search(vectors[0], k=10, where=where, rerank=ft.MaxSim(QUERY, among=60))
        assert answer.scores.tolist() == sorted(scores.values(), reverse=True)[:10]
        assert [scores[id] for id in answer.ids] == answer.scores.tolist()
        assert {hit.stage for hit in answer} == {"rerank"} and answer.stopped_because == "complete"


def test_rows_without_tokens_come_behind_in_their_order(late):
    col, vectors, matrices = late
    nearest = col.search(vectors[0], k=40).ids.tolist()
    answer = col.search(vectors[0], k=40, rerank=ft.MaxSim(QUERY, among=40))
    bare = [id for id in nearest if matrices[id] is None]
    assert bare and answer.ids.tolist()[-len(bare) :] == bare


def test_maxsim_among_other_stages_and_progressive(late):
    col, vectors, _ = late
    stages = [ft.MaxSim(QUERY.tolist()), ft.Mmr(0.8)]
    at_once = col.search(vectors[3], k=5, rerank=stages)
    revisions = list(col.search(vectors[3], k=5, rerank=stages, progressive=True))
    assert np.array_equal(revisions[-1].ids, at_once.ids) and np.array_equal(revisions[-1].scores, at_once.scores)
    assert revisions[-1].stage == "rerank" and revisions[-1].settled == 5


def test_a_stage_is_added_to_an_answer(late):
    col, vectors, _ = late
    answer = col.search(vectors[3], k=20, progressive=True)
    before = list(answer)[-1].ids
    answer.rerank(ft.MaxSim(QUERY, among=20))
    after = list(answer)[-1]
    assert set(after.ids) == set(before) and not np.array_equal(after.ids, before)
    with pytest.raises(ft.BadRequest, match="tokens of 3 numbers given, 4 expected"):
        answer.rerank([ft.MaxSim(np.ones((4, 3)))])


def test_given_rows_are_scored(late):
    col, _, matrices = late
    ids = [5, 7, 11, 12, 999, "none", 160]
    best = col.snapshot().maxsim(QUERY, ids, k=3)
    scores = {id: maxsim(matrices[id]) for id in (5, 11, 12, 160)}
    assert best == sorted(scores.items(), key=lambda item: -item[1])[:3]
    assert col.snapshot().maxsim(QUERY, 5) == [(5, scores[5])] and col.snapshot().maxsim(QUERY, []) == []


def test_what_maxsim_cannot_be(db, late):
    col, vectors, _ = late
    stage = ft.MaxSim(QUERY)
    assert stage.among == 100 and np.array_equal(stage.tokens, QUERY) and "3 tokens of 4" in repr(stage)
    plain = db.create_collection("plain", dim=8, metric="l2")
    with pytest.raises(ft.BadRequest, match="no token matrices"):
        plain.search(vectors[0], rerank=stage)
    # As many numbers as three tokens of four.
    with pytest.raises(ft.BadRequest, match="tokens of 2 numbers given, 4 expected"):
        col.search(vectors[0], rerank=ft.MaxSim(np.ones((6, 2))))
    with pytest.raises(ft.BadRequest, match="tokens of 2 numbers given, 4 expected"):
        col.snapshot().maxsim(np.ones((6, 2)), [1])
    for none in (np.empty((0, 4)), np.empty((0, 0))):
        with pytest.raises(ft.BadRequest):
            col.search(vectors[0], rerank=ft.MaxSim(none))
    with pytest.raises(ft.NonFinite):
        col.search(vectors[0], rerank=ft.MaxSim(np.full((1, 4), np.nan)))
    with pytest.raises(ValueError, match="shape"):
        ft.MaxSim(np.ones(4))
    with pytest.raises(ValueError, match="MaxSim is for one query"):
        col.search_batch(vectors[:2], rerank=stage)
