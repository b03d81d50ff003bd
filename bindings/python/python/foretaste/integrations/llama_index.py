"""foretaste as a LlamaIndex vector store.

    from foretaste.integrations.llama_index import ForetasteVectorStore

    store = ForetasteVectorStore.open("notes.ft", dim=384)
    index = VectorStoreIndex.from_documents(documents, StorageContext.from_defaults(vector_store=store))
    index.as_retriever(similarity_top_k=3).retrieve("Who runs?")

Nodes are kept as LlamaIndex writes them for all stores: their metadata are the members of the row's payload, beside `_node_content`
and the id of the document that they are of. Their text is the member `_node_text`.

Reads from: LlamaIndex's nodes and queries. Writes to: a collection. Never: a node of the caller changed.
"""

from collections.abc import Sequence
from os import PathLike
from typing import Any, ClassVar, Literal

import numpy as np
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode, MetadataMode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict  # pyright: ignore[reportUnknownVariableType]

import foretaste as ft
from foretaste.integrations._common import Lease, both, last_ones, matching, member, nearest, opened

__all__ = ["ForetasteVectorStore"]

_TEXT = "_node_text"
_COMPARED = {
    FilterOperator.EQ: "=",
    FilterOperator.GT: ">",
    FilterOperator.GTE: ">=",
    FilterOperator.LT: "<",
    FilterOperator.LTE: "<=",
    FilterOperator.IN: "in",
    FilterOperator.ANY: "in",
    FilterOperator.CONTAINS: "=",
}


class ForetasteVectorStore(BasePydanticVectorStore):
    """Nodes in a collection, found by their embeddings, and by their words where it has the full-text field `_node_text`.

    Query modes: `default`, `mmr` (`mmr_threshold` 1 is nearness alone; `mmr_prefetch_factor=4` times as many are chosen from), and with
    full text `text_search` and `hybrid` (`alpha` is the weight of the vectors). Metadata filters become filters of foretaste, all but
    the two text matches. Other keyword arguments of `query` are those of `Collection.search`, as `ef` and `deadline_ms`.

    Similarities are larger for what is nearer: the cosine, the dot product, or 1 / (1 + distance) under l2; behind `text_search`
    and `hybrid` what these rank by.
    """

    stores_text: bool = True
    is_embedding_query: bool = True
    flat_metadata: ClassVar[bool] = False

    _collection: ft.Collection = PrivateAttr()
    _lease: Lease | None = PrivateAttr(default=None)

    def __init__(self, collection: ft.Collection) -> None:
        """A store of a collection that is open. Its ids must be strs."""
        super().__init__(stores_text=True)
        self._collection = collection

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        dim: int | None = None,
        *,
        name: str = "llama_index",
        mode: Literal["rw", "r"] = "rw",
        text: bool | str = False,
        **schema: Any,
    ) -> "ForetasteVectorStore":
        """Opens the database at `path`, and in it the collection `name`, which is created when it is missing: `dim` and `schema` are
        then the arguments of `Database.create_collection`. With `text` the nodes' words are indexed: True takes them as they are, the
        name of a language cuts them down to their stems.

        `close` closes the database."""
        if text:
            schema["text"] = {_TEXT: None if text is True else text}

        def missing() -> int:
            raise ValueError(f"there is no collection {name!r} yet: dim= says how many numbers its embeddings have")

        lease, collection = opened(path, name, mode, missing, {**schema, "dim": dim})
        store = cls(collection)
        store._lease = lease
        return store

    @classmethod
    def class_name(cls) -> str:
        return "ForetasteVectorStore"

    @property
    def client(self) -> ft.Collection:
        """The collection."""
        return self._collection

    def close(self) -> None:
        """Gives up what `open` has opened: the database is closed when no other store of this process has it."""
        if self._lease is not None:
            self._lease.close()

    # ------------------------------------------------------------------------------------------------ writing

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Writes nodes with embeddings in one batch, and gives their ids; a node whose id is there already is replaced."""
        ids = [node.node_id for node in nodes]
        rows = last_ones(ids)
        if rows:
            vectors = np.array([nodes[row].get_embedding() for row in rows], np.float32)
            self._collection.upsert([ids[row] for row in rows], vectors, [_payload(nodes[row]) for row in rows])
        return ids

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Removes all nodes of a document."""
        self._collection.delete(self._matching({"ref_doc_id": ref_doc_id}))

    def delete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        """Removes the nodes with these ids that pass the filters; without ids, all that pass. With neither nothing is removed."""
        if node_ids is not None or filters is not None:
            self._collection.delete(self._chosen(node_ids, filters))

    def clear(self) -> None:
        """Removes all nodes."""
        self._collection.delete(self._matching(None))

    # ------------------------------------------------------------------------------------------------ reading

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """The nodes with these ids that pass the filters; without ids, all that pass."""
        found = self._collection.get(self._chosen(node_ids, filters))
        return [_node(record.payload) for record in found if record is not None]

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """The nodes nearest to `query.query_embedding`, or best by the words of `query.query_str`."""
        where = _where(query.filters)
        if query.doc_ids:
            where = both(where, {"ref_doc_id": {"in": list(query.doc_ids)}})
        if query.node_ids:
            where = both(where, {"$id": {"in": list(query.node_ids)}})
        if query.mode == VectorStoreQueryMode.TEXT_SEARCH:
            k = query.sparse_top_k or query.similarity_top_k
            found = self._collection.search_text(_TEXT, _words(query), k, where, **kwargs)
            return _result([(hit.id, hit.payload, hit.score) for hit in found])
        if query.query_embedding is None:
            raise ValueError(f"a query of mode {query.mode.value!r} has an embedding")
        k, ranked = query.similarity_top_k, False
        if query.mode == VectorStoreQueryMode.MMR:
            factor = kwargs.pop("mmr_prefetch_factor", 4)
            share = 0.5 if query.mmr_threshold is None else query.mmr_threshold
            kwargs["rerank"] = ft.Mmr(share, among=max(k, int(k * factor)))
        elif query.mode == VectorStoreQueryMode.HYBRID:
            alpha = 0.5 if query.alpha is None else query.alpha
            k, ranked = query.hybrid_top_k or k, True
            depth = max(100, k, query.sparse_top_k or 0)
            kwargs["rerank"] = ft.Fuse("rrf", weight=alpha, depth=depth).text(_TEXT, _words(query), weight=1 - alpha)
        elif query.mode != VectorStoreQueryMode.DEFAULT:
            raise NotImplementedError(f"query mode {query.mode.value!r}; there are default, mmr, text_search and hybrid")
        answer = nearest(self._collection, query.query_embedding, k, where, kwargs)
        return _result([(hit.id, hit.payload, hit.score if ranked else self._similarity(hit)) for hit in answer])

    def _similarity(self, hit: ft.Hit) -> float:
        match self._collection.metric:
            case "cosine":
                return 1 - hit.distance
            case "dot":
                return -hit.distance
            case "l2":
                return 1 / (1 + hit.distance)

    def _matching(self, where: dict[str, Any] | None) -> list[str]:
        return matching(self._collection.snapshot(), where)

    def _chosen(self, node_ids: list[str] | None, filters: MetadataFilters | None) -> list[str]:
        where = _where(filters)
        if node_ids is None:
            return self._matching(where)
        if where is None:
            return node_ids
        passing = set(self._matching(where))
        return [id for id in node_ids if id in passing]


