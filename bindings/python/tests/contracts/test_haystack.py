import numpy as np
import pytest

import foretaste as ft

pytest.importorskip("haystack", reason="haystack-ai is not installed: make python-contracts")
pytest.importorskip("pytest_asyncio", reason="pytest-asyncio is not installed: make python-contracts")

from haystack import Document, Pipeline
from haystack.dataclasses import ByteStream
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.errors import FilterError
from haystack.testing import document_store as suite
from haystack.testing import document_store_async as suite_async
from haystack.utils.filters import document_matches_filter

from foretaste.integrations._common import matching
from foretaste.integrations.haystack import ForetasteBM25Retriever, ForetasteDocumentStore, ForetasteEmbeddingRetriever


class TestTheSuiteOfHaystack(
    suite.DocumentStoreBaseExtendedTests,
    suite.CountDocumentsByFilterTest,
    suite.CountUniqueMetadataByFilterTest,
    suite.GetMetadataFieldsInfoTest,
    suite.GetMetadataFieldMinMaxTest,
    suite.GetMetadataFieldUniqueValuesTest,
    suite_async.CountDocumentsAsyncTest,
    suite_async.WriteDocumentsAsyncTest,
    suite_async.DeleteDocumentsAsyncTest,
    suite_async.FilterDocumentsAsyncTest,
    suite_async.DeleteAllAsyncTest,
    suite_async.DeleteByFilterAsyncTest,
    suite_async.UpdateByFilterAsyncTest,
    suite_async.CountDocumentsByFilterAsyncTest,
    suite_async.CountUniqueMetadataByFilterAsyncTest,
    suite_async.GetMetadataFieldsInfoAsyncTest,
    suite_async.GetMetadataFieldMinMaxAsyncTest,
    suite_async.GetMetadataFieldUniqueValuesAsyncTest,
):
    @pytest.fixture
    def document_store(self, tmp_path):
        store = ForetasteDocumentStore(str(tmp_path / "t.ft"))
        yield store
        store.close()

    @staticmethod
    def assert_documents_are_equal(received, expected):
        # Embeddings come back as numbers of 32 bits.
        assert [rounded(document) for document in received] == [rounded(document) for document in expected]

    def test_write_documents(self, document_store):
        document = Document(content="test doc")
        assert document_store.write_documents([document]) == 1
        with pytest.raises(DuplicateDocumentError):
            document_store.write_documents([document])

    async def test_write_documents_async(self, document_store):
        document = Document(content="test doc")
        assert await document_store.write_documents_async([document]) == 1
        with pytest.raises(DuplicateDocumentError):
            await document_store.write_documents_async([document])


def rounded(document):
    told = document.to_dict(flatten=False)
    if document.embedding is not None:
        told["embedding"] = np.asarray(document.embedding, np.float32).tolist()
    return told


def turned(degrees):
    return [float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))]


META = [
    {"year": 1990, "tags": ["old", "red"], "by": {"name": "Ann"}, "day": "1990-05-01"},
    {"year": 2001, "tags": ["red"], "odd key": 1, "day": "2001-05-01"},
    {"year": 2010.5, "none": None},
    {"draft": True},
]
TEXTS = ["a red fox runs", "a fox sleeps", "an ant marches", "bees fly"]


@pytest.fixture
def documents():
    embeddings = [turned(0), turned(20), turned(40), None]
    return [Document(id=f"d{at}", content=TEXTS[at], meta=META[at], embedding=embeddings[at]) for at in range(4)]


@pytest.fixture
def store(tmp_path, documents):
    store = ForetasteDocumentStore(str(tmp_path / "t.ft"), embedding_dim=2, language="english")
    assert store.write_documents(documents) == 4
    yield store
    store.close()


def ids(documents):
    return [document.id for document in documents]


def test_documents_come_back_as_they_were(store, documents):
    blob = Document(id="b", content=None, blob=ByteStream(b"\0\1\xff", mime_type="image/png", meta={"n": 1}), meta={})
    store.write_documents([blob])
    for got, given in zip(store.filter_documents(), [*documents, blob], strict=True):
        assert rounded(got) == rounded(given) and got == got


def test_embeddings(store):
    found = store.embedding_retrieval(turned(35), top_k=9)
    assert ids(found) == ["d2", "d1", "d0"] and found[0].embedding is None, "one without an embedding is not found"
    assert [document.score for document in found] == pytest.approx([np.cos(np.radians(d)) for d in (5, 15, 35)], abs=1e-6)
    found = store.embedding_retrieval(turned(35), top_k=1, return_embedding=True, scale_score=True, exact=True)
    assert found[0].embedding == pytest.approx(turned(40), abs=1e-6)
    assert found[0].score == pytest.approx((1 + np.cos(np.radians(5))) / 2, abs=1e-6)
    filters = {"field": "meta.year", "operator": "<", "value": 2005}
    assert ids(store.embedding_retrieval(turned(35), filters=filters)) == ["d1", "d0"]
    with pytest.raises(ft.DimensionMismatch):
        store.embedding_retrieval([1.0, 0.0, 0.0])


def test_words(store):
    found = store.bm25_retrieval("running foxes")
    assert ids(found) == ["d0", "d1"] and found[0].score > found[1].score > 0
    assert ids(store.bm25_retrieval("fox", {"field": "meta.year", "operator": ">", "value": 1990}, top_k=1)) == ["d1"]


