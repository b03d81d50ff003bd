"""What the ready-made contracts have in common: opening, paths and lists of rows.

Reads from: a collection. Writes to: nothing; `opened` creates what is missing.
Never: an import of a framework.
"""

import os
import threading
from collections.abc import Callable
from os import PathLike
from typing import Any, Literal, cast

import numpy as np

import foretaste as ft

# Most hits of one search.
MOST = 100_000


class Lease:
    """A database that stores of this process have open together, as two retrievers of one pipeline do: the last one closes it."""

    _lock = threading.Lock()
    _open: dict[tuple[int, str, str], tuple[ft.Database, int]] = {}

    def __init__(self, path: str | PathLike[str], mode: Literal["rw", "r"]) -> None:
        # What a process that was forked from this one has of it, it cannot use.
        self._key = (os.getpid(), os.path.realpath(path), mode)
        with self._lock:
            database, others = self._open.get(self._key) or (ft.open(path, mode), 0)
            self._open[self._key] = (database, others + 1)
        self.database = database
        self._closed = False

    def close(self) -> None:
        """Closes it when nobody else has it. Closed again it does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            database, holders = self._open[self._key]
            if holders > 1:
                self._open[self._key] = (database, holders - 1)
                return
            del self._open[self._key]
            # With the lock, so that nobody opens it again before it is closed.
            database.close()

    @classmethod
    def _forked(cls) -> None:
        # Another thread may have had the lock when this process was forked.
        cls._lock = threading.Lock()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: Lease._forked())


def opened(
    path: str | PathLike[str], name: str, mode: Literal["rw", "r"], dim: Callable[[], int], schema: dict[str, Any]
) -> tuple[Lease, ft.Collection]:
    """A database and a collection in it, which is created when it is missing; `dim` is asked only then."""
    lease = Lease(path, mode)
    try:
        if name in lease.database or mode == "r":
            return lease, lease.database[name]
        given: int | None = schema.pop("dim", None)
        return lease, lease.database.create_collection(name, dim() if given is None else given, **schema)
    except BaseException:
        lease.close()
        raise


def member(*names: str) -> str:
    """The path to a member of documents, whatever characters the names are made of."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def both(first: dict[str, Any] | None, second: dict[str, Any] | None) -> dict[str, Any] | None:
    """What passes two filters, either of which may let everything through."""
    return {"and": [first, second]} if first and second else first or second


def nowhere(dim: int) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """A query for searches that list rows, whose order does not matter."""
    query = np.zeros(dim, np.float32)
    query[0] = 1
    return query


def nearest(
    view: ft.Snapshot | ft.Collection, query: Any, k: int, where: str | dict[str, Any] | None, options: dict[str, Any]
) -> ft.Answer:
    """A search with further arguments, of which type checkers know nothing."""
    if options.get("progressive"):
        raise TypeError("progressive=True is for `Collection.search` itself: here the whole answer is wanted")
    return cast(Callable[..., ft.Answer], view.search)(query, k, where, **options)


def matching(view: ft.Snapshot, where: dict[str, Any] | None, most: int = MOST) -> list[str]:
    """The ids of all rows that pass, in no order. All ids must be strs."""
    found = [str(id) for id in view.search(nowhere(view.schema.dim), most, where, exact=True).ids]
    if len(found) < most:
        return found
    # There may be more than one search gives: each half of the ids by itself.
    middle = sorted(found)[most // 2]
    lower = matching(view, both(where, {"$id": {"<": middle}}), most)
    return lower + matching(view, both(where, {"$id": {">=": middle}}), most)


def last_ones(ids: list[str]) -> list[int]:
    """The places of ids that are not given again later: what is written last counts."""
    return sorted({id: at for at, id in enumerate(ids)}.values())
