"""Spaces, rules, and adapters between the vectors of two models."""

import json
import signal

import numpy as np
import pytest

import foretaste as ft


class Stop(Exception):
    pass


def texts(rows, seed=0):
    """What two models say of the same items: the old one a rotation of the new one, with a little noise."""
    dice = np.random.default_rng(seed)
    new = dice.normal(size=(rows, 12)).astype(np.float32)
    turn, _ = np.linalg.qr(np.random.default_rng(99).normal(size=(12, 12)))
    old = new @ turn.astype(np.float32) + dice.normal(size=(rows, 12)).astype(np.float32) * 0.01
    return new, old.astype(np.float32)


@pytest.fixture(scope="module")
def pairs():
    return texts(600)


@pytest.mark.parametrize("method, more", [("ridge", {}), ("procrustes", {}), ("anchors", {"anchors": 100})])
def test_an_adapter_maps_new_queries_to_old_rows(pairs, method, more):
    new, old = pairs
    adapter = ft.fit_adapter(new, old, method, **more)
    assert (adapter.method, adapter.from_dim, adapter.to_dim) == (method, 12, 12)
    fresh, wanted = texts(50, seed=5)
    mapped = adapter.apply(fresh)
    assert mapped.dtype == np.float32 and mapped.shape == (50, 12)
    lengths = np.linalg.norm(mapped, axis=1) * np.linalg.norm(wanted, axis=1)
    assert ((mapped * wanted).sum(axis=1) / lengths).min() > 0.99
    one = adapter.apply(fresh[0])
    assert one.shape == (12,) and np.allclose(one, mapped[0], atol=1e-5)
    assert np.allclose(adapter.apply(fresh.astype(np.float64).tolist(), threads=2), mapped, atol=1e-6)
    assert adapter.apply(fresh[:0]).shape == (0, 12)


def test_a_report_says_what_is_retained(pairs):
    adapter = ft.fit_adapter(*pairs)
    report = adapter.report
    assert (report.pairs, report.held_out, report.refitted) == (600, 120, True)
    estimate = report.retention_at_10
    assert 0.8 < estimate.low <= estimate.mean <= estimate.high <= 1
    assert report.cosine > 0.99 and report.ridge > 0
    assert report.old_at_10.mean > 0.8 and report.retention_at_1.mean > 0.8
    assert f"{estimate.mean:.3f} ({estimate.low:.3f} to {estimate.high:.3f})" in repr(report)
    assert repr(estimate).startswith("Estimate(") and "retains" in repr(adapter)
    assert not ft.fit_adapter(*pairs, refit=False).report.refitted
    assert ft.fit_adapter(*pairs, "procrustes").report.ridge is None
    assert ft.fit_adapter(*pairs, ridge=0.5).report.ridge == 0.5
    assert ft.fit_adapter(*pairs, threads=3).report == report
    again = ft.FitReport.from_dict(json.loads(json.dumps(report.to_dict())))
    assert again == report and again != ft.fit_adapter(*pairs, "procrustes").report
    with pytest.raises(KeyError):
        ft.FitReport.from_dict({"pairs": 1})


def test_bytes_are_the_adapter(pairs):
    adapter = ft.fit_adapter(*pairs, "procrustes", scaled=True)
    data = adapter.to_bytes()
    again = ft.Adapter.from_bytes(data)
    assert bytes(again) == data and again.report is None and "retains" not in repr(again)
    assert np.array_equal(again.apply(pairs[0]), adapter.apply(pairs[0]))
    assert ft.Adapter.from_bytes(data, adapter.report).report == adapter.report
    for damaged in (b"", data[1:], data[:-1], b"\xff" + data[1:]):
        with pytest.raises(ft.BadRequest, match="not an adapter"):
            ft.Adapter.from_bytes(damaged)


