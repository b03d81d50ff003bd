"""Two-stage retrieval in one search: short vectors first, then an expensive scorer on a budget, whose scores are remembered.

    python examples/reranking.py
"""

import tempfile

import numpy as np

import foretaste as ft

dice = np.random.default_rng(0)
# As a nested model's vectors: the first numbers say most. What the expensive model sees is a little different.
rows = (dice.normal(size=(5000, 64)) / np.arange(1, 65)).astype(np.float32)
seen = rows + dice.normal(size=rows.shape).astype(np.float32) * 0.02
question = (dice.normal(size=64) / np.arange(1, 65)).astype(np.float32)

db = ft.open(tempfile.mkdtemp() + "/reranking.ft", durability="none")
docs = db.create_collection("docs", dim=64, levels=[16, 64])
docs.upsert(np.arange(5000), rows, [{"text": f"text {n}"} for n in range(5000)])


def model(ids: list[int]) -> list[float]:
    """Stands for a cross-encoder, `model.predict([(question, text) for …])`: one number for each id, larger is better."""
    return (seen[ids] @ question / np.linalg.norm(seen[ids], axis=1)).tolist()


best = set(np.argsort(model(list(range(5000))))[-10:].tolist())


def show(what: str, answer: ft.Answer) -> ft.Answer:
    cost = answer.cost
    found = len(best & set(answer.ids))
    print(f"{what:22} {found:2} of the model's ten, {cost['scorer_calls']:3} scored, {cost['scores_remembered']:3} known")
    return answer


def scored(budget: int) -> ft.Scorer:
    return ft.Scorer(model, budget=budget, version="toy-1", query_key="the question")


show("by vectors", docs.search(question, k=10))
show("by 16 numbers, then 64", docs.search(question, k=10, rerank=ft.Levels([(16, 200), (64, 20)])))
show("25 of the list's head", docs.search(question, k=10, rerank=ft.Scorer(model, budget=25, mode="retrieve")))
first = show("50, adaptive", docs.search(question, k=10, rerank=scored(50)))
second = show("asked again", docs.search(question, k=10, rerank=scored(50)))
assert first.cost["scorer_calls"] == 50 and second.cost["scores_remembered"] == 50
show("and different hits", docs.search(question, k=10, rerank=[scored(0), ft.Mmr(0.7)]))
db.close()
