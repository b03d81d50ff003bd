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

    def tune(self) -> None:
        """What a library tries out by itself before it serves for long; not timed, and not part of opening."""

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

    def _metric(self):
        return self.lib.METRIC_INNER_PRODUCT if self.metric == "cosine" else self.lib.METRIC_L2

    def build(self, rows, folder, threads):
        self.lib.omp_set_num_threads(threads)
        index = self.lib.IndexHNSWFlat(self.dim, 16, self._metric())
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


class FaissSq8(Faiss):
    """The graph over 8-bit codes, and twice as many rows as are wanted compared by their vectors."""

    def build(self, rows, folder, threads):
        self.lib.omp_set_num_threads(threads)
        graph = self.lib.IndexHNSWSQ(self.dim, self.lib.ScalarQuantizer.QT_8bit, 16, self._metric())
        graph.hnsw.efConstruction = 200
        index = self.lib.IndexRefineFlat(graph)
        index.train(rows)
        index.add(rows)
        self.lib.write_index(index, str(folder / "index"))

    def open(self, folder):
        super().open(folder)
        self.index.k_factor = 2
        self.graph = self.lib.downcast_index(self.index.base_index)

    def set(self, setting):
        self.graph.hnsw.efSearch = setting["ef"]


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
    """The graph searched by 8-bit codes."""

    package, level = "glassppy", 1

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
        self.rows = np.load(folder / "rows.npy")
        self.searcher = self.lib.Searcher(graph, self.rows, self._metric(), self.level)

    def tune(self):
        self.searcher.set_ef(64)
        self.searcher.optimize(1)

    def set(self, setting):
        self.searcher.set_ef(setting["ef"])

    def search(self, query, k):
        return self.searcher.search(query, k)


class GlassSq4(Glass):
    """The same by 4-bit codes."""

    level = 2


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

    def _stored(self, rows, folder):
        """What the graph is built over."""
        return rows

    def _loaded(self, path):
        return self.lib.VectorDataLoader(path)

    def build(self, rows, folder, threads):
        alpha = 0.95 if self.metric == "cosine" else 1.2
        how = self.lib.VamanaBuildParameters(alpha=alpha, graph_max_degree=64, window_size=200)
        index = self.lib.Vamana.build(how, self._stored(rows, folder), self._distance(), num_threads=threads)
        index.save(*(str(folder / part) for part in ("config", "graph", "data")))
        (folder / "rows.fvecs").unlink(missing_ok=True)

    def open(self, folder):
        graph = self.lib.GraphLoader(str(folder / "graph"))
        rows = self._loaded(str(folder / "data"))
        self.index = self.lib.Vamana(str(folder / "config"), graph, rows, distance=self._distance(), num_threads=1)

    def set(self, setting):
        self.index.search_window_size = setting["ef"]

    def search(self, query, k):
        return self.index.search(query[None], k)[0][0]


class SvsLvq(Svs):
    """Over codes of 4 bits and 8 more bits of what these leave."""

    def _stored(self, rows, folder):
        self.lib.write_vecs(rows, str(folder / "rows.fvecs"))
        plain = self.lib.VectorDataLoader(str(folder / "rows.fvecs"), self.lib.DataType.float32, dims=self.dim)
        turbo = self.lib.LVQStrategy.Turbo
        return self.lib.LVQLoader(plain, primary=4, residual=8, padding=32, strategy=turbo)

    def _loaded(self, path):
        return self.lib.LVQLoader(path, padding=32)


class Zvec(Library):
    package, quantized = "zvec", False

    def build(self, rows, folder, threads):
        z = self.lib
        kind = z.MetricType.COSINE if self.metric == "cosine" else z.MetricType.L2
        codes = z.QuantizeType.INT8 if self.quantized else z.QuantizeType.UNDEFINED
        how = z.HnswIndexParam(metric_type=kind, m=16, ef_construction=200, quantize_type=codes)
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
        self.ids = None

    def tune(self):
        # Its fastest way gives numbers of its own for rows, whose ids are looked up once.
        self.ids = np.array([int(id) for id in self.col.resolve_internal_ids(np.arange(self.col.stats.doc_count))])

    def set(self, setting):
        twice = 2.0 if self.quantized else 0.0
        self.how = self.lib.HnswQueryParam(ef=setting["ef"], is_using_refiner=self.quantized, scale_factor=twice)

    def search(self, query, k):
        asked = self.lib.Query("v", vector=query, param=self.how)
        if self.ids is None:
            return np.array([int(hit.id) for hit in self.col.query(asked, topk=k, output_fields=[])])
        return self.ids[self.col.query_internal_ids(asked, topk=k)]


class ZvecInt8(Zvec):
    """The graph over 8-bit codes, and twice as many rows as are wanted compared by their vectors."""

    quantized = True


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
    "faiss hnsw sq8": FaissSq8,
    "usearch": Usearch,
    "glass sq8": Glass,
    "glass sq4": GlassSq4,
    "rabitqlib symqg": Rabitq,
    "svs vamana": Svs,
    "svs vamana lvq4x8": SvsLvq,
    "zvec hnsw": Zvec,
    "zvec hnsw int8": ZvecInt8,
    "lancedb hnsw sq": Lance,
}


def make(name: str, metric: str, dim: int) -> Any:
    return LIBRARIES[name](metric, dim)
