"""What expensive scorers say is remembered, by their version."""

import numpy as np
import pytest

import foretaste as ft


class Judge:
    def __init__(self):
        self.asked = []

    def __call__(self, ids):
        self.asked += ids
        return [-abs(id - 250.0) for id in ids]


def ask(col, q, judge, budget=20, version="judge-1", **more):
    stage = ft.Scorer(judge, budget=budget, mode=more.pop("mode", "retrieve"), version=version, **more)
    return col.search(q, k=10, rerank=stage)


def spent(answer):
    return answer.cost["scorer_calls"], answer.cost["scores_remembered"]


@pytest.mark.parametrize("mode", ["retrieve", "adaptive"])
def test_an_answer_asked_again_begins_where_it_ended(col, rows, mode):
    judge = Judge()
    first = ask(col, rows[0], judge, mode=mode)
    again = ask(col, rows[0], judge, mode=mode)
    assert spent(first) == (20, 0) and spent(again) == (20, 20)
    assert len(judge.asked) == len(set(judge.asked)) == 40
    free = ask(col, rows[0], judge, budget=0, mode=mode)
    assert spent(free) == (0, 40) and free.scores[0] == max(-abs(id - 250.0) for id in judge.asked)
    assert np.array_equal(free.ids, again.ids)
    last = list(col.search(rows[0], rerank=ft.Scorer(judge, 0, mode, version="judge-1"), progressive=True))[-1]
    assert last.cost["scores_remembered"] == 40 and np.array_equal(last.ids, free.ids)


def test_scores_are_of_a_version_a_query_and_a_row_as_it_was_written(col, rows):
    judge = Judge()
    ask(col, rows[0], judge)
    assert spent(ask(col, rows[0], judge, version="judge-2")) == (20, 0)
    assert spent(ask(col, rows[1], judge)) == (20, 0)
    assert spent(ask(col, rows[0], judge, version=None)) == (20, 0)
    written = judge.asked[0]
    col.upsert([written], rows[[written]], [{"n": written}])
    answer = ask(col, rows[0], judge, budget=1)
    assert spent(answer)[1] == 19 and judge.asked[-1] == written


def test_a_query_may_have_a_name(col, rows):
    judge = Judge()
    for n, key in enumerate(["who wrote it?", b"who wrote it?"]):
        assert spent(ask(col, rows[n], judge, query_key=key)) == (20, 20 * n)
    assert spent(ask(col, rows[0], judge, query_key="who read it?")) == (20, 0)
    assert spent(ask(col, rows[0], judge, query_key=b"\0\xff")) == (20, 0)


def test_scores_outlive_the_database_until_they_are_forgotten(tmp_path, rows):
    judge = Judge()
    with ft.open(tmp_path / "t.ft") as db:
        col = db.create_collection("docs", dim=8, metric="l2")
        col.upsert(np.arange(500), rows)
        ask(col, rows[0], judge), ask(col, rows[0], judge, version="other")
    with ft.open(tmp_path / "t.ft") as db:
        col = db["docs"]
        assert spent(ask(col, rows[0], judge, budget=0)) == (0, 20)
        db.forget_scores("judge-1")
        assert spent(ask(col, rows[0], judge, budget=0)) == (0, 0)
        assert spent(ask(col, rows[0], judge, budget=0, version="other")) == (0, 20)
        db.forget_scores()
        assert spent(ask(col, rows[0], judge, budget=0, version="other")) == (0, 0)


def test_how_many_are_remembered_is_bounded(tmp_path, rows):
    for most, known in ((0, 0), (64, 64)):
        with ft.open(tmp_path / f"{most}.ft", remembered_scores=most) as db:
            col = db.create_collection("docs", dim=8, metric="l2")
            col.upsert(np.arange(500), rows)
            ask(col, rows[0], Judge(), budget=200)
            left = spent(ask(col, rows[0], Judge(), budget=0))[1]
            assert left <= known and (left > 0) == (known > 0)


def test_what_a_version_cannot_be(col, rows):
    with pytest.raises(ft.LimitExceeded, match="version of a scorer"):
        ask(col, rows[0], Judge(), version="v" * 256)
    with pytest.raises(TypeError):
        ask(col, rows[0], Judge(), version=3)
    with pytest.raises(TypeError):
        ask(col, rows[0], Judge(), query_key=3)
