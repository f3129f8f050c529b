"""The word that opens the stored datasets as a local page."""

import contextlib
import sys
from pathlib import Path
from typing import Any

import click

from textmill.cli.options import CONFIG, DATA, MIXTURE, RULES, SET, with_options


@click.command("browse", short_help="a local page to search and look at the stored datasets")
@with_options(DATA, CONFIG, RULES, MIXTURE, SET)
@click.option("--host", default="127.0.0.1", show_default=True, help="an address of this machine that only it reaches")
@click.option("--port", type=click.IntRange(0, 65535), default=8001, show_default=True, help="0 takes a free one")
@click.option("--chat", default="http://127.0.0.1:8000/", show_default=True, metavar="URL",
              help="the page of `textmill serve` that is linked")
def browse(host: str, port: int, chat: str, **given: Any) -> None:
    """Serve a page over the stored datasets: search, a document's story, rules, clusters, blocks, mixtures, runs, SQL.

    It reads only. Indexes of the data are kept in DATA/browse, which may be deleted."""
    from textmill.base.strict import parse_changes
    from textmill.cli.options import data_folder
    from textmill.pipelines.browse.server import browse as serve
    from textmill.pipelines.contract.stage import RunContext
    from textmill.pipelines.engines.engine import BeamEngine
    from textmill.pipelines.settings import read_config

    config = read_config(given["config"], given["rules"], given["mixture"], None, parse_changes(given["set"]))
    with contextlib.suppress(KeyboardInterrupt):
        serve(RunContext(data_folder(given["data"]), config, BeamEngine()), Path(given["rules"]), host, port, chat,
              lambda line: print(line, file=sys.stderr, flush=True))


BROWSE = browse
