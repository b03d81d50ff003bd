import numpy as np
import pytest

import foretaste as ft


@pytest.fixture
def db(tmp_path):
    with ft.open(tmp_path / "t.ft") as db:
        yield db


@pytest.fixture
def rows():
    return np.random.default_rng(1).normal(size=(500, 8)).astype(np.float32)


@pytest.fixture
def col(db, rows):
    col = db.create_collection("docs", dim=8, metric="l2", levels=[4, 8], columns={"n": "int"})
    payloads = [{"n": i, "even": i % 2 == 0} for i in range(len(rows))]
    col.upsert(np.arange(len(rows)), rows, payloads=payloads)
    return col