def _payload(node: BaseNode) -> dict[str, Any]:
    payload = node_to_metadata_dict(node, remove_text=True, flat_metadata=False)
    payload[_TEXT] = node.get_content(metadata_mode=MetadataMode.NONE)
    return payload


def _node(payload: dict[str, Any] | None) -> BaseNode:
    payload = payload or {}
    return metadata_dict_to_node(payload, text=payload.get(_TEXT))


def _result(found: list[tuple[int | str, dict[str, Any] | None, float]]) -> VectorStoreQueryResult:
    return VectorStoreQueryResult(
        nodes=[_node(payload) for _, payload, _ in found],
        similarities=[score for _, _, score in found],
        ids=[str(id) for id, _, _ in found],
    )


def _words(query: VectorStoreQuery) -> str:
    if query.query_str is None:
        raise ValueError(f"a query of mode {query.mode.value!r} has a query_str")
    return query.query_str


def _where(filters: MetadataFilters | None) -> dict[str, Any] | None:
    """Metadata filters as one of foretaste; None when there are none."""
    if filters is None or not filters.filters:
        return None
    parts = [_where(each) if isinstance(each, MetadataFilters) else _test(each) for each in filters.filters]
    told = [part for part in parts if part is not None]
    match filters.condition:
        case FilterCondition.OR:
            return {"or": told}
        case FilterCondition.NOT:
            return {"not": {"or": told}}
        case _:
            return {"and": told}


def _test(test: MetadataFilter) -> dict[str, Any]:
    name, value = member(test.key), test.value
    if test.operator in _COMPARED:
        return {name: {_COMPARED[test.operator]: value}}
    match test.operator:
        # Of LlamaIndex's own store: what has no value is not equal, and in no list.
        case FilterOperator.NE:
            return {"not": {name: {"=": value}}}
        case FilterOperator.NIN:
            return {"not": {name: {"in": value}}}
        case FilterOperator.ALL:
            values = value if isinstance(value, list) else [value]
            return {"and": [{name: {"=": each}} for each in values]}
        case FilterOperator.IS_EMPTY:
            return {"not": {name: {"not in": []}}}
        case operator:
            raise NotImplementedError(f"a filter by {operator.value!r}: a query of mode text_search or hybrid finds words")
