"""The word that looks at raw files before anything is run."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import click

from textmill.cli.options import CONFIG, FILE, SET, with_options


@click.command("look", short_help="what would be read of a file, before")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE|FOLDER…")
@click.option("--most", type=click.IntRange(min=1), default=100, show_default=True, help="records of each file to look at")
@click.option("--json", "as_json", is_flag=True, help="print a line of JSON for each file")
@with_options(CONFIG, SET)
def look(files: tuple[Path, ...], most: int, as_json: bool, config: str, set: tuple[str, ...]) -> Iterable[str]:
    """Tell what `textmill extract` would read of files.

    Their kind and how it is recognised, the columns and which is the text, the first documents, and what would be
    rejected and why. Writes nothing."""
    from textmill.base.strict import parse_changes
    from textmill.pipelines.ledger import look_lines
    from textmill.pipelines.ledger.look import look as looked_at
    from textmill.pipelines.settings import read_settings

    found = looked_at(files, read_settings(config, parse_changes(set)).extract, most)
    return look_lines.as_json(found) if as_json else look_lines.lines(found, shutil.get_terminal_size().columns)


LOOK = look
