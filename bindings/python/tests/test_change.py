"""A model that is changed while the collection is in use: from the first row to the flip and back, with readers, interruptions
and exceptions."""

import multiprocessing
import signal
import traceback

import numpy as np
import pytest

import foretaste as ft

OLD, NEW, ROWS = 6, 10, 40


def embed(texts):
    """What the new model says of texts, which are numbers; the old one says the first part of it."""
    numbers = [np.random.default_rng(int(text)).normal(size=NEW) / (1 + np.arange(NEW) / 3) for text in texts]
    return np.array(numbers, np.float32).reshape(len(numbers), NEW)


def by_new(rows):
    return embed([payload["text"] for payload in rows.payloads])


def fill(col, texts, **more):
    texts = list(texts)
    variances = {"variances": (np.array(texts, np.float32) * 7) % 11}
    col.upsert(texts, embed(texts)[:, :OLD], [{"text": text} for text in texts], **(variances | more))


def create(db):
    col = db.create_collection("docs", OLD, levels=[3, OLD], variance="scalar", space="small@1", columns={"text": "int"})
    fill(col, range(ROWS))
    return col


def begin(col):
    return col.begin_change(dim=NEW, metric="cosine", levels=[OLD], dtype="f32", space="large@1")


@pytest.fixture
def docs(db):
    return create(db)


def truth(q, texts, k):
    rows = embed(texts).astype(np.float64)
    q = np.asarray(q, np.float64)
    cosine = 1 - rows @ q / np.linalg.norm(rows, axis=1) / np.linalg.norm(q)
    return [list(texts)[i] for i in np.argsort(cosine, kind="stable")[:k]]


def test_a_whole_change_and_the_way_back(db, docs):
    assert docs.change() is None
    change = begin(docs)
    assert (change.progress, change.space, change.collection.name) == ((0, ROWS), "large@1", "docs")
    schema = change.schema
    assert (schema.dim, schema.levels, schema.metric, schema.columns) == (NEW, [OLD, NEW], "cosine", {"text": "int"})
    assert repr(change) == f'<Change of "docs" to large@1: 0 rows there, {ROWS} waiting>'
    with pytest.raises(ft.Exists):
        begin(docs)
    with pytest.raises(ft.BadRequest, match=f"{ROWS} rows have no vector"):
        change.flip()
    told = []
    assert change.run(by_new, batch=15, progress=lambda done, all: told.append((done, all))) == ROWS
    assert told[-1] == (ROWS, ROWS) and change.progress == (ROWS, 0)
    assert change.run(by_new) == 0
    assert docs.stats()["change"]["rows"] == ROWS and docs.stats()["change"]["space"] == "large@1"
    assert np.array_equal(change.get(3).vector, embed([3])[0]) and change.get(3).payload == {"text": 3}
    assert change.get(999) is None and [row and row.id for row in change.get([1, 999])] == [1, None]
    before = docs.snapshot()
    assert change.flipped is False
    new = change.flip()
    assert isinstance(new, ft.Collection) and (new.space, new.dim, len(new)) == ("large@1", NEW, ROWS)
    q = embed([1000])[0]
    assert new.search(q, k=10).ids.tolist() == truth(q, range(ROWS), 10) == db["docs"].search(q, k=10).ids.tolist()
    # Queries of the old model are answered by the rows that are still there.
    assert new.search(q[:OLD], space="small@1", k=10).ids.tolist() == before.search(q[:OLD], k=10).ids.tolist()
    # What was opened before reads, and does not write.
    assert len(docs) == ROWS and before.schema.dim == OLD
    for stale in (lambda: fill(docs, [1]), lambda: change.flip(), lambda: change.finish(), lambda: begin(docs)):
        with pytest.raises(ft.NotFound, match="open it again|finished"):
            stale()
    # A row that is written in the new space alone waits in the old one, and keeps the way back shut until it is there.
    back = new.change()
    assert back.flipped is True
    assert (back.space, back.progress) == ("small@1", (ROWS, 0))
    new.upsert([100], embed([100]), [{"text": 100}])
    new.upsert([101], embed([101]), [{"text": 101}], changed=embed([101])[:, :OLD], changed_variances=[2.0])
    assert back.progress == (ROWS + 1, 1)
    (rows,) = back.backfill()
    assert rows.ids.tolist() == [100] and back.write(rows, rows.vectors[:, :OLD], variances=[1.5]) == 1
    old = back.flip()
    assert (old.space, len(old)) == ("small@1", ROWS + 2)
    assert np.array_equal(old.get(100).vector, embed([100])[0, :OLD])
    assert [old.get(id).variance.tolist() for id in (100, 101)] == [[1.5], [2.0]]
    old.change().finish()
    assert old.change() is None and "change" not in old.stats()
    with pytest.raises(ft.NotFound):
        old.upsert([1], embed([1])[:, :OLD], changed=embed([1]))


