"""The client in VectorDBBench's own runners, on 3,000 rows: load, optimise, serial and concurrent search, filters, and the
streaming case; and a whole run of its command. From the repository's root: `python -m pytest -rs -p no:cacheprovider benches/vectordbbench`.

Reads from: vectors it makes. Writes to: pytest's temporary folder. Never: the package changed, a download, a claim about time.
"""

import importlib.util
import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

pytest.importorskip("vectordb_bench", reason="VectorDBBench is absent: pip install vectordb-bench")
pd = pytest.importorskip("pandas", reason="pandas is absent, which VectorDBBench's streaming case needs")

from vectordb_bench.backend.clients.api import MetricType  # noqa: E402
from vectordb_bench.backend.filter import LabelFilter, NewIntFilter, non_filter  # noqa: E402
from vectordb_bench.backend.runner.concurrent_runner import ConcurrentInsertRunner  # noqa: E402
from vectordb_bench.backend.runner.mp_runner import MultiProcessingSearchRunner  # noqa: E402
from vectordb_bench.backend.runner.read_write_runner import ReadWriteRunner  # noqa: E402
from vectordb_bench.backend.runner.serial_runner import SerialSearchRunner  # noqa: E402

from benches.vectordbbench.client import Foretaste  # noqa: E402
from benches.vectordbbench.config import ForetasteIndexConfig  # noqa: E402
from benches.vectordbbench.dataset import convert  # noqa: E402

ROWS, DIM, QUERIES, K = 3000, 32, 40, 10
LABELS = ["label_10p" if n % 10 == 0 else "label_90p" for n in range(ROWS)]


class Set:
    """As much of a `DatasetManager` as the runners ask for; a class of its own, as theirs read files."""

    class data:
        size, dim, train_id_field, train_vector_field = ROWS, DIM, "id", "emb"
        scalar_labels_file_separated = False

    def __init__(self):
        random = np.random.default_rng(7)
        self.rows = random.normal(size=(ROWS, DIM)).astype(np.float32)
        self.queries = random.normal(size=(QUERIES, DIM)).astype(np.float32)
        self.test_data = self.queries.tolist()
        self.gt_data = self.truth(np.ones(ROWS, bool))

    def truth(self, passes):
        cosines = self.queries @ (self.rows / np.linalg.norm(self.rows, axis=1, keepdims=True)).T
        cosines[:, ~passes] = -np.inf
        return np.argsort(-cosines, axis=1)[:, :K].tolist()

    def iter_batches(self, size):
        return Batches(self, size)

    def __iter__(self):
        return self.iter_batches(100)


class Batches:
    """No generator, as the runner gives it to another process before its first batch."""

    def __init__(self, given, size):
        self.given, self.size, self.at = given, size, 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.at >= ROWS:
            raise StopIteration
        numbers = range(self.at, min(ROWS, self.at + self.size))
        self.at = numbers.stop
        rows = list(self.given.rows[numbers.start : numbers.stop])
        return pd.DataFrame({"id": numbers, "emb": rows, "labels": [LABELS[n] for n in numbers]})


def client(path, **more):
    config = ForetasteIndexConfig(metric_type=MetricType.COSINE, ef=400)
    return Foretaste(DIM, {"path": str(path)}, config, drop_old=True, **more)


@pytest.fixture(scope="module")
def given():
    return Set()


@pytest.fixture(scope="module")
def loaded(given, tmp_path_factory):
    db = client(tmp_path_factory.mktemp("bench") / "bench.ft", with_scalar_labels=True)
    runner = ConcurrentInsertRunner(db, given, normalize=db.need_normalize_cosine(), with_scalar_labels=True, filters=label())
    assert runner.run() == ROWS
    with db.init():
        db.optimize(ROWS)
    return db


def label():
    return LabelFilter(label_percentage=0.1, label_field="labels")


def recall(db, given, truth, filters):
    runner = SerialSearchRunner(db, given.test_data, truth, k=K, filters=filters)
    return runner.run()[0][0]


def test_serial_search_finds_what_is_near(loaded, given):
    assert recall(loaded, given, given.gt_data, non_filter) >= 0.99


def test_filters_by_number_and_by_label(loaded, given):
    numbers = NewIntFilter(filter_rate=0.9, int_value=2700)
    assert loaded.filter_supported(numbers) and loaded.filter_supported(label())
    assert recall(loaded, given, given.truth(np.arange(ROWS) >= 2700), numbers) >= 0.99
    tenth = np.array([name == label().label_value for name in LABELS])
    assert 0 < tenth.sum() < ROWS
    assert recall(loaded, given, given.truth(tenth), label()) >= 0.99


@pytest.mark.parametrize("processes", [1, 4])
def test_concurrent_search_in_spawned_processes(loaded, given, processes):
    runner = MultiProcessingSearchRunner(loaded, given.test_data, k=K, concurrencies=[processes], duration=1)
    found = runner.run()
    assert found[0] > 0 and found[1] == [processes]


def test_many_readers_beside_a_writer(given, tmp_path):
    """The streaming case: searches in other processes while rows come in; at its end they see them all."""
    db = client(tmp_path / "stream.ft")
    runner = ReadWriteRunner(db, given, insert_rate=500, k=K, concurrencies=[4], search_stages=[0.3], read_dur_after_write=1)
    metric = runner.run_read_write()
    assert metric.st_search_stage_list == [30, 100, 110], metric
    assert metric.st_conc_failed_rate_list[-2:] == [0, 0]
    assert min(metric.st_recall_list[-2:]) >= 0.99


def test_handles_stay_in_their_process(loaded):
    import pickle

    with loaded.init():
        loaded.prepare_filter(non_filter)
        other = pickle.loads(pickle.dumps(loaded))
    assert other._db is None and other._rows is None
    with pytest.raises(RuntimeError, match="outside of init"):
        other.search_embedding([0.5] * DIM, 1)


@pytest.mark.skipif(
    importlib.util.find_spec("vectordb_bench.backend.clients.foretaste") is None, reason="the client is not installed: install.py"
)
def test_a_whole_run_of_the_command(given, tmp_path):
    with h5py.File(tmp_path / "small.hdf5", "w") as file:
        file.attrs["distance"] = "angular"
        file["train"], file["test"], file["neighbors"] = given.rows, given.queries, np.array(given.gt_data, np.int32)
    options = convert(tmp_path / "small.hdf5", tmp_path / "small")
    searches = ["--k", str(K), "--ef", "400", "--num-concurrency", "1,2", "--concurrency-duration", "1", "--serial-cooldown", "0"]
    command = [sys.executable, "-m", "vectordb_bench.cli.vectordbbench", "foretaste", "--path", str(tmp_path / "bench.ft")]
    told = os.environ | {"RESULTS_LOCAL_DIR": str(tmp_path / "results")}
    done = subprocess.run([*command, *options, *searches], cwd=tmp_path, env=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (result,) = (tmp_path / "results").rglob("result_*.json")
    (metrics,) = (each["metrics"] for each in json.loads(result.read_text())["results"])
    assert metrics["recall"] >= 0.99
    assert metrics["conc_num_list"] == [1, 2] and min(metrics["conc_qps_list"]) > 0
