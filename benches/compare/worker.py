"""One library in a process of its own: `build`, `first` or `serve`, told by its arguments and, when it serves, line by line.

    worker.py build|first|serve LIBRARY SET FOLDER CORE

Reads from: the set as `run.py` saved it, commands in JSON on its input. Writes to: the library's folder, answers in JSON on its
output. Never: a query timed on more than the one core, a recall computed while a query is timed.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from data import Set
from libraries import Library, make


def resident() -> float:
    return psutil.Process().memory_info().rss / 2**20


def pin(core: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def build(library: Library, given: Set, folder: Path) -> dict[str, Any]:
    start = time.perf_counter()
    library.build(given.rows, folder, os.cpu_count() or 1)
    seconds = time.perf_counter() - start
    return {"build_s": seconds, "disk_mb": sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 2**20}


def first(library: Library, given: Set, folder: Path) -> dict[str, Any]:
    """Opening and the first answer, as this process finds the files: the caller keeps them in the page cache, or has them out."""
    settings = library.settings()
    start = time.perf_counter()
    library.open(folder)
    library.set(settings[len(settings) // 2])
    library.search(given.queries[0], given.k)
    return {"open_first_ms": (time.perf_counter() - start) * 1e3}


def measure(library: Library, given: Set, setting: dict[str, int]) -> dict[str, Any]:
    library.set(setting)
    times, found = [], []
    for query in given.queries:
        start = time.perf_counter()
        ids = library.search(query, given.k)
        times.append(time.perf_counter() - start)
        found.append(np.array(ids))
    recall = float(np.mean([given.recall(i, ids) for i, ids in enumerate(found)]))
    p50, p99 = (float(np.percentile(times, p)) * 1e6 for p in (50, 99))
    return {"recall": recall, "qps": len(times) / sum(times), "p50_us": p50, "p99_us": p99, "resident_mb": resident()}


def settle(library: Library, given: Set, setting: dict[str, int]) -> dict[str, Any]:
    """For each query when which recall was there, in µs; the only revision of a library without any is its answer."""
    library.set(setting)
    seen = []
    for query in given.queries:
        start = time.perf_counter()
        seen.append([(time.perf_counter() - start, np.array(ids)) for ids in library.revisions(query, given.k)])
    return {"events": [[(at * 1e6, given.recall(i, ids)) for at, ids in query] for i, query in enumerate(seen)]}


def serve(library: Library, given: Set, folder: Path) -> None:
    before = resident()
    library.open(folder)
    library.tune()
    answer: dict[str, Any] = {"settings": library.settings(), "before_mb": before}
    print(json.dumps(answer), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        job = settle if command["do"] == "settle" else measure
        print(json.dumps(job(library, given, command["setting"])), flush=True)


def main() -> None:
    what, name, path, folder, core = sys.argv[1:]
    given = Set.saved(Path(path))
    library = make(name, given.metric, given.rows.shape[1])
    # What a library itself prints goes where it does not disturb the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout = answers
    if what == "build":
        print(json.dumps(build(library, given, Path(folder))))
        return
    pin(int(core))
    if what == "first":
        print(json.dumps(first(library, given, Path(folder))))
    else:
        serve(library, given, Path(folder))
    library.close()


if __name__ == "__main__":
    main()
