from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, TypeAlias, TypedDict, overload

import numpy as np
import numpy.typing as npt

__version__: str

Id: TypeAlias = int | str
Ids: TypeAlias = Iterable[Id] | npt.NDArray[Any]
Vectors: TypeAlias = npt.ArrayLike
Where: TypeAlias = str | dict[str, Any]
Payload: TypeAlias = dict[str, Any]
Metric: TypeAlias = Literal["cosine", "dot", "l2"]
Dtype: TypeAlias = Literal["f32", "f16", "bf16", "i8"]
Variance: TypeAlias = Literal["scalar", "diagonal", "diagonal-compact"]
Rotation: TypeAlias = Literal["pca", "none"]
Recipe: TypeAlias = Literal["none", "layer_norm"]
ColumnType: TypeAlias = Literal["bool", "int", "float", "str"]
Index: TypeAlias = Literal["auto", "hnsw", "ivf", "flat"]
Fusion: TypeAlias = Literal["rrf", "zscore", "minmax", "borda", "copeland", "kemeny", "runoff"]
Language: TypeAlias = Literal[
    "arabic",
    "danish",
    "dutch",
    "english",
    "finnish",
    "french",
    "german",
    "greek",
    "hungarian",
    "italian",
    "norwegian",
    "polish",
    "portuguese",
    "romanian",
    "russian",
    "spanish",
    "swedish",
    "tamil",
    "turkish",
]
Stage: TypeAlias = Literal["sketch", "beam", "refine", "exact", "rerank"]
Measure: TypeAlias = Literal["wasserstein", "bhattacharyya", "expected_likelihood", "log_likelihood"]
Stopped: TypeAlias = Literal["complete", "exhausted", "deadline", "budget", "cancelled", "scorer_failed"]

Method: TypeAlias = Literal["ridge", "procrustes", "anchors"]
# An array with a row each, or for each row an array or None.
PerRow: TypeAlias = npt.NDArray[Any] | Iterable[npt.ArrayLike | None]
Tokens: TypeAlias = Iterable[npt.ArrayLike | None] | npt.NDArray[Any]

class TextOptions(TypedDict, total=False):
    language: Language | None
    stem: bool | None
    accents: bool

Text: TypeAlias = str | Sequence[str] | Mapping[str, None | Language | TextOptions]

class FieldRequired(TypedDict):
    dim: int

class FieldOptions(FieldRequired, total=False):
    metric: Metric
    levels: Sequence[int] | None
    variance: Variance | Literal["none"] | None
    dtype: Dtype
    rotation: Rotation | None
    recipe: tuple[Recipe, int] | None

class Figures(TypedDict):
    mean: float
    low: float
    high: float

class ReportFigures(TypedDict):
    pairs: int
    held_out: int
    retention_at_1: Figures
    retention_at_10: Figures
    old_at_10: Figures
    cosine: float
    ridge: float | None
    refitted: bool

class Bar(Protocol):
    total: Any
    def update(self, n: int, /) -> Any: ...

Progress: TypeAlias = bool | Callable[[int, int], Any] | Bar | None

def open(
    path: str | PathLike[str],
    mode: Literal["rw", "r"] = "rw",
    *,
    create: bool = True,
    durability: Literal["sync", "none"] | int | None = None,
    access: Literal["map", "read"] = "map",
    background: bool = True,
    seal_bytes: int | None = None,
    build_threads: int | None = None,
    build_seed: int | None = None,
    remembered_scores: int | None = None,
) -> Database: ...
def check(path: str | PathLike[str], progress: Progress = None) -> dict[str, Any]: ...
def repair(path: str | PathLike[str]) -> dict[str, Any]: ...
def fit_adapter(
    new_vectors: Vectors,
    old_vectors: Vectors,
    method: Method = "ridge",
    *,
    metric: Metric = "cosine",
    direction: Literal["queries", "rows"] = "queries",
    ridge: float | None = None,
    scaled: bool | None = None,
    anchors: int | None = None,
    refit: bool = True,
    threads: int = 1,
    cancel: Callable[[], Any] | None = None,
) -> Adapter: ...
def fit_error_model(
    new_vectors: Vectors,
    old_vectors: Vectors,
    adapter: Adapter,
    *,
    metric: Metric = "cosine",
    threads: int = 1,
    cancel: Callable[[], Any] | None = None,
) -> ErrorModel: ...

