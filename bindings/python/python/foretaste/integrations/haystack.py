"""foretaste as a Haystack document store, and retrievers for it.

    from foretaste.integrations.haystack import ForetasteDocumentStore, ForetasteEmbeddingRetriever

    store = ForetasteDocumentStore("notes.ft", embedding_dim=384)
    store.write_documents(documents)
    pipeline.add_component("retriever", ForetasteEmbeddingRetriever(store, top_k=5))

A row's payload has `content` and `meta` of the document, and whatever else it has. A document without an embedding is there for filters
and words, and is not found by embeddings.

Reads from: Haystack's documents and filters. Writes to: a collection. Never: a database opened before it is needed.
"""

import asyncio
import math
import re
import threading
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from haystack import Document, component, default_from_dict, default_to_dict
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.errors import FilterError

import foretaste as ft
from foretaste.integrations import _metadata
from foretaste.integrations._common import Lease, both, last_ones, matching, member, nearest, nowhere, opened

__all__ = ["ForetasteBM25Retriever", "ForetasteDocumentStore", "ForetasteEmbeddingRetriever"]

_EMBEDDED = "embedded"
_ORDERS = (">", ">=", "<", "<=")
_COMPARISONS = ("==", "!=", *_ORDERS, "in", "not in")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
# Of documents; all other filters are of their metadata.
_OWN = ("content", "blob", "sparse_embedding")