def test_rows_that_wait_say_what_they_are(docs):
    docs.upsert(["name"], embed([77])[:, :3])
    change = begin(docs)
    backfill = change.backfill(batch=16)
    assert backfill.left == ROWS + 1
    first, second, third = backfill
    assert (len(first), len(second), len(third), backfill.left) == (16, 16, ROWS - 31, 0)
    assert isinstance(first.ids, np.ndarray) and first.ids.tolist() == list(range(16))
    assert first.vectors.shape == (16, OLD) and np.array_equal(first.vectors, embed(range(16))[:, :OLD])
    assert first.payloads == [{"text": text} for text in range(16)]
    assert third.ids == [*range(32, ROWS), "name"] and third.payloads[-1] is None
    assert np.array_equal(third.vectors[-1], np.append(embed([77])[0, :3], np.zeros(3, np.float32)))
    record = first[2]
    assert isinstance(record, ft.Record) and (record.id, record.payload) == (2, {"text": 2})
    assert first[-1].id == 15 and [row.id for row in first] == list(range(16)) and repr(first) == "<PendingRows, 16 of them>"
    assert first[3:9:2].ids.tolist() == [3, 5, 7] and first[::-1].ids.tolist() == list(range(15, -1, -1))
    assert len(first[99:]) == 0
    with pytest.raises(IndexError):
        first[16]
    with pytest.raises(TypeError):
        first["a"]
    # Those that were written do not come again.
    assert change.write(first[:5], embed(range(5))) == 5
    assert [rows.ids for rows in change.backfill(batch=1000)][0][0] == 5
    # Vectors in an order of their own: rows are asked for by their ids, and those that do not wait are left out.
    rows = change.pending([9, 2, 999, 7])
    assert rows.ids.tolist() == [9, 7] and change.write(rows, embed(rows.ids)) == 2
    assert np.array_equal(change.get(9).vector, embed([9])[0]) and len(change.pending([9, 7])) == 0


def test_the_most_uncertain_rows_come_first(docs):
    change = begin(docs)
    (rows,) = change.backfill("variance")
    variances = (rows.ids * 7) % 11
    assert (np.diff(variances) <= 0).all() and len(rows) == ROWS
    seen = []

    def note(rows):
        seen.extend(rows.ids.tolist())
        return by_new(rows)

    change.run(note, order="variance", batch=7)
    assert seen == rows.ids.tolist()
    for wrong, kind in (("best", ValueError), (3, TypeError)):
        with pytest.raises(kind, match="order is"):
            change.run(by_new, order=wrong)


def test_rows_that_an_adapter_is_expected_to_be_wrong_about_come_first(docs):
    texts = range(2000, 2300)
    new, old = embed(texts), embed(texts)[:, :OLD]
    adapter = ft.fit_adapter(new, old, direction="rows")
    model = ft.fit_error_model(new, old, adapter)
    change = begin(docs)
    (rows,) = change.backfill(model)
    expected = model.predict(rows.vectors)
    assert (np.diff(expected) <= 1e-12).all() and expected[0] > expected[-1]
    assert change.run(by_new, order=model, batch=9) == ROWS


def test_the_vectors_of_a_function_may_have_any_form(docs):
    change = begin(docs)
    forms = iter([lambda v: v, lambda v: v.astype(np.float64), lambda v: v.tolist(), lambda v: list(v)])
    change.run(lambda rows: next(forms)(by_new(rows)), batch=10)
    for text in (5, 15, 25, 35):
        assert np.array_equal(change.get(text).vector, embed([text])[0])


