"""The comparison as two plots and one page.

    python benches/compare/report.py FOLDER          draws those of a result.json again

Reads from: what `run.py` found. Writes to: `recall-qps.png`, `recall-time.png` and `index.html` in the folder.
Never: a figure that is not in `result.json`.
"""

import html
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from figures import RECALLS, first_result, front, over_time  # noqa: E402
from matplotlib.ticker import NullLocator  # noqa: E402

TICKS = (0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)

STYLE = (
    "body{font:15px sans-serif;margin:2em;max-width:75em}td,th{padding:.3em .7em;text-align:right}img{max-width:49%}"
    "td:first-child,th:first-child{text-align:left}tr:nth-child(even){background:#f2f2f2}"
)


def write(result: dict[str, Any], folder: Path) -> None:
    rates(result["libraries"], folder / "recall-qps.png")
    times(result["libraries"], folder / "recall-time.png")
    (folder / "index.html").write_text(page(result))


def styles(libraries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """A line for each library, in both plots: a colour for each of the kind, another stroke for its second index or code."""
    drawn: dict[str, list[str]] = {}
    for library in libraries:
        drawn.setdefault(library["name"].split()[0], []).append(library["name"])
    colours = dict(zip(drawn, plt.get_cmap("tab10").colors, strict=False))
    strokes = ("-", "--", ":")
    return {
        name: {"color": colours.get(kind, "black"), "linestyle": strokes[at % len(strokes)], "linewidth": 2.5 if kind == "foretaste" else 1.3}
        for kind, names in drawn.items()
        for at, name in enumerate(names)
    }


def rates(libraries: list[dict[str, Any]], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(8, 6))
    style = styles(libraries)
    for library in libraries:
        # All of the recall has no place on an axis of what is missed.
        best = [(recall, rate) for recall, rate in front(library["points"]) if recall < 1]
        name = library["name"]
        axes.plot([recall for recall, _ in best], [rate for _, rate in best], marker="o", markersize=3, label=name, **style[name])
    axes.set(xlabel="recall", ylabel="queries a second, one core", yscale="log", xscale="logit", xlim=(0.8, 0.9996))
    axes.set_xticks(TICKS, [str(tick) for tick in TICKS])
    axes.xaxis.set_minor_locator(NullLocator())
    save(figure, axes, path, "lower left")


def times(libraries: list[dict[str, Any]], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(8, 6))
    style = styles(libraries)
    for library in libraries:
        for watched in library["over_time"]:
            curve = over_time(watched["events"])
            label = f"{library['name']} {', '.join(f'{n} {v}' for n, v in watched['setting'].items())}"
            axes.step([at for at, _ in curve], [recall for _, recall in curve], where="post", label=label, **style[library["name"]])
    axes.set(xlabel="µs since the query", ylabel="mean recall of what is there", xscale="log", ylim=(0, 1.01))
    save(figure, axes, path, "lower right")


def save(figure: Any, axes: Any, path: Path, legend: str) -> None:
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, handlelength=3, loc=legend)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def page(result: dict[str, Any]) -> str:
    about = result["about"]
    heads = ["library", *(f"QPS at {recall:.2f}" for recall in RECALLS), "p50 µs", "p99 µs", "first result µs (recall)"]
    heads += ["build s", "memory MB", "disk MB", "open + first query ms", "the same, cold"]
    rows = "\n".join(row(library) for library in result["libraries"])
    title = f"{about['data']}: {about['rows']:,} x {about['dim']}, {about['metric']}, k = {about['k']}"
    notes = (
        f"{about['queries']:,} queries, {about['rounds']} rounds in turns after one that is not measured, one core each. Recall is computed "
        "from the vectors. Rates at a recall are interpolated; p50, p99 and the first result are of the fastest setting with a recall of "
        "0.95. Memory is what the process has resident beyond what it had before opening, mapped pages included."
    )
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>
<h1>{html.escape(title)}</h1>
<p>{html.escape(notes)}</p>
<table><tr>{"".join(f"<th>{html.escape(head)}</th>" for head in heads)}</tr>
{rows}
</table>
<p><img src="recall-qps.png" alt="recall and queries a second"> <img src="recall-time.png" alt="recall over time"></p>
</html>
"""


def row(library: dict[str, Any]) -> str:
    at, recall = first_result(library["over_time"][0]["events"])
    rates = ["–" if rate is None else f"{rate:,.0f}" for rate in library["qps_at"].values()]
    cells = [library["name"], *rates, f"{library['p50_us']:.0f}", f"{library['p99_us']:.0f}", f"{at:.0f} ({recall:.2f})"]
    cells += [f"{library[name]:,.1f}" for name in ("build_s", "memory_mb", "disk_mb", "open_first_ms", "open_first_cold_ms")]
    return f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    write(json.loads((target / "result.json").read_text()), target)
