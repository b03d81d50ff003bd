"""The libraries that are compared: each as few lines as build it, open it, and ask it for k ids.

`build` has all cores and leaves files in a folder; `open` takes them from there in a process of one core. `settings` go from the
shortest to the longest search. A library that is not installed is left out by `run.py`, which says so.

Reads from: vectors, and the folder given. Writes to: that folder. Never: an import of a library before its class is made.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

EFS = [{"ef": ef} for ef in (10, 14, 20, 28, 40, 64, 96, 128, 200, 300, 400, 600)]


class Library:
    package = ""
    progressive = False

    def __init__(self, metric: str, dim: int):
        self.metric, self.dim = metric, dim
        self.lib = importlib.import_module(self.package)

    def build(self, rows: np.ndarray, folder: Path, threads: int) -> None:
        raise NotImplementedError

    def open(self, folder: Path) -> None:
        raise NotImplementedError

    def settings(self) -> list[dict[str, int]]:
        return EFS

    def set(self, setting: dict[str, int]) -> None:
        self.setting = setting

    def search(self, query: np.ndarray, k: int) -> np.ndarray:
        raise NotImplementedError

    def revisions(self, query: np.ndarray, k: int) -> Iterator[np.ndarray]:
        yield self.search(query, k)

    def close(self) -> None:
        pass


class Foretaste(Library):
    package, progressive, index = "foretaste", True, "hnsw"

    def build(self, rows, folder, threads):
        with self.lib.open(folder / "db.ft", build_threads=threads) as db:
            col = db.create_collection("c", self.dim, self.metric)
            for start in range(0, len(rows), 20_000):
                col.upsert(np.arange(start, min(len(rows), start + 20_000)), rows[start : start + 20_000])
            col.optimize(index=self.index)

    def open(self, folder):
        self.db = self.lib.open(folder / "db.ft", mode="r")
        self.col = self.db["c"]

    def search(self, query, k):
        return self.col.search(query, k, **self.setting).ids

    def revisions(self, query, k):
        return (revision.ids for revision in self.col.search(query, k, progressive=True, **self.setting))

    def close(self):
        self.db.close()


class ForetasteIvf(Foretaste):
    index = "ivf"

    def settings(self):
        return [{"nprobe": n} for n in (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128)]


class Hnswlib(Library):
    package = "hnswlib"

    def _index(self):
        return self.lib.Index(space=self.metric, dim=self.dim)

    def build(self, rows, folder, threads):
        index = self._index()
        index.init_index(max_elements=len(rows), M=16, ef_construction=200)
        index.add_items(rows, np.arange(len(rows)), num_threads=threads)
        index.save_index(str(folder / "index"))

    def open(self, folder):
        self.index = self._index()
        self.index.load_index(str(folder / "index"))
        self.index.set_num_threads(1)

    def set(self, setting):
        self.index.set_ef(setting["ef"])

    def search(self, query, k):
        return self.index.knn_query(query, k=k, num_threads=1)[0][0]


class Faiss(Library):
    package = "faiss"

    def build(self, rows, folder, threads):
        self.lib.omp_set_num_threads(threads)
        kind = self.lib.METRIC_INNER_PRODUCT if self.metric == "cosine" else self.lib.METRIC_L2
        index = self.lib.IndexHNSWFlat(self.dim, 16, kind)
        index.hnsw.efConstruction = 200
        index.add(rows)
        self.lib.write_index(index, str(folder / "index"))

    def open(self, folder):
        self.lib.omp_set_num_threads(1)
        self.index = self.lib.read_index(str(folder / "index"))

    def set(self, setting):
        self.index.hnsw.efSearch = setting["ef"]

    def search(self, query, k):
        return self.index.search(query[None], k)[1][0]


class Usearch(Library):
    package = "usearch.index"

    def build(self, rows, folder, threads):
        kind = "cos" if self.metric == "cosine" else "l2sq"
        index = self.lib.Index(ndim=self.dim, metric=kind, dtype="f32", connectivity=16, expansion_add=200)
        index.add(np.arange(len(rows)), rows, threads=threads)
        index.save(str(folder / "index"))

    def open(self, folder):
        self.index = self.lib.Index.restore(str(folder / "index"))

    def set(self, setting):
        self.index.expansion_search = setting["ef"]

    def search(self, query, k):
        return self.index.search(query, k, threads=1).keys


class Glass(Library):
    package = "glassppy"

    def _metric(self):
        return "IP" if self.metric == "cosine" else "L2"

    def build(self, rows, folder, threads):
        self.lib.set_num_threads(threads)
        graph = self.lib.Index("HNSW", dim=self.dim, metric=self._metric(), R=32, L=200).build(rows)
        graph.save(str(folder / "graph"))
        np.save(folder / "rows.npy", rows)

    def open(self, folder):
        self.lib.set_num_threads(1)
        graph = self.lib.Graph()
        graph.load(str(folder / "graph"))
        # 8-bit codes, the level that is fastest at most recalls.
        self.rows = np.load(folder / "rows.npy")
        self.searcher = self.lib.Searcher(graph, self.rows, self._metric(), 1)

    def set(self, setting):
        self.searcher.set_ef(setting["ef"])

    def search(self, query, k):
        return self.searcher.search(query, k)


class Rabitq(Library):
    package = "rabitqlib"

    def build(self, rows, folder, threads):
        kind = "ip" if self.metric == "cosine" else "l2"
        index = self.lib.SymqgIndex(dim=self.dim, max_degree=32, metric=kind)
        index.build(rows, ef_construction=200, num_threads=threads)
        index.save(str(folder / "index"))

    def open(self, folder):
        self.index = self.lib.SymqgIndex.load(str(folder / "index"))

    def search(self, query, k):
        return self.index.search(query[None], k, max(k, self.setting["ef"]), num_threads=1)[0][0]


class Svs(Library):
    package = "svs"

    def _distance(self):
        return self.lib.DistanceType.MIP if self.metric == "cosine" else self.lib.DistanceType.L2

    def build(self, rows, folder, threads):
        alpha = 0.95 if self.metric == "cosine" else 1.2
        how = self.lib.VamanaBuildParameters(alpha=alpha, graph_max_degree=64, window_size=200)
        index = self.lib.Vamana.build(how, rows, self._distance(), num_threads=threads)
        index.save(*(str(folder / part) for part in ("config", "graph", "data")))

    def open(self, folder):
        graph = self.lib.GraphLoader(str(folder / "graph"))
        rows = self.lib.VectorDataLoader(str(folder / "data"))
        self.index = self.lib.Vamana(str(folder / "config"), graph, rows, distance=self._distance(), num_threads=1)

    def set(self, setting):
        self.index.search_window_size = setting["ef"]

    def search(self, query, k):
        return self.index.search(query[None], k)[0][0]


class Zvec(Library):
    package = "zvec"

    def build(self, rows, folder, threads):
        z = self.lib
        kind = z.MetricType.COSINE if self.metric == "cosine" else z.MetricType.L2
        how = z.HnswIndexParam(metric_type=kind, m=16, ef_construction=200)
        vectors = [z.VectorSchema("v", z.DataType.VECTOR_FP32, self.dim, index_param=how)]
        col = z.create_and_open(str(folder / "db"), z.CollectionSchema("c", vectors=vectors))
        for start in range(0, len(rows), 1000):
            batch = rows[start : start + 1000]
            col.insert([z.Doc(id=str(start + i), vectors={"v": row}) for i, row in enumerate(batch)])
        col.flush()
        col.optimize(z.OptimizeOption(concurrency=threads))
        col.close()

    def open(self, folder):
        self.col = self.lib.open(str(folder / "db"), self.lib.CollectionOption(read_only=True, enable_mmap=True))

    def search(self, query, k):
        how = self.lib.HnswQueryParam(ef=self.setting["ef"])
        found = self.col.query(self.lib.VectorQuery(field_name="v", vector=query, param=how), topk=k, output_fields=[])
        return np.array([int(hit.id) for hit in found])


class Lance(Library):
    package = "lancedb"

    def build(self, rows, folder, threads):
        import pyarrow as pa

        vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), self.dim)
        table = self.lib.connect(str(folder)).create_table("t", pa.table({"id": np.arange(len(rows)), "vector": vectors}))
        table.create_index(metric=self.metric, index_type="IVF_HNSW_SQ", num_partitions=1, m=16, ef_construction=200)

    def open(self, folder):
        self.table = self.lib.connect(str(folder)).open_table("t")

    def settings(self):
        return [{"ef": ef} for ef in (24, 40, 64, 100, 150, 250, 400)]

    def search(self, query, k):
        asked = self.table.search(query, vector_column_name="vector").nprobes(1).ef(self.setting["ef"])
        return asked.refine_factor(2).limit(k).select(["id", "_distance"]).to_arrow()["id"].to_numpy()


LIBRARIES: dict[str, type[Library]] = {
    "foretaste hnsw": Foretaste,
    "foretaste ivf": ForetasteIvf,
    "hnswlib": Hnswlib,
    "faiss hnsw": Faiss,
    "usearch": Usearch,
    "glass sq8": Glass,
    "rabitqlib symqg": Rabitq,
    "svs vamana": Svs,
    "zvec hnsw": Zvec,
    "lancedb hnsw sq": Lance,
}


def make(name: str, metric: str, dim: int) -> Any:
    return LIBRARIES[name](metric, dim)
