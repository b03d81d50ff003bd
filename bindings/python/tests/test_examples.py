"""What documents show, as programs that run, and that pyright accepts in its strict mode (`make python` does not need it)."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import foretaste as ft

EXAMPLES = Path(__file__).parents[1] / "examples"

Matrix = npt.NDArray[np.float32]


def vectors(rows: int, dim: int, seed: int) -> Matrix:
    return np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)


def test_rows_with_everything(tmp_path: Path) -> None:
    with ft.open(tmp_path / "notes.ft", durability="none") as db:
        docs = db.create_collection(
            "docs",
            dim=16,
            metric="cosine",
            levels=[8, 16],
            dtype="f16",
            columns={"year": "int"},
            tokens=(4, "i8"),
            text={"title": None, "body": {"language": "english", "stem": True}},
        )
        rows = vectors(100, 16, 0)
        payloads: list[dict[str, Any] | None] = [{"year": 1990 + n % 30, "body": "running foxes"} for n in range(100)]
        docs.upsert(np.arange(100), rows, payloads, tokens=[vectors(3, 4, n) if n % 2 else None for n in range(100)])
        docs.upsert([100, 101], rows[:2], tokens=np.ones((2, 3, 4)), progress=lambda done, total: done <= total)
        record = docs.get(7)
        assert record is not None and record.tokens is not None and record.tokens.shape == (3, 4)
        several: list[ft.Record | None] = docs.get([7, 8])
        assert len(several) == 2

        answer = docs.search(rows[7], k=5, where="year >= 2000", exact=True)
        hit: ft.Hit = answer[0]
        assert hit.distance <= float(answer.distances[-1]) and answer.stopped_because == "complete"
        for revision in docs.search(rows[7], k=5, where={"year": {">=": 2000}}, progressive=True):
            assert revision.settled <= len(revision)
        ids, distances = docs.search_batch(rows[:10], k=5, dims=8)
        assert ids.shape == distances.shape == (10, 5)

        found: ft.TextAnswer = docs.search_text("body", "fox", k=3, where="year < 2000")
        assert [hit.id for hit in found] == list(found.ids)

        fuse = ft.Fuse("rrf", depth=50).vector(rows[8], weight=0.5).text("body", "run")
        stages = [fuse, ft.MaxSim(vectors(2, 4, 1), among=20), ft.Mmr(0.7)]
        assert len(docs.search(rows[7], k=5, rerank=stages)) == 5
        assert len(docs.search(rows[7], k=5, rerank=ft.Scorer(lambda ids: [-float(id) for id in ids]))) == 5


def test_views_and_upkeep(tmp_path: Path) -> None:
    path = tmp_path / "notes.ft"
    with ft.open(path) as db:
        docs = db.create_collection("docs", dim=4, text="body")
        with docs.batch() as batch:
            batch.upsert(["a", "b"], vectors(2, 4, 0), [{"body": "one"}, None])
            batch.mark("import", 2)
        view: ft.Snapshot = docs.snapshot()
        docs.delete("a")
        position: int | None = docs.mark("import")
        assert position == 2 and [record.id for record in view] == ["a", "b"] and len(view) == 2
        docs.add_text("title", language="german")
        docs.set_index("hnsw", m=8)
        docs.optimize("auto", progress=True)
        docs.compact()
        schema: ft.Schema = docs.schema
        assert schema.text_fields == ["body", "title"] and schema.tokens is None
        try:
            docs.search([1.0])
        except ft.DimensionMismatch as error:
            assert error.got == 1 and "4" in error.expected
    assert ft.check(path)["sound"]
    with ft.open(path, mode="r") as reader:
        reader.refresh()
        assert reader.mode == "r" and reader["docs"].name == "docs"


def test_two_models_and_two_fields(tmp_path: Path) -> None:
    texts, turn = vectors(400, 16, 0), np.linalg.qr(vectors(16, 16, 9))[0].astype(np.float32)
    with ft.open(tmp_path / "shop.ft", durability="none") as db:
        shop = db.create_collection("shop", dim=16, space="small@1", text="title", fields={"image": {"dim": 4, "dtype": "f16"}})
        image = vectors(400, 4, 1)
        payloads: list[dict[str, Any] | None] = [{"title": f"red shoe {n}", "n": n} for n in range(400)]
        some = [row if n % 2 else None for n, row in enumerate(image)]
        shop.upsert(np.arange(400), texts @ turn, payloads, fields={"image": some})
        both = ft.Fuse("rrf").field("image", image[7], weight=0.5).text("title", "shoe")
        assert len(shop.search(texts[7] @ turn, k=5, rerank=both)) == 5
        assert list(shop.search(image[7], k=1, field="image").ids) == [7]
        record = shop.get(7)
        assert record is not None and record.fields["image"].shape == (4,) and shop.vector_fields["image"].dim == 4

        adapter: ft.Adapter = ft.fit_adapter(texts, texts @ turn, "procrustes")
        report = adapter.report
        assert report is not None and report.retention_at_10.low > 0.8
        stored = ft.Adapter.from_bytes(adapter.to_bytes(), ft.FitReport.from_dict(report.to_dict()))
        shop.set_rule("large@1", adapter=stored, least_retention=0.8)
        assert shop.rules() == ["large@1"] and len(shop.search(texts[3], k=5, space="large@1")) == 5

        def embed(rows: ft.PendingRows) -> Matrix:
            return texts[[payload["n"] for payload in rows.payloads if payload]]

        change: ft.Change = shop.begin_change(dim=16, space="large@1")
        rows = next(change.backfill(batch=10))
        assert change.write(rows, embed(rows)) == len(rows) == 10
        assert change.run(embed, order="stored", batch=100, progress=True) == 390
        there, waiting = change.progress
        assert (there, waiting) == (400, 0)
        shop = change.flip()
        assert shop.space == "large@1" and list(shop.search(texts[3], k=1).ids) == [3]
        back = shop.change()
        assert back is not None
        back.finish()


def test_uncertain_rows_recipes_and_scores_from_before(tmp_path: Path) -> None:
    with ft.open(tmp_path / "notes.ft", durability="none", remembered_scores=10_000) as db:
        docs = db.create_collection("docs", dim=16, levels=[8, 16], variance="scalar", recipe=("layer_norm", 24))
        outputs = vectors(200, 24, 0)
        docs.upsert(np.arange(200), outputs, variances=np.linspace(0.01, 1, 200))
        recipe: tuple[str, int] | None = docs.schema.recipe
        assert recipe == ("layer_norm", 24)
        answer = docs.search(outputs[7], k=5, max_uncertainty=8, query_variance=0.5, rerank=ft.Uncertainty(among=20))
        traces = [hit.uncertainty for hit in answer]
        assert answer.query_uncertainty == 8 and None not in traces and max(t for t in traces if t is not None) <= 8
        ids, _ = docs.search_batch(outputs[:3], max_uncertainty=8.0, rerank=[ft.Levels.auto(0.9), ft.Uncertainty()])
        assert ids.shape == (3, 10)
        schedule: list[tuple[int, int]] = docs.search(outputs[7], rerank=ft.Levels.auto(0.9)).schedule
        assert schedule == [(16, 10)]

        def score(ids: list[int]) -> list[float]:
            return [-float(id) for id in ids]

        stage = ft.Scorer(score, budget=20, version="by-id-1", query_key="the question")
        assert docs.search(outputs[7], rerank=stage).cost["scores_remembered"] == 0
        assert docs.search(outputs[7], rerank=stage).cost["scores_remembered"] == 20
        db.forget_scores("by-id-1")


def test_tokens_as_single_vectors(tmp_path: Path) -> None:
    encoder = ft.Encoder(8, repetitions=10, project=256)
    matrices = [vectors(n % 5 + 1, 8, n) for n in range(50)]
    with ft.open(tmp_path / "late.ft", durability="none") as db:
        docs = db.create_collection("late", dim=encoder.dim, metric="dot", tokens=encoder.token_dim)
        docs.upsert(np.arange(50), encoder.rows(matrices), tokens=matrices)
        tokens: Matrix = matrices[4]
        assert len(docs.search(encoder.query(tokens), k=3, rerank=ft.MaxSim(tokens, among=20))) == 3


def test_an_answer_settles_in_the_example(tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, EXAMPLES / "settling.py", "3000"], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=True)
    _, *table, ended, plot = [line.split() for line in run.stdout.splitlines()]
    assert len(table) > 1 and all(row[0].isdigit() for row in table), run.stdout
    assert table[-1][1] == "exact" and float(table[-1][2]) >= 0.9 and ended[:2] == ["ended:", "complete,"]
    assert plot == ["settling.png"] and (tmp_path / plot[0]).is_file() or plot[:2] == ["no", "plot:"]


# What each example says at its end, beside `settling.py` above. Each keeps to a folder of its own that the system may remove.
LAST = {
    "change_model.py": "4000 rows embedded again, recall 1.00",
    "quickstart.py": "998 rows",
    "reranking.py": "and different hits",
    "uncertainty.py": "the query's: 2.88",
}


def test_every_example_is_tested_and_short() -> None:
    there = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in EXAMPLES.glob("*.py")}
    assert set(there) == {"settling.py", *LAST} and max(there.values()) < 60


@pytest.mark.parametrize("name", LAST)
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, EXAMPLES / name]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1].strip().startswith(LAST[name]), run.stdout
