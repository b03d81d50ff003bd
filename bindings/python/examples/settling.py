"""How an answer settles: each revision of one search, as a table, and as a plot where matplotlib is installed.

    python examples/settling.py [rows]          # 40,000 rows unless said otherwise; writes settling.png

The cells (`# %%`) are those of a notebook: editors that know them run one at a time.
"""

# %% Rows around some centres, as embeddings lie, in a collection with a graph as its index.
import sys
import tempfile
from typing import Any

import numpy as np

import foretaste as ft

rows, dim = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000, 128
dice = np.random.default_rng(0)
centres = dice.normal(size=(200, dim))
vectors = (centres[dice.integers(0, 200, rows)] + 2 * dice.normal(size=(rows, dim))).astype(np.float32)
query = (centres[7] + 2 * dice.normal(size=dim)).astype(np.float32)

db = ft.open(tempfile.mkdtemp() + "/settling.ft", durability="none")
docs = db.create_collection("docs", dim=dim)
docs.upsert(np.arange(rows), vectors)
docs.optimize("hnsw", progress=True)

# %% One search, revision by revision, beside what is true: all rows compared.
true = set(docs.search(query, k=50, exact=True).ids)
docs.search(query, k=50)  # so that nothing is read from the disk for the first time below
revisions = list(docs.search(query, k=50, ef=800, progressive=True))
micros = [revision.elapsed_us for revision in revisions]
recall = [len(true & set(revision.ids)) / 50 for revision in revisions]
expected = [revision.estimated_recall for revision in revisions]
settled = [revision.settled / 50 for revision in revisions]

# %% The same in words.
print("      µs  stage   recall  expected  settled")
for at, revision in enumerate(revisions):
    told = "" if expected[at] is None else f"{expected[at]:.2f}"
    print(f"{micros[at]:8.0f}  {revision.stage:6}  {recall[at]:6.2f}  {told:>8}  {revision.settled:7}  " + "█" * round(20 * recall[at]))
print(f"ended: {revisions[-1].stopped_because}, {revisions[-1].cost['rows_exact']} of {rows} rows compared by their vectors")

# %% And as a plot.
try:
    import matplotlib.pyplot as plt
except ImportError:
    print("no plot: matplotlib is not installed")
else:
    drawing: Any = plt  # its types are incomplete
    figure, axes = drawing.subplots(figsize=(7, 4))
    for name, line in {"recall": recall, "expected recall": expected, "settled": settled}.items():
        axes.step(micros, [np.nan if y is None else y for y in line], where="post", marker=".", label=name)
    axes.set(xlabel="µs since the search was begun", xscale="log", ylabel="part of the 50 nearest", ylim=(0, 1.05), title="An answer settles")
    axes.legend(loc="lower right")
    figure.savefig("settling.png", dpi=150, bbox_inches="tight")
    print("settling.png")
db.close()
