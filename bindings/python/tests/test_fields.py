"""Several vectors a row: written in every form, found by field, fused, and given back."""

import json

import numpy as np
import pytest

import foretaste as ft

ROWS = 60


def noise(rows, dim, seed):
    return np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)


@pytest.fixture
def shop(db):
    return db.create_collection(
        "shop",
        dim=4,
        metric="l2",
        text="words",
        columns={"n": "int"},
        fields={
            "image": {"dim": 3, "metric": "cosine"},
            "sound": {"dim": 6, "metric": "l2", "levels": [2], "variance": "diagonal", "dtype": "f16", "rotation": "none"},
        },
    )


@pytest.fixture
def filled(shop):
    own, image, sound = noise(ROWS, 4, 1), noise(ROWS, 3, 2), noise(ROWS, 6, 3)
    payloads = [{"n": n, "words": "red fox" if n % 5 == 0 else "owl"} for n in range(ROWS)]
    some = [vector if n % 3 else None for n, vector in enumerate(sound)]
    shop.upsert(
        np.arange(ROWS), own, payloads, fields={"image": image, "sound": some}, field_variances={"sound": np.abs(sound)}
    )
    return shop, own, image, sound


def nearest(distances, k):
    return np.argsort(distances, kind="stable")[:k]


def cosine(rows, q):
    rows, q = rows.astype(np.float64), np.asarray(q, np.float64)
    return 1 - rows @ q / np.linalg.norm(rows, axis=1) / np.linalg.norm(q)


def test_the_fields_are_as_they_were_asked_for(shop):
    fields = shop.vector_fields
    assert sorted(fields) == ["image", "sound"]
    image, sound = fields["image"], fields["sound"]
    assert (image.dim, image.metric, image.levels, image.dtype, image.variance) == (3, "cosine", [3], "f32", None)
    assert (sound.dim, sound.metric, sound.levels, sound.dtype) == (6, "l2", [2, 6], "f16")
    assert (sound.variance, sound.rotation) == ("diagonal", "none")
    assert shop.stats()["fields"][0]["name"] == "image"


@pytest.mark.parametrize("sealed", [False, True])
def test_a_field_is_searched_by_its_own_vectors(filled, sealed):
    shop, _, image, sound = filled
    if sealed:
        shop.flush()
    q = [0.3, -0.2, 0.9]
    distances = cosine(image, q)
    for col in (shop, shop.snapshot()):
        answer = col.search(q, k=7, field="image")
        assert np.array_equal(answer.ids, nearest(distances, 7))
        assert np.allclose(answer.distances, np.sort(distances)[:7], atol=1e-6)
        ids, far = col.search_batch([q, image[4]], k=7, threads=2, field="image")
        assert np.array_equal(ids[0], answer.ids) and np.allclose(far[0], answer.distances) and ids[1, 0] == 4
        revisions = list(col.search(q, k=7, field="image", progressive=True))
        assert np.array_equal(revisions[-1].ids, answer.ids)
    odd = shop.search(q, k=ROWS, field="image", where="n >= 30")
    assert set(odd.ids) == set(range(30, ROWS)) and odd[0].payload["n"] == odd[0].id
    # Rows without a vector there are not found, and a level is a level of the field.
    answer = shop.search(sound[1], k=ROWS, field="sound", dims=2)
    assert set(answer.ids) == {n for n in range(ROWS) if n % 3}
    assert answer.ids[0] == 1 and answer[0].uncertainty == pytest.approx(float(np.abs(sound[1][:2]).sum()), rel=1e-2)
    ranked = shop.search(sound[1], k=5, field="sound", rerank=ft.Csd(1.0))
    assert len(ranked) == 5


def test_rows_give_their_fields_back(filled):
    shop, _, image, sound = filled
    for record in (shop.get(4), shop.snapshot().get(4), list(shop)[4]):
        assert sorted(record.fields) == ["image", "sound"]
        assert np.array_equal(record.fields["image"], image[4]) and record.fields["image"].dtype == np.float32
        assert np.allclose(record.fields["sound"], sound[4], atol=2e-3)
    assert list(shop.get(3).fields) == ["image"]
    record = shop.get(4)
    record.fields.clear()
    assert len(record.fields) == 2


def test_a_row_written_without_a_vector_has_none_there(filled):
    shop, own, image, _ = filled
    shop.upsert([4], own[4:5])
    assert shop.get(4).fields == {}
    assert 4 not in shop.search(image[4], k=ROWS, field="image").ids
    shop.delete(5)
    assert 5 not in shop.search(image[5], k=ROWS, field="image").ids
    assert shop.stats()["fields"][0]["rows"] == ROWS - 2


def test_batches_take_fields_too(shop):
    own, image, sound = noise(4, 4, 1), noise(4, 3, 2), noise(4, 6, 3)
    with shop.batch() as batch:
        batch.upsert([0, 1], own[:2], fields={"image": image[:2].tolist()})
        # Of any levels, and a variance for those that have one.
        batch.upsert(
            [2, 3], own[2:], fields={"sound": [sound[2], sound[3][:2]]}, field_variances={"sound": [None, [0.5, 0.25]]}
        )
    assert np.array_equal(shop.get(1).fields["image"], image[1])
    assert shop.get(3).fields["sound"].shape == (2,) and shop.get(2).fields["sound"].shape == (6,)
    hits = shop.search(sound[3], k=2, field="sound", dims=2)
    assert {hit.id: hit.uncertainty for hit in hits} == {2: 0.0, 3: 0.75}
    objects = np.empty(2, object)
    objects[0] = image[0]
    shop.upsert([0, 1], own[:2], fields={"image": objects})
    assert shop.get(1).fields == {} and np.array_equal(shop.get(0).fields["image"], image[0])


