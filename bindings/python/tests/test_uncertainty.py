"""Uncertain rows left out, put behind, and the uncertainty of the query itself."""

import numpy as np
import pytest

import foretaste as ft


@pytest.fixture(params=["scalar", "diagonal"])
def col(request, db, rows):
    """Rows with variances of a collection that has a segment and fresh rows, and what these sum up to."""
    wide = request.param == "diagonal"
    variances = np.random.default_rng(6).uniform(0.1, 2, size=(500, 8 if wide else 1)).astype(np.float16).astype(np.float32)
    col = db.create_collection("docs", dim=8, metric="l2", levels=[4, 8], variance=request.param, columns={"n": "int"})
    payloads = [{"n": n} for n in range(500)]
    given = variances if wide else variances[:, 0]
    col.upsert(np.arange(400), rows[:400], payloads[:400], given[:400])
    col.flush()
    col.upsert(np.arange(400, 500), rows[400:], payloads[400:], given[400:])
    return col, rows, np.broadcast_to(variances, (500, 8)).astype(np.float64)


def nearest(rows, q, passing, k=10):
    distances = ((rows.astype(np.float64) - q) ** 2).sum(1)
    return np.flatnonzero(passing)[np.argsort(distances[passing])][:k]


def test_uncertain_rows_are_left_out(col):
    col, rows, variances = col
    q, sums = rows[7] + np.float32(0.2), variances.sum(1)
    limit = float(np.median(sums))
    n = np.arange(500)
    best = nearest(rows, q, sums <= limit)
    answer = col.search(q, max_uncertainty=limit)
    assert np.array_equal(answer.ids, best) and all(hit.uncertainty <= limit for hit in answer)
    assert not np.array_equal(answer.ids, col.search(q).ids)
    assert np.array_equal(list(col.search(q, max_uncertainty=limit, progressive=True))[-1].ids, best)
    ids, _ = col.search_batch([q, q], max_uncertainty=limit)
    assert np.array_equal(ids, [best, best])
    assert np.array_equal(col.snapshot().search(q, max_uncertainty=limit).ids, best)
    assert np.array_equal(col.snapshot().search_batch([q], max_uncertainty=limit)[0][0], best)
    both = col.search(q, where="n >= 250", max_uncertainty=limit)
    assert np.array_equal(both.ids, nearest(rows, q, (sums <= limit) & (n >= 250)))
    none = col.search(q, max_uncertainty=0)
    assert len(none) == 0 and none.stopped_because == "exhausted"
    # Over the dimensions that are compared.
    half = variances[:, :4].sum(1)
    answer = col.search(q, dims=4, max_uncertainty=limit / 2)
    assert np.array_equal(answer.ids, nearest(rows[:, :4], q[:4], half <= limit / 2))
    assert np.allclose([hit.uncertainty for hit in answer], half[answer.ids], rtol=1e-3)


def test_the_surest_come_first(col):
    col, rows, variances = col
    q, sums = rows[7], variances.sum(1)
    head = col.search(q, k=40).ids
    best = head[np.argsort(sums[head], kind="stable")]
    answer = col.search(q, k=10, rerank=ft.Uncertainty(among=40))
    assert np.array_equal(answer.ids, best[:10]) and {hit.stage for hit in answer} == {"rerank"}
    assert np.array_equal(list(col.search(q, rerank=ft.Uncertainty(40), progressive=True))[-1].ids, best[:10])
    assert set(col.search(q, rerank=ft.Uncertainty()).ids) == set(head[:10])
    ids, _ = col.search_batch([q], rerank=[ft.Uncertainty(among=40)])
    assert np.array_equal(ids[0], best[:10])


def test_the_query_says_how_uncertain_it_is(col):
    col, rows, _ = col
    own = np.linspace(0.1, 0.8, 8, dtype=np.float32)
    assert col.search(rows[0], query_variance=own).query_uncertainty == pytest.approx(own.sum())
    assert col.search(rows[0], query_variance=0.5).query_uncertainty == pytest.approx(4)
    assert col.search(rows[0], query_variance=own, dims=4).query_uncertainty == pytest.approx(own[:4].sum())
    assert col.search(rows[0]).query_uncertainty is None
    seen = [r.query_uncertainty for r in col.search(rows[0], query_variance=own, progressive=True)]
    assert seen == pytest.approx([own.sum()] * len(seen)) and seen
    assert next(col.search(rows[0], progressive=True)).query_uncertainty is None


def test_what_a_limit_cannot_be(db, col):
    col, rows, _ = col
    for wrong in (-1, float("nan")):
        with pytest.raises(ft.BadRequest, match="not negative"):
            col.search(rows[0], max_uncertainty=wrong)
    plain = db.create_collection("plain", dim=8)
    for bad in ({"max_uncertainty": 1}, {"rerank": ft.Uncertainty()}):
        with pytest.raises(ft.BadRequest, match="variances"):
            plain.search(rows[0], **bad)
