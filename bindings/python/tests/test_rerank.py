import gc
import signal
import sys
import threading
import time
import weakref

import numpy as np
import pytest

import foretaste as ft


class CrossEncoder:
    """Agrees with the vectors about the neighbourhood and not about the order in it: nearest to another vector than the query."""

    def __init__(self, rows, wanted):
        self.truth = -((rows - wanted) ** 2).sum(1)
        self.asked = []

    def __call__(self, ids):
        assert type(ids) is list and all(type(id) is int for id in ids)
        self.asked.append(ids)
        return self.truth[ids]

    def ids(self):
        return [id for ids in self.asked for id in ids]


@pytest.fixture
def asked(rows):
    random = np.random.default_rng(5)
    queries = random.normal(size=(12, 8)).astype(np.float32)
    return [(q, CrossEncoder(rows, q + random.normal(size=8).astype(np.float32) * 0.7)) for q in queries]


def test_retrieve_scores_the_head_of_the_list(col, asked):
    for q, encoder in asked:
        head = col.search(q, k=60).ids
        answer = col.search(q, k=10, rerank=ft.Scorer(encoder, budget=60, mode="retrieve", batch=16))
        assert [len(ids) for ids in encoder.asked] == [16, 16, 16, 12] and encoder.ids() == head.tolist()
        best = head[np.argsort(-encoder.truth[head], kind="stable")][:10]
        assert np.array_equal(answer.ids, best) and np.array_equal(answer.scores, encoder.truth[best])
        assert answer.cost["scorer_calls"] == 60 and answer.stopped_because == "complete" and answer.problem is None
        assert {hit.stage for hit in answer} == {"rerank"}


def test_adaptive_finds_more_with_the_same_budget(col, asked):
    found = {"adaptive": 0, "retrieve": 0}
    for q, encoder in asked:
        best = set(np.argsort(-encoder.truth)[:10].tolist())
        for mode in found:
            encoder.asked = []
            answer = col.search(q, rerank=ft.Scorer(encoder, budget=48, mode=mode, batch=8))
            assert len(encoder.ids()) == len(set(encoder.ids())) == answer.cost["scorer_calls"] <= 48
            assert max(len(ids) for ids in encoder.asked) <= 8
            found[mode] += len(best & set(answer.ids.tolist()))
    assert found["adaptive"] > found["retrieve"] > 0


@pytest.mark.parametrize("mode", ["adaptive", "retrieve"])
def test_revisions_of_a_scorer(col, asked, mode):
    for q, encoder in asked[:4]:
        stage = ft.Scorer(encoder, budget=40, mode=mode, batch=10)
        at_once = col.search(q, rerank=stage)
        encoder.asked = []
        revisions = col.search(q, rerank=stage, progressive=True)
        assert encoder.asked == []
        seen = []
        for revision in revisions:
            seen.append(revision)
            assert revision.cost["scorer_calls"] == len(encoder.ids())
            if revision.stopped_because is None:
                settled = revision.hits[: revision.settled]
                assert all(hit.stage == "rerank" for hit in settled)
        last = seen[-1]
        assert np.array_equal(last.ids, at_once.ids) and np.array_equal(last.scores, at_once.scores)
        assert last.stage == "rerank" and len(seen) >= 4 and last.settled == 10


def test_a_scorer_is_asked_only_as_far_as_the_answer_is_read(col, asked):
    q, encoder = asked[0]
    revisions = col.search(q, rerank=ft.Scorer(encoder, budget=100, mode="retrieve", batch=10), progressive=True)
    for revision in revisions:
        if encoder.asked:
            break
    assert len(encoder.asked) == 1 and revision.stopped_because is None
    revisions.cancel()
    (last,) = revisions
    assert len(encoder.asked) == 1 and last.stopped_because == "cancelled" and len(last) == 10
    encoder.asked = []
    dropped = col.search(q, rerank=ft.Scorer(encoder), progressive=True)
    next(dropped)
    del dropped
    assert encoder.asked == []


def test_ids_are_of_the_types_they_were_written_with(db):
    col = db.create_collection("mixed", dim=1, metric="l2")
    col.upsert(["a", 1, "b"], [[0], [1], [2]])
    points = {"a": 1, 1: 3, "b": 2}
    asked = []

    def score(ids):
        asked.extend(ids)
        return [points[id] for id in ids]

    answer = col.search([0], rerank=ft.Scorer(score))
    assert answer.ids == [1, "b", "a"] and answer.scores.tolist() == [3, 2, 1] and set(asked) == {"a", 1, "b"}
    # 1.0 == 1, so the types are looked at.
    assert {type(id) for id in asked} == {int, str} and answer.stopped_because == "exhausted"


