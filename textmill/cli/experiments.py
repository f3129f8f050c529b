"""The words that train many small models to answer a question: how a mixture scales, and which settings are best."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from textmill.cli.model import BLOCKS
from textmill.cli.options import CONFIG, DATA, DEVICE, MIXTURE, PATH, SET, of_mixture, with_options


@click.command("ladder", short_help="how a mixture scales: a law, the best size, its tokens")
@click.argument("mixtures", nargs=-1, required=True, metavar="MIXTURE...")
@with_options(DATA, CONFIG, SET)
@click.option("--sizes", metavar="LIST", help="layers x width, with commas between; the largest is predicted first  "
              "[default: 1x64,2x64,2x96,3x128,4x160]")
@click.option("--tokens", metavar="LIST", help="how many each is trained on, such as 200k,400k  "
              "[default: 1/16, 1/8 and 1/4 of the first mixture]")
@click.option("--to", type=PATH, help="where runs, figures and picture go  [default: DATA/ladder]")
@DEVICE
def ladder(mixtures: tuple[str, ...], data: str, config: str, set: tuple[str, ...], sizes: str | None, tokens: str | None,
           to: str | None, device: str) -> Iterable[str]:
    """Train small models of several sizes on several numbers of tokens, and fit a scaling law to what they come to.

    The largest is predicted by the others before it is trained. The law says the best size for a budget and the tokens it
    wants, and what a smaller model takes to be as good. Each MIXTURE is a recipe whose blocks are packed, or a folder of
    blocks; several are drawn in one picture and judged on the same texts. A ladder that was stopped goes on."""
    from textmill.model.data.blocks import PackedMixture
    from textmill.model.device import choose_device
    from textmill.model.evaluation.compare import common_texts
    from textmill.model.evaluation.ladder import SIZES, beside, climb, lines, rungs
    from textmill.model.evaluation.ladder_picture import picture
    from textmill.model.evaluation.trials import Trials

    settings, home = _settings(config, set), Path(to or os.path.join(data, "ladder"))
    packed = [PackedMixture(each if os.path.isdir(each) else of_mixture("blocks", {"data": data, "mixture": each}))
              for each in mixtures]
    texts, length = common_texts(packed, _known_alike(data, packed)), packed[0].train.length
    counts = [_whole(each) for each in tokens.split(",")] if tokens else [
        len(packed[0].train) * length // parts for parts in (16, 8, 4)]
    wanted = rungs(sizes.split(",") if sizes else SIZES, counts, settings, packed[0].train.vocab_size, length)
    found = []
    for mixture in packed:
        name = mixture.folder.name
        trials = Trials(mixture, home / name, choose_device(device), texts, packed[0])
        found.append(climb(name, trials, wanted))
    path = home / f"{'-'.join(dict.fromkeys(each.name for each in found))}.svg"
    path.write_text(picture(found), "utf-8")
    return [*(line for each in found for line in lines(each)), *(beside(found[0], each) for each in found[1:]),
            f"drawn in {path}"]


@click.command("sweep", short_help="which training settings are best, at equal tokens")
@with_options(DATA, MIXTURE, BLOCKS, CONFIG, SET)
@click.option("--over", multiple=True, required=True, metavar="KEY=LIST", help="a setting of train and its values, such as "
              "lr=0.005,0.01,0.02; with --random also a range, lr=0.003..0.03; may be repeated")
@click.option("--tokens", metavar="N", help="for each model, such as 300k  [default: what the settings make a run of]")
@click.option("--random", "drawn", type=click.IntRange(min=1), metavar="N", help="so many combinations, drawn  [default: all]")
@click.option("--draw", type=int, default=1, show_default=True, help="with --random: another number, other combinations")
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="models of the best combination")
@click.option("--to", type=PATH, help="where runs and figures go  [default: DATA/sweep]")
@DEVICE
def sweep(over: tuple[str, ...], tokens: str | None, drawn: int | None, draw: int, seeds: int, to: str | None, device: str,
          blocks: str | None, config: str, set: tuple[str, ...], **given: Any) -> Iterable[str]:
    """Train the same mixture with every combination of some settings on equally many tokens, and say which are best.

    Keys are those of section train: lr, batch, warmup, decay, weight_decay, optimizer, shape (such as 4x160) and others. The
    best combination is trained with further seeds, which says how far chance moves a figure. A sweep that was stopped goes
    on; figures lie in DATA/sweep/NAME/results.jsonl."""
    from textmill.model.data.blocks import PackedMixture
    from textmill.model.device import choose_device
    from textmill.model.evaluation.compare import common_texts
    from textmill.model.evaluation.sweep import combinations, lines, sweep
    from textmill.model.evaluation.trials import Trials
    from textmill.model.training.settings import in_steps

    settings, mixture = _settings(config, set), PackedMixture(blocks or of_mixture("blocks", given))
    length, whole = mixture.train.length, in_steps(settings, len(mixture.train))
    count = _whole(tokens) if tokens else (whole.steps or 0) * whole.batch * whole.accumulate * length
    home = Path(to or os.path.join(given["data"], "sweep")) / mixture.folder.name
    trials = Trials(mixture, home, choose_device(device), common_texts([mixture], _known_alike(given["data"], [mixture])))
    return lines(sweep(trials, combinations(_over(over), drawn, draw), settings, count, seeds), count)


def _over(given: Iterable[str]) -> dict[str, list[Any]]:
    """The values of each key, as --over has them."""
    import yaml

    found: dict[str, list[Any]] = {}
    for each in given:
        key, equals, values = each.partition("=")
        try:
            found[key] = [yaml.safe_load(value) for value in values.split(",")]
        except yaml.YAMLError:
            equals = ""
        if not equals or not key or (None in found[key] and key not in ("window", "clip")):
            raise click.BadParameter(f"{each!r} is not KEY=VALUE,VALUE, such as lr=0.01,0.02", param_hint="--over")
    return found


def _settings(config: str, changes: tuple[str, ...]) -> Any:
    """The training settings of a file with changes."""
    from textmill.base.strict import parse
    from textmill.cli.flow import train_section
    from textmill.model.training.settings import TrainSettings

    section, where = train_section(config, changes)
    return parse(TrainSettings, section, where)


def _known_alike(data: str, packed: Iterable[Any]) -> dict[str, str]:
    """Which held-out texts have near-copies, by the data folders of these blocks."""
    from textmill.cli.compare import known_alike

    return known_alike([data, *(str(each.folder.parent.parent) for each in packed if each.folder.parent.name == "blocks")])


def _whole(text: str) -> int:
    """A number of tokens as people write it."""
    from textmill.base.strict import number

    count = number(text)
    if not isinstance(count, int) or count < 1:
        raise click.BadParameter(f"{text!r} is no number of tokens; give one such as 200k", param_hint="--tokens")
    return count


LADDER, SWEEP = ladder, sweep
