"""foretaste as a database of VectorDBBench: an embedded one, so that each of its processes opens the folder itself.

The process that inserts or optimises opens it to write; those that search open it to read beside it, up to 80 at once, and take
over what was committed since a second ago at the latest. Both happen on first use inside of `init`, as the runner does not say
what a process is for; `prepare_filter`, which it calls before each timed search, opens for the searches.

Reads from: the runner's vectors and queries. Writes to: one collection of the database at the configured path.
Never: a handle taken along into another process, a second writer, an acknowledgement before the rows are synced.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from vectordb_bench.backend.clients.api import VectorDB
from vectordb_bench.backend.filter import Filter, FilterOp

import foretaste as ft

from .config import ForetasteIndexConfig

log = logging.getLogger(__name__)

# Seconds after which a search looks for new commits.
_REFRESH = 1.0


class Foretaste(VectorDB):
    """One collection, with the rows' numbers and labels as columns."""

    name = "Foretaste"
    thread_safe = True
    supported_filter_types = [FilterOp.NonFilter, FilterOp.NumGE, FilterOp.StrEqual]

    def __init__(
        self,
        dim: int,
        db_config: dict[str, Any],
        db_case_config: ForetasteIndexConfig,
        collection_name: str = "bench",
        drop_old: bool = False,
        with_scalar_labels: bool = False,
        **kwargs: Any,
    ):
        self.path = db_config["path"]
        self.collection_name = collection_name
        self.with_scalar_labels = with_scalar_labels
        self.index = db_case_config.index_param()
        self.effort = db_case_config.search_param()
        self.where: str | dict[str, Any] | None = None
        self._forget()
        with ft.open(self.path) as db:
            if drop_old and collection_name in db:
                db.drop_collection(collection_name)
            if collection_name not in db:
                columns = {"number": "int", "label": "str"}
                rows = db.create_collection(collection_name, dim, db_case_config.metric(), columns=columns)
                # In the streaming case the background builds it while rows come in.
                rows.set_index(**self.index)

    @contextmanager
    def init(self) -> Iterator[None]:
        self._opening = threading.Lock()
        try:
            yield
        finally:
            if self._db is not None:
                self._db.close()
            self._forget()

    def need_normalize_cosine(self) -> bool:
        return False

    def insert_embeddings(
        self,
        embeddings: list[list[float]],
        metadata: list[int],
        labels_data: list[str] | None = None,
        tenant_labels_data: list[str] | None = None,
        **kwargs: Any,
    ) -> tuple[int, Exception | None]:
        """One batch, all of it on the disk when it returns; several threads may insert at once."""
        if self.with_scalar_labels and labels_data is not None:
            payloads = [
                {"number": number, "label": label} for number, label in zip(metadata, labels_data, strict=True)
            ]
        else:
            payloads = [{"number": number} for number in metadata]
        try:
            rows = self._open("rw")
            rows.upsert(np.asarray(metadata, np.int64), np.asarray(embeddings, np.float32), payloads)
        except ft.Error as error:
            log.warning("%d rows were not inserted: %s", len(metadata), error)
            return 0, error
        return len(metadata), None

    def optimize(self, data_size: int | None = None) -> None:
        """All rows in sealed segments, merged and indexed, when it returns."""
        self._open("rw").optimize(**self.index)

    def prepare_filter(self, filters: Filter) -> None:
        if filters.type == FilterOp.NonFilter:
            self.where = None
        elif filters.type == FilterOp.NumGE:
            self.where = f"number >= {filters.int_value}"
        elif filters.type == FilterOp.StrEqual:
            self.where = {"label": filters.label_value}
        else:
            raise ValueError(f"foretaste does not support the filter {filters.type}")
        if self._opening is not None:
            self._open("r")

    def search_embedding(self, query: list[float], k: int = 100, **kwargs: Any) -> list[int]:
        rows = self._open("r")
        if not self._writes and time.monotonic() >= self._refresh_at:
            self._db.refresh()
            self._refresh_at = time.monotonic() + _REFRESH
        return rows.search(np.asarray(query, np.float32), k, where=self.where, **self.effort).ids.tolist()

    def _open(self, mode: str) -> ft.Collection:
        """The collection in this process; what is open to write serves searches as well."""
        if self._rows is not None and (self._writes or mode == "r"):
            return self._rows
        if self._opening is None:
            raise RuntimeError("the client is used outside of init()")
        with self._opening:
            if self._rows is None or not (self._writes or mode == "r"):
                if self._db is not None:
                    self._db.close()
                self._db = ft.open(self.path, mode, create=False)
                self._writes = mode == "rw"
                self._refresh_at = time.monotonic() + _REFRESH
                self._rows = self._db[self.collection_name]
        return self._rows

    def _forget(self) -> None:
        self._opening: threading.Lock | None = None
        self._db: ft.Database | None = None
        self._rows: ft.Collection | None = None
        self._writes = False
        self._refresh_at = 0.0

    def __getstate__(self) -> dict[str, Any]:
        """What another process gets: where the database is, and nothing that is open."""
        handles = ("_opening", "_db", "_rows")
        return {name: None if name in handles else value for name, value in self.__dict__.items()} | {"_writes": False}
