"""The shortest whole program: write rows with documents, find the nearest that pass a filter, close, and open again.

    python examples/quickstart.py [folder]      # a temporary one unless said otherwise
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import foretaste as ft

path = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()) / "notes.ft"
ids = np.arange(1000)
vectors = np.random.default_rng(0).normal(size=(1000, 64)).astype(np.float32)
payloads = [{"lang": "de" if n % 3 else "en", "year": 1990 + n % 30} for n in range(1000)]

with ft.open(path) as db:
    docs = db.create_collection("docs", dim=64, columns={"year": "int"})
    docs.upsert(ids, vectors, payloads)  # one batch: safe on the disk when this returns, or not there at all

    answer = docs.search(vectors[21], k=5, where="lang = 'en' AND year >= 2000")
    for hit in answer:
        print(f"{hit.id:4} at {hit.distance:.3f}  {hit.payload}")
    assert answer.ids[0] == 21 and answer.stopped_because == "complete"

    many_ids, distances = docs.search_batch(vectors[:100], k=5)  # on all cores
    assert many_ids.shape == distances.shape == (100, 5)
    assert many_ids[:, 0].tolist() == list(range(100))

    try:  # an error says what is wrong and where
        docs.upsert([1000], np.zeros((1, 63)))
    except ft.DimensionMismatch as error:
        print(f"{error.got} numbers are refused: {error}")

    before = docs.snapshot()  # stays as it is, whatever is written meanwhile
    docs.delete([21, 22])
    assert (len(before), len(docs)) == (1000, 998)

with ft.open(path, mode="r") as db:  # any number of processes may read
    record = db["docs"].get(42)
    assert record is not None and record.payload == payloads[42]
    print(db["docs"].stats()["rows"], "rows")
