"""foretaste as a search backend of MTEB: what it calls an `IndexEncoderSearchProtocol`.

    from foretaste.integrations.mteb import ForetasteSearchIndex
    from mteb.models import SearchEncoderWrapper

    model = mteb.get_model("sentence-transformers/all-MiniLM-L6-v2")
    mteb.evaluate(SearchEncoderWrapper(model, index_backend=ForetasteSearchIndex(model)), tasks=tasks)

Reads from: embeddings, as numpy's arrays or torch's tensors. Writes to: a database of its own.
Never: an import of mteb or torch.
"""

import tempfile
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

import foretaste as ft

__all__ = ["ForetasteSearchIndex"]

_COLLECTION = "mteb"
_METRICS: dict[str, Literal["cosine", "dot", "l2"]] = {"cosine": "cosine", "dot": "dot", "euclidean": "l2"}


class ForetasteSearchIndex:
    """An index of a corpus: documents are added in parts, then searched.

    `model` is asked by which similarity its embeddings are compared, unless `metric` says it. Without a `path` the database is a
    temporary one. `index` is built once a search is made after documents were added: "flat" is exact. `schema` are further arguments of
    `Database.create_collection` (`dtype`, `levels`, …) and `search` those of `Collection.search_batch` (`ef`, `dims`, …).
    """

    def __init__(
        self,
        model: Any = None,
        *,
        metric: Literal["cosine", "dot", "l2"] | None = None,
        path: str | PathLike[str] | None = None,
        index: Literal["auto", "hnsw", "ivf", "flat"] = "auto",
        schema: Mapping[str, Any] | None = None,
        search: Mapping[str, Any] | None = None,
    ) -> None:
        if metric is None:
            named = getattr(getattr(model, "mteb_model_meta", None), "similarity_fn_name", None) or "cosine"
            name = str(getattr(named, "value", named))
            if name not in _METRICS:
                raise ValueError(f"embeddings are compared by {name!r}; there are {', '.join(_METRICS)}")
            metric = _METRICS[name]
        self.metric: Literal["cosine", "dot", "l2"] = metric
        self._folder = tempfile.TemporaryDirectory(prefix="foretaste-mteb-") if path is None else None
        self._database = ft.open(path or f"{self._folder.name}/index.ft", durability="none")  # pyright: ignore[reportOptionalMemberAccess]
        self._index: Literal["auto", "hnsw", "ivf", "flat"] = index
        self._schema, self._search = dict(schema or {}), dict(search or {})
        self._ids: list[str] = []
        self._built = True
        self.clear()

    def add_documents(self, embeddings: Any, idxs: list[str]) -> None:
        """Adds documents behind those that are there: `embeddings` of shape (documents, dimensions), and their ids."""
        vectors = _array(embeddings)
        if _COLLECTION not in self._database:
            self._database.create_collection(_COLLECTION, vectors.shape[1], self.metric, **self._schema)
        first = len(self._ids)
        self._database[_COLLECTION].upsert(np.arange(first, first + len(vectors)), vectors)
        self._ids.extend(idxs)
        self._built = False

    def search(
        self,
        embeddings: Any,
        top_k: int,
        similarity_fn: Callable[[Any, Any], Any],
        top_ranked: Mapping[str, list[str]] | None = None,
        query_idx_to_id: Mapping[int, str] | None = None,
    ) -> tuple[list[list[float]], list[list[int]]]:
        """The best `top_k` documents for each row of `embeddings`: similarities, larger is better, and places in the corpus.

        With `top_ranked` only the documents with these ids are compared for each query, by its id in `query_idx_to_id`; the places are
        then those in the list of its ids, as MTEB reads them.
        `similarity_fn` is not called: the metric is the collection's."""
        if _COLLECTION not in self._database:
            raise ValueError("there are no documents yet; add_documents adds them")
        queries, collection = _array(embeddings), self._database[_COLLECTION]
        if top_ranked is not None:
            if query_idx_to_id is None:
                raise ValueError("query_idx_to_id says of which query each embedding is, when documents are ranked again")
            places = {id: place for place, id in enumerate(self._ids)}
            wanted = [[places[id] for id in top_ranked.get(query_idx_to_id[row], ())] for row in range(len(queries))]
            ranked = [self._rank(collection, query, some, top_k) for query, some in zip(queries, wanted, strict=True)]
            return [scores for scores, _ in ranked], [found for _, found in ranked]
        if not self._built:
            collection.optimize(self._index)
            self._built = True
        found, distances = collection.search_batch(queries, min(top_k, len(collection)), **self._search)
        hits = [row >= 0 for row in found]
        return (
            [self._similarity(row[some]).tolist() for row, some in zip(distances, hits, strict=True)],
            [row[some].tolist() for row, some in zip(found, hits, strict=True)],
        )

    def clear(self) -> None:
        """Removes all documents."""
        if _COLLECTION in self._database:
            self._database.drop_collection(_COLLECTION)
        self._ids = []

    def close(self) -> None:
        """Closes the database, and removes it when it is a temporary one."""
        self._database.close()
        if self._folder is not None:
            self._folder.cleanup()

    def _similarity(self, distances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return 1 - distances if self.metric == "cosine" else -distances

    def _rank(
        self, collection: ft.Collection, query: npt.NDArray[np.float32], places: list[int], top_k: int
    ) -> tuple[list[float], list[int]]:
        if not places:
            return [], []
        rows = np.stack([record.vector for record in collection.get(places) if record is not None]).astype(np.float64)
        q = query.astype(np.float64)
        if self.metric == "l2":
            scores = -np.linalg.norm(rows - q, axis=1)
        else:
            scores = rows @ q
            if self.metric == "cosine":
                scores = scores / (np.linalg.norm(rows, axis=1) * np.linalg.norm(q))
        best = np.argsort(-scores, kind="stable")[:top_k]
        return scores[best].tolist(), best.tolist()


def _array(embeddings: Any) -> npt.NDArray[np.float32]:
    """Embeddings as an array; a tensor may lie on another device, or be of numbers that numpy does not know."""
    if hasattr(embeddings, "detach"):
        embeddings = embeddings.detach().cpu().float().numpy()
    return np.ascontiguousarray(embeddings, np.float32)