@pytest.mark.parametrize(
    "form",
    [
        lambda s: s,
        lambda s: s.astype(np.float32),
        lambda s: s.tolist(),
        lambda s: tuple(s),
        lambda s: np.repeat(s, 2)[::2],
        lambda s: (s * 1000).astype(np.int32),
    ],
)
def test_scores_come_in_many_forms(col, asked, form):
    q, encoder = asked[1]
    expected = col.search(q, rerank=ft.Scorer(encoder, mode="retrieve")).ids
    answer = col.search(q, rerank=ft.Scorer(lambda ids: form(encoder(ids)), mode="retrieve"))
    assert answer.problem is None and np.array_equal(answer.ids[:5], expected[:5])


def raising(ids):
    raise ValueError("no more")


@pytest.mark.parametrize(
    "then, problem",
    [
        (raising, "scorer: ValueError: no more"),
        (lambda ids: [0.0], "1 scores for 10 ids"),
        (lambda ids: [float("nan")] * len(ids), "not a number"),
        (lambda ids: np.zeros((len(ids), 2)), r"one number an id, not of shape \(10, 2\)"),
        (lambda ids: ["a"] * len(ids), "ValueError"),
        (lambda ids: None, "scorer"),
    ],
)
@pytest.mark.parametrize("mode", ["adaptive", "retrieve"])
def test_a_scorer_that_fails_leaves_the_best_so_far(col, asked, mode, then, problem):
    q, encoder = asked[2]
    calls = []

    def score(ids):
        calls.append(ids)
        return encoder(ids) if len(calls) == 1 else then(ids)

    stage = ft.Scorer(score, budget=40, batch=10, mode=mode)
    answer = col.search(q, k=20, rerank=stage)
    assert answer.stopped_because == "scorer_failed" and len(answer) == 20 and len(calls) == 2
    with pytest.raises(AssertionError, match=problem):
        raise AssertionError(answer.problem)
    assert set(answer.ids[:10].tolist()) == set(calls[0])
    assert [hit.stage for hit in answer][:10] == ["rerank"] * 10 and answer[10].stage != "rerank"
    calls.clear()
    *before, last = col.search(q, k=20, rerank=stage, progressive=True)
    assert last.problem == answer.problem and last.stopped_because == "scorer_failed"
    assert np.array_equal(last.ids, answer.ids) and all(revision.problem is None for revision in before)


def interrupt(ids):
    signal.raise_signal(signal.SIGINT)
    return [0.0 for _ in ids]


def leave(ids):
    sys.exit(3)


@pytest.mark.parametrize("score, error", [(interrupt, KeyboardInterrupt), (leave, SystemExit)])
def test_what_ends_the_program_comes_out(col, asked, score, error):
    q, encoder = asked[3]
    # Neither another stage nor another scorer hides it.
    for rerank in (ft.Scorer(score), [ft.Scorer(score), ft.Scorer(encoder), ft.Mmr(0.5)]):
        with pytest.raises(error):
            col.search(q, rerank=rerank)
        revisions = col.search(q, rerank=rerank, progressive=True)
        with pytest.raises(error):
            for _ in revisions:
                pass
        assert list(revisions) == []
        assert encoder.asked == []
    assert len(col.search(q)) == 10


def test_a_deadline_holds_for_a_scorer(col, asked):
    q, encoder = asked[4]

    def slow(ids):
        time.sleep(0.6)
        return encoder(ids)

    stage = ft.Scorer(slow, budget=400, batch=1, mode="retrieve")
    answer = col.search(q, rerank=stage, deadline_ms=500)
    assert answer.stopped_because == "deadline" and len(answer) == 10
    assert answer.cost["scorer_calls"] == len(encoder.asked) <= 1


def test_a_scorer_may_search_itself_but_not_go_on_with_its_own_answer(col, asked):
    q, encoder = asked[5]

    def score(ids):
        assert len(col.search(q, k=3)) == 3
        return encoder(ids)

    assert col.search(q, rerank=ft.Scorer(score)).problem is None
    own = []
    revisions = col.search(q, rerank=ft.Scorer(lambda ids: next(own[0])), progressive=True)
    own.append(revisions)
    assert "being computed" in list(revisions)[-1].problem
    own.clear()


