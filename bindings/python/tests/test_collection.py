import gc
import pickle

import numpy as np
import pytest

import foretaste as ft


def test_a_snapshot_stays_as_it_was(db, col, rows):
    before = col.snapshot()
    nearest = col.search(rows[3], k=5).ids
    col.delete(nearest)
    col.upsert([1000], rows[:1])
    assert len(before) == 500 and len(col) == 496
    assert 3 in before and 3 not in col and 1000 not in before
    assert before.get(3).payload == {"n": 3, "even": False} and before.get([1000, 4])[0] is None
    assert np.array_equal(before.search(rows[3], k=5).ids, nearest)
    assert before.search(rows[3], k=3, where="n < 100", exact=True).stopped_because == "complete"
    assert list(before.search(rows[3], k=5, progressive=True))[-1].ids.tolist() == nearest.tolist()
    ids, _ = before.search_batch(rows[:3], k=1, threads=2)
    assert ids[:, 0].tolist() == [0, 1, 2]
    assert before.schema.columns == {"n": "int"} and "500" in repr(before)
    col.compact()
    db.close()
    assert np.array_equal(before.search(rows[3], k=5).ids, nearest) and before.get(3).id == 3
    assert len(list(before)) == 500


def test_a_snapshot_searches_words(db):
    col = db.create_collection("words", dim=1, metric="l2", text="t")
    col.upsert([1], [[0]], payloads=[{"t": "old"}])
    before = col.snapshot()
    col.upsert([1], [[0]], payloads=[{"t": "new"}])
    assert before.search_text("t", "old").ids.tolist() == [1] and len(before.search_text("t", "new")) == 0


def test_all_rows_are_gone_through(col, rows):
    col.flush()
    col.upsert(np.arange(500, 510), rows[:10])
    col.delete(range(100))
    for source in (col, col.scan(), col.snapshot(), col.snapshot().scan()):
        records = list(source)
        assert sorted(record.id for record in records) == list(range(100, 510))
    by_id = {record.id: record for record in col}
    assert np.array_equal(by_id[123].vector, rows[123]) and by_id[123].payload["n"] == 123 and by_id[505].payload is None
    scan = iter(col)
    first = next(scan)
    col.delete(range(600))
    gc.collect()
    rest = list(scan)
    assert len(rest) == 409 and first.id not in {record.id for record in rest} and list(scan) == [] == list(col)


def test_a_batch_is_upserts_and_deletes_at_once(col, rows):
    with col.batch() as batch:
        batch.upsert([1000, 1001], rows[:2], payloads=[{"n": 1}, None])
        batch.upsert(np.array([1002]), rows[2:3])
        batch.delete([0, 1])
        batch.delete(2)
        batch.mark("import", 7)
        assert len(batch) == 6 and len(col) == 500 and col.mark("import") is None
    assert len(col) == 500 and 1002 in col and 0 not in col and col.mark("import") == 7
    with pytest.raises(ft.Closed, match="committed"):
        batch.upsert([1], rows[:1])
    with pytest.raises(ft.Closed):
        batch.commit()
    batch = col.batch()
    batch.mark("import", None)
    batch.mark("other", 2**40)
    batch.commit()
    assert col.mark("other") == 2**40


def test_an_exception_leaves_nothing_of_a_batch(col, rows):
    with pytest.raises(RuntimeError):
        with col.batch() as batch:
            batch.upsert([1000], rows[:1])
            raise RuntimeError
    assert 1000 not in col
    batch = col.batch()
    batch.upsert([1000, 1001], rows[:2])
    # Refused at once, and not in the batch.
    with pytest.raises(ft.BadPayload, match="payload of row 3"):
        batch.upsert([1002, 1003], rows[:2], payloads=[None, {"a": {1}}])
    bad = rows[:2].copy()
    bad[1, 4] = np.inf
    batch.upsert([1002, 1003], bad)
    with pytest.raises(ft.NonFinite) as error:
        batch.commit()
    assert (error.value.row, error.value.dim) == (3, 4) and len(col) == 500


def test_a_batch_that_is_left_lets_the_database_close(tmp_path):
    db = ft.open(tmp_path / "t.ft")
    col = db.create_collection("c", dim=1, metric="l2")
    batch = col.batch()
    batch.upsert([1], [[1]])
    db.close()
    with ft.open(tmp_path / "t.ft") as again:
        assert len(again["c"]) == 0
        with pytest.raises(ft.Closed):
            batch.commit()


