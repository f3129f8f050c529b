"""The words that hand datasets on: a card with Croissant metadata, and a copy in a folder, a bucket or on a hub."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from textmill.cli.options import CONFIG, DATA, SET, data_folder, with_options

if TYPE_CHECKING:
    from textmill.pipelines.contract.stage import RunContext
    from textmill.pipelines.publish.settings import CardSettings


@click.command("card", short_help="README.md and croissant.json of the data folder")
@with_options(DATA, CONFIG, SET)
def card(data: str, config: str, set: tuple[str, ...]) -> str:
    """Write DATA/README.md and DATA/croissant.json: what lies there, its columns, sources, licences and policies.

    The section `card` of the settings says what only people know, such as the licence. Every word of the flow does this when
    it is done."""
    from textmill.pipelines.contract.filesystems import StageError
    from textmill.pipelines.publish.folder import describe
    from textmill.pipelines.publish.tables import tables

    settings, folder = card_settings(config, set), data_folder(data)
    changed = describe(folder, settings)
    if not changed and not tables(folder):
        raise StageError(f"there is no table in {folder.uri} yet; run `textmill curate`")
    return f"card: {' and '.join(changed)} written; {folder.uri}" if changed else f"card: up to date; {folder.uri}/README.md"


@click.command("push", short_help="curated text to a hub, a bucket or a folder")
@click.argument("place", metavar="PLACE")
@click.option("--dataset", default="curated", show_default=True, metavar="NAME", help="the table to publish")
@click.option("--tokens", metavar="NAME", help="the tokenizer of token_count  [default: the only one that encoded the text]")
@click.option("--private", is_flag=True, help="a repository that is made on a hub is private")
@click.option("--shard-size", default="1GB", show_default=True, metavar="SIZE", help="text in a shard, about")
@with_options(DATA, CONFIG, SET)
def push(place: str, dataset: str, tokens: str | None, private: bool, shard_size: str, data: str, config: str,
         set: tuple[str, ...]) -> str:
    """Publish a table at PLACE: a folder, s3://…, gs://… or hf://datasets/OWNER/NAME.

    Rows go into shards as FineWeb has them, data/CRAWL/000_00000.parquet, with a card and Croissant metadata. Rejected rows
    and what is recorded of the run stay here. The card says that it is unfinished until all is there. A hub gets all of it
    in one commit, by your login (`hf auth login`)."""
    from textmill.pipelines.publish.push import push as publish

    return publish(data_folder(data), dataset, place, card_settings(config, set), private, _bytes(shard_size),
                   tokenizer=tokens)


def card_settings(config: str, changes: Sequence[str]) -> "CardSettings":
    """The section `card` of a settings file, changed by --set. SettingsError with every problem."""
    from textmill.base.strict import parse, parse_changes
    from textmill.pipelines.publish.settings import CardSettings
    from textmill.pipelines.settings import read_settings

    return parse(CardSettings, read_settings(config, parse_changes(changes)).card, f"{config}: card")


def describe_folder(context: "RunContext", settings: "CardSettings") -> None:
    """After a word of the flow: the card of its data folder, where it changed."""
    from textmill.pipelines.publish.folder import describe

    describe(context.data, settings)


def _bytes(size: str) -> int:
    from textmill.pipelines.ledger.cost import size_of

    try:
        return size_of(size)
    except ValueError:
        raise click.UsageError(f"--shard-size {size} is not a size; write it like 1GB") from None


CARD, PUSH = card, push