def test_the_other_direction_maps_old_rows(pairs):
    new, old = pairs
    wide = np.concatenate([new, new[:, :3] * 0.5], axis=1)
    adapter = ft.fit_adapter(wide, old, direction="rows", metric="l2")
    assert (adapter.from_dim, adapter.to_dim) == (12, 15)
    assert np.abs(adapter.apply(old) - wide).mean() < 0.05
    model = ft.fit_error_model(wide, old, adapter, metric="l2")
    expected = model.predict(old)
    assert expected.dtype == np.float64 and expected.shape == (600,) and (expected > 0).all()
    assert -1 <= model.rank_correlation <= 1 and "rank correlation" in repr(model)
    with pytest.raises(ft.BadRequest, match="12 dimensions are expected"):
        model.predict(wide)
    with pytest.raises(ft.BadRequest, match="dimensions where"):
        ft.fit_error_model(new, wide, adapter)


def test_what_cannot_be_fitted_or_applied(pairs):
    new, old = pairs
    with pytest.raises(ft.BadRequest, match="too few"):
        ft.fit_adapter(new[:39], old[:39])
    with pytest.raises(ft.BadRequest, match="same whole number of rows"):
        ft.fit_adapter(new, old[:500])
    broken = new.copy()
    broken[7, 3] = np.nan
    with pytest.raises(ft.BadRequest, match="pair 7 .* dimension 3"):
        ft.fit_adapter(broken, old)
    with pytest.raises(ValueError, match="method is one of"):
        ft.fit_adapter(new, old, "magic")
    with pytest.raises(ValueError, match="direction is one of"):
        ft.fit_adapter(new, old, direction="back")
    with pytest.raises(ValueError, match="metric is one of"):
        ft.fit_adapter(new, old, metric="hamming")
    with pytest.raises(ValueError, match="anchors says how many"):
        ft.fit_adapter(new, old, "anchors")
    for wrong in ({"scaled": True}, {"anchors": 3}, {"method": "procrustes", "ridge": 1.0}):
        with pytest.raises(ValueError, match="is for the method"):
            ft.fit_adapter(new, old, **wrong)
    with pytest.raises(TypeError, match="cancel is a function"):
        ft.fit_adapter(new, old, cancel=True)
    with pytest.raises(ValueError, match="shape"):
        ft.fit_adapter(new[0], old)
    adapter = ft.fit_adapter(new, old)
    for wrong in (new[:, :5], new[0, :5]):
        with pytest.raises(ft.BadRequest, match="12 dimensions, these have 5"):
            adapter.apply(wrong)
    with pytest.raises(ValueError):
        adapter.apply(new[None])


def test_a_fit_can_be_cancelled(pairs):
    asked = []

    def third():
        asked.append(None)
        return len(asked) == 3

    with pytest.raises(ft.Cancelled):
        ft.fit_adapter(*pairs, cancel=third)
    assert len(asked) == 3
    with pytest.raises(ZeroDivisionError):
        ft.fit_adapter(*pairs, cancel=lambda: 1 / 0)
    adapter = ft.fit_adapter(*pairs, direction="rows", cancel=lambda: False)
    with pytest.raises(ft.Cancelled):
        ft.fit_error_model(*pairs, adapter, cancel=lambda: True)


def test_a_signal_ends_a_fit():
    def handle(*_):
        raise Stop

    dice = np.random.default_rng(3)
    new, old = (dice.normal(size=(3000, 700)).astype(np.float32) for _ in range(2))
    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Stop):
            while True:
                ft.fit_adapter(new, old)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def docs(db, pairs):
    docs = db.create_collection("docs", dim=12, levels=[4, 12], space="old@1")
    docs.upsert(np.arange(600), pairs[1])
    return docs


