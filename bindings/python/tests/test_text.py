import math

import numpy as np
import pytest

import foretaste as ft

BODIES = {
    "a": "A quick brown fox.",
    "b": ["Two dogs,", "both quick, both quick"],
    "c": "The fox ran; other foxes were running",
    "d": "Café résumé",
    "e": None,
    "f": 7,
}


def write(col):
    ids = list(BODIES)
    payloads = [{"body": body, "n": n} for n, body in enumerate(BODIES.values())]
    col.upsert(ids, np.eye(len(ids)), payloads=payloads)
    return col


@pytest.fixture
def docs(db):
    return write(db.create_collection("docs", dim=len(BODIES), metric="l2", text="body"))


def bm25(query, words, k1=1.2, b=0.75):
    """The scores of lists of words, by the definition."""
    mean = sum(map(len, words.values())) / len(words)
    scores = {}
    for id, text in words.items():
        for word in query:
            n = sum(word in other for other in words.values())
            tf = text.count(word)
            if tf:
                idf = math.log(1 + (len(words) - n + 0.5) / (n + 0.5))
                score = idf * (k1 + 1) * tf / (tf + k1 * (1 - b + b * len(text) / mean))
                scores[id] = scores.get(id, 0.0) + score
    return scores


WORDS = {
    "a": "a quick brown fox".split(),
    "b": "two dogs both quick both quick".split(),
    "c": "the fox ran other foxes were running".split(),
    "d": "cafe resume".split(),
}


@pytest.mark.parametrize("how", [{}, {"k1": 0.0}, {"k1": 2.0, "b": 0.0}, {"b": 1.0}])
def test_rows_are_ranked_by_bm25(docs, how):
    for stored in (docs.flush, docs.optimize):
        answer = docs.search_text("body", "quick FOX", **how)
        scores = bm25(["quick", "fox"], WORDS, **how)
        assert sorted(answer.ids) == ["a", "b", "c"] and answer.ids[0] == "a"
        assert answer.scores.dtype == np.float64
        assert dict(zip(answer.ids, answer.scores)) == pytest.approx(scores)
        assert (np.diff(answer.scores) <= 0).all()
        stored()


def test_an_answer_is_read_in_many_ways(docs):
    answer = docs.search_text("body", "quick fox", k=2)
    assert len(answer) == 2 and [hit.id for hit in answer] == [hit.id for hit in answer.hits] == answer.ids
    first = answer[0]
    assert (first.id, first.score, first.payload) == ("a", answer.scores[0], {"body": BODIES["a"], "n": 0})
    assert answer[-1].id == answer.ids[1] and "'a'" in repr(answer).replace('"', "'") and "score" in repr(first)
    assert answer.to_list()[0] == {"id": "a", "score": first.score, "payload": first.payload}
    table = answer.to_numpy()
    assert table.dtype.names == ("id", "score") and table["id"].tolist() == answer.ids
    assert answer.cost["rows_scored"] >= 2 and answer.cost["elapsed_us"] > 0
    told = answer.explain()
    assert len(told) >= 3 and told[0].startswith("`fox`, 1 in the query") and "scored" in told[-1]
    with pytest.raises(IndexError):
        answer[2]
    none = docs.search_text("body", "zebra")
    assert len(none) == 0 and not none and none.to_list() == [] and none.scores.shape == (0,)
    assert len(docs.search_text("body", "")) == len(docs.search_text("body", "fox", k=0)) == 0


def test_integer_ids_are_an_array(db):
    col = db.create_collection("ints", dim=1, metric="l2", text=["t"])
    col.upsert([1, 2], [[0], [1]], payloads=[{"t": "one"}, {"t": "one two"}])
    answer = col.search_text("t", "one two")
    assert answer.ids.dtype == np.int64 and answer.ids.tolist() == [2, 1]
    assert answer.to_numpy()["id"].dtype == np.int64


def test_a_filter_does_not_change_a_score(docs):
    scores = dict(zip(*(lambda a: (a.ids, a.scores))(docs.search_text("body", "quick fox"))))
    for where in ("n >= 1", {"n": {">=": 1}}):
        some = docs.search_text("body", "quick fox", where=where)
        assert sorted(some.ids) == ["b", "c"] and all(scores[hit.id] == hit.score for hit in some)


def test_words_are_stemmed_when_a_language_is_named(db):
    plain = write(db.create_collection("plain", dim=6, metric="l2", text={"body": None}))
    for name, text in {
        "by name": {"body": "english"},
        "by options": {"body": {"language": "english"}},
        "stem": {"body": {"language": "english", "stem": True, "accents": False}},
    }.items():
        col = write(db.create_collection(name, dim=6, metric="l2", text=text))
        assert col.search_text("body", "run dog").ids == ["b", "c"] and len(plain.search_text("body", "run dog")) == 0
    unstemmed = {"body": {"language": "english", "stem": False}}
    col = write(db.create_collection("unstemmed", dim=6, metric="l2", text=unstemmed))
    assert len(col.search_text("body", "run dog")) == 0
    assert plain.search_text("body", "resume").ids == ["d"]
    accents = write(db.create_collection("accents", dim=6, metric="l2", text={"body": {"accents": True}}))
    assert len(accents.search_text("body", "resume")) == 0 and accents.search_text("body", "RÉSUMÉ").ids == ["d"]


def test_a_field_may_be_added_later(db):
    col = write(db.create_collection("docs", dim=6, metric="l2"))
    assert col.schema.text_fields == [] and "text_fields" not in col.stats()
    with pytest.raises(ft.BadRequest, match="which has none"):
        col.search_text("body", "fox")
    col.flush()
    col.add_text("body", language="english")
    col.add_text("title")
    assert col.schema.text_fields == ["body", "title"] == col.stats()["text_fields"]
    assert sorted(col.search_text("body", "foxes").ids) == ["a", "c"]
    col.optimize("flat")
    assert col.stats()["rows_without_text"] == 0 and sorted(col.search_text("body", "foxes").ids) == ["a", "c"]
    with pytest.raises(ft.BadRequest, match="declared twice"):
        col.add_text("body")
    with ft.open(db.path, mode="r") as reader:
        assert reader["docs"].schema.text_fields == ["body", "title"]
        with pytest.raises(ft.ReadOnly):
            reader["docs"].add_text("other")


def test_what_is_no_full_text_field(db, docs):
    for wrong in ({"body": "klingon"}, {"body": {"stem": True}}, {"body": {"language": "Klingon"}}):
        with pytest.raises(ValueError):
            db.create_collection("c", dim=1, text=wrong)
    for wrong in ({"body": {"stemmer": "english"}}, {"body": 3}, {"body": {"stem": "yes"}}, [3], 3):
        with pytest.raises(TypeError):
            db.create_collection("c", dim=1, text=wrong)
    for wrong in ("a b", "", ["a", "a"]):
        with pytest.raises(ft.BadRequest):
            db.create_collection("c", dim=1, text=wrong)
    with pytest.raises(ft.BadRequest, match="not a full-text field"):
        docs.search_text("title", "fox")
    with pytest.raises(ft.BadRequest, match="k1"):
        docs.search_text("body", "fox", k1=-1)
    with pytest.raises(ft.BadRequest, match="k1"):
        docs.search_text("body", "fox", b=1.5)
    with pytest.raises(ft.BadFilter):
        docs.search_text("body", "fox", where="n <")
    with pytest.raises(ft.LimitExceeded):
        docs.search_text("body", "fox", k=10**9)
    with pytest.raises(TypeError):
        docs.search_text("body", "fox", k=3, dims=2)
    assert db.collections() == ["docs"]