def test_scorers_work_in_several_threads_at_once(col, asked):
    failures = []

    def search(q, encoder):
        try:
            for _ in range(5):
                encoder.asked = []
                stage = ft.Scorer(encoder, budget=30, batch=5)
                last = list(col.search(q, rerank=stage, progressive=True))[-1]
                assert last.problem is None and np.array_equal(last.scores, encoder.truth[last.ids])
        except BaseException as e:
            failures.append(e)

    threads = [threading.Thread(target=search, args=pair) for pair in asked[:4]]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert failures == []


def test_other_threads_run_while_a_revision_is_computed(db):
    rows = np.random.default_rng(8).normal(size=(20_000, 64)).astype(np.float32)
    col = db.create_collection("wide", dim=64, metric="l2")
    col.upsert(np.arange(len(rows)), rows)
    counted, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counted[0] += 1
            time.sleep(1e-4)

    before = sys.getswitchinterval()
    thread = threading.Thread(target=count)
    # From here on a thread runs only when another gives up the lock of its own accord.
    sys.setswitchinterval(1000)
    try:
        thread.start()
        for method in (lambda q: list(col.search(q, progressive=True)), col.search):
            start = counted[0]
            searches = 0
            while counted[0] == start and searches < 2000:
                method(rows[searches])
                searches += 1
            assert counted[0] > start
    finally:
        sys.setswitchinterval(before)
        stop.set()
        thread.join()


def test_a_scorer_that_is_part_of_a_cycle_is_freed():
    class Model:
        def __init__(self):
            self.stage = ft.Scorer(self.score)

        def score(self, ids):
            return [0.0 for _ in ids]

    model = Model()
    seen = weakref.ref(model)
    del model
    gc.collect()
    assert seen() is None


def test_levels_are_a_funnel(col, rows):
    q = rows[40] + np.float32(0.1)
    stage = ft.Levels([(4, 100), (8, 20)])
    head = np.argsort(((rows[:, :4] - q[:4]) ** 2).sum(1))[:100]
    distances = np.sqrt(((rows[head].astype(np.float64) - q) ** 2).sum(1))
    best = head[np.argsort(distances)][:10]
    answer = col.search(q, rerank=stage)
    assert np.array_equal(answer.ids, best) and np.allclose(answer.distances, np.sort(distances)[:10])
    revisions = list(col.search(q, rerank=stage, progressive=True))
    assert np.array_equal(revisions[-1].ids, best) and revisions[-1].stage == "refine"
    ids, _ = col.search_batch([q, q], rerank=[stage])
    assert np.array_equal(ids, [best, best])
    for steps, error in (([], "at least one"), ([(3, 10)], "below the first level"), ([(8, 10), (4, 5)], "ascend")):
        with pytest.raises(ft.BadRequest, match=error):
            col.search(q, rerank=ft.Levels(steps))
    with pytest.raises(TypeError):
        ft.Levels([4, 8])
    assert answer.schedule == col.search(q, rerank=stage, progressive=True).schedule == [(4, 100), (8, 20)]
    assert col.search(q).schedule == [] == col.search(q, progressive=True).schedule


def test_a_schedule_is_chosen_for_a_recall(db):
    dice = np.random.default_rng(4)
    rows = dice.normal(size=(4000, 32)) * 0.8 ** np.arange(32)
    rows = rows.astype(np.float32)
    col = db.create_collection("funnel", dim=32, metric="l2", levels=[8, 16, 32])
    col.upsert(np.arange(4000), rows)
    assert col.search(rows[0], rerank=ft.Levels.auto(0.9)).schedule == [(32, 10)]     # fresh rows are compared at once
    col.flush()
    queries = (dice.normal(size=(50, 32)) * 0.8 ** np.arange(32)).astype(np.float32)
    truth, _ = col.search_batch(queries, exact=True)
    stage = ft.Levels.auto(0.9)
    answer = col.search(queries[0], rerank=stage)
    dims, kept = zip(*answer.schedule)
    assert len(dims) > 1 and dims[0] < dims[-1] == 32 and min(kept) >= 10
    assert col.search(queries[0], rerank=stage, progressive=True).schedule == answer.schedule
    found, _ = col.search_batch(queries, rerank=stage)
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(truth, found)]) >= 0.85
    assert np.array_equal(found[0], answer.ids)


