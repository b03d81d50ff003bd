"""The exceptions of foretaste. Each says in words what is wrong; its attributes name the place."""


class Error(Exception):
    """Any error of the database."""


class NotFound(Error, KeyError):
    """There is no such database or collection."""

    def __str__(self) -> str:
        # KeyError shows the repr of its message.
        return Exception.__str__(self)


class Exists(Error):
    """A collection of this name exists already."""


class Locked(Error):
    """Another process has the database open for writing: `pid` (or None), `path`."""

    pid: "int | None" = None
    path: str = ""


class Corrupt(Error):
    """A file is damaged: `file`, relative to the database folder, at byte `offset`."""

    file: str = ""
    offset: int = 0


class FormatTooNew(Error):
    """The database was written by a newer version: format `found`, this build reads up to `supported`."""

    found: int = 0
    supported: int = 0


class BadRequest(Error, ValueError):
    """A schema, option or argument that cannot be served."""


class BadVector(BadRequest):
    """A vector that the collection cannot hold: `row` of the batch, from 0 (0 for a query)."""

    row: int = 0


class DimensionMismatch(BadVector):
    """A vector has the wrong number of dimensions, `got`; `expected` says what would have been right: the dimension, or the levels."""

    expected: str = ""
    got: int = 0


class NonFinite(BadVector):
    """A vector or variance holds a NaN or an infinity, at dimension `dim`."""

    dim: int = 0


class OutOfRange(BadVector):
    """A number is larger than the collection's element type can hold, at dimension `dim`."""

    dim: int = 0


class ZeroVector(BadVector):
    """A vector of zeros in a collection that compares directions."""


class BadVariance(BadRequest):
    """A variance is negative, of the wrong length, or not expected by the schema: `row` of the batch."""

    row: int = 0


class BadTokens(BadRequest):
    """A token matrix does not fit the collection, or holds a number that cannot be: `row` of the batch."""

    row: int = 0


class BadPayload(BadRequest):
    """A payload is no dict of JSON values, or a value is not of its column's type: `row` of the batch."""

    row: int = 0


class DuplicateId(BadRequest):
    """The same id stands twice in one batch."""


class BadFilter(BadRequest):
    """A filter cannot be read, or compares a column with a value of another type: byte `at` of it, and a `hint`."""

    at: int = 0
    hint: "str | None" = None


class LimitExceeded(BadRequest):
    """A size, `found`, is beyond the `limit`."""

    limit: int = 0
    found: int = 0


class ReadOnly(Error):
    """The database was opened with mode "r"."""


class Closed(Error):
    """The database was closed."""


class Forked(Error):
    """This process is a fork of `pid`, which has the database open for writing: open it here."""

    pid: int = 0


class Cancelled(Error):
    """The progress callback returned False."""


class Poisoned(Error):
    """Writing has stopped after a failed write; close the database and open it again."""


class IoError(Error, OSError):
    """The operating system refused an operation on `path`; its number is `os_error`."""

    path: str = ""
    os_error: "int | None" = None

    def __str__(self) -> str:
        # OSError shows a number and a file's name.
        return Exception.__str__(self)
