"""The word that makes a classifier of one's own model."""

from collections.abc import Iterable
from pathlib import Path

import click

from textmill.cli.flow import limit_kernels, train_section
from textmill.cli.options import CONFIG, DATA, DEVICE, FILE, SET, data_folder, with_options
from textmill.cli.posttraining import HOME, REPLACE, START


@click.command("head", short_help="trains a classifier of labelled texts on a model")
@with_options(START)
@click.option("--labels", type=FILE, required=True, metavar="FILE", help="JSONL (.gz, .zst) or Parquet of texts with labels")
@click.option("--text-column", default="text", show_default=True, metavar="NAME", help="where the text is")
@click.option("--label-column", default="label", show_default=True, metavar="NAME", help="where the label is")
@click.option("--group-column", metavar="NAME", help="such as host: a group is held out whole")
@with_options(HOME)
@click.option("--name", help="publish it under this name, for `measure.classifier`")
@click.option("--positive", multiple=True, metavar="LABEL",
              help="with --name: the score is this label's probability; may be repeated")
@with_options(DATA, CONFIG, SET, REPLACE, DEVICE)
def head(start: str, labels: Path, text_column: str, label_column: str, group_column: str | None, run: str, name: str | None,
         positive: tuple[str, ...], data: str, config: str, set: tuple[str, ...], replace: bool, device: str) -> Iterable[str]:
    """Train a linear head over a model's hidden states: classes, or scores by `head.regression`. Settings: section `head`.

    With --name it becomes DATA/classifiers/NAME, whose score measure takes as it takes that of `textmill classifier`."""
    if positive and not name:
        raise click.UsageError("--positive says what the published score is; give --name, too")
    limit_kernels()
    from textmill.base.strict import parse
    from textmill.model.classification.labelled import read_labelled
    from textmill.model.classification.settings import HeadSettings
    from textmill.model.classification.train import train_head, trained_card
    from textmill.model.device import choose_device

    section, where = train_section(config, set, "head")
    settings = parse(HeadSettings, section, where)
    texts = read_labelled(labels, text_column, label_column, group_column, settings.regression, settings.held_out,
                          settings.development)
    if name:
        from textmill.pipelines.learned.head import check_publication

        check_publication(name, texts.classes, positive)
    columns = [text_column, label_column, *([group_column] if group_column else [])]
    yield train_head(start, texts, run, settings, choose_device(device), {"file": str(labels), "columns": columns}, replace)
    if name:
        from textmill.pipelines.learned.head import publish_head

        yield publish_head(data_folder(data), name, Path(run), trained_card(Path(run)), positive)


HEAD = head
