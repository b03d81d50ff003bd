import numpy as np
import pytest

import foretaste as ft

WORDS = ["red", "green", "blue", "fox", "dog", "owl"]


@pytest.fixture
def mixed(db):
    dice = np.random.default_rng(9)
    vectors = dice.normal(size=(300, 8)).astype(np.float32)
    bodies = [" ".join(dice.choice(WORDS, size=dice.integers(1, 9))) for _ in range(300)]
    col = db.create_collection("mixed", dim=8, metric="cosine", text="body")
    payloads = [{"body": body, "n": n} for n, body in enumerate(bodies)]
    col.upsert(np.arange(200), vectors[:200], payloads=payloads[:200])
    col.flush()
    col.upsert(np.arange(200, 300), vectors[200:], payloads=payloads[200:])
    return col, vectors


def rrf(lists, kappa=60.0):
    scores = {}
    for weight, ids in lists:
        for rank, id in enumerate(ids, 1):
            scores[id] = scores.get(id, 0.0) + weight / (kappa + rank)
    return scores


@pytest.mark.parametrize("where", [None, "n < 150"])
def test_rrf_sums_reciprocal_ranks_of_vectors_and_words(mixed, where):
    col, vectors = mixed
    own = col.search(vectors[0], k=50, where=where).ids
    other = col.search(vectors[1], k=50, where=where).ids
    words = col.search_text("body", "red fox", k=50, where=where).ids
    scores = rrf([(1.0, own), (0.5, other), (2.0, words)])
    stage = ft.Fuse(depth=50).vector(vectors[1], 0.5).text("body", "red fox", weight=2.0)
    answer = col.search(vectors[0], k=20, where=where, rerank=stage)
    best = sorted(scores.values(), reverse=True)[:20]
    assert np.allclose(answer.scores, best) and np.allclose([scores[id] for id in answer.ids], best)
    # Distances are those from the search's own query, also of rows that it did not find itself.
    assert set(answer.ids) - set(own)
    for hit in answer:
        row = col.get(hit.id).vector.astype(np.float64)
        q = vectors[0].astype(np.float64)
        cosine = row @ q / np.linalg.norm(row) / np.linalg.norm(q)
        assert hit.distance == pytest.approx(1 - cosine, abs=1e-6) and hit.stage == "rerank"


def test_kappa_and_weight_are_told(mixed):
    col, vectors = mixed
    own, other = (col.search(q, k=30).ids for q in vectors[:2])
    scores = rrf([(3.0, own), (1.0, other)], kappa=1.0)
    stage = ft.Fuse("rrf", weight=3.0, depth=30, kappa=1).vector(vectors[1])
    answer = col.search(vectors[0], k=10, rerank=stage)
    assert np.allclose(answer.scores, sorted(scores.values(), reverse=True)[:10])


@pytest.mark.parametrize("fusion", ["rrf", "zscore", "minmax", "borda", "copeland", "kemeny", "runoff"])
def test_every_fusion_agrees_with_lists_that_agree(mixed, fusion):
    col, vectors = mixed
    alone = col.search(vectors[2], k=8).ids
    stage = ft.Fuse(fusion, depth=8).vector(vectors[2]).vector(vectors[2])
    at_once = col.search(vectors[2], k=8, rerank=[stage])
    assert np.array_equal(at_once.ids, alone)
    assert stage.fusion == fusion and f'Fuse("{fusion}"' in repr(stage)
    revisions = list(col.search(vectors[2], k=8, rerank=stage, progressive=True))
    assert np.array_equal(revisions[-1].ids, at_once.ids) and revisions[-1].stopped_because == "complete"


def test_fusion_goes_on_to_the_next_stage(mixed):
    col, vectors = mixed
    fuse = ft.Fuse("borda").text("body", "owl")
    asked = []

    def score(ids):
        asked.extend(ids)
        return [-id for id in ids]

    answer = col.search(vectors[0], k=5, rerank=[fuse, ft.Scorer(score, budget=20, mode="retrieve", batch=20)])
    fused = col.search(vectors[0], k=100, rerank=fuse).ids.tolist()
    assert len(asked) == 20 and set(asked) <= set(fused) and answer.ids.tolist() == sorted(asked)[:5]
    answer = col.search(vectors[0], k=5, rerank=[fuse, ft.Mmr(1.0)])
    assert np.array_equal(answer.ids, col.search(vectors[0], k=5, rerank=fuse).ids)


def test_min_votes_leaves_rows_of_too_few_lists_out(mixed):
    col, vectors = mixed
    own, other = (set(col.search(q, k=40).ids) for q in vectors[3:5])
    stage = ft.Fuse(depth=40, min_votes=2).vector(vectors[4])
    answer = col.search(vectors[3], k=40, rerank=stage)
    assert set(answer.ids) == own & other and len(answer) < 40


def test_a_stage_is_not_changed_by_adding_lists(mixed):
    col, vectors = mixed
    empty = ft.Fuse("rrf", weight=0.5, depth=7, min_votes=1)
    one = empty.vector(vectors[0], weight=2)
    two = one.text("body", "fox")
    assert (empty.weight, empty.depth, empty.min_votes) == (0.5, 7, 1) == (two.weight, two.depth, two.min_votes)
    assert repr(empty).endswith("min_votes=1)")
    assert repr(one).endswith("min_votes=1).vector(<8 numbers>, weight=2.0)")
    assert repr(two).endswith('.text("body", "fox", weight=1.0)')
    assert np.array_equal(col.search(vectors[1], rerank=empty).ids, col.search(vectors[1]).ids)


def test_what_fuse_cannot_be(db, mixed):
    col, vectors = mixed
    with pytest.raises(ValueError, match="fusion is one of rrf"):
        ft.Fuse("sum")
    with pytest.raises(ValueError, match="kappa is for rrf"):
        ft.Fuse("borda", kappa=10)
    with pytest.raises(ValueError, match="finalists are for runoff"):
        ft.Fuse("rrf", finalists=3)
    with pytest.raises(ft.BadRequest, match="not a full-text field"):
        col.search(vectors[0], rerank=ft.Fuse().text("title", "fox"))
    with pytest.raises(ft.DimensionMismatch):
        col.search(vectors[0], rerank=ft.Fuse().vector([1.0, 2.0]))
    with pytest.raises(ft.NonFinite):
        col.search(vectors[0], rerank=ft.Fuse().vector([np.nan] * 8))
    with pytest.raises(ValueError, match="one vector"):
        ft.Fuse().vector(vectors)
    for wrong in (ft.Fuse(weight=-1.0), ft.Fuse().vector(vectors[0], weight=float("inf")), ft.Fuse(weight=0.0)):
        with pytest.raises(ft.BadRequest, match="weight"):
            col.search(vectors[0], rerank=wrong)
    plain = db.create_collection("plain", dim=8, metric="l2")
    with pytest.raises(ft.BadRequest, match="cosine"):
        plain.search(vectors[0], rerank=ft.Fuse("minmax"))
    with pytest.raises(ValueError, match="Fuse is for one query"):
        col.search_batch(vectors[:2], rerank=ft.Fuse())