def test_marks_outlive_the_process(tmp_path):
    with ft.open(tmp_path / "t.ft") as db:
        with db.create_collection("c", dim=1).batch() as batch:
            batch.mark("at", 12)
    with ft.open(tmp_path / "t.ft", mode="r") as db:
        assert db["c"].mark("at") == 12 and db["c"].mark("else") is None


def test_the_schema_is_told(db, col):
    schema = db.create_collection(
        "s", 4, "dot", [2], "diagonal", "bf16", "none", {"a.b": "float", "c": "bool"}, tokens=(3, "i8"), text=["t", "u"]
    ).schema
    assert (schema.dim, schema.metric, schema.levels, schema.dtype) == (4, "dot", [2, 4], "bf16")
    assert (schema.variance, schema.rotation, schema.tokens) == ("diagonal", "none", (3, "i8"))
    assert schema.columns == {"a.b": "float", "c": "bool"} and schema.text_fields == ["t", "u"]
    assert "4 dimensions" in repr(schema)
    assert (col.schema.variance, col.schema.rotation, col.schema.tokens) == (None, "pca", None)


def test_levels_are_cut_and_added(col, rows):
    col.truncate(4)
    assert col.dim == 4 == col.schema.dim and col.levels == [4]
    assert col.get(3).vector.tolist() == rows[3, :4].tolist()
    col.extend([6, 8])
    assert col.levels == [4, 6, 8]
    col.upsert([1000], rows[:1])
    assert len(col.get(1000).vector) == 8 and len(col.get(3).vector) == 4
    with pytest.raises(ft.BadRequest):
        col.truncate(5)
    with pytest.raises(ft.BadRequest):
        col.extend([8])


def test_the_index_wanted_is_changed(col):
    col.set_index("hnsw", m=8, ef_construction=50)
    assert col.stats()["index_wanted"] == "hnsw" and col.schema.rotation == "pca"
    col.set_index("ivf", "none", nlist=4)
    assert col.stats()["index_wanted"] == "ivf" and col.schema.rotation == "none"
    col.set_index("flat")
    assert col.schema.rotation == "none"
    with pytest.raises(TypeError, match="takes no m"):
        col.set_index("ivf", m=3)
    with pytest.raises(ValueError, match="rotation"):
        col.set_index("ivf", rotation="opq")
    with pytest.raises(ft.BadRequest):
        col.set_index("hnsw", m=1)


def test_exact_compares_every_row(db):
    many = np.random.default_rng(4).normal(size=(4000, 16)).astype(np.float32)
    col = db.create_collection("many", dim=16, metric="l2")
    col.upsert(np.arange(4000), many)
    col.optimize("hnsw")
    nearest = np.argsort(((many.astype(np.float64) - many[7]) ** 2).sum(1), kind="stable")[:10]
    answer = col.search(many[7], exact=True)
    assert np.array_equal(answer.ids, nearest) and answer.cost["rows_exact"] >= 4000 and answer.cost["index_steps"] == 0
    assert col.search(many[7]).cost["index_steps"] > 0
    ids, _ = col.search_batch(many[:20], exact=True)
    assert np.array_equal(ids[7], nearest)


def test_answers_go_on_page_by_page(col, rows):
    order = np.argsort(((rows - rows[7]) ** 2).sum(1), kind="stable")
    answer = col.search(rows[7], k=200, progressive=True)
    pages = [answer.page().ids, answer.page().ids, answer.page().ids]
    assert np.array_equal(np.concatenate(pages), order[200:]) and [len(page) for page in pages] == [200, 100, 0]
    assert len(answer.page()) == 0


def test_answers_go_on_with_another_query(col, rows):
    answer = col.search(rows[7], k=5, where="n < 400", progressive=True)
    first = list(answer)[-1]
    answer.requery(rows[8])
    second = list(answer)[-1]
    assert np.array_equal(second.ids, col.search(rows[8], k=5, where="n < 400").ids)
    assert second.number > first.number and second.cost["rows_exact"] > first.cost["rows_exact"]
    answer.requery(rows[8])
    assert list(answer) == []
    with pytest.raises(ft.DimensionMismatch):
        answer.requery([1.0])
    answer.rerank(ft.Scorer(lambda ids: [1 / 0 for _ in ids]))
    last = list(answer)[-1]
    assert last.stopped_because == "scorer_failed" and "division" in last.problem


