import numpy as np
import pytest

import foretaste as ft

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed: make python-contracts")

from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.schema import Document, ImageNode, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.simple import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

from foretaste.integrations.llama_index import ForetasteVectorStore

WORDS = ["a red fox runs", "a fox sleeps", "an ant marches", "bees fly", "the red bee"]
METADATA = [
    {"year": 1990, "tags": ["old", "red"], "odd key": "x"},
    {"year": 2001, "tags": ["red"]},
    {"year": 2010, "tags": []},
    {"year": 2020, "share": 0.25},
    {},
]


def node(at, embedding=None):
    angle = np.radians(20 * at)
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"doc-{at % 2}")}
    return TextNode(
        id_=f"n{at}",
        text=WORDS[at],
        metadata=METADATA[at],
        relationships=source,
        embedding=embedding or [float(np.cos(angle)), float(np.sin(angle))],
    )


NODES = [node(at) for at in range(5)]


@pytest.fixture
def store(tmp_path):
    store = ForetasteVectorStore.open(tmp_path / "t.ft", dim=2, text="english")
    assert store.add(NODES) == [node.node_id for node in NODES]
    yield store
    store.close()


def ask(store, **more):
    more = {"query_embedding": [1.0, 0.0], "similarity_top_k": 5, **more}
    return store.query(VectorStoreQuery(**more))


def one(key, operator, value):
    return MetadataFilters(filters=[MetadataFilter(key=key, value=value, operator=FilterOperator(operator))])


def test_nodes_come_back_as_they_were(store):
    answer = ask(store)
    assert answer.ids == ["n0", "n1", "n2", "n3", "n4"]
    for got, given in zip(answer.nodes, NODES):
        assert (got.node_id, got.text, got.metadata, got.ref_doc_id) == (given.node_id, given.text, given.metadata, given.ref_doc_id)
        assert type(got) is TextNode and got.relationships == given.relationships and got.hash == given.hash
    assert answer.similarities == pytest.approx([np.cos(np.radians(20 * at)) for at in range(5)], abs=1e-6)
    image = ImageNode(id_="i", text="a bee", image_url="https://example.org/bee.png", embedding=[0.0, 1.0])
    store.add([image])
    got = store.get_nodes(["i"])[0]
    assert type(got) is ImageNode and (got.image_url, got.text) == (image.image_url, "a bee")


# What LlamaIndex's own store does, where it can.
@pytest.mark.parametrize(
    "filters, ids",
    [
        (one("year", "==", 2001), "1"),
        (one("year", "!=", 2001), "0234"),
        (one("year", ">", 2001), "23"),
        (one("year", ">=", 2001), "123"),
        (one("year", "<", 2010), "01"),
        (one("year", "<=", 2010), "012"),
        (one("year", "in", [1990, 2020]), "03"),
        (one("year", "nin", [1990, 2020]), "124"),
        (one("tags", "contains", "red"), "01"),
        (one("odd key", "==", "x"), "0"),
        (MetadataFilters(filters=[]), "01234"),
        (
            MetadataFilters(
                filters=[*one("year", "==", 1990).filters, *one("share", "<", 0.5).filters], condition=FilterCondition.OR
            ),
            "03",
        ),
    ],
)
def test_filters_mean_what_they_do_elsewhere(store, filters, ids):
    answer = ask(store, filters=filters)
    assert answer.ids == [f"n{at}" for at in ids]
    simple = SimpleVectorStore()
    # Its own contains fails on rows that have no such member.
    simple.add([node for node in NODES if node.metadata.get("tags") is not None or "tags" not in str(filters)])
    assert set(ask(simple, filters=filters).ids) == set(answer.ids)
    assert {node.node_id for node in store.get_nodes(filters=filters)} == set(answer.ids)


@pytest.mark.parametrize(
    "filters, ids",
    [
        (one("tags", "any", ["old", "blue"]), "0"),
        (one("tags", "all", ["old", "red"]), "0"),
        (MetadataFilters(filters=[one("tags", "contains", "red"), *one("year", ">", 1999).filters]), "1"),
        (one("tags", "is_empty", None), "234"),
        (one("year", "is_empty", None), "4"),
        (MetadataFilters(filters=one("year", ">", 2001).filters, condition=FilterCondition.NOT), "014"),
    ],
)
def test_more_filters(store, filters, ids):
    assert ask(store, filters=filters).ids == [f"n{at}" for at in ids]


