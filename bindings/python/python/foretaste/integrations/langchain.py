"""foretaste as a LangChain `VectorStore`.

    from foretaste.integrations.langchain import ForetasteVectorStore

    with ForetasteVectorStore.open("notes.ft", embedding) as store:
        store.add_texts(["Foxes run.", "Ants march."], [{"year": 2021}, {"year": 1999}])
        store.similarity_search("running", k=1, filter="year >= 2000")

A document's metadata are the members of the row's payload, and its text one more of them, `page_content` unless said otherwise:
collections that were written in another way can be read, too, by naming the member with their texts (`content_key`).

Reads from: LangChain's documents and embeddings. Writes to: a collection. Never: a document of the caller changed.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike
from types import TracebackType
from typing import Any, Literal

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.runnables.config import run_in_executor
from langchain_core.vectorstores import VectorStore

import foretaste as ft
from foretaste.integrations._common import Lease, last_ones, matching, nearest, opened

__all__ = ["ForetasteVectorStore"]

# LangChain's spellings of what the filter language has.
_OPERATORS = {
    "$eq": "=",
    "$ne": "!=",
    "$gt": ">",
    "$gte": ">=",
    "$lt": "<",
    "$lte": "<=",
    "$in": "in",
    "$nin": "not in",
    "$between": "between",
    "$like": "like",
    "$exists": "exists",
}
_LOGIC = {"$and": "and", "$or": "or", "$not": "not"}


class ForetasteVectorStore(VectorStore):
    """Texts with metadata in a collection, found by their embeddings.

    `filter` of every search is one in the language of foretaste, as a str or a dict; in a dict the names of LangChain's operators
    (`$eq`, `$gte`, `$in`, `$and`, …) stand for those of the language. Other keyword arguments are those of `Collection.search`:
    `ef`, `exact`, `deadline_ms`, `rerank` and so on.

    Scores are distances, smaller is nearer; relevance scores are larger for what is nearer: the cosine, the dot product, or
    `1 - distance / √2` under l2, which is from 0 to 1 for vectors of length 1 that do not point apart.
    """

    def __init__(self, collection: ft.Collection, embedding: Embeddings, *, content_key: str = "page_content") -> None:
        """A store of a collection that is open. Its ids must be strs."""
        self.collection = collection
        self.content_key = content_key
        self._embedding = embedding
        self._lease: Lease | None = None

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        embedding: Embeddings,
        *,
        name: str = "langchain",
        mode: Literal["rw", "r"] = "rw",
        content_key: str = "page_content",
        **schema: Any,
    ) -> "ForetasteVectorStore":
        """Opens the database at `path`, and in it the collection `name`, which is created when it is missing: `schema` are then the
        arguments of `Database.create_collection`, and the dimension is that of an embedding unless they say it.

        `close`, or the end of a `with`, closes the database."""
        lease, collection = opened(path, name, mode, lambda: len(embedding.embed_query("dimension")), schema)
        store = cls(collection, embedding, content_key=content_key)
        store._lease = lease
        return store

    def close(self) -> None:
        """Gives up what `open` has opened: the database is closed when no other store of this process has it."""
        if self._lease is not None:
            self._lease.close()

    def __enter__(self) -> "ForetasteVectorStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        self.close()

    @property
    def embeddings(self) -> Embeddings:
        """What makes vectors of texts."""
        return self._embedding

    # ------------------------------------------------------------------------------------------------ writing

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Writes texts in one batch, and gives their ids; a text whose id is there already is replaced. Metadata are JSON values."""
        texts = list(texts)
        vectors = self._embedding.embed_documents(texts) if texts else []
        return self._write(texts, vectors, metadatas, ids)

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """As `add_texts`."""
        texts = list(texts)
        vectors = await self._embedding.aembed_documents(texts) if texts else []
        return await run_in_executor(None, self._write, texts, vectors, metadatas, ids)

    def _write(
        self,
        texts: list[str],
        vectors: list[list[float]],
        metadatas: list[dict[str, Any]] | None,
        ids: Sequence[str | None] | None,
    ) -> list[str]:
        given = [None] * len(texts) if ids is None else list(ids)
        metadatas = [{} for _ in texts] if metadatas is None else metadatas
        if not len(texts) == len(given) == len(metadatas):
            raise ValueError(f"{len(texts)} texts, {len(metadatas)} metadatas and {len(given)} ids")
        if any(self.content_key in metadata for metadata in metadatas):
            raise ValueError(f"the text is kept as {self.content_key!r}, which no metadata may have; content_key= names another")
        named = [id or str(uuid.uuid4()) for id in given]
        if named:
            rows = last_ones(named)
            payloads = [{**metadatas[row], self.content_key: texts[row]} for row in rows]
            self.collection.upsert([named[row] for row in rows], np.asarray(vectors, np.float32)[rows], payloads)
        return named

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool | None:
        """Removes the rows with these ids, where there are any; all rows when None."""
        self.collection.delete(matching(self.collection.snapshot(), None) if ids is None else ids)
        return True

    # ------------------------------------------------------------------------------------------------ reading

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents with these ids, in this order; those that are not there are left out."""
        found = self.collection.get(list(ids))
        return [self._document(record.id, record.payload) for record in found if record is not None]

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """The `k` documents nearest to a text."""
        return self.similarity_search_by_vector(self._embedding.embed_query(query), k, **kwargs)

    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """As `similarity_search`."""
        return await self.asimilarity_search_by_vector(await self._embedding.aembed_query(query), k, **kwargs)

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        """The `k` documents nearest to a text, and their distances: smaller is nearer."""
        return list(self._search(self._embedding.embed_query(query), k, **kwargs))

    async def asimilarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        """As `similarity_search_with_score`."""
        vector = await self._embedding.aembed_query(query)
        return await run_in_executor(None, lambda: list(self._search(vector, k, **kwargs)))

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """The `k` documents nearest to a vector."""
        return [document for document, _ in self._search(embedding, k, **kwargs)]

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """`k` of the `fetch_k` documents nearest to a text that say different things: with `lambda_mult` 1 nearness alone counts,
        with 0 difference alone."""
        vector = self._embedding.embed_query(query)
        return self.max_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, **kwargs)

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """As `max_marginal_relevance_search`."""
        vector = await self._embedding.aembed_query(query)
        return await self.amax_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, **kwargs)

    def max_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """As `max_marginal_relevance_search`, of a vector."""
        stage = ft.Mmr(lambda_mult, among=max(k, fetch_k))
        return self.similarity_search_by_vector(embedding, k, rerank=stage, **kwargs)

    def _search(
        self, embedding: list[float], k: int, filter: str | dict[str, Any] | None = None, **kwargs: Any
    ) -> Iterator[tuple[Document, float]]:
        where = _translated(filter) if isinstance(filter, dict) else filter
        for hit in nearest(self.collection, embedding, k, where or None, kwargs):
            yield self._document(hit.id, hit.payload), hit.distance

    def _document(self, id: int | str, payload: dict[str, Any] | None) -> Document:
        metadata = payload or {}
        return Document(id=str(id), page_content=metadata.pop(self.content_key, ""), metadata=metadata)

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        match self.collection.metric:
            case "cosine":
                return self._cosine_relevance_score_fn
            case "l2":
                return self._euclidean_relevance_score_fn
            case "dot":
                return lambda distance: -distance

    # ------------------------------------------------------------------------------------------------ making

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        path: str | PathLike[str] | None = None,
        **kwargs: Any,
    ) -> "ForetasteVectorStore":
        """A store in the database at `path`, with these texts; the other arguments are those of `open`."""
        if path is None:
            raise ValueError("path= says where the database is, or shall be")
        store = cls.open(path, embedding, **kwargs)
        store.add_texts(texts, metadatas, ids=ids)
        return store


def _translated(filter: dict[str, Any]) -> dict[str, Any]:
    """A filter with the names of the language's own operators."""
    told: dict[str, Any] = {}
    for name, value in filter.items():
        if name in ("$and", "$or"):
            told[_LOGIC[name]] = [_translated(each) for each in value]
        elif name == "$not":
            told["not"] = _translated(value)
        elif name.startswith("$") and name != "$id":
            raise ValueError(f"filter: no operator {name!r} here; there are {', '.join([*_LOGIC, *_OPERATORS])}")
        elif isinstance(value, dict):
            told[name] = {_operator(operator): operand for operator, operand in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        else:
            told[name] = value
    return told


def _operator(name: str) -> str:
    if name.startswith("$") and name not in _OPERATORS:
        raise ValueError(f"filter: no operator {name!r}; there are {', '.join(_OPERATORS)}")
    return _OPERATORS.get(name, name)
