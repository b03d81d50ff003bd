"""The Python of the guides, as it stands there: each page is one program, from top to bottom."""

import re
from pathlib import Path
from typing import Any

import pytest

GUIDES = Path(__file__).parents[3] / "docs" / "guides"
FENCE = re.compile(r"^```python\n(.*?)^```", re.S | re.M)
# The frameworks' own page has programs that need their packages: contracts/test_guide.py.
PAGES = {path.stem: FENCE.findall(path.read_text(encoding="utf-8")) for path in sorted(GUIDES.glob("*.md")) if path.stem != "python-integrations"}
PAGES = {name: parts for name, parts in PAGES.items() if parts}


def test_pages_with_python_are_found():
    assert {"python", "reranking", "uncertainty", "lengths", "changing-models", "operating"} <= set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_a_guide_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {"__name__": "guide"}
    for number, part in enumerate(PAGES[name], 1):
        exec(compile(part, f"{name}.md, part {number}", "exec"), space)
