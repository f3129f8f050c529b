"""The words that change what a run does: what must not be there, and what measure is given."""

from collections.abc import Iterable
from typing import Any

import click

from textmill.cli.options import CONFIG, DATA, RUN, SET, data_folder, run_context, with_options


@click.command("takedown", short_help="removes what takedown.txt lists from everything")
@click.option("--carry-out", is_flag=True, help="do it; without this, say what would be done")
@with_options(*RUN)
def takedown(carry_out: bool, **given: Any) -> Iterable[str]:
    """List the documents that takedown.txt names, and with --carry-out remove them from every dataset and block."""
    from textmill.pipelines.erasure.takedown import takedown as lines

    return lines(run_context(given), carry_out)


@click.command("background", short_help="how languages are written, counted for measure")
@click.option("--name", required=True, help="what it is called in settings.yaml")
@click.option("--texts", default="curated", show_default=True, metavar="WHERE[:COLUMN=VALUE]",
              help="a dataset of the data folder, a file or a folder")
@with_options(DATA, CONFIG, SET)
def background(name: str, texts: str, data: str, config: str, set: tuple[str, ...]) -> str:
    """Count how each language is usually written, on texts that are trusted: a table for measure, chosen by its name."""
    from textmill.base.strict import parse_changes
    from textmill.pipelines.learned.background import make_background
    from textmill.pipelines.settings import read_settings

    return make_background(data_folder(data), read_settings(config, parse_changes(set)), name, texts)


@click.command("classifier", short_help="learns good from bad texts, for classifier_score")
@click.option("--name", required=True, help="what it is called in settings.yaml")
@click.option("--good", required=True, metavar="WHERE[:COLUMN=VALUE]",
              help="a dataset of the data folder, a file or a folder; in VALUE, * is anything and | is or")
@click.option("--bad", required=True, metavar="WHERE[:COLUMN=VALUE]", help="the other side, named likewise")
@click.option("--labels", type=click.Path(), metavar="FILE",
              help="rows with file and offset of a document's record, and its COLUMNs")
@click.option("--held-out", type=float, default=0.2, show_default=True, metavar="SHARE",
              help="of the texts, to report on and never to train on")
@with_options(DATA, CONFIG, SET)
def classifier(name: str, good: str, bad: str, labels: str | None, held_out: float, data: str, config: str,
               set: tuple[str, ...]) -> str:
    """Train a text classifier on positive and negative examples, for the measurement `classifier_score`."""
    from textmill.base.strict import parse_changes
    from textmill.pipelines.learned.classifier import make_classifier
    from textmill.pipelines.settings import read_settings

    columns = read_settings(config, parse_changes(set)).extract.text_columns
    return make_classifier(data_folder(data), columns, name, good, bad, labels, held_out)


TAKEDOWN, BACKGROUND, CLASSIFIER = takedown, background, classifier
