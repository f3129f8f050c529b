"""The words that show what is there: the state of every stage, and rows of a dataset."""

from collections.abc import Iterable
from typing import Any

import click

from textmill.cli.options import DATA, RUN, data_folder, run_context, with_options


@click.command("status", short_help="what is there, what is stale and why")
@with_options(*RUN)
@click.option("--json", "as_json", is_flag=True, help="print it as JSON")
def status(as_json: bool, **given: Any) -> Iterable[str] | str:
    """List the stages with rows, bytes and seconds, and say of each that is stale why."""
    from textmill.pipelines.ledger import status as ledger

    return (ledger.status_json if as_json else ledger.status)(run_context(given))


@click.command("inspect", short_help="rows of a dataset, as a person reads them")
@click.argument("dataset", metavar="DATASET")
@click.option("--where", metavar="SQL", help="""only rows that fulfil it, such as "language = 'de' and word_count < 60\"""")
@click.option("--columns", metavar="A,B", help="only these columns  [default: those with a value]")
@click.option("--most", type=click.IntRange(min=1), default=3, show_default=True, help="how many rows to show")
@click.option("--skip", type=click.IntRange(min=0), default=0, show_default=True, help="how many to leave out before them")
@click.option("--characters", type=click.IntRange(min=1), default=400, show_default=True, help="of a text")
@click.option("--rejected", is_flag=True, help="rejected rows, of documents or curated")
@DATA
def inspect(dataset: str, where: str | None, columns: str | None, most: int, skip: int, characters: int, rejected: bool,
            data: str) -> Iterable[str]:
    """Show rows of DATASET: documents, signals, verdicts, duplicates, curated, tokens/NAME or blocks/NAME/train.

    Personal data is masked."""
    from textmill.pipelines.ledger import rows as ledger

    names = [name.strip() for name in columns.split(",")] if columns else []
    return ledger.inspect(data_folder(data), dataset.strip("/"), where, names, most, skip, characters, rejected)


STATUS, INSPECT = status, inspect
