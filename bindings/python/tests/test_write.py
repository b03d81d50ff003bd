import os
import subprocess
import sys

import numpy as np
import pytest

import foretaste as ft


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "t.ft"
    payload = {"a": [1, 2.5, None, "x"], "deep": {"b": True}, "é": -(2**63), "big": 2**64 - 1}
    with ft.open(path) as db:
        col = db.create_collection("docs", dim=3)
        col.upsert(["a", 7, -(2**63)], [[1, 0, 0], [0, 1, 0], [0, 0, 1]], payloads=[payload, None, {}])
        assert len(col) == 3 and "a" in col and 7 in col and "7" not in col
    with ft.open(path, mode="r") as db:
        assert db.mode == "r" and db.path == path and db.collections() == ["docs"] and "docs" in db
        col = db["docs"]
        record = col.get("a")
        assert record.id == "a" and record.payload == payload
        assert record.vector.dtype == np.float32 and record.vector.tolist() == [1, 0, 0]
        assert col.get("b") is None
        found = col.get([7, "none", -(2**63)])
        assert [r and r.id for r in found] == [7, None, -(2**63)]
        assert found[0].payload is None and found[2].payload == {}
        with pytest.raises(ft.ReadOnly):
            col.upsert([1], [[1, 0, 0]])


@pytest.mark.parametrize(
    "ids",
    [
        [0, 1, 2],
        (0, 1, 2),
        range(3),
        np.arange(3),
        np.arange(3, dtype=np.uint8),
        np.arange(6)[::2] // 2,
        [np.int32(0), np.int64(1), 2],
    ],
)
@pytest.mark.parametrize(
    "convert",
    [
        np.ascontiguousarray,
        np.asfortranarray,
        lambda v: v.astype(np.float64),
        lambda v: v.astype(np.float16),
        lambda v: np.repeat(v, 2, axis=0)[::2],
        lambda v: v.tolist(),
    ],
)
def test_ids_and_vectors_come_in_many_forms(db, ids, convert):
    vectors = np.arange(1, 13, dtype=np.float32).reshape(3, 4)
    col = db.create_collection("c", dim=4, metric="l2")
    col.upsert(ids, convert(vectors))
    assert [r.id for r in col.get([0, 1, 2])] == [0, 1, 2]
    assert np.array_equal([r.vector for r in col.get([0, 1, 2])], vectors)


def test_ids_of_text_arrays(db):
    col = db.create_collection("c", dim=1, metric="l2")
    col.upsert(np.array(["a", "bc"]), [[1], [2]])
    assert col.search([2], k=1).ids == ["bc"]


def test_a_replaced_or_deleted_row_is_gone(col, rows):
    col.upsert([3], rows[:1] + 100)
    assert len(col) == 500 and col.get(3).payload is None
    col.delete([0, 1, "nobody"])
    col.delete(2)
    assert len(col) == 497
    assert set(col.search(rows[0], k=20).ids.tolist()).isdisjoint({0, 1, 2, 3})


def test_a_batch_is_there_whole_or_not_at_all(col, rows):
    bad = rows[:3].copy()
    bad[2, 5] = np.nan
    with pytest.raises(ft.NonFinite) as error:
        col.upsert([1000, 1001, 1002], bad)
    assert (error.value.row, error.value.dim) == (2, 5)
    assert len(col) == 500 and 1000 not in col


def test_what_is_wrong_is_named(db, col, rows):
    with pytest.raises(ft.DimensionMismatch) as error:
        col.upsert([1], [[1.0, 2.0]])
    assert error.value.got == 2 and isinstance(error.value, ValueError)
    with pytest.raises(ValueError, match="2 ids"):
        col.upsert([1, 2], rows[:3])
    with pytest.raises(ValueError, match="shape"):
        col.upsert([1], rows[0])
    with pytest.raises(ValueError, match="2 payloads"):
        col.upsert([1], rows[:1], payloads=[{}, {}])
    with pytest.raises(ft.BadPayload, match=r"row 1: a\.b\[1\]: a set"):
        col.upsert([1, 2], rows[:2], payloads=[None, {"a": {"b": [1, {2}]}}])
    with pytest.raises(ft.BadPayload) as error:
        col.upsert([1, 2], rows[:2], payloads=[None, {"n": "text"}])
    assert error.value.row == 1
    with pytest.raises(ft.DuplicateId):
        col.upsert([1, 1], rows[:2])
    for ids in ([1.5], [True], [None], "ab", 5):
        with pytest.raises(TypeError):
            col.upsert(ids, rows[:1])
    with pytest.raises(OverflowError):
        col.upsert([2**63], rows[:1])
    with pytest.raises(ft.ZeroVector):
        db.create_collection("cos", dim=2).upsert([1], [[0, 0]])


def test_numpy_scalars_and_arrays_are_payload_values(db):
    col = db.create_collection("c", dim=1, metric="l2")
    col.upsert([1], [[1]], payloads=[{"i": np.int32(3), "f": np.float64(0.5), "b": np.bool_(True), "a": np.arange(3)}])
    assert col.get(1).payload == {"i": 3, "f": 0.5, "b": True, "a": [0, 1, 2]}
    deep = {}
    for _ in range(200):
        deep = {"a": deep}
    with pytest.raises(ft.BadPayload, match="nested too deep"):
        col.upsert([1], [[1]], payloads=[deep])