class ForetasteDocumentStore:
    """Documents in a collection, found by filters, by their embeddings and by their words.

    The database is opened at first use, and the collection created when it is missing: `embedding_dim` numbers, compared by
    `similarity` ("cosine", "dot" or "l2"); with `language` words count by their stems. `options` are further arguments of
    `Database.create_collection`. A policy of NONE is FAIL.

    Filters are Haystack's. Dates must be written in one form and time zone: they are compared as strs. A list in the metadata passes when
    one of its elements does; only members of the metadata, `content` and `id` can be filtered by. Metadata are JSON values.
    """

    def __init__(
        self,
        path: str,
        *,
        collection: str = "haystack",
        embedding_dim: int = 768,
        similarity: Literal["cosine", "dot", "l2"] = "cosine",
        language: str | None = None,
        mode: Literal["rw", "r"] = "rw",
        options: dict[str, Any] | None = None,
    ) -> None:
        self._arguments: dict[str, Any] = {
            "path": str(path),
            "collection": collection,
            "embedding_dim": embedding_dim,
            "similarity": similarity,
            "language": language,
            "mode": mode,
            "options": options,
        }
        self._lock = threading.RLock()
        self._opened: tuple[Lease, ft.Collection] | None = None

    @property
    def collection(self) -> ft.Collection:
        """The collection; opened when nobody has asked for it before."""
        with self._lock:
            if self._opened is None:
                given = self._arguments
                schema: dict[str, Any] = {"metric": given["similarity"], "text": {"content": given["language"]}, **(given["options"] or {})}
                schema["columns"] = {_EMBEDDED: "bool", **schema.get("columns", {})}
                dim: int = given["embedding_dim"]
                self._opened = opened(given["path"], given["collection"], given["mode"], lambda: dim, schema)
            return self._opened[1]

    def close(self) -> None:
        """Gives the database up, which is closed when no other store of this process has it; used again, the store opens it again."""
        with self._lock:
            taken, self._opened = self._opened, None
        if taken is not None:
            taken[0].close()

    def to_dict(self) -> dict[str, Any]:
        """The store's arguments, for pipelines that are saved."""
        return default_to_dict(self, **self._arguments)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "ForetasteDocumentStore":
        """A store with the arguments of another."""
        return default_from_dict(cls, data)

    # ------------------------------------------------------------------------------------------------ writing

    def write_documents(self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE) -> int:
        """Writes documents in one batch, all or none, and gives how many were written."""
        if not isinstance(documents, list) or not all(isinstance(each, Document) for each in documents):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError("documents are a list of haystack.Document")
        with self._lock:
            ids = [document.id for document in documents]
            if policy == DuplicatePolicy.OVERWRITE:
                rows = last_ones(ids)
            else:
                first = {id: at for at, id in reversed(list(enumerate(ids)))}
                rows = [at for at, id in enumerate(ids) if first[id] == at and id not in self.collection]
                if policy != DuplicatePolicy.SKIP and len(rows) < len(ids):
                    twice = next(id for at, id in enumerate(ids) if at not in set(rows))
                    raise DuplicateDocumentError(f"a document with the id {twice!r} exists already")
            self._write([documents[row] for row in rows])
            return len(documents) if policy == DuplicatePolicy.OVERWRITE else len(rows)

    def _write(self, documents: list[Document]) -> None:
        if documents:
            dim = self.collection.dim
            vectors = [nowhere(dim) if each.embedding is None else np.asarray(each.embedding, np.float32) for each in documents]
            if any(vector.shape != (dim,) for vector in vectors):
                raise ValueError(f"embeddings have {dim} numbers here; embedding_dim= of the store says so")
            self.collection.upsert([each.id for each in documents], np.stack(vectors), [_payload(each) for each in documents])

    def update_by_filter(self, filters: dict[str, Any], meta: dict[str, Any]) -> int:
        """Gives the documents that pass these metadata beside their own, and says how many they are."""
        with self._lock:
            documents = self.filter_documents(filters)
            self._write([replace(document, meta={**document.meta, **meta}) for document in documents])
            return len(documents)

    def delete_documents(self, document_ids: list[str]) -> None:
        """Removes the documents with these ids, where there are any."""
        self.collection.delete(document_ids)

    def delete_all_documents(self) -> None:
        """Removes all documents."""
        self.collection.delete(self._matching(None))

    def delete_by_filter(self, filters: dict[str, Any]) -> int:
        """Removes the documents that pass, and gives how many they were."""
        with self._lock:
            ids = self._matching(filters)
            self.collection.delete(ids)
            return len(ids)

    # ------------------------------------------------------------------------------------------------ reading

    def count_documents(self) -> int:
        """How many documents there are."""
        return len(self.collection)

    def count_documents_by_filter(self, filters: dict[str, Any]) -> int:
        """How many documents pass."""
        return len(self._matching(filters))

    def filter_documents(self, filters: dict[str, Any] | None = None) -> list[Document]:
        """The documents that pass, in the order in which they were written."""
        view = self.collection.snapshot()
        records = [record for record in view.get(matching(view, _where(filters))) if record is not None]
        return [_document(record.id, record.payload, record.vector) for record in sorted(records, key=lambda record: record.version)]

    def embedding_retrieval(
        self,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        scale_score: bool = False,
        return_embedding: bool = False,
        **options: Any,
    ) -> list[Document]:
        """The documents nearest to an embedding, with the metric's scores: the cosine, the dot product, minus the distance.

        With `scale_score` scores are brought between 0 and 1. `options` are further arguments of `Collection.search`."""
        view = self.collection.snapshot()
        found = nearest(view, query_embedding, top_k, both(_where(filters), {_EMBEDDED: True}), options)
        vectors = [record.vector if record else None for record in view.get(found.ids)] if return_embedding else [None] * len(found)
        scores = [_scaled(hit.score, view.schema.metric) if scale_score else hit.score for hit in found]
        parts = zip(found, vectors, scores, strict=True)
        return [_document(hit.id, hit.payload, vector, score) for hit, vector, score in parts]

    def bm25_retrieval(self, query: str, filters: dict[str, Any] | None = None, top_k: int = 10) -> list[Document]:
        """The best documents by the words of their content, with their scores."""
        found = self.collection.search_text("content", query, top_k, _where(filters))
        return [_document(hit.id, hit.payload, None, hit.score) for hit in found]

    # ------------------------------------------------------------------------------------------------ what the metadata hold

    def count_unique_metadata_by_filter(self, filters: dict[str, Any], metadata_fields: list[str]) -> dict[str, int]:
        """How many different values each of these fields has among the documents that pass."""
        documents = self._metadata(filters)
        return {field: len(_metadata.values(documents, field)) for field in map(_bare, metadata_fields)}

    def get_metadata_fields_info(self) -> dict[str, dict[str, str]]:
        """What the fields hold, by their names: "boolean", "int", "float" or "keyword" as `type`."""
        return {field: {"type": kind} for field, kind in _metadata.types(self._metadata(None)).items()}

    def get_metadata_field_min_max(self, metadata_field: str) -> dict[str, Any]:
        """The least and the greatest value of a field, `min` and `max`: of its numbers, else of its texts, else None."""
        least, greatest = _metadata.extremes(self._metadata(None), _bare(metadata_field))
        return {"min": least, "max": greatest}

    def get_metadata_field_unique_values(
        self,
        metadata_field: str,
        search_term: str | None = None,
        from_: int = 0,
        size: int = 10,
        filters: dict[str, Any] | None = None,
    ) -> tuple[list[Any], int]:
        """A page of the different values of a field, in the order of their text, and how many they are: those whose text contains
        `search_term` in whatever case, among the documents that pass."""
        found = _metadata.values(self._metadata(filters), _bare(metadata_field))
        found = [value for value in found if (search_term or "").lower() in str(value).lower()]
        return found[from_ : from_ + size], len(found)

    def _metadata(self, filters: dict[str, Any] | None) -> list[dict[str, Any]]:
        """The metadata of the documents that pass."""
        view = self.collection.snapshot()
        records = view.get(matching(view, _where(filters)))
        return [_document(record.id, record.payload, None).meta for record in records if record is not None]

    def _matching(self, filters: dict[str, Any] | None) -> list[str]:
        return matching(self.collection.snapshot(), _where(filters))

    # ------------------------------------------------------------------------------------------------ in other threads

    async def count_documents_async(self) -> int:
        """As `count_documents`."""
        return await asyncio.to_thread(self.count_documents)

    async def count_documents_by_filter_async(self, filters: dict[str, Any]) -> int:
        """As `count_documents_by_filter`."""
        return await asyncio.to_thread(self.count_documents_by_filter, filters)

    async def filter_documents_async(self, filters: dict[str, Any] | None = None) -> list[Document]:
        """As `filter_documents`."""
        return await asyncio.to_thread(self.filter_documents, filters)

    async def write_documents_async(self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE) -> int:
        """As `write_documents`."""
        return await asyncio.to_thread(self.write_documents, documents, policy)

    async def update_by_filter_async(self, filters: dict[str, Any], meta: dict[str, Any]) -> int:
        """As `update_by_filter`."""
        return await asyncio.to_thread(self.update_by_filter, filters, meta)

    async def delete_documents_async(self, document_ids: list[str]) -> None:
        """As `delete_documents`."""
        await asyncio.to_thread(self.delete_documents, document_ids)

    async def delete_all_documents_async(self) -> None:
        """As `delete_all_documents`."""
        await asyncio.to_thread(self.delete_all_documents)

    async def delete_by_filter_async(self, filters: dict[str, Any]) -> int:
        """As `delete_by_filter`."""
        return await asyncio.to_thread(self.delete_by_filter, filters)

    async def count_unique_metadata_by_filter_async(self, filters: dict[str, Any], metadata_fields: list[str]) -> dict[str, int]:
        """As `count_unique_metadata_by_filter`."""
        return await asyncio.to_thread(self.count_unique_metadata_by_filter, filters, metadata_fields)

    async def get_metadata_fields_info_async(self) -> dict[str, dict[str, str]]:
        """As `get_metadata_fields_info`."""
        return await asyncio.to_thread(self.get_metadata_fields_info)

    async def get_metadata_field_min_max_async(self, metadata_field: str) -> dict[str, Any]:
        """As `get_metadata_field_min_max`."""
        return await asyncio.to_thread(self.get_metadata_field_min_max, metadata_field)

    async def get_metadata_field_unique_values_async(self, metadata_field: str, **arguments: Any) -> tuple[list[Any], int]:
        """As `get_metadata_field_unique_values`."""
        return await asyncio.to_thread(self.get_metadata_field_unique_values, metadata_field, **arguments)

    async def embedding_retrieval_async(self, query_embedding: list[float], **arguments: Any) -> list[Document]:
        """As `embedding_retrieval`."""
        return await asyncio.to_thread(self.embedding_retrieval, query_embedding, **arguments)

    async def bm25_retrieval_async(self, query: str, **arguments: Any) -> list[Document]:
        """As `bm25_retrieval`."""
        return await asyncio.to_thread(self.bm25_retrieval, query, **arguments)