def test_an_exception_in_the_function_comes_out_and_what_was_written_stays(docs):
    change = begin(docs)
    calls = []

    def third(rows):
        calls.append(len(rows))
        if len(calls) == 3:
            raise ConnectionError("no model today")
        return by_new(rows)

    with pytest.raises(ConnectionError, match="no model today"):
        change.run(third, batch=10)
    assert change.progress == (20, ROWS - 20)
    for result, kind, why in (
        (lambda rows: embed([1]), ft.BadRequest, "1 vectors for 5 rows"),
        (lambda rows: None, TypeError, "iter"),
        (lambda rows: [None] * len(rows), ValueError, "row 0 has none"),
        (lambda rows: embed([1])[0], ValueError, "shape"),
        (lambda rows: by_new(rows)[:, :5], ft.DimensionMismatch, "5 dimensions"),
        (lambda rows: by_new(rows) * np.nan, ft.NonFinite, "finite"),
    ):
        with pytest.raises(kind, match=why):
            change.run(result, batch=5)
    assert change.progress == (20, ROWS - 20)
    assert change.run(by_new) == ROWS - 20


def test_ctrl_c_ends_it(docs):
    change = begin(docs)
    calls = []

    def interrupted(rows):
        calls.append(None)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return by_new(rows)

    with pytest.raises(KeyboardInterrupt):
        change.run(interrupted, batch=10)
    assert change.progress == (10, ROWS - 10)
    assert change.run(by_new) == ROWS - 10


def test_progress_can_cancel(docs):
    change = begin(docs)
    with pytest.raises(ft.Cancelled):
        change.run(by_new, batch=10, progress=lambda done, all: False)
    assert change.progress == (10, ROWS - 10)
    with pytest.raises(ZeroDivisionError):
        change.run(by_new, batch=10, progress=lambda done, all: 1 / 0)
    assert change.progress == (20, ROWS - 20)


def test_rows_written_meanwhile(docs):
    change = begin(docs)
    (rows,) = change.backfill()
    fill(docs, range(10, 15))
    docs.delete(20)
    # Made of what is no more there: left out, and they wait anew.
    assert change.write(rows, by_new(rows)) == ROWS - 6
    assert change.progress == (ROWS - 6, 5)
    fill(docs, [10, 11], changed=[embed([10])[0], None])
    assert change.progress == (ROWS - 5, 4)
    with docs.batch() as batch:
        batch.upsert([11, 500], embed([11, 500])[:, :OLD], [{"text": 11}, {"text": 500}], changed=embed([11, 500]))
    assert change.progress == (ROWS - 3, 3)
    written = []

    def busy(rows):
        if not written:
            fill(docs, [600])
        written.extend(rows.ids.tolist())
        return by_new(rows)

    assert change.run(busy) == 4 and set(written) == {12, 13, 14, 600}
    new = change.flip()
    assert all(np.array_equal(record.vector, embed([record.id])[0]) for record in new)


def test_queries_of_both_spaces_are_answered_all_the_while(docs):
    q = embed([1000])[0]
    change = begin(docs)
    with pytest.raises(ft.BadRequest, match="set_rule"):
        docs.search(q, space="large@1")
    docs.set_rule("large@1", prefix=OLD)
    for step in range(4):
        for col in (docs, docs.snapshot()):
            answer = col.search(q, space="large@1", k=ROWS)
            assert sorted(answer.ids) == list(range(ROWS))
            *_, last = col.search(q, space="large@1", k=ROWS, progressive=True)
            assert np.array_equal(last.ids, answer.ids)
            assert np.array_equal(col.search(q[:OLD], space="small@1").ids, col.search(q[:OLD]).ids)
        # Those in the new space are in their order.
        there = set(range(step * 10))
        assert [id for id in answer.ids if id in there] == truth(q, there, ROWS) if there else True
        rows = next(change.backfill(batch=10))
        assert change.write(rows, by_new(rows)) == 10
    assert docs.search(q, space="large@1", k=ROWS).ids.tolist() == truth(q, range(ROWS), ROWS)


def test_what_is_closed_or_read_only(tmp_path):
    path = tmp_path / "c.ft"
    with ft.open(path) as db:
        col = create(db)
        change = begin(col)
        backfill = change.backfill()
    with pytest.raises(ft.Closed):
        change.progress
    with pytest.raises(ft.Closed):
        change.run(by_new)
    assert repr(change) == "<Change, closed>"
    # What was read stays readable, as snapshots are.
    assert next(backfill).ids[0] == 0
    with ft.open(path, mode="r") as db:
        change = db["docs"].change()
        assert change.progress == (0, ROWS)
        for call in (lambda: change.run(by_new), change.flip, change.finish, lambda: begin(db["docs"])):
            with pytest.raises(ft.ReadOnly):
                call()


