"""Puts the client into an installed VectorDBBench, which has no way to be told of one from outside. Run again, it changes nothing.

    python benches/vectordbbench/install.py

Reads from: the files beside it. Writes to: `vectordb_bench/backend/clients/foretaste/`, and the lines that name it in
`backend/clients/__init__.py` and `cli/vectordbbench.py` of the package that this interpreter imports. Never: half of it; a line
that is not where it was expected stops it before anything is written.
"""

import importlib.util
import shutil
import sys
from pathlib import Path

FILES = ("client.py", "config.py", "cli.py")
# In the database's list: a line of another database, and what goes before its first occurrence after the line above.
SECTIONS = (
    ("class DB(Enum):", '    Zvec = "Zvec"\n', '    Foretaste = "Foretaste"\n'),
    ("def init_cls", "        if self == DB.Zvec:\n", ("client", "Foretaste")),
    ("def config_cls", "        if self == DB.Zvec:\n", ("config", "ForetasteConfig")),
    ("def case_config_cls", "        if self == DB.Zvec:\n", ("config", "ForetasteIndexConfig")),
)
COMMAND = (
    ("", "from .batch_cli import BatchCli\n", "from ..backend.clients.foretaste.cli import Foretaste\n"),
    ("cli.add_command(", "cli.add_command(Zvec)\n", "cli.add_command(Foretaste)\n"),
)


def insert(text: str, sections) -> str:
    for start, before, line in sections:
        if isinstance(line, tuple):
            module, name = line
            line = f"        if self == DB.Foretaste:\n            from .foretaste.{module} import {name}\n\n            return {name}\n\n"
        if line in text:
            continue
        at = text.find(before, text.find(start)) if start in text else -1
        if at < 0:
            sys.exit(f"not installed: this version has no {before.strip()!r} after {start!r}; put in by hand:\n{line}")
        text = text[:at] + line + text[at:]
    return text


def main() -> None:
    spec = importlib.util.find_spec("vectordb_bench")
    if spec is None or spec.origin is None:
        sys.exit("not installed: VectorDBBench is absent, pip install vectordb-bench")
    package = Path(spec.origin).parent
    changes = {
        package / "backend/clients/__init__.py": SECTIONS,
        package / "cli/vectordbbench.py": COMMAND,
    }
    texts = {path: insert(path.read_text(), sections) for path, sections in changes.items()}
    folder = package / "backend/clients/foretaste"
    folder.mkdir(exist_ok=True)
    for name in FILES:
        shutil.copyfile(Path(__file__).with_name(name), folder / name)
    for path, text in texts.items():
        path.write_text(text)
    print(f"installed in {folder}")


if __name__ == "__main__":
    main()