def test_what_a_late_scorer_raises_comes_out(col, rows):
    def stop(ids):
        raise KeyboardInterrupt

    answer = col.search(rows[7], k=5, progressive=True)
    list(answer)
    answer.rerank([ft.Scorer(stop)])
    with pytest.raises(KeyboardInterrupt):
        list(answer)
    assert list(answer) == []


def test_ways_of_opening(tmp_path):
    path = tmp_path / "t.ft"
    with pytest.raises(ft.NotFound):
        ft.open(path, create=False)
    for number, durability in enumerate(["sync", "none", 5, None]):
        with ft.open(path, durability=durability, background=False, seal_bytes=1 << 16) as db:
            col = db["c"] if "c" in db else db.create_collection("c", dim=64)
            start = number * 1000
            col.upsert(range(start, start + 1000), np.ones((1000, 64), np.float32))
    with ft.open(path, mode="r", access="read") as db:
        assert len(db["c"]) == 4000 and db["c"].stats()["segments"] > 0
        assert db["c"].search(np.ones(64), k=1)[0].distance == pytest.approx(0, abs=1e-6)
    for wrong in ({"durability": "maybe"}, {"access": "mmap"}, {"mode": "rw+"}):
        with pytest.raises(ValueError):
            ft.open(path, **wrong)
    for wrong in ({"durability": -1}, {"durability": 1.5}, {"seal_bytes": "1M"}):
        with pytest.raises((TypeError, OverflowError)):
            ft.open(path, **wrong)


def test_upkeep_of_a_whole_database(tmp_path, rows):
    with ft.open(tmp_path / "t.ft", background=False) as db:
        for name in ("a", "b"):
            db.create_collection(name, dim=8, metric="l2").upsert(np.arange(500), rows)
        db.flush()
        assert [c["segments"] for c in db.stats()["collections"]] == [1, 1]
        col = db["a"]
        col.upsert([1000], rows[:1])
        col.delete(range(250))
        told = []
        col.compact(progress=lambda done, total: told.append((done, total)))
        assert told and told[-1][0] == told[-1][1] and len(col) == 251
        assert (col.stats()["rows_dead"], col.stats()["segments"]) == (0, 1)
        col.upsert([1001], rows[:1])
        with pytest.raises(ft.Cancelled):
            col.compact(progress=lambda done, total: False)


def test_a_database_is_checked_and_repaired(tmp_path, rows):
    path = tmp_path / "t.ft"
    with ft.open(path) as db:
        col = db.create_collection("c", dim=8, metric="l2")
        col.upsert(np.arange(500), rows)
        col.flush()
        report = ft.check(path)
        assert report["sound"] and report["damage"] == [] and report["rows"] == 500 and report["segments"] == 1
        with pytest.raises(ft.Locked):
            ft.repair(path)
    with pytest.raises(ft.Cancelled):
        ft.check(path, progress=lambda done, total: False)
    plane = next(path.glob("seg/*/plane.0"))
    data = bytearray(plane.read_bytes())
    data[300] ^= 1
    plane.write_bytes(data)
    report = ft.check(str(path))
    assert not report["sound"] and report["damage"][0]["file"].endswith("plane.0") and report["damage"][0]["why"]
    repaired = ft.repair(path)
    assert repaired["actions"] and repaired["quarantine"] is not None
    assert ft.check(path)["sound"]
    with ft.open(path, mode="r") as db:
        assert len(db["c"]) == repaired["rows_saved"] == 500 - len(repaired["rows_lost"])
    for missing in (ft.check, ft.repair):
        with pytest.raises(ft.NotFound):
            missing(tmp_path / "nothing")


def test_what_goes_to_another_process(db, col, rows):
    answer = col.search(rows[0], k=3)
    ids = pickle.loads(pickle.dumps((answer.ids, answer.distances, answer.to_list(), answer.to_numpy())))
    assert np.array_equal(ids[0], answer.ids) and ids[2] == answer.to_list() and np.array_equal(ids[3]["id"], answer.ids)
    with pytest.raises(ft.NonFinite) as caught:
        col.upsert([1, 2], [rows[0], [np.nan] * 8])
    error = pickle.loads(pickle.dumps(caught.value))
    assert type(error) is ft.NonFinite and (error.row, error.dim, str(error)) == (1, 0, str(caught.value))
    for handle in (db, col, col.snapshot(), answer):
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(handle)