def test_what_a_change_cannot_be(db, docs):
    for wrong, why in (
        ({"dim": NEW, "space": "small@1"}, "the same"),
        ({"dim": NEW, "space": "x"}, "model@version"),
        ({"dim": 0, "space": "large@1"}, "level"),
    ):
        with pytest.raises(ft.BadRequest, match=why):
            docs.begin_change(**wrong)
    with pytest.raises(TypeError, match="space"):
        docs.begin_change(NEW)
    with pytest.raises(ft.BadRequest, match="set_space"):
        db.create_collection("plain", 2).begin_change(3, space="a@1")
    change = begin(docs)
    (rows,) = change.backfill()
    with pytest.raises(ValueError, match="40 rows and 3 vectors"):
        change.write(rows, embed(range(3)))
    with pytest.raises(ft.DimensionMismatch) as caught:
        change.write(rows[:2], [embed([0])[0], embed([1])[0, :5]])
    assert caught.value.row == 1
    with pytest.raises(ft.BadVariance):
        change.write(rows[:1], embed([0]), variances=[1.0])
    with pytest.raises(ValueError, match="changed_variances without"):
        fill(docs, [1], changed_variances=[1.0])
    with pytest.raises(ValueError, match="1 rows and 2 changed vectors"):
        fill(docs, [1], changed=embed([1, 2]))
    assert change.progress == (0, ROWS)
    change.finish()
    for ended in (change.finish, change.flip):
        with pytest.raises(ft.NotFound, match="finished"):
            ended()


def follow(path, steps, done, results):
    """Reads until the model was changed: at every moment all rows, by queries of either space."""
    try:
        seen, q = [], embed([1000])[0]
        with ft.open(path, mode="r") as db:
            steps.wait(60)
            while not seen or seen[-1] != "large@1":
                finished = done.is_set()
                db.refresh()
                snapshot = db["docs"].snapshot()
                space = snapshot.schema.space
                assert len(snapshot) == ROWS
                for of, length in (("small@1", OLD), ("large@1", NEW)):
                    answer = snapshot.search(q[:length], space=of, k=ROWS)
                    assert sorted(answer.ids) == list(range(ROWS)), (of, space)
                if not seen or seen[-1] != space:
                    seen.append(space)
                assert not finished or seen[-1] == "large@1"
            assert db["docs"].search(q, k=5).ids.tolist() == truth(q, range(ROWS), 5)
        results.put(seen)
    except BaseException:
        results.put(traceback.format_exc())
        raise


def test_a_reader_follows_an_upgrade_that_goes_on_after_opening_again(tmp_path):
    path = tmp_path / "u.ft"
    with ft.open(path) as db:
        docs = create(db)
        docs.set_rule("large@1", prefix=OLD)
        change = begin(docs)
    context = multiprocessing.get_context("spawn")
    steps, done, results = context.Barrier(2), context.Event(), context.Queue()
    reader = context.Process(target=follow, args=(path, steps, done, results))
    reader.start()
    try:
        steps.wait(60)
        for stop in (13, 27):
            # A process that stops in the middle, and another one that goes on.
            with ft.open(path) as db:
                change = db["docs"].change()

                def until(rows):
                    if change.progress[0] >= stop:
                        raise InterruptedError
                    return by_new(rows)

                with pytest.raises(InterruptedError):
                    change.run(until, batch=3)
                assert stop <= change.progress[0] < stop + 3
        with ft.open(path) as db:
            docs, change = db["docs"], db["docs"].change()
            docs.flush()
            assert change.run(by_new, batch=3) == change.progress[0] - 27
            docs = change.flip()
            assert docs.search(embed([4])[0], k=1).ids[0] == 4
        done.set()
        seen = results.get(timeout=120)
    finally:
        reader.join(30)
        reader.kill()
    assert seen in (["small@1", "large@1"], ["large@1"]), seen
    assert reader.exitcode == 0
    with ft.open(path) as db:
        docs = db["docs"]
        assert (docs.space, docs.change().space) == ("large@1", "small@1")
        docs.change().finish()
        # It led into the space before.
        assert docs.rules() == []
    assert ft.check(path)["sound"]
