"""Rows that say how uncertain their vectors are: what that changes in the order, and rows left out for it.

    python examples/uncertainty.py
"""

import tempfile

import numpy as np

import foretaste as ft

dice = np.random.default_rng(0)
rows, dim = 3000, 32
truth = dice.normal(size=(rows, dim))
variances = dice.uniform(0.01, 1.0, rows)  # a variance for each row, of all its dimensions
noise = dice.normal(size=(rows, dim)) * np.sqrt(variances)[:, None]
means = (truth + noise).astype(np.float32)
questions = truth[:200] + 0.3 * dice.normal(size=(200, dim))

db = ft.open(tempfile.mkdtemp() + "/uncertain.ft", durability="none")
docs = db.create_collection("docs", dim=dim, metric="l2", variance="scalar")
docs.upsert(np.arange(rows), means, variances=variances)


def found(rerank: ft.Csd | ft.Gaussian | None) -> float:
    """How often the row that the question was made of is the first hit."""
    hits = [docs.search(q, k=1, query_variance=0.09, rerank=rerank).ids[0] for q in questions]
    return float(np.mean([hit == row for row, hit in enumerate(hits)]))


print("rank by                         the right row first")
for name, stage in {
    "means alone": None,
    "Csd, weight 0.3": ft.Csd(0.3),
    "Csd, weight 1": ft.Csd(1.0),
    "Wasserstein": ft.Gaussian("wasserstein"),
    "expected likelihood": ft.Gaussian("expected_likelihood"),
}.items():
    print(f"{name:31} {found(stage):.2f}")

# %% What an answer says of it: sums over the dimensions.
answer = docs.search(questions[0], k=5, query_variance=0.09)
print("the query's:", answer.query_uncertainty, " the hits':", [round(hit.uncertainty or 0, 1) for hit in answer])

# %% Only rows that are certain enough: there are five hits while five such rows are there.
certain = docs.search(questions[0], k=5, max_uncertainty=3.2)
assert len(certain) == 5 and all((hit.uncertainty or 0) <= 3.2 for hit in certain)
db.close()
