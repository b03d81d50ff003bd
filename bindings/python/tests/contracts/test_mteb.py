import ast
import importlib.util
import inspect
import math
from pathlib import Path

import numpy as np
import pytest

import foretaste as ft
from foretaste.integrations.mteb import ForetasteSearchIndex

DICE = np.random.default_rng(2)
CORPUS = DICE.normal(size=(300, 16)).astype(np.float32)
QUERIES = DICE.normal(size=(5, 16)).astype(np.float32)
IDS = [f"doc-{at}" for at in range(300)]


def similarities(metric):
    corpus, queries = CORPUS.astype(np.float64), QUERIES.astype(np.float64)
    if metric == "l2":
        return -np.linalg.norm(queries[:, None] - corpus[None], axis=2)
    if metric == "cosine":
        corpus = corpus / np.linalg.norm(corpus, axis=1, keepdims=True)
        queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    return queries @ corpus.T


def not_called(a, b):
    raise AssertionError("the metric is the collection's")


@pytest.fixture(params=["cosine", "dot", "l2"])
def filled(request):
    index = ForetasteSearchIndex(metric=request.param)
    index.add_documents(CORPUS[:100], IDS[:100])
    index.add_documents(CORPUS[100:], IDS[100:])
    yield index, similarities(request.param)
    index.close()


def test_the_whole_corpus(filled):
    index, truth = filled
    scores, places = index.search(QUERIES, 10, not_called)
    best = np.argsort(-truth, axis=1)[:, :10]
    assert np.array_equal(places, best)
    assert np.allclose(scores, np.take_along_axis(truth, best, 1), atol=1e-5)
    assert all(type(place) is int for row in places for place in row) and type(scores[0][0]) is float
    scores, places = index.search(QUERIES[:1], 1000, not_called)
    assert len(scores[0]) == len(places[0]) == 300


def test_documents_that_were_ranked_before(filled):
    index, truth = filled
    ranked = {"q0": ["doc-250", "doc-3", "doc-77"], "q2": ["doc-5"]}
    scores, places = index.search(QUERIES[:3], 2, not_called, ranked, {0: "q0", 1: "q1", 2: "q2"})
    of_first = truth[0, [250, 3, 77]]
    best = np.argsort(-of_first)[:2]
    # Places in the lists, not in the corpus.
    assert places == [best.tolist(), [], [0]]
    assert scores[0] == pytest.approx(of_first[best]) and scores[2] == pytest.approx([truth[2, 5]])
    with pytest.raises(ValueError, match="query_idx_to_id"):
        index.search(QUERIES, 2, not_called, ranked)


def test_it_begins_anew(filled):
    index, _ = filled
    index.clear()
    with pytest.raises(ValueError, match="no documents"):
        index.search(QUERIES, 2, not_called)
    index.add_documents(CORPUS[:, :8], IDS)
    assert index.search(QUERIES[:, :8], 1, not_called, {"q": ["doc-9"]}, {0: "q", **{at: "" for at in range(1, 5)}})[1][0] == [0]


def test_what_it_is_made_with(tmp_path):
    index = ForetasteSearchIndex(path=tmp_path / "t.ft", index="flat", schema={"levels": [8], "dtype": "f16"}, search={"dims": 8})
    index.add_documents(CORPUS, IDS)
    _, places = index.search(CORPUS[:4], 1, not_called)
    assert places == [[0], [1], [2], [3]]
    index.close()
    with ft.open(tmp_path / "t.ft", mode="r") as db:
        assert db["mteb"].schema.dtype == "f16" and len(db["mteb"]) == 300

    class Named:
        value = "euclidean"

    class Meta:
        similarity_fn_name = Named

    class Model:
        mteb_model_meta = Meta

    index = ForetasteSearchIndex(Model())
    assert index.metric == "l2"
    index.close()
    Named.value = "manhattan"
    with pytest.raises(ValueError, match="manhattan"):
        ForetasteSearchIndex(Model())


class Tensor:
    """As much of torch's as is asked for."""

    def __init__(self, numbers):
        self.numbers = numbers

    def detach(self):
        return self

    def cpu(self):
        return self

    def float(self):
        return self

    def numpy(self):
        return self.numbers


def test_tensors():
    index = ForetasteSearchIndex()
    index.add_documents(Tensor(CORPUS), IDS)
    assert index.search(Tensor(CORPUS[:2]), 1, not_called)[1] == [[0], [1]]
    index.close()


def test_the_protocol_is_that_of_mteb():
    # Importing mteb takes torch; its protocol can be read without.
    found = importlib.util.find_spec("mteb")
    if found is None or found.origin is None:
        pytest.skip("mteb is not installed: pip install --no-deps mteb is enough")
    path = Path(found.origin).parent / "models/search_encoder_index/search_backend_protocol.py"
    tree = ast.parse(path.read_text())
    protocol = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "IndexEncoderSearchProtocol")
    methods = [node for node in protocol.body if isinstance(node, ast.FunctionDef)]
    assert {node.name for node in methods} == {"add_documents", "search", "clear"}
    for node in methods:
        own = inspect.signature(getattr(ForetasteSearchIndex, node.name)).parameters.values()
        assert [p.name for p in own] == [a.arg for a in node.args.args]
        assert sum(p.default is not p.empty for p in own) == len(node.args.defaults)


def test_mteb_searches_with_it():
    pytest.importorskip("torch", reason="torch is not installed, which mteb needs: pip install mteb")
    pytest.importorskip("mteb", reason="mteb is not installed: pip install mteb")
    from datasets import Dataset
    from mteb.models import SearchEncoderWrapper
    from mteb.models.model_meta import ScoringFunction

    class Model:
        class mteb_model_meta:
            similarity_fn_name = ScoringFunction.COSINE

        def encode(self, inputs, **more):
            texts = [text for batch in inputs for text in batch["text"]]
            return np.array([(CORPUS if text.startswith("doc") else QUERIES)[int(text.split("-")[1])] for text in texts])

        def similarity(self, a, b):
            raise AssertionError("the index is asked")

    index = ForetasteSearchIndex(Model())
    wrapper = SearchEncoderWrapper(Model(), index_backend=index)
    import mteb

    task = mteb.get_task("NFCorpus").metadata
    asked = {"task_metadata": task, "hf_split": "test", "hf_subset": "default", "encode_kwargs": {"batch_size": 16}}
    corpus = Dataset.from_list([{"id": id, "text": id, "title": ""} for id in IDS])
    queries = Dataset.from_list([{"id": f"q{at}", "text": f"query-{at}"} for at in range(5)])
    truth = similarities("cosine")
    candidates = {f"q{at}": [IDS[place] for place in DICE.permutation(300)[:20]] for at in range(5)}
    for ranked in (None, candidates):
        wrapper.index(corpus, **asked)
        found = wrapper.search(queries, top_k=10, top_ranked=ranked, **asked)
        for at in range(5):
            among = np.arange(300) if ranked is None else np.array([IDS.index(id) for id in ranked[f"q{at}"]])
            best = among[np.argsort(-truth[at, among])][:10]
            assert set(found[f"q{at}"]) == {IDS[place] for place in best}
            assert all(math.isclose(found[f"q{at}"][IDS[place]], truth[at, place], abs_tol=1e-5) for place in best)
    index.close()
