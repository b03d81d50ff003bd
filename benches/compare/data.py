"""A data set, what is really near in it, and how good an answer is.

Reads from: an HDF5 file of the ANN-benchmarks form (train, test, the attribute distance).
Writes to: a file of the same for the worker processes. Never: the neighbours that such a file lists: rows may be left out, so the truth is computed from the vectors, in f64.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

# A hit no farther than the k-th of the truth counts, by this much more for rounding, whatever its id.
SLACK = 1e-5


@dataclass
class Set:
    rows: np.ndarray
    queries: np.ndarray
    metric: str
    k: int
    # The distance of each query's k-th neighbour.
    bounds: np.ndarray

    @staticmethod
    def load(path: str, rows: int | None, queries: int | None, k: int) -> "Set":
        import h5py  # By the one process that reads the file.

        with h5py.File(path) as file:
            train, test = file["train"][:rows], file["test"][:queries]
            metric = "cosine" if file.attrs["distance"] in ("angular", "cosine") else "l2"
        train, test = np.ascontiguousarray(train, np.float32), np.ascontiguousarray(test, np.float32)
        if metric == "cosine":
            # Unit vectors for everyone: some libraries have an inner product and no cosine.
            train, test = unit(train), unit(test)
        given = Set(train, test, metric, k, np.zeros(len(test)))
        norms = (train * train).sum(1)
        given.bounds = np.array([given._bound(query, norms) for query in test])
        return given

    def save(self, path: Path) -> None:
        parts = {"rows": self.rows, "queries": self.queries, "bounds": self.bounds}
        np.savez(path, **parts, metric=np.array(self.metric), k=np.array(self.k))

    @staticmethod
    def saved(path: Path) -> "Set":
        with np.load(path) as parts:
            return Set(parts["rows"], parts["queries"], str(parts["metric"]), int(parts["k"]), parts["bounds"])

    def recall(self, query: int, ids: np.ndarray) -> float:
        """How many of the k nearest are there, by distances computed anew; an id that comes twice counts once."""
        ids = np.unique(np.asarray(ids, np.int64)[: self.k])
        ids = ids[(ids >= 0) & (ids < len(self.rows))]
        distances = squares(self.rows[ids], self.queries[query])
        return float((distances <= self.bounds[query] * (1 + SLACK) + 1e-12).sum()) / self.k

    def _bound(self, query: np.ndarray, norms: np.ndarray) -> float:
        # Squared L2 orders unit vectors as their cosines do. A shortlist in f32 first, exact sums for it.
        near = norms - 2 * (self.rows @ query)
        short = np.argpartition(near, min(4 * self.k, len(near) - 1))[: 4 * self.k]
        return float(np.sort(squares(self.rows[short], query))[self.k - 1])


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)


def squares(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    differences = rows.astype(np.float64) - query.astype(np.float64)
    return (differences * differences).sum(1)
