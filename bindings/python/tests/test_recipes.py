"""What a model's own output needs before it is cut."""

import numpy as np
import pytest

import foretaste as ft


def layer_norm(x):
    x = x.astype(np.float64)
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)


@pytest.fixture
def outputs():
    return np.random.default_rng(2).normal(1.0, 3.0, size=(300, 24)).astype(np.float32)


def test_a_models_own_output_is_transformed_and_cut(tmp_path, outputs):
    whole = layer_norm(outputs)
    with ft.open(tmp_path / "t.ft") as db:
        col = db.create_collection("docs", dim=16, levels=[8], metric="l2", recipe=("layer_norm", 24))
        col.upsert(np.arange(300), outputs)
        assert np.allclose(col.get(3).vector, whole[3, :16], atol=1e-5)
    with ft.open(tmp_path / "t.ft", mode="r") as db:
        col = db["docs"]
        assert col.schema.recipe == ("layer_norm", 24)
        distances = ((whole[:, :16] - whole[5, :16]) ** 2).sum(1)
        best = np.argsort(distances)[:10]
        answer = col.search(outputs[5])
        assert np.array_equal(answer.ids, best) and np.allclose(answer.distances, np.sqrt(distances[best]), atol=1e-3)
        # Vectors of the stored length are taken as they are.
        assert np.array_equal(col.search(whole[5, :16]).ids, best)
        assert np.array_equal(col.search_batch(outputs[[5, 5]])[0], [best, best])
        with pytest.raises(ft.DimensionMismatch):
            col.search(outputs[5, :20])


def test_fields_and_other_models_have_recipes_of_their_own(db, outputs):
    whole = layer_norm(outputs)
    field = {"dim": 8, "metric": "l2", "recipe": ("layer_norm", 24)}
    col = db.create_collection("docs", dim=24, space="a@1", fields={"image": field})
    col.upsert(np.arange(300), outputs, fields={"image": outputs})
    assert col.schema.recipe is None and col.vector_fields["image"].recipe == ("layer_norm", 24)
    assert np.allclose(col.get(3).fields["image"], whole[3, :8], atol=1e-5)
    assert list(col.search(outputs[3], k=1, field="image").ids) == [3]
    change = col.begin_change(dim=8, metric="l2", space="b@1", recipe=("layer_norm", 24))
    assert change.schema.recipe == ("layer_norm", 24)
    change.run(lambda rows: outputs[rows.ids])
    col = change.flip()
    assert col.schema.recipe == ("layer_norm", 24) and np.allclose(col.get(3).vector, whole[3, :8], atol=1e-5)


def test_what_a_recipe_cannot_be(db):
    with pytest.raises(ValueError, match="layer_norm"):
        db.create_collection("docs", dim=8, recipe=("whiten", 8))
    with pytest.raises(ft.BadRequest, match="fewer than the 8"):
        db.create_collection("docs", dim=8, recipe=("layer_norm", 4))
    with pytest.raises(TypeError):
        db.create_collection("docs", dim=8, recipe="layer_norm")
    plain = db.create_collection("docs", dim=8, recipe=("none", 16))
    assert plain.schema.recipe is None
