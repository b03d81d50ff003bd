"""A data set of ANN-benchmarks as a custom one of VectorDBBench: for machines that cannot download its own.

    python benches/vectordbbench/dataset.py DATA.hdf5 FOLDER

Reads from: `train`, `test`, `neighbors` of the file. Writes to: `train.parquet`, `test.parquet`, `neighbors.parquet` in the folder; to
standard output the options of `vectordbbench` that name it. Never: a vector changed.
"""

import argparse
import shlex
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_METRICS = {"angular": "COSINE", "euclidean": "L2"}


def _write(path: Path, column: str, rows: np.ndarray) -> None:
    count, width = rows.shape
    offsets = pa.array(np.arange(0, count * width + 1, width, dtype=np.int64))
    lists = pa.LargeListArray.from_arrays(offsets, pa.array(rows.reshape(-1)))
    pq.write_table(pa.table({"id": np.arange(count, dtype=np.int64), column: lists}), path)


def convert(data: Path, folder: Path) -> list[str]:
    """Writes the folder; the options that name it."""
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(data) as file:
        train, metric = np.asarray(file["train"], np.float32), _METRICS[file.attrs["distance"]]
        _write(folder / "train.parquet", "emb", train)
        _write(folder / "test.parquet", "emb", np.asarray(file["test"], np.float32))
        _write(folder / "neighbors.parquet", "neighbors_id", np.asarray(file["neighbors"], np.int64))
    named = {"dir": folder.resolve(), "size": len(train), "dim": train.shape[1], "metric-type": metric, "file-count": 1}
    options = ["--case-type", "PerformanceCustomDataset", "--custom-case-name", data.stem, "--custom-dataset-name", data.stem]
    for name, value in named.items():
        options += [f"--custom-dataset-{name}", str(value)]
    return [*options, "--skip-custom-dataset-use-shuffled", "--custom-dataset-with-gt"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    print(shlex.join(convert(given.data, given.folder)))


if __name__ == "__main__":
    main()
