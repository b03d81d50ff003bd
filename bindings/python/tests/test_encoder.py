"""Token matrices as single vectors, found by a search and ordered by late interaction."""

import numpy as np
import pytest

import foretaste as ft

DICE = np.random.default_rng(3)


def matrix(tokens):
    numbers = DICE.normal(size=(tokens, 16))
    return (numbers / np.linalg.norm(numbers, axis=1, keepdims=True)).astype(np.float32)


MATRICES = [matrix(n % 6 + 1) for n in range(300)]


def maxsim(query, row):
    return (query @ row.T).max(1).sum()


def test_encodings_find_what_late_interaction_orders(db):
    encoder = ft.Encoder(16, bits=4, repetitions=40, project=None)
    vectors = encoder.rows(MATRICES)
    assert vectors.shape == (300, encoder.dim) == (300, 40 * 16 * 16) and vectors.dtype == np.float32
    encoder = ft.Encoder(16)
    vectors = encoder.rows(MATRICES)
    assert vectors.shape == (300, 2048) and encoder.token_dim == 16
    col = db.create_collection("docs", dim=encoder.dim, metric="dot", tokens=(16, "f32"))
    col.upsert(np.arange(300), vectors, tokens=MATRICES)
    found = 0
    for n in range(20):
        query = MATRICES[n][:3] + DICE.normal(scale=0.1, size=MATRICES[n][:3].shape).astype(np.float32)
        truth = max(range(300), key=lambda id: maxsim(query, MATRICES[id]))
        answer = col.search(encoder.query(query), k=1, rerank=ft.MaxSim(query, among=60))
        found += answer.ids[0] == truth
    assert found >= 17


def test_equal_arguments_give_equal_encodings():
    tokens = MATRICES[5]
    first, same, other = ft.Encoder(16, seed=3), ft.Encoder(16, seed=3), ft.Encoder(16, seed=4)
    assert np.array_equal(first.query(tokens), same.query(tokens.tolist()))
    assert np.array_equal(first.rows([tokens])[0], same.rows(np.stack([tokens, tokens]))[1])
    assert not np.array_equal(first.query(tokens), other.query(tokens))
    assert first.rows([]).shape == (0, 2048)
    assert repr(first) == "Encoder(16, bits=4, repetitions=20, project=2048, seed=3)"
    assert "project=None" in repr(ft.Encoder(16, project=None))


def test_what_cannot_be_encoded():
    for wrong in ({"repetitions": 0}, {"bits": 13}, {"project": 0}, {"project": 70_000}):
        with pytest.raises(ft.BadRequest, match="encoding"):
            ft.Encoder(16, **wrong)
    encoder = ft.Encoder(16)
    for wrong in (np.ones((2, 8)), np.ones((0, 16))):
        with pytest.raises(ft.BadRequest):
            encoder.query(wrong)
    with pytest.raises(ft.BadRequest, match="row 1"):
        encoder.rows([MATRICES[0], np.ones((0, 16), np.float32)])
    with pytest.raises(ft.NonFinite) as error:
        encoder.rows([MATRICES[0], MATRICES[5], np.full((2, 16), np.nan)])
    assert error.value.row == 2
    with pytest.raises(ValueError, match="shape"):
        encoder.query(np.ones(16))