def test_mmr_does_not_say_the_same_twice(db):
    col = db.create_collection("pairs", dim=2, metric="cosine")
    angles = np.repeat(np.linspace(0.1, 1.5, 5), 2) + np.tile([0, 0.001], 5)
    col.upsert(np.arange(10), np.stack([np.cos(angles), np.sin(angles)], axis=1))
    plain = col.search([1, 0], k=4)
    assert plain.ids.tolist() == [0, 1, 2, 3]
    assert np.array_equal(col.search([1, 0], k=4, rerank=ft.Mmr(1.0)).ids, plain.ids)
    diverse = col.search([1, 0], k=4, rerank=ft.Mmr(0.3, among=10)).ids.tolist()
    assert diverse[0] == 0 and diverse[1] in (8, 9)
    assert set(col.search([1, 0], k=4, rerank=(ft.Mmr(0.3, among=4),)).ids.tolist()) == {0, 1, 2, 3}
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="lambda_"):
            ft.Mmr(wrong)


MEASURES = {
    "wasserstein": lambda d, q, x: (d + (np.sqrt(q) - np.sqrt(x)) ** 2).sum(1),
    "bhattacharyya": lambda d, q, x: (d / (q + x) / 4 + np.log((q + x) / (2 * np.sqrt(q * x))) / 2).sum(1),
    "expected_likelihood": lambda d, q, x: (d / (q + x) + np.log(2 * np.pi * (q + x))).sum(1) / 2,
    "log_likelihood": lambda d, q, x: (d / x + np.log(2 * np.pi * x)).sum(1) / 2,
}


@pytest.fixture(params=["scalar", "diagonal"])
def uncertain(request, db, rows):
    random = np.random.default_rng(6)
    variances = random.uniform(0.1, 2, size=(500, 1 if request.param == "scalar" else 8)).astype(np.float32)
    if request.param == "diagonal":
        # As they are stored.
        variances = variances.astype(np.float16).astype(np.float32)
    col = db.create_collection("uncertain", dim=8, metric="l2", variance=request.param)
    col.upsert(np.arange(500), rows, variances=variances[:, 0] if request.param == "scalar" else variances)
    return col, rows.astype(np.float64), np.broadcast_to(variances.astype(np.float64), (500, 8))


def test_the_sampled_distance_counts_variances(uncertain):
    col, rows, variances = uncertain
    q = np.full(8, 0.3, np.float32)
    squared = ((rows - q) ** 2).sum(1)
    for weight in (1.0, 0.25):
        expected = squared + weight * variances.sum(1)
        best = np.argsort(expected)[:10]
        answer = col.search(q, rerank=ft.Csd(weight))
        assert np.array_equal(answer.ids, best) and np.allclose(answer.scores, -expected[best], rtol=1e-5)
        assert np.allclose(answer.distances, np.sqrt(squared[best]))
        assert np.allclose([hit.uncertainty for hit in answer], variances[best].sum(1), rtol=1e-3)
        last = list(col.search(q, rerank=ft.Csd(weight), progressive=True))[-1]
        assert np.array_equal(last.ids, best) and np.array_equal(last.scores, answer.scores)
        ids, _ = col.search_batch([q], rerank=ft.Csd(weight))
        assert np.array_equal(ids[0], best)
    assert np.array_equal(col.search(q, rerank=ft.Csd()).ids, col.search(q, rerank=ft.Csd(weight=1.0)).ids)


@pytest.mark.parametrize("measure", MEASURES)
def test_distances_between_distributions(uncertain, measure):
    col, rows, variances = uncertain
    q = np.full(8, 0.3, np.float32)
    several = np.random.default_rng(7).uniform(0.1, 1, size=8).astype(np.float32)
    for own in (0.5, np.float32(0.25), several, several.tolist()):
        expected = MEASURES[measure]((rows - q) ** 2, np.asarray(own, np.float64), variances)
        best = np.argsort(expected)[:10]
        stage = ft.Gaussian(measure)
        answer = col.search(q, rerank=stage, query_variance=own)
        assert np.array_equal(answer.ids, best) and np.allclose(answer.scores, -expected[best], rtol=1e-4, atol=1e-4)
        last = list(col.search(q, rerank=stage, query_variance=own, progressive=True))[-1]
        assert np.array_equal(last.ids, best)
        ids, _ = col.search_batch([q, q], rerank=stage, query_variance=own)
        assert np.array_equal(ids, [best, best])


