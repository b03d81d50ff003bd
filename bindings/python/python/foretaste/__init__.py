"""foretaste: an embedded vector database.

    import foretaste as ft

    with ft.open("notes.ft") as db:
        docs = db.create_collection("docs", dim=3)
        docs.upsert(["a", "b"], [[0.9, 0.1, 0.0], [0.0, 0.8, 0.6]], payloads=[{"lang": "en"}, None])
        answer = docs.search([1.0, 0.0, 0.0], k=1, where="lang = 'en'")
        print(answer.ids, answer.distances)

Vectors and ids go in and come out as numpy arrays. Errors are subclasses of `foretaste.Error`.
"""

from ._errors import (
    BadFilter,
    BadPayload,
    BadRequest,
    BadTokens,
    BadVariance,
    BadVector,
    Cancelled,
    Closed,
    Corrupt,
    DimensionMismatch,
    DuplicateId,
    Error,
    Exists,
    FormatTooNew,
    IoError,
    LimitExceeded,
    Locked,
    NonFinite,
    NotFound,
    OutOfRange,
    Poisoned,
    ReadOnly,
    ZeroVector,
)
from ._native import (
    Answer,
    Collection,
    Csd,
    Database,
    Gaussian,
    Hit,
    Levels,
    Mmr,
    Record,
    Revision,
    Revisions,
    Scorer,
    __version__,
    open,
)

__all__ = [
    "Answer",
    "BadFilter",
    "BadPayload",
    "BadRequest",
    "BadTokens",
    "BadVariance",
    "BadVector",
    "Cancelled",
    "Closed",
    "Collection",
    "Corrupt",
    "Csd",
    "Database",
    "DimensionMismatch",
    "DuplicateId",
    "Error",
    "Exists",
    "FormatTooNew",
    "Gaussian",
    "Hit",
    "IoError",
    "Levels",
    "LimitExceeded",
    "Locked",
    "Mmr",
    "NonFinite",
    "NotFound",
    "OutOfRange",
    "Poisoned",
    "ReadOnly",
    "Record",
    "Revision",
    "Revisions",
    "Scorer",
    "ZeroVector",
    "__version__",
    "open",
]
