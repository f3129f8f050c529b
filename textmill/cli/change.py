"""The words that change what a run does: what must not be there, and what measure is given."""

from collections.abc import Iterable
from typing import Any

import click

from textmill.cli.options import CONFIG, DATA, RUN, run_context, with_options


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
@with_options(DATA, CONFIG)
def background(name: str, texts: str, data: str, config: str) -> str:
    """Count how each language is usually written, on texts that are trusted: a table for measure, chosen by its name."""
    from textmill.pipelines.contract.storage import Folder
    from textmill.pipelines.learned.background import make_background

    return make_background(Folder(data), config, name, texts)


@click.command("classifier", short_help="learns good from bad texts, for classifier_score")
@click.option("--name", required=True, help="what it is called in settings.yaml")
@click.option("--good", required=True, metavar="WHERE[:COLUMN=VALUE]",
              help="a dataset of the data folder, a file or a folder; in VALUE, * is anything and | is or")
@click.option("--bad", required=True, metavar="WHERE[:COLUMN=VALUE]", help="the other side, named likewise")
@click.option("--labels", type=click.Path(), metavar="FILE",
              help="rows with file and offset of a document's record, and its COLUMNs")
@click.option("--held-out", type=float, default=0.2, show_default=True, metavar="SHARE",
              help="of the texts, to report on and never to train on")
@with_options(DATA, CONFIG)
def classifier(name: str, good: str, bad: str, labels: str | None, held_out: float, data: str, config: str) -> str:
    """Train a text classifier on positive and negative examples, for the measurement `classifier_score`."""
    from textmill.pipelines.contract.storage import Folder
    from textmill.pipelines.learned.classifier import make_classifier

    return make_classifier(Folder(data), config, name, good, bad, labels, held_out)


TAKEDOWN, BACKGROUND, CLASSIFIER = takedown, background, classifier