class Database:
    @property
    def path(self) -> Path: ...
    @property
    def mode(self) -> Literal["rw", "r"]: ...
    def create_collection(
        self,
        name: str,
        dim: int,
        metric: Metric = "cosine",
        levels: Sequence[int] | None = None,
        variance: Variance | Literal["none"] | None = None,
        dtype: Dtype = "f32",
        rotation: Rotation | None = None,
        columns: Mapping[str, ColumnType] | None = None,
        *,
        tokens: int | tuple[int, Dtype] | None = None,
        text: Text | None = None,
        fields: Mapping[str, FieldOptions] | None = None,
        space: str | None = None,
        recipe: tuple[Recipe, int] | None = None,
    ) -> Collection: ...
    def __getitem__(self, name: str, /) -> Collection: ...
    def __contains__(self, name: str, /) -> bool: ...
    def collections(self) -> list[str]: ...
    def drop_collection(self, name: str) -> None: ...
    def forget_scores(self, version: str | None = None) -> None: ...
    def stats(self) -> dict[str, Any]: ...
    def flush(self) -> None: ...
    def compact(self, progress: Progress = None) -> None: ...
    def refresh(self) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Database: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...

class Collection:
    @property
    def name(self) -> str: ...
    @property
    def dim(self) -> int: ...
    @property
    def metric(self) -> Metric: ...
    @property
    def levels(self) -> list[int]: ...
    @property
    def schema(self) -> Schema: ...
    def upsert(
        self,
        ids: Ids,
        vectors: Vectors,
        payloads: Iterable[Payload | None] | None = None,
        variances: npt.ArrayLike | None = None,
        progress: Progress = None,
        *,
        tokens: Tokens | None = None,
        fields: Mapping[str, PerRow] | None = None,
        field_variances: Mapping[str, PerRow] | None = None,
        changed: PerRow | None = None,
        changed_variances: PerRow | None = None,
    ) -> None: ...
    def batch(self) -> Batch: ...
    def mark(self, name: str) -> int | None: ...
    def delete(self, ids: Id | Ids) -> None: ...
    @overload
    def get(self, ids: Id) -> Record | None: ...
    @overload
    def get(self, ids: Ids) -> list[Record | None]: ...
    @overload
    def search(
        self,
        q: Vectors,
        k: int = 10,
        where: Where | None = None,
        dims: int | None = None,
        ef: int | None = None,
        nprobe: int | None = None,
        target_recall: float | None = None,
        deadline_ms: float | None = None,
        rerank: Rerank | Sequence[Rerank] | None = None,
        *,
        progressive: Literal[False] = False,
        query_variance: npt.ArrayLike | None = None,
        budget: int | None = None,
        exact: bool = False,
        field: str | None = None,
        space: str | None = None,
        max_uncertainty: float | None = None,
    ) -> Answer: ...
    @overload
    def search(
        self,
        q: Vectors,
        k: int = 10,
        where: Where | None = None,
        dims: int | None = None,
        ef: int | None = None,
        nprobe: int | None = None,
        target_recall: float | None = None,
        deadline_ms: float | None = None,
        rerank: Rerank | Sequence[Rerank] | None = None,
        *,
        progressive: Literal[True],
        query_variance: npt.ArrayLike | None = None,
        budget: int | None = None,
        exact: bool = False,
        field: str | None = None,
        space: str | None = None,
        max_uncertainty: float | None = None,
    ) -> Revisions: ...
    @overload
    def search(
        self,
        q: Vectors,
        k: int = 10,
        where: Where | None = None,
        dims: int | None = None,
        ef: int | None = None,
        nprobe: int | None = None,
        target_recall: float | None = None,
        deadline_ms: float | None = None,
        rerank: Rerank | Sequence[Rerank] | None = None,
        *,
        progressive: bool,
        query_variance: npt.ArrayLike | None = None,
        budget: int | None = None,
        exact: bool = False,
        field: str | None = None,
        space: str | None = None,
        max_uncertainty: float | None = None,
    ) -> Answer | Revisions: ...
    def search_batch(
        self,
        Q: Vectors,
        k: int = 10,
        threads: int | None = None,
        where: Where | None = None,
        dims: int | None = None,
        ef: int | None = None,
        nprobe: int | None = None,
        target_recall: float | None = None,
        deadline_ms: float | None = None,
        rerank: RerankMany | Sequence[RerankMany] | None = None,
        *,
        query_variance: npt.ArrayLike | None = None,
        budget: int | None = None,
        exact: bool = False,
        max_uncertainty: float | None = None,
        field: str | None = None,
        space: str | None = None,
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]: ...
    def search_text(
        self,
        field: str,
        query: str,
        k: int = 10,
        where: Where | None = None,
        *,
        k1: float | None = None,
        b: float | None = None,
    ) -> TextAnswer: ...
    def scan(self) -> Records: ...
    def __iter__(self) -> Records: ...
    def __len__(self) -> int: ...
    def __contains__(self, id: Id, /) -> bool: ...
    def snapshot(self) -> Snapshot: ...
    def optimize(
        self,
        index: Index = "auto",
        progress: Progress = None,
        *,
        m: int | None = ...,
        ef_construction: int | None = ...,
        edge_bits: int | None = ...,
        nlist: int | None = ...,
    ) -> None: ...
    def set_index(
        self,
        index: Index = "auto",
        rotation: Rotation | None = None,
        *,
        m: int | None = ...,
        ef_construction: int | None = ...,
        edge_bits: int | None = ...,
        nlist: int | None = ...,
    ) -> None: ...
    def add_text(
        self, field: str, *, language: Language | None = None, stem: bool | None = None, accents: bool = False
    ) -> None: ...
    def flush(self) -> None: ...
    def compact(self, progress: Progress = None) -> None: ...
    def truncate(self, dims: int) -> None: ...
    def extend(self, levels: Sequence[int]) -> None: ...
    def stats(self) -> dict[str, Any]: ...
    @property
    def space(self) -> str | None: ...
    @property
    def vector_fields(self) -> dict[str, Schema]: ...
    def set_space(self, space: str) -> None: ...
    def set_rule(
        self,
        space: str,
        *,
        prefix: int | None = None,
        adapter: Adapter | None = None,
        least_retention: float | None = None,
    ) -> None: ...
    def remove_rule(self, space: str) -> None: ...
    def rules(self) -> list[str]: ...
    def begin_change(
        self,
        dim: int,
        metric: Metric = "cosine",
        levels: Sequence[int] | None = None,
        variance: Variance | Literal["none"] | None = None,
        dtype: Dtype = "f32",
        rotation: Rotation | None = None,
        *,
        space: str,
        recipe: tuple[Recipe, int] | None = None,
    ) -> Change: ...
    def change(self) -> Change | None: ...

