"""What can be said of a field of many documents: which values it has, of which type, between which.

Reads from: metadata as dicts. Writes to: nothing. Never: a document held longer than it is looked at; an import of a framework.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

Metadata = Mapping[str, Any]


def values(documents: Iterable[Metadata], field: str) -> list[Any]:
    """The different values of a field, None not counted, in the order of their text. Values are the same when they are the same JSON: 1,
    1.0, "1" and True are four."""
    found = {json.dumps(value, sort_keys=True): value for value in (each.get(field) for each in documents) if value is not None}
    return [value for _, value in sorted(found.items(), key=lambda one: (str(one[1]), one[0]))]


def types(documents: Iterable[Metadata]) -> dict[str, str]:
    """What each field holds: "boolean", "int", "float", else "keyword". One that holds whole numbers and others holds floats, and one
    that holds things of several kinds keywords."""
    found: dict[str, str] = {}
    for document in documents:
        for field, value in document.items():
            if value is not None:
                kind = _type(value)
                before = found.get(field, kind)
                found[field] = kind if kind == before else "float" if {kind, before} == {"int", "float"} else "keyword"
    return found


def extremes(documents: Iterable[Metadata], field: str) -> tuple[Any, Any]:
    """The least and the greatest value of a field: of its numbers, else of its texts; (None, None) when it has neither."""
    found = [value for value in (each.get(field) for each in documents) if value is not None and not isinstance(value, bool)]
    numbers = [value for value in found if isinstance(value, (int, float))]
    ordered = numbers or [value for value in found if isinstance(value, str)]
    return (min(ordered), max(ordered)) if ordered else (None, None)


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "int"
    return "float" if isinstance(value, float) else "keyword"