def test_variances_are_kept(db):
    col = db.create_collection("d", dim=2, metric="l2", variance="diagonal")
    col.upsert([1, 2], [[1, 2], [3, 4]], variances=[[0.25, 0.5], [1, 2]])
    assert col.get(2).variance.tolist() == [1, 2] and col.get(2).variance_traces.tolist() == [3]
    col = db.create_collection("s", dim=2, metric="l2", variance="scalar")
    col.upsert([1], [[1, 2]], variances=np.array([0.5]))
    assert col.get(1).variance.tolist() == [0.5]
    with pytest.raises(ValueError, match="variances of shape"):
        col.upsert([1], [[1, 2]], variances=[0.5, 0.5])
    assert db.create_collection("n", dim=2).get(1) is None


def test_progress_is_told_and_cancels(col, rows, capsys):
    told = []
    col.upsert(np.arange(500), rows, progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1]
    col.upsert([1], rows[:1], progress=True)
    assert "100 %" in capsys.readouterr().err

    class Bar:
        total, n = None, 0

        def update(self, n):
            self.n += n

        def reset(self, total):
            self.total, self.n = total, 0

    bar = Bar()
    col.optimize(progress=bar)
    assert bar.n == bar.total > 0

    with pytest.raises(ft.Cancelled):
        col.upsert([1000], rows[:1], progress=lambda done, total: False)
    assert 1000 not in col
    # What is done is not undone.
    col.upsert([1000], rows[:1], progress=lambda done, total: done < total)
    assert 1000 in col
    with pytest.raises(TypeError, match="progress"):
        col.upsert([1], rows[:1], progress=3)


def test_an_error_of_the_progress_function_comes_out(col, rows):
    def fail(done, total):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        col.upsert([1000], rows[:1], progress=fail)
    assert 1000 not in col
    with pytest.raises(RuntimeError, match="enough"):
        col.optimize("hnsw", progress=fail)


def test_a_closed_database_says_so_and_can_be_opened_again(tmp_path):
    db = ft.open(tmp_path / "t.ft")
    col = db.create_collection("c", dim=1, metric="l2")
    col.upsert([1], [[1]])
    answer = col.search([1])
    db.close()
    db.close()
    for use in (lambda: len(col), lambda: col.search([1]), lambda: db["c"], db.collections, col.stats):
        with pytest.raises(ft.Closed):
            use()
    assert answer.ids.tolist() == [1] and answer[0].payload is None
    with ft.open(tmp_path / "t.ft") as again:
        assert len(again["c"]) == 1
    assert "closed" in repr(db) and "closed" in repr(col)


def test_a_second_writer_is_refused_and_a_reader_follows(tmp_path):
    with ft.open(tmp_path / "t.ft") as db:
        col = db.create_collection("c", dim=1, metric="l2")
        code = (
            "import sys, foretaste as ft\n"
            "try: ft.open(sys.argv[1])\n"
            "except ft.Locked as e: print(e.pid)\n"
        )
        ran = subprocess.run([sys.executable, "-c", code, str(tmp_path / "t.ft")], capture_output=True, text=True)
        assert ran.stdout.strip() == str(os.getpid()), ran.stderr
        with ft.open(tmp_path / "t.ft", mode="r") as reader:
            seen = reader["c"]
            col.upsert([1], [[1]])
            assert len(seen) == 0
            reader.refresh()
            assert len(seen) == 1


def test_collections_are_created_and_dropped(db):
    db.create_collection("a", dim=2, dtype="f16", levels=[1])
    col = db["a"]
    assert (col.name, col.dim, col.metric, col.levels) == ("a", 2, "cosine", [1, 2])
    with pytest.raises(ft.Exists):
        db.create_collection("a", dim=2)
    with pytest.raises(ft.NotFound) as error:
        db["b"]
    assert isinstance(error.value, KeyError) and str(error.value).startswith("collection")
    for wrong in ({"metric": "hamming"}, {"dtype": "f8"}, {"variance": "full"}, {"rotation": "opq"}, {"columns": {"a": "date"}}):
        with pytest.raises(ValueError):
            db.create_collection("c", dim=2, **wrong)
    with pytest.raises(ft.BadRequest):
        db.create_collection("c", dim=0)
    assert db.stats()["collections"][0]["name"] == "a" and col.stats()["element"] == "f16"
    db.drop_collection("a")
    assert db.collections() == [] and "a" not in db
    with pytest.raises(ValueError, match="mode"):
        ft.open(db.path, mode="w")
    with pytest.raises(ft.NotFound):
        ft.open(db.path / "nothing", mode="r")


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "t.ft"
    with ft.open(path) as db:
        col = db.create_collection("c", dim=8, metric="l2")
        col.upsert(np.arange(1000), np.ones((1000, 8), np.float32))
        col.flush()
    plane = next(path.glob("seg/*/plane.0"))
    data = bytearray(plane.read_bytes())
    data[5000] ^= 1
    plane.write_bytes(data)
    with ft.open(path, mode="r") as db:
        with pytest.raises(ft.Corrupt) as error:
            db["c"].search(np.ones(8))
        assert error.value.file.endswith("plane.0") and error.value.offset > 0
