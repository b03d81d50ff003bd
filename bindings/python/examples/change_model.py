"""The embedding model is changed while the collection is in use: an adapter for the meantime, rows embedded again, and the flip.

    python examples/change_model.py
"""

import tempfile

import numpy as np
import numpy.typing as npt

import foretaste as ft

dice = np.random.default_rng(0)
texts = dice.normal(size=(6000, 48)).astype(np.float32)  # stand for texts
turn = np.linalg.qr(dice.normal(size=(48, 48)))[0].astype(np.float32)
Matrix = npt.NDArray[np.float32]


def large(of: Matrix) -> Matrix:  # stands for the new model
    return of


def small(of: Matrix) -> Matrix:  # stands for the old one: another view of the same, with something lost
    return np.tanh(of @ turn)[:, :40]


rows, pairs, questions = texts[:4000], texts[4000:5500], texts[5500:]
db = ft.open(tempfile.mkdtemp() + "/notes.ft", durability="none")
docs = db.create_collection("docs", dim=40, space="small@1")
docs.upsert(np.arange(4000), small(rows), [{"text": n} for n in range(4000)])

# %% What a query of the new model is in the old space, by texts embedded with both.
adapter = ft.fit_adapter(large(pairs), small(pairs), "procrustes")
assert adapter.report is not None
print("the adapter finds", round(adapter.report.retention_at_10.mean, 2), "of the ten nearest by the new model")
docs.set_rule("large@1", adapter=adapter, least_retention=0.2)

# %% Rows are embedded again, 1,000 a commit; meanwhile queries of the new model find rows of both.
change = docs.begin_change(dim=48, space="large@1")
scores = large(questions) @ rows.T / np.linalg.norm(rows, axis=1)
true = np.argsort(-scores, axis=1)[:, :10]


def recall() -> float:
    found = [docs.search(q, k=10, space="large@1", exact=True).ids for q in large(questions[:50])]
    return float(np.mean([len(set(ids) & set(ten)) / 10 for ids, ten in zip(found, true)]))


print(f"{change.progress[0]:5} rows embedded again, recall {recall():.2f}")
for waiting in change.backfill(batch=1000):
    numbers = [payload["text"] for payload in waiting.payloads if payload]
    change.write(waiting, large(rows[numbers]))
    print(f"{change.progress[0]:5} rows embedded again, recall {recall():.2f}")

docs = change.flip()  # from now on its vectors are those of the large model
assert docs.search(rows[7], k=1).ids[0] == 7 and docs.space == "large@1"
db.close()
