"""The examples of the guide, as they stand there."""

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[4] / "docs" / "guides" / "python-integrations.md"
PACKAGES = {"LangChain": "langchain_core", "LlamaIndex": "llama_index.core", "Haystack": "haystack", "MTEB": "numpy"}
EXAMPLES = dict(re.findall(r"^## (\w+)\n.*?```python\n(.*?)```", GUIDE.read_text(), re.S | re.M))


def test_each_framework_has_an_example():
    assert set(EXAMPLES) == set(PACKAGES)
    assert all(text.count("\n") < 60 for text in EXAMPLES.values())


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run(name, tmp_path, monkeypatch):
    pytest.importorskip(PACKAGES[name], reason=f"{name} is not installed: make python-contracts")
    monkeypatch.chdir(tmp_path)
    exec(compile(EXAMPLES[name], f"{GUIDE.name}, {name}", "exec"), {"__name__": "example"})