class _Retriever:
    """What the two retrievers have in common."""

    def __init__(self, document_store: ForetasteDocumentStore, filters: dict[str, Any] | None = None, top_k: int = 10) -> None:
        if not isinstance(document_store, ForetasteDocumentStore):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError("document_store is a ForetasteDocumentStore")
        self.document_store = document_store
        self.filters = filters
        self.top_k = top_k

    def to_dict(self) -> dict[str, Any]:
        """Its arguments, for pipelines that are saved."""
        store = self.document_store.to_dict()
        return default_to_dict(self, document_store=store, filters=self.filters, top_k=self.top_k)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Any:
        """One with the arguments of another."""
        given = data["init_parameters"]
        given["document_store"] = ForetasteDocumentStore.from_dict(given["document_store"])
        return default_from_dict(cls, data)

    def _asked(self, filters: dict[str, Any] | None, top_k: int | None) -> dict[str, Any]:
        return {"filters": filters or self.filters, "top_k": top_k or self.top_k}


@component
class ForetasteEmbeddingRetriever(_Retriever):
    """The documents nearest to an embedding; `filters` and `top_k` of a run take the place of the retriever's own."""

    @component.output_types(documents=list[Document])
    def run(
        self, query_embedding: list[float], filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """The documents nearest to `query_embedding`."""
        return {"documents": self.document_store.embedding_retrieval(query_embedding, **self._asked(filters, top_k))}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query_embedding: list[float], filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """As `run`."""
        asked = self._asked(filters, top_k)
        return {"documents": await self.document_store.embedding_retrieval_async(query_embedding, **asked)}


@component
class ForetasteBM25Retriever(_Retriever):
    """The best documents by their words; `filters` and `top_k` of a run take the place of the retriever's own."""

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """The best documents by the words of `query`."""
        return {"documents": self.document_store.bm25_retrieval(query, **self._asked(filters, top_k))}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """As `run`."""
        return {"documents": await self.document_store.bm25_retrieval_async(query, **self._asked(filters, top_k))}


def _payload(document: Document) -> dict[str, Any]:
    told = document.to_dict(flatten=False)
    payload = {name: value for name, value in told.items() if value is not None and name not in ("id", "embedding", "score")}
    return {**payload, _EMBEDDED: document.embedding is not None}


def _document(id: int | str, payload: dict[str, Any] | None, vector: Any, score: float | None = None) -> Document:
    told = dict(payload or {})
    embedded = told.pop(_EMBEDDED, True)
    if embedded and vector is not None:
        told["embedding"] = [float(number) for number in vector]
    return Document.from_dict({**told, "id": str(id), "score": score})


def _bare(field: str) -> str:
    """The name of a field of the metadata, which may be said with `meta.` before it."""
    return field.removeprefix("meta.")


def _scaled(score: float, metric: str) -> float:
    match metric:
        case "cosine":
            return (score + 1) / 2
        case "dot":
            return 1 / (1 + math.exp(-score / 100))
        case _:
            return 1 / (1 - score)


def _where(filters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Haystack's filters as one of foretaste; None when there are none."""
    if not filters:
        return None
    if "field" in filters:
        return _test(filters)
    for key in ("operator", "conditions"):
        if key not in filters:
            raise FilterError(f"{key!r} is missing in {filters}")
    told = [_where(each) for each in filters["conditions"]]
    parts = [part for part in told if part is not None]
    match filters["operator"]:
        case "AND":
            return {"and": parts}
        case "OR":
            return {"or": parts}
        case "NOT":
            return {"not": {"and": parts}}
        case other:
            raise FilterError(f"there are AND, OR and NOT, not {other!r}")


def _test(test: dict[str, Any]) -> dict[str, Any]:
    for key in ("operator", "value"):
        if key not in test:
            raise FilterError(f"{key!r} is missing in {test}")
    name, operator, value = _field(test["field"]), test["operator"], test["value"]
    if operator not in _COMPARISONS:
        raise FilterError(f"there are {', '.join(_COMPARISONS)}, not {operator!r}")
    if operator in ("in", "not in"):
        if not isinstance(value, list):
            raise FilterError(f"{operator!r} takes a list, not {value!r}")
        values: list[Any] = [each for each in value if each is not None]  # pyright: ignore[reportUnknownVariableType]
        told: dict[str, Any] = {name: {"in": values}}
        if None in value:
            told = {"or": [told, {name: {"is null": True}}]}
        return {"not": told} if operator == "not in" else told
    if isinstance(value, (list, dict)):
        raise FilterError(f"{operator!r} takes one value, not {value!r}")
    if operator == "==":
        return {name: {"=": value}}
    if operator == "!=":
        # What has no value differs from every one.
        return {"not": {name: {"=": value}}}
    if value is None:
        # Nothing comes before None, or after it.
        return {name: {"in": []}}
    if isinstance(value, str) and not _DATE.match(value):
        raise FilterError(f"{operator!r} compares numbers and ISO dates, not {value!r}")
    return {name: {operator: value}}


def _field(field: str) -> str:
    first, *rest = field.split(".")
    if field == "id":
        return "$id"
    if first == "meta" or (first in _OWN and not rest):
        return member(first, *rest)
    return member("meta", *field.split("."))
