"""Libraries side by side on one data set: one process a library, pinned to one core, in rounds that take turns.

    python benches/compare/run.py DATA.hdf5 --out FOLDER [--libraries "foretaste*,hnswlib"] [--rounds 5] [--rows N] [--queries N]

Everyone is built in a process that ends, then opened anew. The first round touches every page and is not measured. Opening with
the first query is timed in fresh processes, twice: with the files in the page cache, and after they were put out of it.

Reads from: the data set. Writes to: `result.json`, two plots and `index.html` in the folder; the indexes in a temporary one.
Never: a figure of a library itself taken over; two libraries measured at once.
"""

import argparse
import fnmatch
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import report
from data import Set
from figures import summary
from libraries import LIBRARIES

HERE = Path(__file__).parent


class Lane:
    """One library's process that serves, and what came out of it."""

    def __init__(self, name: str, python: str, given: Path, folder: Path, core: int):
        self.name, self.folder = name, folder
        self.command = [python, str(HERE / "worker.py")]
        self.where = [name, str(given), str(folder), str(core)]
        self.process: subprocess.Popen[str] | None = None
        self.measured: dict[str, list[dict[str, Any]]] = {}

    def once(self, what: str) -> dict[str, Any]:
        done = subprocess.run([*self.command, what, *self.where], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError((done.stderr.strip().splitlines() or ["no word"])[-1])
        return json.loads(done.stdout)

    def start(self) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([*self.command, "serve", *self.where], text=True, **pipes)
        hello = self._read()
        self.settings, self.before_mb = hello["settings"], hello["before_mb"]

    def ask(self, what: str, setting: dict[str, int]) -> dict[str, Any]:
        self.process.stdin.write(json.dumps({"do": what, "setting": setting}) + "\n")
        self.process.stdin.flush()
        return self._read()

    def stop(self) -> None:
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()

    def _read(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"its process ended with {self.process.wait()}")
        return json.loads(line)


def evict(folder: Path) -> None:
    """The files out of the page cache, as far as the system does what it is asked."""
    for file in folder.rglob("*"):
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def first(lane: Lane, times: int, cold: bool) -> float:
    found = []
    for _ in range(times):
        if cold:
            evict(lane.folder)
        found.append(lane.once("first")["open_first_ms"])
    return sorted(found)[len(found) // 2]


def compare(lanes: list[Lane], rounds: int) -> list[dict[str, Any]]:
    results, alive = [], []
    for lane in lanes:
        try:
            one = {"name": lane.name, **lane.once("build")}
            # The first process after a build warms; it is not measured.
            lane.once("first")
            one["open_first_ms"], one["open_first_cold_ms"] = first(lane, 3, False), first(lane, 3, True)
            lane.start()
        except RuntimeError as error:
            print(f"{lane.name}: left out, {error}", flush=True)
            lane.stop()
            continue
        print(f"{lane.name}: built in {one['build_s']:.1f} s", flush=True)
        results.append(one)
        alive.append(lane)
    for round in range(rounds + 1):
        for lane in random.sample(alive, len(alive)):
            for setting in lane.settings:
                figures = lane.ask("measure", setting)
                if round > 0:
                    lane.measured.setdefault(json.dumps(setting), []).append(figures)
        print(f"round {round} of {rounds}" + (", not measured" if round == 0 else ""), flush=True)
    for lane, one in zip(alive, results, strict=True):
        one.update(summary(lane.measured, lane.before_mb))
        one["over_time"] = [{"setting": s, **lane.ask("settle", s)} for s in one.pop("watched")]
        lane.stop()
    return results


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--libraries", default="*", help="names, or patterns, with commas between them")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--core", type=int, default=(os.cpu_count() or 1) - 1)
    parser.add_argument("--python", action="append", default=[], metavar="PATTERN=PATH", help="another interpreter for some")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    patterns = [pattern.strip() for pattern in args.libraries.split(",")]
    names = [name for name in LIBRARIES if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    if not names:
        sys.exit(f"no library is called that; there are {', '.join(LIBRARIES)}")
    interpreters = [given.split("=", 1) for given in args.python]
    args.out.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="compare-"))
    lanes: list[Lane] = []
    try:
        given = Set.load(args.data, args.rows, args.queries, args.k)
        given.save(scratch / "set.npz")
        for number, name in enumerate(names):
            folder = scratch / str(number)
            folder.mkdir()
            python = next((path for pattern, path in interpreters if fnmatch.fnmatch(name, pattern)), sys.executable)
            lanes.append(Lane(name, python, scratch / "set.npz", folder, args.core))
        results = compare(lanes, args.rounds)
    finally:
        for lane in lanes:
            lane.stop()
        shutil.rmtree(scratch, ignore_errors=True)
    about = {"data": Path(args.data).stem, "rows": len(given.rows), "dim": given.rows.shape[1], "metric": given.metric}
    about |= {"queries": len(given.queries), "k": args.k, "rounds": args.rounds, "machine": platform.processor() or platform.machine()}
    result = {"about": about, "libraries": results}
    (args.out / "result.json").write_text(json.dumps(result, indent=1))
    report.write(result, args.out)
    print(f"written: {args.out / 'index.html'}")


if __name__ == "__main__":
    main()
