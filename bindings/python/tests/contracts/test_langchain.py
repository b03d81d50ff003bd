import asyncio
import multiprocessing
import os

import numpy as np
import pytest

import foretaste as ft

pytest.importorskip("langchain_core", reason="langchain-core is not installed: make python-contracts")
pytest.importorskip("langchain_tests", reason="langchain-tests is not installed: make python-contracts")

from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_tests.integration_tests.vectorstores import VectorStoreIntegrationTests

from foretaste.integrations import langchain
from foretaste.integrations.langchain import ForetasteVectorStore


class TestTheSuiteOfLangChain(VectorStoreIntegrationTests):
    @pytest.fixture(params=["cosine", "l2", "dot"])
    def vectorstore(self, tmp_path, request):
        with ForetasteVectorStore.open(tmp_path / "t.ft", self.get_embeddings(), metric=request.param) as store:
            yield store

    @staticmethod
    def get_embeddings():
        # Of length 1, so that the nearest by every metric is the same.
        return Unit(DeterministicFakeEmbedding(size=6))


class Unit(Embeddings):
    def __init__(self, inner):
        self.inner = inner

    def embed_query(self, text):
        vector = np.asarray(self.inner.embed_query(text))
        return (vector / np.linalg.norm(vector)).tolist()

    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]


class Plane(Embeddings):
    """Texts are angles in degrees."""

    def embed_query(self, text):
        angle = np.radians(float(text) if text[:1].isdigit() else 0)
        return [float(np.cos(angle)), float(np.sin(angle))]

    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]


METADATA = [
    {"year": 1990, "tags": ["old", "red"], "by": {"name": "Ann"}},
    {"year": 2001, "tags": ["red"], "odd key": 1},
    {"year": 2010, "tags": []},
    {"year": 2020, "draft": True, "none": None, "share": 0.25, "text": "über"},
]


@pytest.fixture
def store(tmp_path):
    with ForetasteVectorStore.open(tmp_path / "t.ft", Plane()) as store:
        store.add_texts(["0", "20", "40", "60"], METADATA, ids=["a", "b", "c", "d"])
        yield store


def found(store, query="0", k=4, **more):
    return [document.id for document in store.similarity_search(query, k, **more)]


def test_metadata_come_back_as_they_were(store):
    documents = {document.id: document for document in store.get_by_ids(["d", "x", "a", "b", "c"])}
    assert list(documents) == ["d", "a", "b", "c"]
    for id, text, metadata in zip("abcd", ["0", "20", "40", "60"], METADATA):
        assert documents[id] == Document(id=id, page_content=text, metadata=metadata)


@pytest.mark.parametrize(
    "filter, ids",
    [
        ("year >= 2001", "bcd"),
        ({"year": 2001}, "b"),
        ({"year": {"$gte": 2001, "$lt": 2020}}, "bc"),
        ({"year": {"$in": [1990, 2020]}}, "ad"),
        ({"year": {"$nin": [1990, 2020]}}, "bc"),
        ({"year": {"$ne": 1990}}, "bcd"),
        ({"year": {"$between": [2000, 2015]}}, "bc"),
        ({"$or": [{"year": {"$eq": 1990}}, {"draft": True}]}, "ad"),
        ({"$and": [{"tags": "red"}, {"$not": {"year": {"$lte": 1990}}}]}, "b"),
        ({"draft": {"$exists": False}}, "abc"),
        ({"by.name": {"$like": "A%"}}, "a"),
        ({'"odd key"': 1}, "b"),
        ({"$id": {"in": ["a", "d"]}}, "ad"),
        ({}, "abcd"),
        (None, "abcd"),
    ],
)
def test_filters(store, filter, ids):
    assert found(store, filter=filter) == list(ids)
    assert [d.id for d, _ in store.similarity_search_with_score("0", 4, filter=filter)] == list(ids)
    assert [d.id for d in store.as_retriever(search_kwargs={"k": 4, "filter": filter}).invoke("0")] == list(ids)


def test_filters_that_cannot_be(store):
    for wrong in ({"$nor": []}, {"year": {"$near": 3}}):
        with pytest.raises(ValueError, match="operator"):
            found(store, filter=wrong)
    with pytest.raises(ft.BadFilter):
        found(store, filter="year >")


def test_scores(tmp_path):
    for metric, nearer in (("cosine", 1 - np.cos(np.radians(20))), ("l2", 2 * np.sin(np.radians(10)))):
        with ForetasteVectorStore.open(tmp_path / f"{metric}.ft", Plane(), metric=metric) as store:
            store.add_texts(["20", "0"], ids=["b", "a"])
            (first, here), (second, there) = store.similarity_search_with_score("0", 2)
            assert (first.id, second.id) == ("a", "b") and here == pytest.approx(0, abs=1e-6)
            assert there == pytest.approx(nearer, rel=1e-5)
            relevance = [score for _, score in store.similarity_search_with_relevance_scores("0", 2)]
            assert relevance[0] == pytest.approx(1, abs=1e-6) and 0 < relevance[1] < 1
            kept = store.similarity_search_with_relevance_scores("0", 2, score_threshold=0.999)
            assert [document.id for document, _ in kept] == ["a"]
    with ForetasteVectorStore.open(tmp_path / "dot.ft", Plane(), metric="dot") as store:
        store.add_texts(["20"])
        assert store.similarity_search_with_relevance_scores("0")[0][1] == pytest.approx(np.cos(np.radians(20)), rel=1e-5)


