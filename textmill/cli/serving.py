"""The words for what a model says: the server of it, and where it learned that."""

import sys
from collections.abc import Iterable
from typing import Any

import click

from textmill.cli.options import DATA, MIXTURE, PATH, of_mixture, with_options

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
            url = facts[place.document].url if place.document in facts else None
            lines.append(f"  {place.document}{f'  {url}' if url else ''}  piece {place.piece} from token {place.token:,}, "
                         f"block {place.block:,} at {place.start:,}")
    return lines


ORIGINS = origins
