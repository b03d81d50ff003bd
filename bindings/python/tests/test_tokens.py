import numpy as np
import pytest

import foretaste as ft


@pytest.fixture
def matrices():
    dice = np.random.default_rng(3)
    # Of no token to many, and none for one row.
    return [dice.integers(-50, 50, size=(n, 4)).astype(np.float32) for n in range(6)] + [None]


def write(db, matrices, dtype="f16"):
    col = db.create_collection("docs", dim=2, metric="l2", tokens=(4, dtype))
    col.upsert(np.arange(len(matrices)), np.ones((len(matrices), 2)), tokens=matrices)
    return col


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16", "i8"])
def test_token_matrices_are_read_back(tmp_path, matrices, dtype):
    with ft.open(tmp_path / "t.ft") as db:
        write(db, matrices, dtype).flush()
        assert db["docs"].stats()["tokens"] == f"4 x {dtype}"
    with ft.open(tmp_path / "t.ft", mode="r") as db:
        for record, given in zip(db["docs"].get(range(len(matrices))), matrices, strict=True):
            if given is None or len(given) == 0:
                assert record.tokens is None
            else:
                assert record.tokens.dtype == np.float32
                assert np.array_equal(record.tokens, given)


def test_token_matrices_come_in_many_forms(db):
    given = np.arange(12, dtype=np.float32).reshape(3, 4)
    forms = [given, np.asfortranarray(given), given.astype(np.float64), given.tolist(), np.repeat(given, 2, axis=0)[::2]]
    col = write(db, forms)
    assert all(np.array_equal(record.tokens, given) for record in col.get(range(len(forms))))
    for all_at_once in (np.stack([given] * 3), tuple([given] * 3), (given for _ in range(3))):
        col.delete(range(5))
        col.upsert(range(3), np.ones((3, 2)), tokens=all_at_once)
        assert all(np.array_equal(record.tokens, given) for record in col)
    col.upsert([0, 1], np.ones((2, 2)), tokens=[[], np.empty((0, 4))])
    assert col.get(0).tokens is col.get(1).tokens is None


def test_the_schema_says_what_tokens_are(db):
    assert db.create_collection("plain", dim=2).schema.tokens is None
    assert db.create_collection("usual", dim=2, tokens=4).schema.tokens == (4, "f16")
    assert db.create_collection("small", dim=2, tokens=(128, "i8")).schema.tokens == (128, "i8")


def test_token_matrices_that_do_not_fit_are_refused(db):
    col = write(db, [np.ones((2, 4))])
    bad = np.ones((2, 4))
    bad[1, 3] = np.nan
    with pytest.raises(ft.BadTokens, match="number 3 of token 1") as caught:
        col.upsert([1, 2], np.ones((2, 2)), tokens=[None, bad])
    assert caught.value.row == 1
    # As many numbers as two tokens of four.
    with pytest.raises(ft.BadTokens, match="tokens of 2 numbers given, 4 expected"):
        col.upsert([1], np.ones((1, 2)), tokens=[np.ones((4, 2))])
    with pytest.raises(ValueError, match="one an id"):
        col.upsert([1], np.ones((1, 2)), tokens=[None, None])
    for wrong in (np.ones(4), np.ones((2, 2, 4)), [[1, 2, 3, 4], [5, 6]], [["a"] * 4]):
        with pytest.raises(ft.BadTokens, match=r"row 1 \(id b\)") as caught:
            col.upsert([1, "b"], np.ones((2, 2)), tokens=[None, wrong])
        assert caught.value.row == 1
    plain = db.create_collection("plain", dim=2)
    with pytest.raises(ft.BadTokens, match="keeps no token matrices"):
        plain.upsert([1], np.ones((1, 2)), tokens=[np.ones((1, 4))])
    with pytest.raises(ValueError, match="dtype of tokens"):
        db.create_collection("c", dim=2, tokens=(4, "f8"))
    for wrong in ("f16", 4.5, (4, 5), (4,), [4, "f16"]):
        with pytest.raises((TypeError, ValueError)):
            db.create_collection("c", dim=2, tokens=wrong)
    for wrong in (0, (0, "f32"), (2**20, "f16")):
        with pytest.raises(ft.BadRequest):
            db.create_collection("c", dim=2, tokens=wrong)
    assert len(col) == 1 and len(plain) == 0