def test_maximal_marginal_relevance(tmp_path):
    with ForetasteVectorStore.open(tmp_path / "t.ft", Plane()) as store:
        store.add_texts(["10", "11", "12", "50", "90"], ids=["a", "b", "c", "d", "e"])
        ids = lambda documents: [document.id for document in documents]
        assert ids(store.max_marginal_relevance_search("0", k=2, fetch_k=5, lambda_mult=1.0)) == ["a", "b"]
        assert ids(store.max_marginal_relevance_search("0", k=2, fetch_k=5, lambda_mult=0.0)) == ["a", "e"]
        assert ids(store.max_marginal_relevance_search("0", k=2, fetch_k=3, lambda_mult=0.0)) == ["a", "c"]
        assert ids(asyncio.run(store.amax_marginal_relevance_search("0", k=2, fetch_k=4, lambda_mult=0.0))) == ["a", "d"]
        retriever = store.as_retriever(search_type="mmr", search_kwargs={"k": 2, "fetch_k": 5, "lambda_mult": 0.0})
        assert ids(retriever.invoke("0")) == ["a", "e"]


def test_arguments_of_the_search_go_through(store):
    with pytest.raises(TypeError, match="whole answer"):
        found(store, progressive=True)
    assert found(store, k=2, exact=True, deadline_ms=10_000) == ["a", "b"]
    assert found(store, k=4, rerank=ft.Scorer(lambda ids: [ord(id) for id in ids])) == ["d", "c", "b", "a"]


def test_it_is_there_after_opening_again(tmp_path):
    store = ForetasteVectorStore.from_texts(["0", "90"], Plane(), [{"n": 1}, {"n": 2}], ids=["a", "b"], path=tmp_path / "t.ft")
    store.close()
    with ForetasteVectorStore.open(tmp_path / "t.ft", Plane(), mode="r") as store:
        assert found(store, "80") == ["b", "a"] and store.get_by_ids(["a"])[0].metadata == {"n": 1}
        with pytest.raises(ft.ReadOnly):
            store.delete(["a"])
    with pytest.raises(ValueError, match="path"):
        ForetasteVectorStore.from_texts(["0"], Plane())
    with pytest.raises(ft.NotFound):
        ForetasteVectorStore.open(tmp_path / "t.ft", Plane(), name="other", mode="r")
    with ft.open(tmp_path / "t.ft") as db:
        # Somebody else has it open for writing.
        with pytest.raises(ft.Locked):
            ForetasteVectorStore.open(tmp_path / "t.ft", Plane())
        # A collection that was opened by the caller, and whose texts are under another name.
        col = db.create_collection("mine", dim=2)
        col.upsert(["x"], [[1, 0]], [{"body": "hello", "n": 3}])
        store = ForetasteVectorStore(col, Plane(), content_key="body")
        store.close()
        assert store.similarity_search("0") == [Document(id="x", page_content="hello", metadata={"n": 3})]


def test_several_stores_of_one_database(tmp_path):
    first = ForetasteVectorStore.open(tmp_path / "t.ft", Plane(), name="first")
    second = ForetasteVectorStore.open(tmp_path / "x" / ".." / "t.ft", Plane(), name="second")
    first.add_texts(["0"], ids=["a"])
    first.close()
    first.close()
    with pytest.raises(ft.Closed):
        second.close() or found(first)
    with ForetasteVectorStore.open(tmp_path / "t.ft", Plane(), name="first") as again:
        assert found(again) == ["a"] and found(again, filter={}) == ["a"]


def ask_in_a_fork(path, store, told):
    with ForetasteVectorStore.open(path, Plane(), mode="r") as reader:
        told.send(found(reader))
    try:
        found(store)
    except ft.Forked as error:
        told.send(error.pid)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork here")
def test_a_fork_opens_the_database_itself(store, tmp_path):
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=ask_in_a_fork, args=(tmp_path / "t.ft", store, there))
    child.start()
    assert here.poll(60) and here.recv() == ["a", "b", "c", "d"]
    assert here.poll(60) and here.recv() == os.getpid()
    child.join()
    assert child.exitcode == 0 and found(store) == ["a", "b", "c", "d"]


def test_writing(store):
    assert store.add_texts(["70", "80"], ids=["e", "e"]) == ["e", "e"]
    assert store.get_by_ids(["e"])[0].page_content == "80"
    ids = store.add_documents([Document(page_content="5", id="f"), Document(page_content="6")])
    assert ids[0] == "f" and ids[1] and len(store.collection) == 7
    assert store.add_texts([]) == []
    with pytest.raises(ValueError, match="2 texts"):
        store.add_texts(["1", "2"], [{}])
    with pytest.raises(ValueError, match="content_key"):
        store.add_texts(["1"], [{"page_content": "x"}])
    with pytest.raises(ft.BadPayload):
        store.add_texts(["1"], [{"x": object()}])
    given = {"n": 1}
    store.add_texts(["1"], [given])
    assert given == {"n": 1}
    store.delete()
    assert len(store.collection) == 0 and found(store) == []
    assert langchain.__all__ == ["ForetasteVectorStore"]
