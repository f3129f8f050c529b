"""The words for what a model says: the server of it, and where it learned that."""

import contextlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textmill.cli.options import DATA, DEVICE, MIXTURE, PATH, of_mixture, with_options

if TYPE_CHECKING:
    from textmill.model.evaluation.origins import Origins

TRAINED = click.option("--run", type=PATH, help="a folder of checkpoints, or one of them  "
                       "[default: data/checkpoints/NAME of the mixture]")
BLOCKS = click.option("--blocks", type=PATH, help="a folder of packed blocks  [default: data/blocks/NAME of the mixture]")
SHOWN = 60              # characters of a run


@click.command("origins", short_help="where runs of a text stand in the training blocks")
@click.argument("text")
@with_options(BLOCKS, DATA, MIXTURE)
@click.option("--least", type=click.IntRange(min=1), default=8, show_default=True, metavar="N",
              help="tokens of the shortest run that is listed")
def origins(text: str, blocks: str | None, least: int, **given: Any) -> Iterable[str]:
    """List the longest runs of TEXT that stand in the training blocks, with document, address and place.

    TEXT may be - for standard input. A run lies within one document and one block. The index over the blocks is written to
    data/origins/NAME at first use, and again when the blocks have changed."""
    from textmill.cli.model import facts_in
    from textmill.model.data.blocks import PackedMixture
    from textmill.model.evaluation.origins import Origins, share_in_runs
    from textmill.model.evaluation.origins_index import build_index, index_folder, is_current

    mixture = PackedMixture(blocks or of_mixture("blocks", given))
    index = index_folder(mixture.folder)
    if not is_current(index, mixture):
        print(f"origins: indexing {mixture.folder} in {index}", file=sys.stderr, flush=True)
        build_index(mixture, index)
    looked_up = Origins(mixture, index)
    ids, _ = looked_up.ids(sys.stdin.read() if text == "-" else text)
    lengths = looked_up.lengths(ids)
    runs = sorted(looked_up.runs(ids, least, lengths), key=lambda run: (-len(run), run.start))
    facts = facts_in(given["data"], {place.document for run in runs for place in run.places})
    lines = [f"{share_in_runs(lengths, least):.1%} of {len(ids):,} tokens stand in runs of {least} or more in "
             f"{len(looked_up):,} tokens of {mixture.folder}"]
    for run in runs:
        said = " ".join(looked_up.text(ids[run.start:run.end]).split())
        lines.append(f"{len(run)} tokens, {run.count:,} time{'s' * (run.count != 1)}: "
                     f"{said[:SHOWN]}{'…' * (len(said) > SHOWN)}")
        for place in run.places:
            url = _address(facts[place.document]) if place.document in facts else None
            lines.append(f"  {place.document}{f'  {url}' if url else ''}  piece {place.piece} from token {place.token:,}, "
                         f"block {place.block:,} at {place.start:,}")
    return lines



def _address(facts: Any) -> str | None:
    """Of a document, where it has one."""
    return None if facts.url in ("", "-") else facts.url


@click.command("serve", short_help="OpenAI's protocol and a chat page for the trained model")
@with_options(TRAINED, BLOCKS, DATA, MIXTURE)
@click.option("--host", default="127.0.0.1", show_default=True, help="an address other than this machine's own needs a key")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one")
@click.option("--name", help="of the model in the protocol  [default: the run's]")
@click.option("--api-key-file", type=PATH,
              help="a file with the key that clients send  [default: $TEXTMILL_API_KEY, else none]")
@click.option("--no-key", is_flag=True, help="serve other machines without a key")
@click.option("--rows", type=click.IntRange(1, 1024), default=16, show_default=True, help="answers under way at once")
@click.option("--queue", type=click.IntRange(min=1), default=64, show_default=True,
              help="answers under way or waiting; further ones are refused (429)")
@click.option("--seconds", type=click.FloatRange(min=1), default=300, show_default=True, help="that a request may take")
@click.option("--cache", type=PATH, metavar="DIR", help="keep answers there; of calls with a seed or temperature 0")
@DEVICE
def serve(run: str | None, blocks: str | None, host: str, port: int, name: str | None, api_key_file: str | None, no_key: bool,
          rows: int, queue: int, seconds: float, cache: str | None, device: str, **given: Any) -> None:
    """Serve the trained model by OpenAI's protocol (/v1/completions, /v1/chat/completions), and a page to chat on.

    Where data/origins has an index of the model's blocks (`textmill origins` writes it), /origins and the page say where
    runs of an answer stand in the training text. No prompt is written anywhere but into the cache."""
    from textmill.cli.model import facts_in
    from textmill.model.device import choose_device
    from textmill.model.generation.language_model import LanguageModel
    from textmill.model.serving.answering import Limits
    from textmill.model.serving.app import Serving
    from textmill.model.serving.server import read_key, serve

    key = read_key(api_key_file, os.environ.get("TEXTMILL_API_KEY"))
    folder = Path(run or of_mixture("checkpoints", given))
    model = LanguageModel.load(folder, choose_device(device))

    known: dict[str, dict[str, str | None]] = {}

    def addresses(ids: set[str]) -> dict[str, dict[str, str | None]]:
        if new := ids - known.keys():               # looking them up reads a column of the dataset
            known.update({id_: {"source": None, "url": None} for id_ in new})
            facts = facts_in(given["data"], new)
            known.update({id_: {"source": each.source, "url": _address(each)} for id_, each in facts.items()})
        return known

    home = model.checkpoint.parent
    with contextlib.suppress(KeyboardInterrupt):
        serve(Serving(name or home.name, model, rows, Limits(queue, seconds), key, cache=Path(cache) if cache else None,
                      origins=_origins(blocks, given), addresses=addresses), host, port, no_key,
              lambda line: print(line, file=sys.stderr, flush=True))


def _origins(blocks: str | None, given: dict[str, Any]) -> "Origins | None":
    """The index of the blocks, where both are there; blocks that were named must be."""
    from textmill.base.errors import TextmillError
    from textmill.model.data.blocks import PackedMixture
    from textmill.model.evaluation.origins import Origins
    from textmill.model.evaluation.origins_index import index_folder

    try:
        folder = Path(blocks or of_mixture("blocks", given))
        if blocks is None and not index_folder(folder).is_dir():
            return None
        return Origins(PackedMixture(folder), index_folder(folder))
    except TextmillError as error:
        if blocks is not None:
            raise
        print(f"serve: no origins: {error}", file=sys.stderr, flush=True)
        return None


ORIGINS, SERVE = origins, serve