def test_queries_of_another_space_need_a_rule(docs, pairs):
    new, old = pairs
    assert docs.space == "old@1" == docs.schema.space and docs.stats()["space"] == "old@1" and docs.rules() == []
    assert np.array_equal(docs.search(old[3], space="old@1").ids, docs.search(old[3]).ids)
    for col in (docs, docs.snapshot()):
        with pytest.raises(ft.BadRequest, match="set_rule"):
            col.search(new[3], space="new@2")
    adapter = ft.fit_adapter(new, old)
    docs.set_rule("new@2", adapter=adapter, least_retention=0.5)
    docs.set_rule("long@1", prefix=4)
    assert sorted(docs.rules()) == ["long@1", "new@2"]
    for col in (docs, docs.snapshot()):
        answer = col.search(new[3], space="new@2", k=5)
        ids, _ = col.search_batch(new[3:5], k=5, space="new@2")
        assert np.array_equal(ids[1], col.search(new[4], space="new@2", k=5).ids)
        assert answer.ids[0] == 3
        mapped = docs.search(adapter.apply(new[3]), k=5)
        assert np.array_equal(answer.ids, mapped.ids) and np.allclose(answer.distances, mapped.distances)
        *_, last = col.search(new[3], space="new@2", k=5, progressive=True)
        assert np.array_equal(last.ids, answer.ids)
    short = docs.search(np.concatenate([old[3], old[3]]), space="long@1", k=5)
    assert np.array_equal(short.ids, docs.search(old[3], dims=4, k=5).ids)
    with pytest.raises(ft.DimensionMismatch):
        docs.search(new[3][:5], space="new@2")
    docs.remove_rule("new@2")
    docs.remove_rule("new@2")
    assert docs.rules() == ["long@1"]
    with pytest.raises(ft.BadRequest):
        docs.search(new[3], space="new@2")


def test_rules_are_kept(tmp_path, pairs):
    new, old = pairs
    with ft.open(tmp_path / "r.ft") as db:
        docs = db.create_collection("docs", dim=12)
        assert docs.space is None
        docs.set_space("old@1")
        docs.set_space("old@1")
        with pytest.raises(ft.Exists):
            docs.set_space("older@1")
        docs.upsert(np.arange(600), old)
        fitted = ft.fit_adapter(new, old)
        adapter = ft.Adapter.from_bytes(fitted.to_bytes(), fitted.report)
        docs.set_rule("new@2", adapter=adapter)
        expected = docs.search(new[3], space="new@2").ids
    with ft.open(tmp_path / "r.ft", mode="r") as db:
        assert db["docs"].rules() == ["new@2"] and db["docs"].space == "old@1"
        assert np.array_equal(db["docs"].search(new[3], space="new@2").ids, expected)
        with pytest.raises(ft.ReadOnly):
            db["docs"].set_rule("x@1", prefix=12)


def test_what_no_rule_can_be(db, docs, pairs):
    new, old = pairs
    noise = np.random.default_rng(8).normal(size=old.shape)
    useless = ft.fit_adapter(new, noise)
    with pytest.raises(ft.BadRequest, match="80.0 % asked for"):
        docs.set_rule("new@2", adapter=useless)
    assert docs.rules() == []
    docs.set_rule("new@2", adapter=useless, least_retention=0)
    adapter = ft.fit_adapter(new, old[:, :3])
    with pytest.raises(ft.BadRequest, match="below the first level"):
        docs.set_rule("new@2", adapter=adapter, least_retention=0)
    with pytest.raises(ft.BadRequest, match="below the first level"):
        docs.set_rule("new@2", prefix=3)
    with pytest.raises(ft.BadRequest, match="own space"):
        docs.set_rule("old@1", prefix=4)
    with pytest.raises(ft.BadRequest, match="report"):
        docs.set_rule("new@2", adapter=ft.Adapter.from_bytes(bytes(useless)))
    for wrong in ({}, {"prefix": 4, "adapter": useless}):
        with pytest.raises(ValueError, match="either a prefix or an adapter"):
            docs.set_rule("new@2", **wrong)
    with pytest.raises(ValueError, match="least_retention is for an adapter"):
        docs.set_rule("new@2", prefix=4, least_retention=0.5)
    for call in (
        lambda: docs.set_rule("new", prefix=4),
        lambda: docs.remove_rule("@1"),
        lambda: docs.search(old[0], space="new@"),
        lambda: docs.set_space(""),
        lambda: db.create_collection("x", 2, space="x"),
    ):
        with pytest.raises(ft.BadRequest, match="model@version"):
            call()
    with pytest.raises(ft.BadRequest, match="set_space"):
        db.create_collection("plain", 12).set_rule("new@2", prefix=12)