def test_what_variances_of_a_query_cannot_be(uncertain):
    col, rows, _ = uncertain
    with pytest.raises(ft.BadVariance, match="2 variances given"):
        col.search(rows[0], query_variance=[0.1, 0.1])
    with pytest.raises(ft.BadVariance, match="cannot be"):
        col.search(rows[0], query_variance=-1)
    with pytest.raises(ValueError, match=r"not of shape \(2, 8\)"):
        col.search(rows[0], query_variance=np.ones((2, 8)))


def test_stages_follow_one_another(col, asked):
    q, encoder = asked[6]
    stages = [ft.Levels([(4, 200), (8, 80)]), ft.Scorer(encoder, budget=40, mode="retrieve"), ft.Mmr(1.0, among=40)]
    answer = col.search(q, k=5, rerank=stages)
    revisions = list(col.search(q, k=5, rerank=tuple(stages), progressive=True))
    assert np.array_equal(answer.ids, revisions[-1].ids) and len(answer) == 5
    head = np.array(encoder.asked[0] + encoder.asked[1])
    assert np.array_equal(answer.ids, head[np.argsort(-encoder.truth[head])][:5])
    assert np.array_equal(col.search(q, rerank=[]).ids, col.search(q, rerank=None).ids)


def test_what_stages_cannot_be(col, rows):
    q = rows[0]
    for wrong in (object(), "mmr", [ft.Mmr(0.5), 3]):
        with pytest.raises(TypeError, match="rerank"):
            col.search(q, rerank=wrong)
    with pytest.raises(ValueError, match="search takes it"):
        col.search_batch([q], rerank=ft.Scorer(raising))
    with pytest.raises(ft.BadRequest, match="variances"):
        col.search(q, rerank=ft.Csd())
    with pytest.raises(ft.BadRequest, match="variances"):
        col.search(q, rerank=ft.Gaussian("wasserstein"), progressive=True)
    with pytest.raises(ValueError, match="measure"):
        ft.Gaussian("euclid")
    with pytest.raises(TypeError, match="function"):
        ft.Scorer(3)
    with pytest.raises(ValueError, match="mode"):
        ft.Scorer(raising, mode="fast")
    with pytest.raises(ValueError, match="batch"):
        ft.Scorer(raising, batch=0)
    with pytest.raises(ValueError, match="beside a version"):
        ft.Scorer(raising, query_key="a question")
    for wrong in (0, -0.5, 1.5, float("nan")):
        with pytest.raises(ValueError, match="above 0 and at most 1"):
            ft.Levels.auto(wrong)


def test_stages_show_what_they_are():
    assert repr(ft.Levels([(64, 200), (384, 50)])) == "Levels([(64, 200), (384, 50)])"
    assert repr(ft.Csd()) == "Csd(weight=1.0)" and repr(ft.Gaussian("wasserstein")) == 'Gaussian("wasserstein")'
    assert repr(ft.Mmr(0.7)) == "Mmr(0.7)" and repr(ft.Mmr(0.7, among=9)) == "Mmr(0.7, among=9)"
    scorer = ft.Scorer(raising, version=None)
    assert (scorer.fn, scorer.budget, scorer.mode, scorer.batch, scorer.version) == (raising, 200, "adaptive", 32, None)
    assert "raising" in repr(scorer) and "budget=200" in repr(scorer) and scorer.query_key is None
    for key in ("why?", b"\0why?"):
        scorer = ft.Scorer(raising, version="ce-1", query_key=key)
        assert scorer.query_key == key and type(scorer.query_key) is type(key) and scorer.version == "ce-1"
    assert 'version="ce-1"' in repr(scorer)
    assert (ft.Levels([(4, 5)]).steps, ft.Csd(2).weight, ft.Mmr(0.5).among) == ([(4, 5)], 2.0, None)
    auto = ft.Levels.auto(0.9)
    assert (auto.steps, auto.recall, repr(auto), ft.Levels([(4, 5)]).recall) == ([], 0.9, "Levels.auto(0.9)", None)
    assert repr(ft.Uncertainty()) == "Uncertainty()" and repr(ft.Uncertainty(among=9)) == "Uncertainty(among=9)"
    assert (ft.Uncertainty().among, ft.Uncertainty(9).among) == (None, 9)
    assert ft.Gaussian("log_likelihood").measure == "log_likelihood" and ft.Mmr(0.5).lambda_ == 0.5
