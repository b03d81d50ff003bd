"""The command `vectordbbench foretaste`, beside those of the other databases.

Reads from: its arguments. Writes to: the runner's results. Never: anything when it is imported but its registration by `install.py`.
"""

from typing import Annotated, Unpack

import click
from vectordb_bench.backend.clients import DB
from vectordb_bench.cli.cli import CommonTypedDict, cli, click_parameter_decorators_from_typed_dict, run

from .config import ForetasteConfig, ForetasteIndexConfig


class ForetasteTypedDict(CommonTypedDict):
    path: Annotated[str, click.option("--path", type=str, required=True, help="Folder of the database")]
    index: Annotated[
        str, click.option("--index", type=click.Choice(["auto", "hnsw", "ivf", "flat"]), default="hnsw", show_default=True)
    ]
    m: Annotated[int | None, click.option("--m", type=int, help="Links of a row in the graph (hnsw)")]
    ef_construction: Annotated[int | None, click.option("--ef-construction", type=int, help="Effort of building (hnsw)")]
    nlist: Annotated[int | None, click.option("--nlist", type=int, help="Cells (ivf)")]
    ef: Annotated[int | None, click.option("--ef", type=int, help="Effort of a search (hnsw)")]
    nprobe: Annotated[int | None, click.option("--nprobe", type=int, help="Cells that a search reads (ivf)")]


@cli.command(name="foretaste")
@click_parameter_decorators_from_typed_dict(ForetasteTypedDict)
def Foretaste(**parameters: Unpack[ForetasteTypedDict]):
    chosen = {name: parameters[name] for name in ("index", "m", "ef_construction", "nlist", "ef", "nprobe")}
    run(
        db=DB.Foretaste,
        db_config=ForetasteConfig(db_label=parameters["db_label"], path=parameters["path"]),
        db_case_config=ForetasteIndexConfig(**chosen),
        **parameters,
    )