class Change:
    @property
    def progress(self) -> tuple[int, int]: ...
    @property
    def flipped(self) -> bool: ...
    @property
    def space(self) -> str: ...
    @property
    def schema(self) -> Schema: ...
    @property
    def collection(self) -> Collection: ...
    @overload
    def get(self, ids: Id) -> Record | None: ...
    @overload
    def get(self, ids: Ids) -> list[Record | None]: ...
    def run(
        self,
        embed: Callable[[PendingRows], PerRow],
        order: Order | None = None,
        batch: int = 1000,
        progress: Progress = None,
    ) -> int: ...
    def backfill(self, order: Order | None = None, batch: int = 1000) -> Backfill: ...
    def pending(self, ids: Ids) -> PendingRows: ...
    def write(self, rows: PendingRows, vectors: PerRow, variances: PerRow | None = None) -> int: ...
    def flip(self) -> Collection: ...
    def finish(self) -> None: ...

class PendingRows:
    @property
    def ids(self) -> npt.NDArray[np.int64] | list[Id]: ...
    @property
    def vectors(self) -> npt.NDArray[np.float32]: ...
    @property
    def payloads(self) -> list[Payload | None]: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int, /) -> Record: ...
    @overload
    def __getitem__(self, index: slice, /) -> PendingRows: ...
    def __iter__(self) -> Iterator[Record]: ...

class Backfill:
    @property
    def left(self) -> int: ...
    def __iter__(self) -> Backfill: ...
    def __next__(self) -> PendingRows: ...

class Adapter:
    @staticmethod
    def from_bytes(data: bytes, report: FitReport | None = None) -> Adapter: ...
    def to_bytes(self) -> bytes: ...
    def __bytes__(self) -> bytes: ...
    @property
    def report(self) -> FitReport | None: ...
    @property
    def method(self) -> Method: ...
    @property
    def from_dim(self) -> int: ...
    @property
    def to_dim(self) -> int: ...
    def apply(self, x: Vectors, *, threads: int = 1) -> npt.NDArray[np.float32]: ...