def test_lists_of_fields_and_words_are_fused(filled):
    shop, own, image, _ = filled
    lists = [(1.0, shop.search(own[0], k=30).ids), (2.0, shop.search(image[1], k=30, field="image").ids)]
    lists.append((0.5, shop.search_text("words", "fox", k=30).ids))
    scores = {}
    for weight, ids in lists:
        for rank, id in enumerate(ids, 1):
            scores[id] = scores.get(id, 0.0) + weight / (60 + rank)
    stage = ft.Fuse("rrf", depth=30).field("image", image[1], 2.0).text("words", "fox", weight=0.5)
    assert '.field("image", <3 numbers>, weight=2.0).text(' in repr(stage)
    for col in (shop, shop.snapshot()):
        answer = col.search(own[0], k=10, rerank=stage)
        assert np.allclose(answer.scores, sorted(scores.values(), reverse=True)[:10])
        assert np.allclose([scores[id] for id in answer.ids], answer.scores)


def test_fields_are_there_after_opening_again_and_for_readers(tmp_path):
    image = noise(20, 3, 2)
    with ft.open(tmp_path / "f.ft") as db:
        shop = db.create_collection("shop", 2, "l2", fields={"image": {"dim": 3}})
        shop.upsert(np.arange(20), noise(20, 2, 1), fields={"image": image})
        assert db.collections() == ["shop"]
    with ft.open(tmp_path / "f.ft", mode="r") as reader:
        shop = reader["shop"]
        assert shop.search(image[7], k=1, field="image").ids[0] == 7
        assert json.dumps(shop.stats()["fields"]) and shop.vector_fields["image"].dim == 3
    assert ft.check(tmp_path / "f.ft")["sound"]


def test_what_a_field_cannot_be(db, shop):
    with pytest.raises(TypeError, match="has dim, metric, .*not 'size'|has dim, metric.*not \"size\""):
        db.create_collection("x", 2, fields={"f": {"dim": 2, "size": 3}})
    with pytest.raises(TypeError, match="has no dim"):
        db.create_collection("x", 2, fields={"f": {"metric": "l2"}})
    with pytest.raises(TypeError, match="is a dict of dim"):
        db.create_collection("x", 2, fields={"f": 2})
    with pytest.raises(ValueError, match="dtype is one of"):
        db.create_collection("x", 2, fields={"f": {"dim": 2, "dtype": "f8"}})
    with pytest.raises(ft.BadRequest, match="at least one character"):
        db.create_collection("x", 2, fields={"": {"dim": 2}})
    with pytest.raises(ft.LimitExceeded):
        db.create_collection("x", 2, fields={f"f{n}": {"dim": 2} for n in range(1000)})
    assert db.collections() == ["shop"]


def test_what_cannot_be_written_or_asked(filled):
    shop, own, image, sound = filled
    ids, two = [100, 101], own[:2]
    with pytest.raises(ft.NotFound, match="vector field `movie`"):
        shop.upsert(ids, two, fields={"movie": image[:2]})
    with pytest.raises(ft.NotFound, match="movie.*image, sound"):
        shop.search(own[0], field="movie")
    with pytest.raises(ft.NotFound, match="movie"):
        shop.search(own[0], rerank=ft.Fuse().field("movie", image[0]))
    with pytest.raises(ft.DimensionMismatch) as caught:
        shop.upsert(ids, two, fields={"image": [None, sound[0]]})
    assert (caught.value.row, caught.value.got) == (1, 6)
    with pytest.raises(ft.DimensionMismatch):
        shop.search(own[0], field="image")
    with pytest.raises(ft.ZeroVector):
        shop.upsert(ids, two, fields={"image": np.zeros((2, 3))})
    with pytest.raises(ft.BadVariance):
        shop.upsert(ids, two, fields={"image": image[:2]}, field_variances={"image": image[:2]})
    with pytest.raises(ValueError, match="2 rows and 3 vectors of field \"image\""):
        shop.upsert(ids, two, fields={"image": image[:3]})
    with pytest.raises(ValueError, match="2 rows and 1 variances"):
        shop.upsert(ids, two, fields={"sound": sound[:2]}, field_variances={"sound": [None]})
    with pytest.raises(ValueError, match="fields has no vectors for it"):
        shop.upsert(ids, two, field_variances={"sound": sound[:2]})
    with pytest.raises(ValueError, match="row 1: it is an array of one dimension"):
        shop.upsert(ids, two, fields={"image": [image[0], image]})
    with pytest.raises(ValueError, match="row 0"):
        shop.upsert(ids, two, fields={"image": ["what", None]})
    with pytest.raises(ValueError, match="field and space"):
        shop.search(image[0], field="image", space="m@1")
    assert len(shop) == ROWS and 100 not in shop
