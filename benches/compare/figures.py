"""What is said of a library: medians over rounds, the rate at a recall, recall over time.

Reads from: the figures of single rounds. Writes to: nothing. Never: a rate beyond the recalls that were measured.
"""

import json
from statistics import median
from typing import Any

RECALLS = (0.90, 0.95, 0.99)
# The recall whose setting is watched over time.
WATCHED = 0.95


def summary(measured: dict[str, list[dict[str, Any]]], before_mb: float) -> dict[str, Any]:
    points = []
    for setting, rounds in measured.items():
        # An answer may differ by round only where a library chooses at random; the median is fair there, too.
        names = ("recall", "qps", "p50_us", "p99_us")
        points.append({"setting": json.loads(setting)} | {name: median(one[name] for one in rounds) for name in names})
    best = front(points)
    enough = [point for point in points if point["recall"] >= WATCHED]
    watched = max(enough, key=lambda point: point["qps"]) if enough else max(points, key=lambda point: point["recall"])
    return {
        "points": points,
        "qps_at": {f"{recall:.2f}": rate_at(best, recall) for recall in RECALLS},
        "p50_us": watched["p50_us"],
        "p99_us": watched["p99_us"],
        "memory_mb": max(one["resident_mb"] for rounds in measured.values() for one in rounds) - before_mb,
        "watched": [watched["setting"]],
    }


def front(points: list[dict[str, Any]]) -> list[tuple[float, float]]:
    """The pairs of recall and rate that no other exceeds in both, by rising recall."""
    best: list[tuple[float, float]] = []
    for recall, rate in sorted(((p["recall"], p["qps"]) for p in points), reverse=True):
        if not best or rate > best[-1][1]:
            best.append((recall, rate))
    return best[::-1]


def rate_at(best: list[tuple[float, float]], recall: float) -> float | None:
    """By a straight line between the neighbours; of a library that never falls below, the rate of its shortest search."""
    if not best or best[-1][0] < recall:
        return None
    if best[0][0] >= recall:
        return best[0][1]
    for (low, fast), (high, slow) in zip(best, best[1:], strict=False):
        if low <= recall <= high:
            return slow if high == low else fast + (slow - fast) * (recall - low) / (high - low)
    return None


def over_time(events: list[list[list[float]]]) -> list[tuple[float, float]]:
    """When the mean recall over all queries was what, in µs; a query that has nothing yet counts as 0."""
    changes = []
    for query in events:
        before = 0.0
        for at, recall in query:
            changes.append((at, recall - before))
            before = recall
    curve, total = [], 0.0
    for at, change in sorted(changes):
        total += change
        curve.append((at, total / len(events)))
    return curve


def first_result(events: list[list[list[float]]]) -> tuple[float, float]:
    """The median time to the first result in µs, and the mean recall of those results."""
    firsts = [query[0] for query in events if query]
    return median(at for at, _ in firsts), sum(recall for _, recall in firsts) / len(firsts)