class Encoder:
    def __init__(
        self, token_dim: int, bits: int = 4, repetitions: int = 20, project: int | None = 2048, seed: int = 0
    ) -> None: ...
    @property
    def dim(self) -> int: ...
    @property
    def token_dim(self) -> int: ...
    def query(self, tokens: npt.ArrayLike) -> npt.NDArray[np.float32]: ...
    def rows(self, matrices: Iterable[npt.ArrayLike] | npt.NDArray[Any]) -> npt.NDArray[np.float32]: ...

class Estimate:
    @property
    def mean(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...

class FitReport:
    @property
    def pairs(self) -> int: ...
    @property
    def held_out(self) -> int: ...
    @property
    def retention_at_1(self) -> Estimate: ...
    @property
    def retention_at_10(self) -> Estimate: ...
    @property
    def old_at_10(self) -> Estimate: ...
    @property
    def cosine(self) -> float: ...
    @property
    def ridge(self) -> float | None: ...
    @property
    def refitted(self) -> bool: ...
    def to_dict(self) -> ReportFigures: ...
    @staticmethod
    def from_dict(figures: ReportFigures) -> FitReport: ...

class ErrorModel:
    @property
    def rank_correlation(self) -> float: ...
    def predict(self, vectors: Vectors, *, threads: int = 1) -> npt.NDArray[np.float64]: ...

class Snapshot:
    @property
    def schema(self) -> Schema: ...
    @overload
    def get(self, ids: Id) -> Record | None: ...
    @overload
    def get(self, ids: Ids) -> list[Record | None]: ...
    @overload
    def search(
        self,
        q: Vectors,
        k: int = 10,
        where: Where | None = None,
        dims: int | None = None,
        ef: int | None = None,
        nprobe: int | None = None,
        target_recall: float | None = None,
        deadline_ms: float | None = None,
        rerank: Rerank | Sequence[Rerank] | None = None,
        *,
        progressive: Literal[False] = False,
        query_variance: npt.ArrayLike | None = None,
        budget: int | None = None,
        exact: bool = False,
        field: str | None = None,
        space: str | None = None,
        max_uncertainty: float | None = None,
    ) -> Answer: ...
    @overload
    def search(
        self,
        q: Vectors,
        k: int = 10,
        where: Where | None = None,
        dims: int | None = None,
        ef: int | None = None,
        nprobe: int | None = None,
        target_recall: float | None = None,
        deadline_ms: float | None = None,
        rerank: Rerank | Sequence[Rerank] | None = None,
        *,
        progressive: Literal[True],
        query_variance: npt.ArrayLike | None = None,
        budget: int | None = None,
        exact: bool = False,
        field: str | None = None,
        space: str | None = None,
        max_uncertainty: float | None = None,
    ) -> Revisions: ...
    @overload
    def search(
        self,
        q: Vectors,
        k: int = 10,
        where: Where | None = None,
        dims: int | None = None,
        ef: int | None = None,
        nprobe: int | None = None,
        target_recall: float | None = None,
        deadline_ms: float | None = None,
        rerank: Rerank | Sequence[Rerank] | None = None,
        *,
        progressive: bool,
        query_variance: npt.ArrayLike | None = None,
        budget: int | None = None,
        exact: bool = False,
        field: str | None = None,
        space: str | None = None,
        max_uncertainty: float | None = None,
    ) -> Answer | Revisions: ...
    def search_batch(
        self,
        Q: Vectors,
        k: int = 10,
        threads: int | None = None,
        where: Where | None = None,
        dims: int | None = None,
        ef: int | None = None,
        nprobe: int | None = None,
        target_recall: float | None = None,
        deadline_ms: float | None = None,
        rerank: RerankMany | Sequence[RerankMany] | None = None,
        *,
        query_variance: npt.ArrayLike | None = None,
        budget: int | None = None,
        exact: bool = False,
        max_uncertainty: float | None = None,
        field: str | None = None,
        space: str | None = None,
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]: ...
    def search_text(
        self,
        field: str,
        query: str,
        k: int = 10,
        where: Where | None = None,
        *,
        k1: float | None = None,
        b: float | None = None,
    ) -> TextAnswer: ...
    def scan(self) -> Records: ...
    def __iter__(self) -> Records: ...
    def __len__(self) -> int: ...
    def __contains__(self, id: Id, /) -> bool: ...
    def maxsim(self, tokens: npt.ArrayLike, ids: Id | Ids, k: int = 10) -> list[tuple[Id, float]]: ...

class Batch:
    def upsert(
        self,
        ids: Ids,
        vectors: Vectors,
        payloads: Iterable[Payload | None] | None = None,
        variances: npt.ArrayLike | None = None,
        *,
        tokens: Tokens | None = None,
        fields: Mapping[str, PerRow] | None = None,
        field_variances: Mapping[str, PerRow] | None = None,
        changed: PerRow | None = None,
        changed_variances: PerRow | None = None,
    ) -> None: ...
    def delete(self, ids: Id | Ids) -> None: ...
    def mark(self, name: str, position: int | None) -> None: ...
    def commit(self) -> None: ...
    def __len__(self) -> int: ...
    def __enter__(self) -> Batch: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...

class Schema:
    @property
    def dim(self) -> int: ...
    @property
    def metric(self) -> Metric: ...
    @property
    def levels(self) -> list[int]: ...
    @property
    def dtype(self) -> Dtype: ...
    @property
    def variance(self) -> Variance | None: ...
    @property
    def rotation(self) -> Rotation: ...
    @property
    def columns(self) -> dict[str, ColumnType]: ...
    @property
    def tokens(self) -> tuple[int, Dtype] | None: ...
    @property
    def space(self) -> str | None: ...
    @property
    def recipe(self) -> tuple[Recipe, int] | None: ...
    @property
    def text_fields(self) -> list[str]: ...

class Records:
    def __iter__(self) -> Records: ...
    def __next__(self) -> Record: ...

class Record:
    @property
    def id(self) -> Id: ...
    @property
    def vector(self) -> npt.NDArray[np.float32]: ...
    @property
    def variance(self) -> npt.NDArray[np.float32] | None: ...
    @property
    def variance_traces(self) -> npt.NDArray[np.float32] | None: ...
    @property
    def tokens(self) -> npt.NDArray[np.float32] | None: ...
    @property
    def fields(self) -> dict[str, npt.NDArray[np.float32]]: ...
    @property
    def payload(self) -> Payload | None: ...
    @property
    def version(self) -> int: ...

class Hit:
    @property
    def id(self) -> Id: ...
    @property
    def distance(self) -> float: ...
    @property
    def score(self) -> float: ...
    @property
    def error(self) -> float: ...
    @property
    def stage(self) -> Stage: ...
    @property
    def p_final(self) -> float | None: ...
    @property
    def uncertainty(self) -> float | None: ...
    @property
    def payload(self) -> Payload | None: ...

class Answer:
    @property
    def ids(self) -> npt.NDArray[np.int64] | list[Id]: ...
    @property
    def distances(self) -> npt.NDArray[np.float64]: ...
    @property
    def scores(self) -> npt.NDArray[np.float64]: ...
    @property
    def hits(self) -> list[Hit]: ...
    @property
    def estimated_recall(self) -> float | None: ...
    @property
    def recall_lower_bound(self) -> float | None: ...
    @property
    def query_uncertainty(self) -> float | None: ...
    @property
    def schedule(self) -> list[tuple[int, int]]: ...
    @property
    def stopped_because(self) -> Stopped: ...
    @property
    def problem(self) -> str | None: ...
    @property
    def cost(self) -> dict[str, Any]: ...
    def explain(self) -> list[str]: ...
    def to_list(self) -> list[dict[str, Any]]: ...
    def to_numpy(self) -> npt.NDArray[Any]: ...
    def to_pandas(self) -> Any: ...
    def to_arrow(self) -> Any: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Hit: ...
    def __iter__(self) -> Iterator[Hit]: ...

class TextHit:
    @property
    def id(self) -> Id: ...
    @property
    def score(self) -> float: ...
    @property
    def payload(self) -> Payload | None: ...

class TextAnswer:
    @property
    def ids(self) -> npt.NDArray[np.int64] | list[Id]: ...
    @property
    def scores(self) -> npt.NDArray[np.float64]: ...
    @property
    def hits(self) -> list[TextHit]: ...
    @property
    def cost(self) -> dict[str, Any]: ...
    def explain(self) -> list[str]: ...
    def to_list(self) -> list[dict[str, Any]]: ...
    def to_numpy(self) -> npt.NDArray[Any]: ...
    def to_pandas(self) -> Any: ...
    def to_arrow(self) -> Any: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> TextHit: ...
    def __iter__(self) -> Iterator[TextHit]: ...

class Revisions:
    def __iter__(self) -> Revisions: ...
    def __next__(self) -> Revision: ...
    def page(self) -> Revision: ...
    def requery(self, q: Vectors) -> None: ...
    def rerank(self, stages: Rerank | Sequence[Rerank]) -> None: ...
    def cancel(self) -> None: ...
    @property
    def schedule(self) -> list[tuple[int, int]]: ...
    def explain(self) -> list[str]: ...

class Revision:
    @property
    def number(self) -> int: ...
    @property
    def stage(self) -> Stage: ...
    @property
    def ids(self) -> npt.NDArray[np.int64] | list[Id]: ...
    @property
    def distances(self) -> npt.NDArray[np.float64]: ...
    @property
    def scores(self) -> npt.NDArray[np.float64]: ...
    @property
    def hits(self) -> list[Hit]: ...
    @property
    def settled(self) -> int: ...
    @property
    def estimated_recall(self) -> float | None: ...
    @property
    def recall_lower_bound(self) -> float | None: ...
    @property
    def query_uncertainty(self) -> float | None: ...
    @property
    def changed(self) -> list[int]: ...
    @property
    def elapsed_us(self) -> float: ...
    @property
    def cost(self) -> dict[str, Any]: ...
    @property
    def stopped_because(self) -> Stopped | None: ...
    @property
    def problem(self) -> str | None: ...
    def __len__(self) -> int: ...

class Levels:
    def __init__(self, steps: Sequence[tuple[int, int]]) -> None: ...
    @staticmethod
    def auto(recall: float) -> Levels: ...
    @property
    def steps(self) -> list[tuple[int, int]]: ...
    @property
    def recall(self) -> float | None: ...

class Uncertainty:
    def __init__(self, among: int | None = None) -> None: ...
    @property
    def among(self) -> int | None: ...

class Csd:
    def __init__(self, weight: float = 1.0) -> None: ...
    @property
    def weight(self) -> float: ...

class Gaussian:
    def __init__(self, measure: Measure) -> None: ...
    @property
    def measure(self) -> Measure: ...

class Mmr:
    def __init__(self, lambda_: float, among: int | None = None) -> None: ...
    @property
    def lambda_(self) -> float: ...
    @property
    def among(self) -> int | None: ...

class MaxSim:
    def __init__(self, tokens: npt.ArrayLike, among: int = 100) -> None: ...
    @property
    def tokens(self) -> npt.NDArray[np.float32]: ...
    @property
    def among(self) -> int: ...

class Fuse:
    def __init__(
        self,
        fusion: Fusion = "rrf",
        *,
        weight: float = 1.0,
        depth: int = 100,
        min_votes: int = 1,
        kappa: float | None = None,
        finalists: int | None = None,
    ) -> None: ...
    @property
    def fusion(self) -> Fusion: ...
    @property
    def weight(self) -> float: ...
    @property
    def depth(self) -> int: ...
    @property
    def min_votes(self) -> int: ...
    def vector(self, v: Vectors, weight: float = 1.0) -> Fuse: ...
    def field(self, field: str, v: Vectors, weight: float = 1.0) -> Fuse: ...
    def text(self, field: str, words: str, weight: float = 1.0) -> Fuse: ...

class Scorer:
    def __init__(
        self,
        fn: Callable[[list[Any]], npt.ArrayLike],
        budget: int = 200,
        mode: Literal["adaptive", "retrieve"] = "adaptive",
        batch: int = 32,
        version: str | None = None,
        query_key: str | bytes | None = None,
    ) -> None: ...
    @property
    def fn(self) -> Callable[[list[Any]], npt.ArrayLike]: ...
    @property
    def budget(self) -> int: ...
    @property
    def mode(self) -> Literal["adaptive", "retrieve"]: ...
    @property
    def batch(self) -> int: ...
    @property
    def version(self) -> str | None: ...
    @property
    def query_key(self) -> str | bytes | None: ...

# The stages that search_batch takes, and all of them.
RerankMany: TypeAlias = Levels | Csd | Gaussian | Uncertainty | Mmr
Rerank: TypeAlias = RerankMany | MaxSim | Fuse | Scorer
# Which rows are embedded first.
Order: TypeAlias = Literal["stored", "variance"] | ErrorModel