def test(field, operator, value):
    return {"field": field, "operator": operator, "value": value}


test.__test__ = False


# Each means what it does in Haystack's own store.
@pytest.mark.parametrize(
    "filters",
    [
        test("meta.year", "==", 2001),
        test("year", "==", 2001),
        test("meta.year", "!=", 2001),
        test("meta.year", "==", None),
        test("meta.year", "!=", None),
        test("meta.year", ">", 2001),
        test("meta.year", ">=", None),
        test("meta.year", "<=", 2010.5),
        test("meta.year", "in", [1990, 2010.5, "x"]),
        test("meta.year", "in", [1990, None]),
        test("meta.year", "in", []),
        test("meta.year", "not in", [1990]),
        test("meta.year", "not in", [1990, None]),
        test("meta.day", "<", "2000-01-01"),
        test("meta.day", "==", "2001-05-01"),
        test("meta.by.name", "==", "Ann"),
        test("meta.odd key", "==", 1),
        test("meta.draft", "==", True),
        test("id", "in", ["d1", "d3"]),
        test("content", "==", "bees fly"),
        {"operator": "NOT", "conditions": [test("meta.year", ">", 1995), test("meta.tags", "==", None)]},
        {
            "operator": "OR",
            "conditions": [
                {"operator": "AND", "conditions": [test("meta.year", ">", 1995), test("meta.year", "<", 2005)]},
                {"operator": "NOT", "conditions": [test("meta.draft", "!=", True)]},
            ],
        },
    ],
)
def test_filters_mean_what_they_do_elsewhere(store, documents, filters):
    expected = [document.id for document in documents if document_matches_filter(filters, document)]
    assert ids(store.filter_documents(filters)) == expected and store.count_documents_by_filter(filters) == len(expected)


def test_a_list_passes_when_an_element_does(store):
    assert ids(store.filter_documents(test("meta.tags", "==", "red"))) == ["d0", "d1"]


def test_filters_that_cannot_be(store):
    for wrong in (
        test("meta.year", "like", "x"),
        test("meta.year", ">", "x"),
        test("meta.year", "==", [1]),
        {"operator": "XOR", "conditions": []},
    ):
        with pytest.raises(FilterError):
            store.filter_documents(wrong)


def test_duplicates_within_a_batch(store):
    twice = [Document(id="x", content="one"), Document(id="x", content="two")]
    with pytest.raises(DuplicateDocumentError, match="'x'"):
        store.write_documents(twice)
    assert store.count_documents() == 4
    assert store.write_documents(twice, DuplicatePolicy.SKIP) == 1
    assert store.filter_documents(test("id", "==", "x"))[0].content == "one"
    assert store.write_documents(twice, DuplicatePolicy.OVERWRITE) == 2
    assert store.filter_documents(test("id", "==", "x"))[0].content == "two"
    with pytest.raises(ValueError, match="embedding_dim"):
        store.write_documents([Document(content="y", embedding=[1.0])])


def test_pipelines(store, tmp_path):
    pipeline = Pipeline()
    pipeline.add_component("near", ForetasteEmbeddingRetriever(store, top_k=2))
    pipeline.add_component("words", ForetasteBM25Retriever(store, filters=test("meta.year", "<", 2000)))
    text = pipeline.dumps()
    asked = {"near": {"query_embedding": turned(0)}, "words": {"query": "fox"}}
    found = pipeline.run(asked)
    assert ids(found["near"]["documents"]) == ["d0", "d1"] and ids(found["words"]["documents"]) == ["d0"]
    store.close()
    again = Pipeline.loads(text, allowed_modules=["foretaste.integrations.haystack"])
    found = again.run(asked)
    assert ids(found["near"]["documents"]) == ["d0", "d1"] and ids(found["words"]["documents"]) == ["d0"]
    # Two stores of one database, which is closed when neither has it.
    again.get_component("near").document_store.close()
    assert again.get_component("words").document_store.count_documents() == 4
    again.get_component("words").document_store.close()
    with ft.open(tmp_path / "t.ft") as db:
        assert len(db["haystack"]) == 4


async def test_asynchronously(store):
    retriever = ForetasteEmbeddingRetriever(store)
    assert ids((await retriever.run_async(turned(0), top_k=1))["documents"]) == ["d0"]
    words = ForetasteBM25Retriever(store)
    assert ids((await words.run_async("bees"))["documents"]) == ["d3"]


def test_it_is_there_after_opening_again(store, tmp_path, documents):
    store.close()
    store.close()
    assert [rounded(each) for each in store.filter_documents()] == [rounded(each) for each in documents]
    store.close()
    reader = ForetasteDocumentStore.from_dict(ForetasteDocumentStore(str(tmp_path / "t.ft"), mode="r").to_dict())
    assert reader.count_documents() == 4
    with pytest.raises(ft.ReadOnly):
        reader.delete_documents(["d0"])
    reader.close()


def test_lists_of_more_rows_than_one_search_gives(store):
    store.write_documents([Document(id=f"m{at}", content="x", meta={"n": at % 3}) for at in range(200)])
    view = store.collection.snapshot()
    assert sorted(matching(view, None, most=16)) == sorted(record.id for record in view)
    where = {"meta.n": 1}
    assert sorted(matching(view, where, most=7)) == sorted(f"m{at}" for at in range(200) if at % 3 == 1)
