"""The words about what a model has learned by heart: `canaries` puts some in, `memorised` looks."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from textmill.cli.model import BLOCKS, TRAINED
from textmill.cli.options import DATA, DEVICE, MIXTURE, PATH, data_folder, of_mixture, with_options

RIVALS = 32         # values of its kind that a removed one is ranked among


@click.command("canaries", short_help="puts random numbers into a copy of a mixture's blocks")
@with_options(DATA, MIXTURE, BLOCKS)
@click.option("--to", type=PATH, required=True, help="an empty or new folder: the copy, to train on with --blocks")
@click.option("--count", type=click.IntRange(min=1), default=5, show_default=True, help="canaries of each number of times")
@click.option("--times", default="0,1,4,16", show_default=True, metavar="LIST", help="in how many blocks each is")
@click.option("--among", type=click.IntRange(min=1), metavar="N", help="put them into the first N blocks: those that the run "
              "will read  [default: all]")
@click.option("--seed", type=int, default=1, show_default=True, help="another seed, other numbers in other places")
def canaries(blocks: str | None, to: str, count: int, times: str, among: int | None, seed: int, **given: Any) -> str:
    """Copy a mixture's blocks with canaries in them: sentences with a random number, each in so many blocks.

    Train on the copy (`textmill train --blocks COPY --run RUN`), then ask with `textmill memorised --run RUN --canaries
    COPY` how often a text has to be read to be known by heart."""
    from textmill.model.data.blocks import PackedMixture
    from textmill.model.evaluation.canaries import draw, insert

    if not all(each.strip().isdecimal() for each in times.split(",")):
        raise click.BadParameter(f"{times!r} is no list of numbers; give one such as 0,1,4,16", param_hint="--times")
    put = draw(count, [int(each) for each in times.split(",")], seed)
    changed = insert(PackedMixture(blocks or of_mixture("blocks", given)), Path(to), put, seed, among)
    return f"canaries: {len(put)} of them, in {changed:,} blocks of {to}"


@click.command("memorised", short_help="what a model gives back of single texts it read")
@with_options(TRAINED, BLOCKS, DATA, MIXTURE)
@click.option("--canaries", "put", type=PATH, help="the copy of the blocks that `textmill canaries` wrote")
@click.option("--candidates", type=click.IntRange(min=2), default=1024, show_default=True,
              help="numbers that a canary is ranked among")
@click.option("--documents", type=click.IntRange(min=1), default=200, show_default=True,
              help="stretches of documents to look at, of those trained on and those held out")
@click.option("--prefix", type=click.IntRange(min=1), default=50, show_default=True, help="tokens given before a run")
@click.option("--suffix", type=click.IntRange(min=1), default=50, show_default=True, help="tokens from which a run counts as "
              "extractable")
@click.option("--values", type=click.IntRange(min=0), default=200, show_default=True,
              help="of personal data to ask for; 0: none")
@DEVICE
def memorised(run: str | None, blocks: str | None, put: str | None, candidates: int, documents: int, prefix: int, suffix: int,
              values: int, device: str, **given: Any) -> Iterable[str]:
    """Look at what a trained model gives back of single texts: canaries, whole runs of documents, removed personal data.

    Documents it was trained on stand beside held-out ones, which it can only know by their likeness. Values that curation
    took out are asked for after the text before them, and ranked among others of their kind; they are counted, not shown."""
    from textmill.model.data.blocks import PackedMixture
    from textmill.model.device import choose_device
    from textmill.model.evaluation import memorisation
    from textmill.model.evaluation.canaries import read
    from textmill.model.evaluation.compare import ids_in
    from textmill.model.generation.language_model import LanguageModel

    mixture = PackedMixture(put or blocks or of_mixture("blocks", given))
    known = read(Path(put)) if put else []
    model = LanguageModel.load(run or of_mixture("checkpoints", given), choose_device(device))
    lines: list[str] = []
    if known:
        lines += memorisation.canary_lines(memorisation.canary_exposures(model, known, candidates, 1), candidates)
    sides = {name: [(id_, memorisation.longest_run(memorisation.likeliest(model, ids[:model.decoder.context_length]), prefix))
                    for id_, ids in memorisation.stretches(split, documents, prefix + 1)]
             for name, split in (("trained on", mixture.train), ("held out", mixture.validation))}
    lines += memorisation.run_lines(sides, prefix, suffix)
    asked = values_in(given["data"], ids_in(mixture.train), values) if values else []
    if asked:
        lines += memorisation.recall_lines(memorisation.recalls(model, asked, min(candidates, RIVALS)))
    return lines


def values_in(data: str, ids: set[str], most: int) -> list[Any]:
    """The first `most` values that curation took out of these documents; none where there is no data folder or no pipelines."""
    from itertools import islice

    from textmill.model.evaluation.memorisation import Value

    try:
        from textmill.pipelines.ledger.removed import removed
    except ModuleNotFoundError:         # blocks were copied to where only the model's packages are
        return []
    return [Value(*each) for each in islice(removed(data_folder(data), ids), most)]


CANARIES, MEMORISED = canaries, memorised
