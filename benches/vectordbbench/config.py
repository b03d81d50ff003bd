"""What VectorDBBench asks of foretaste: where the database lies, which index it builds, how long it searches.

Reads from: the runner's settings. Writes to: nothing. Never: a default that differs from the module's own, except where a field says so.
"""

from typing import Any, Literal

from pydantic import BaseModel
from vectordb_bench.backend.clients.api import DBCaseConfig, DBConfig, MetricType

_METRICS = {MetricType.L2: "l2", MetricType.COSINE: "cosine", MetricType.IP: "dot", MetricType.DP: "dot"}


class ForetasteConfig(DBConfig):
    """A folder of this machine."""

    path: str

    def to_dict(self) -> dict[str, Any]:
        return {"path": self.path}


class ForetasteIndexConfig(BaseModel, DBCaseConfig):
    """One search index; what is None is left to the module."""

    metric_type: MetricType | None = None
    index: Literal["auto", "hnsw", "ivf", "flat"] = "hnsw"
    m: int | None = None
    ef_construction: int | None = None
    nlist: int | None = None
    ef: int | None = None
    nprobe: int | None = None

    def metric(self) -> str:
        if self.metric_type is None:
            return "cosine"
        if self.metric_type not in _METRICS:
            raise ValueError(f"foretaste has no metric for {self.metric_type}")
        return _METRICS[self.metric_type]

    def index_param(self) -> dict[str, Any]:
        """The arguments of `optimize` and `set_index`."""
        given = {"m": self.m, "ef_construction": self.ef_construction, "nlist": self.nlist}
        return {"index": self.index} | {name: value for name, value in given.items() if value is not None}

    def search_param(self) -> dict[str, Any]:
        """The arguments of `search`."""
        given = {"ef": self.ef, "nprobe": self.nprobe}
        return {name: value for name, value in given.items() if value is not None}
