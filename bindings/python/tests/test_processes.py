"""Many processes: readers that were spawned beside a writer, and forks of a writer and of a reader."""

import multiprocessing
import os
import signal
import sys
import threading
import traceback

import numpy as np
import pytest

import foretaste as ft

READERS = 8
COMMITS = 40
ROWS = 25


def follow(path, ready, results):
    """Reads until it has seen the last commit. Each commit writes all rows anew with its own number."""
    try:
        with ft.open(path, mode="r") as db:
            col, seen = db["c"], []
            ready.wait(60)
            while not seen or seen[-1] < COMMITS:
                db.refresh()
                snapshot = col.snapshot()
                numbers = {int(record.vector[0]) for record in snapshot}
                assert len(numbers) == 1 and len(snapshot) == ROWS, numbers
                (number,) = numbers
                answer = snapshot.search([number, 0.0], k=ROWS, where=f"n = {number}")
                assert len(answer) == ROWS and (answer.distances == 0).all()
                assert [hit.payload["n"] for hit in answer] == [number] * ROWS
                if not seen or number != seen[-1]:
                    seen.append(number)
        results.put((os.getpid(), seen))
    except BaseException:
        results.put((os.getpid(), traceback.format_exc()))
        raise


def write(col, number):
    vectors = np.zeros((ROWS, 2), np.float32)
    vectors[:, 0] = number
    col.upsert(np.arange(ROWS), vectors, payloads=[{"n": number}] * ROWS)


def test_spawned_readers_follow_one_writer(tmp_path):
    path = tmp_path / "t.ft"
    context = multiprocessing.get_context("spawn")
    ready, results = context.Barrier(READERS + 1), context.Queue()
    with ft.open(path) as db:
        col = db.create_collection("c", dim=2, metric="l2", columns={"n": "int"})
        write(col, 0)
        readers = [context.Process(target=follow, args=(path, ready, results)) for _ in range(READERS)]
        for reader in readers:
            reader.start()
        try:
            ready.wait(60)
            for number in range(1, COMMITS + 1):
                write(col, number)
                if number % 7 == 0:
                    col.flush()
                if number % 15 == 0:
                    db.compact()
            seen = dict(results.get(timeout=120) for _ in readers)
        finally:
            for reader in readers:
                reader.join(30)
                reader.kill()
    assert len(seen) == READERS
    for numbers in seen.values():
        assert isinstance(numbers, list), numbers
        assert numbers == sorted(numbers) and numbers[-1] == COMMITS
    assert [reader.exitcode for reader in readers] == [0] * READERS


