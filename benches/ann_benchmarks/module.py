"""foretaste as an algorithm of ANN-benchmarks: one collection in a folder of its own, built, closed, and opened again to read.

Reads from: the arrays that the runner hands over. Writes to: a temporary folder (`TMPDIR` chooses where), which `done` removes.
Never: a vector changed or cast here, an answer kept from one query to the next, more than one thread for single queries.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import foretaste as ft
from ann_benchmarks.algorithms.base.module import BaseANN

_METRICS = {"angular": "cosine", "euclidean": "l2"}
# The argument by which a search in an index of this kind is made longer.
_EFFORTS = {"hnsw": "ef", "ivf": "nprobe"}
# Rows that are written in one commit.
_BATCH = 20_000


class Foretaste(BaseANN):
    """One search index over all rows: `method` has its kind as `index`, and what `Collection.optimize` takes beside it."""

    def __init__(self, metric: str, method: dict[str, Any]):
        self.metric = _METRICS[metric]
        self.index = method["index"]
        self.options = {name: value for name, value in method.items() if name != "index"}
        self.effort: dict[str, int] = {}
        self.db: ft.Database | None = None
        self.folder: Path | None = None
        self.name = self._named()

    def fit(self, X: np.ndarray) -> None:
        """Writes all rows, each batch synced to the disk, and builds the index; the time includes closing and opening again."""
        self.done()
        self.folder = Path(tempfile.mkdtemp(prefix="foretaste-"))
        path = self.folder / "vectors.ft"
        with ft.open(path) as db:
            rows = db.create_collection("vectors", dim=X.shape[1], metric=self.metric)
            for start in range(0, len(X), _BATCH):
                batch = X[start : start + _BATCH]
                rows.upsert(np.arange(start, start + len(batch), dtype=np.int64), batch)
            rows.optimize(index=self.index, **self.options)
        self.db = ft.open(path, mode="r")
        self.rows = self.db["vectors"]

    def set_query_arguments(self, effort: int) -> None:
        self.effort = {_EFFORTS[self.index]: effort}
        self.name = self._named()

    def query(self, q: np.ndarray, n: int) -> np.ndarray:
        return self.rows.search(q, k=n, **self.effort).ids

    def batch_query(self, X: np.ndarray, n: int) -> None:
        """All queries at once, by all cores: the collection's own batch search instead of a pool of Python threads."""
        self.batch, _ = self.rows.search_batch(X, k=n, **self.effort)

    def get_batch_results(self) -> list[np.ndarray]:
        # Where fewer than n rows were found the list ends with -1.
        return [ids[ids >= 0] for ids in self.batch]

    def get_memory_usage(self) -> float:
        """Kilobytes: what is this process's alone, and all of the database's files, as if every page of them were in memory."""
        memory = psutil.Process().memory_info()
        return (memory.rss - getattr(memory, "shared", 0) + self._disk_bytes()) / 1024

    def get_additional(self) -> dict[str, Any]:
        return {"disk_bytes": self._disk_bytes(), "version": ft.__version__}

    def done(self) -> None:
        if self.db is not None:
            self.db.close()
            self.db = None
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    # An older name of the same.
    freeIndex = done

    def _disk_bytes(self) -> int:
        if self.folder is None:
            return 0
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())

    def _named(self) -> str:
        given = {"index": self.index, **self.options, **self.effort}
        return f"foretaste({', '.join(f'{name}={value}' for name, value in given.items())})"
