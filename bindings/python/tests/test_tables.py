import json

import numpy as np
import pytest


@pytest.fixture
def answers(db):
    """Answers of both kinds, over ids that are ints, strs, and both."""
    made = {}
    for name, ids in {"int": [1, 2, 3], "str": ["a", "b", "c"], "mixed": [1, "b", 3]}.items():
        col = db.create_collection(name, dim=2, metric="l2", text="t")
        col.upsert(ids, [[0, 0], [1, 0], [2, 0]], payloads=[{"t": "x", "n": 1}, None, {"t": "x y é", "deep": {"a": []}}])
        made[name] = col.search([0, 0]), col.search_text("t", "x y")
    return made


def test_pandas(answers):
    pandas = pytest.importorskip("pandas")
    for kind, (near, text) in answers.items():
        frame = near.to_pandas()
        assert list(frame.columns) == ["id", "distance", "score", "payload"] and len(frame) == 3
        assert frame["id"].tolist() == list(near.ids) and np.array_equal(frame["distance"], near.distances)
        assert (frame["id"].dtype == np.int64) == (kind == "int")
        assert frame["payload"].tolist() == [hit.payload for hit in near]
        frame = text.to_pandas()
        assert isinstance(frame, pandas.DataFrame) and list(frame.columns) == ["id", "score", "payload"]
        assert frame["id"].tolist() == list(text.ids) and frame["score"].tolist() == text.scores.tolist()


def test_arrow(answers):
    pyarrow = pytest.importorskip("pyarrow")
    for kind, (near, text) in answers.items():
        if kind == "mixed":
            with pytest.raises(pyarrow.ArrowException):
                near.to_arrow()
            continue
        table = near.to_arrow()
        assert table.column_names == ["id", "distance", "score", "payload"]
        assert table["id"].type == (pyarrow.int64() if kind == "int" else pyarrow.string())
        assert table["id"].to_pylist() == list(near.ids) and table["distance"].to_pylist() == near.distances.tolist()
        payloads = [payload and json.loads(payload) for payload in table["payload"].to_pylist()]
        assert payloads == [hit.payload for hit in near] and payloads[1] is None
        assert text.to_arrow().column_names == ["id", "score", "payload"]


def test_tables_of_no_hits(db):
    col = db.create_collection("none", dim=2, text="t")
    for answer in (col.search([1, 0]), col.search_text("t", "x")):
        assert answer.to_list() == [] and len(answer.to_numpy()) == 0
        pytest.importorskip("pandas")
        assert len(answer.to_pandas()) == 0 and "payload" in answer.to_pandas().columns
        pytest.importorskip("pyarrow")
        assert answer.to_arrow().num_rows == 0