def in_fork(work):
    """Runs `work` in a fork of this process, and gives what it returned as text, or what it raised."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(out)
            # What hangs fails.
            signal.alarm(60)
            try:
                said = repr(work())
            except BaseException:
                said = traceback.format_exc()
            os.write(into, said.encode())
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(out) as file:
        said = file.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, (status, said)
    return said


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
quiet = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@needs_fork
@quiet
def test_a_fork_of_a_writer_is_refused_and_takes_nothing_away(tmp_path):
    path = tmp_path / "t.ft"
    db = ft.open(path)
    col = db.create_collection("c", dim=2, metric="l2", columns={"n": "int"})
    write(col, 1)
    col.flush()
    write(col, 2)
    batch, snapshot, answer = col.batch(), col.snapshot(), col.search([2.0, 0.0])
    batch.upsert([1000], [[5.0, 5.0]])
    parent = os.getpid()

    def use():
        told = []
        for name, wrong in {
            "len": lambda: len(col),
            "search": lambda: col.search([1.0, 0.0]),
            "batch search": lambda: col.search_batch([[1.0, 0.0]]),
            "text": lambda: col.search_text("t", "x"),
            "get": lambda: col.get(1),
            "scan": lambda: list(col),
            "snapshot": col.snapshot,
            "upsert": lambda: write(col, 3),
            "delete": lambda: col.delete(1),
            "new batch": col.batch,
            "batch": lambda: batch.upsert([7], [[0.0, 0.0]]),
            "commit": batch.commit,
            "flush": col.flush,
            "compact": db.compact,
            "optimize": col.optimize,
            "schema": lambda: col.schema,
            "names": db.collections,
            "open": lambda: db["c"],
            "create": lambda: db.create_collection("d", dim=2),
            "drop": lambda: db.drop_collection("c"),
            "refresh": db.refresh,
            "stats": col.stats,
            "path": lambda: db.path,
        }.items():
            try:
                wrong()
                told.append(f"{name} was not refused")
            except ft.Forked as error:
                if error.pid != parent or str(parent) not in str(error):
                    told.append(f"{name}: {error}")
        # What was found before can be read.
        assert len(snapshot) == ROWS and snapshot.get(3).payload == {"n": 2} == answer[0].payload
        assert snapshot.search([2.0, 0.0], k=1).distances[0] == 0
        # A second writer is refused as in any process, and a reader of its own is not.
        try:
            ft.open(path)
            told.append("opened")
        except ft.Locked as error:
            assert error.pid == parent
        with ft.open(path, mode="r") as reader:
            assert len(reader["c"]) == ROWS
        assert "closed" in repr(col) or "Collection" in repr(col)
        db.close()
        db.close()
        with db:
            pass
        return told

    assert in_fork(use) == "[]"

    def drop():
        nonlocal db, col, batch, snapshot, answer
        del db, col, batch, snapshot, answer

    assert in_fork(drop) == "None"
    # The parent goes on: it has its threads, its lock and its files.
    batch.commit()
    write(col, 4)
    db.compact()
    assert len(col) == ROWS + 1 and snapshot.get(3).payload == {"n": 2} and col.get(3).payload == {"n": 4}
    with pytest.raises(ft.Locked):
        ft.open(path)
    db.close()
    assert ft.check(path)["sound"]
    with ft.open(path) as again:
        assert len(again["c"]) == ROWS + 1 and 7 in again["c"] and 1000 in again["c"]


@needs_fork
@quiet
def test_a_fork_of_a_busy_writer_ends(tmp_path):
    """Other threads hold the database's locks when the process is forked: the child must not wait for them."""
    with ft.open(tmp_path / "t.ft") as db:
        col = db.create_collection("c", dim=2, metric="l2", columns={"n": "int"})
        write(col, 0)
        stop, failures = threading.Event(), []

        def work(step):
            try:
                number = 0
                while not stop.is_set():
                    number += 1
                    step(number)
            except BaseException:
                failures.append(traceback.format_exc())

        steps = (lambda n: write(col, n), lambda n: col.search([0.0, 0.0]), lambda n: db.flush(), lambda n: db.stats())
        threads = [threading.Thread(target=work, args=(step,)) for step in steps]
        for thread in threads:
            thread.start()

        def use():
            try:
                with db:
                    col.search([0.0, 0.0])
            except ft.Forked:
                return "refused"

        try:
            said = [in_fork(use) for _ in range(10)]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert said == ["'refused'"] * 10 and failures == []
    assert ft.check(tmp_path / "t.ft")["sound"]


@needs_fork
@quiet
def test_a_fork_that_ends_as_any_program_does(tmp_path):
    """The interpreter of the child ends in the usual way, and takes all its objects down."""
    code = """
import os, sys, foretaste as ft
db = ft.open(sys.argv[1])
col = db.create_collection("c", dim=1, metric="l2")
col.upsert(range(100), [[i] for i in range(100)])
batch = col.batch()
child = os.fork()
if child == 0:
    del col
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
col.upsert([100], [[100]])
db.flush()
assert len(col) == 101 and col.search([100], k=1).ids[0] == 100
db.close()
print(len(ft.open(sys.argv[1])["c"]))
"""
    import subprocess

    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "t.ft")], capture_output=True, text=True, timeout=120
    )
    assert ran.stdout.strip() == "101", ran.stderr


@needs_fork
@quiet
def test_a_fork_of_a_reader_reads_on(tmp_path):
    path = tmp_path / "t.ft"
    with ft.open(path) as writer:
        col = writer.create_collection("c", dim=2, metric="l2", columns={"n": "int"})
        write(col, 1)
        writer.flush()
        with ft.open(path, mode="r") as reader:
            shown = reader["c"]
            write(col, 2)

            def read():
                before = shown.get(0).payload["n"]
                reader.refresh()
                after = {record.payload["n"] for record in shown}
                found = shown.search([2.0, 0.0], k=ROWS).distances.sum()
                reader.close()
                return before, after, float(found)

            assert in_fork(read) == "(1, {2}, 0.0)"
            writer.compact()
            assert shown.get(0).payload["n"] == 1
            reader.refresh()
            assert shown.get(0).payload["n"] == 2