def test_what_cannot_be_asked(store, tmp_path):
    with pytest.raises(NotImplementedError, match="text_match"):
        ask(store, filters=one("year", "text_match", "x"))
    with pytest.raises(NotImplementedError, match="svm"):
        ask(store, mode=VectorStoreQueryMode.SVM)
    with pytest.raises(ValueError, match="query_str"):
        ask(store, mode=VectorStoreQueryMode.HYBRID)
    with pytest.raises(ValueError, match="embedding"):
        ask(store, query_embedding=None)
    with pytest.raises(ValueError, match="dim="):
        ForetasteVectorStore.open(tmp_path / "other.ft")


def test_documents_and_nodes_narrow_a_query_down(store):
    assert ask(store, doc_ids=["doc-1"]).ids == ["n1", "n3"]
    assert ask(store, node_ids=["n4", "n2"]).ids == ["n2", "n4"]
    assert ask(store, doc_ids=["doc-0"], filters=one("year", ">", 2000)).ids == ["n2"]


def test_words(store):
    answer = ask(store, mode=VectorStoreQueryMode.TEXT_SEARCH, query_str="running foxes", query_embedding=None)
    assert answer.ids == ["n0", "n1"] and answer.similarities[0] > answer.similarities[1] > 0
    hybrid = {"mode": VectorStoreQueryMode.HYBRID, "query_str": "red bees"}
    assert ask(store, **hybrid, alpha=0.01).ids[0] == "n4" and ask(store, **hybrid, alpha=0.99).ids[0] == "n0"
    assert len(ask(store, **hybrid, hybrid_top_k=2).ids) == 2


def test_maximal_marginal_relevance(store):
    mmr = {"mode": VectorStoreQueryMode.MMR, "similarity_top_k": 2}
    answer = ask(store, **mmr, mmr_threshold=0.0)
    assert answer.ids == ["n0", "n4"] and answer.similarities == pytest.approx([1, np.cos(np.radians(80))], abs=1e-6)
    assert ask(store, **mmr, mmr_threshold=1.0).ids == ["n0", "n1"]
    query = VectorStoreQuery(query_embedding=[1.0, 0.0], mmr_threshold=0.0, **mmr)
    assert store.query(query, mmr_prefetch_factor=1).ids == ["n0", "n1"]


def test_nodes_are_deleted(store):
    store.delete("doc-1")
    assert ask(store).ids == ["n0", "n2", "n4"]
    store.delete_nodes(["n0", "n2"], one("year", ">", 2000))
    assert ask(store).ids == ["n0", "n4"]
    store.delete_nodes()
    store.delete_nodes(filters=one("year", "==", 1990))
    assert ask(store).ids == ["n4"]
    store.add([NODES[4], node(4, [1.0, 1.0])])
    assert ask(store).ids == ["n4"] and ask(store).similarities == pytest.approx([0.5**0.5], abs=1e-6)
    store.clear()
    assert ask(store).ids == [] and store.add([]) == []


def test_it_is_there_after_opening_again(tmp_path):
    store = ForetasteVectorStore.open(tmp_path / "t.ft", dim=8, metric="l2")
    embed = MockEmbedding(embed_dim=8)
    context = StorageContext.from_defaults(vector_store=store)
    documents = [Document(text=text, id_=f"d{at}", metadata={"at": at}) for at, text in enumerate(WORDS)]
    index = VectorStoreIndex.from_documents(documents, context, embed_model=embed)
    assert len(index.as_retriever(similarity_top_k=3).retrieve("fox")) == 3
    index.delete_ref_doc("d0")
    store.close()
    store = ForetasteVectorStore.open(tmp_path / "t.ft", mode="r")
    index = VectorStoreIndex.from_vector_store(store, embed_model=embed)
    found = index.as_retriever(similarity_top_k=9, filters=one("at", "<", 4)).retrieve("fox")
    assert {hit.metadata["at"] for hit in found} == {1, 2, 3} and all(hit.score == 1.0 for hit in found)
    store.close()
    with pytest.raises(ft.Closed):
        ask(store, query_embedding=[1.0] * 8)


async def test_asynchronously(store):
    await store.async_add([node(1)])
    answer = await store.aquery(VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=2))
    assert answer.ids == ["n0", "n1"] and [node.node_id for node in await store.aget_nodes(["n3"])] == ["n3"]
    await store.adelete("doc-0")
    await store.adelete_nodes(["n1"])
    assert ask(store).ids == ["n3"]
