"""The word `compare`: mixtures against each other, and a mixture against itself with something left out of its curation."""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from textmill.cli.model import facts_in, labels_of
from textmill.cli.options import CONFIG, DATA, DEVICE, PATH, WORKERS, data_folder, of_mixture, own_or_shipped, with_options


@click.command("compare", short_help="which mixture, or which curation, gives the better model")
@click.argument("mixtures", nargs=-1, required=True, metavar="MIXTURE...")
@click.option("--without", multiple=True, metavar="NAME", help="leave out screen, dedup, personal_data, a rule of the table, "
              "or a kind of copy or personal data; several with commas between; may be repeated")
@click.option("--rules", multiple=True, type=PATH, metavar="FILE", help="other bounds and policies; may be repeated")
@with_options(DATA, CONFIG)
@click.option("--set", multiple=True, metavar="KEY=VALUE", help="change a setting: train.KEY of every model, any other only of "
              "what the mixture is compared with; may be repeated")
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="models of each mixture")
@click.option("--to", type=PATH, help="where their runs go  [default: DATA/compare]")
@WORKERS
@DEVICE
def compare(mixtures: tuple[str, ...], without: tuple[str, ...], rules: tuple[str, ...], data: str, config: str,
            set: tuple[str, ...], seeds: int, to: str | None, workers: int | None, device: str) -> Iterable[str]:
    """Train the same model on each MIXTURE with the same settings and seeds, and judge them on the same held-out texts.

    A MIXTURE is a recipe whose blocks are packed, or a folder of blocks. The first is compared with each other one: paired
    differences overall, by entry, source and language, with intervals and a verdict. The same one twice is trained with
    other seeds. Runs that were finished before are not trained again.

    With --without, --rules or --set of a stage, one recipe is compared with itself as it would be then, each option a
    comparison of its own. What it takes is prepared in DATA/compare/NAME; what does not change is not made again."""
    from textmill.base.strict import parse
    from textmill.cli.flow import train_section
    from textmill.model.device import choose_device
    from textmill.model.evaluation.compare import lines, readings, train_all
    from textmill.model.training.settings import TrainSettings

    training = tuple(change for change in set if change.startswith("train."))
    of_stages = tuple(change for change in set if change not in training)
    asked = bool(without or rules or of_stages)
    if asked and (len(mixtures) > 1 or os.path.isdir(mixtures[0])):
        raise click.UsageError("--without, --rules and --set of a stage take one recipe, which is compared with itself")
    if len(mixtures) < 2 and not asked:
        raise click.UsageError("compare needs two mixtures or more, or --without; the first is compared with the others")
    section, where = train_section(config, training)
    settings, home = parse(TrainSettings, section, where), Path(to or os.path.join(data, "compare"))
    folders = [Path(each if os.path.isdir(each) else of_mixture("blocks", {"data": data, "mixture": each}))
               for each in mixtures]
    names = _names(folders)
    known = [data]
    if asked:
        ablations, prepared = _ablations(_run_of(data, config, mixtures[0], workers), without, rules, of_stages)
        folders += ablations.values()
        names += ablations
        known += prepared
    known += [str(folder.parent.parent) for folder in folders if folder.parent.name == "blocks"]
    costs, packed = train_all(folders, home, settings, seeds, choose_device(device), known_alike(known, warn=True), names)
    names = [f"{name}{f' ({n})' if names.count(name) > 1 else ''}" for n, name in enumerate(names, 1)]
    first = costs[0]
    labels = {"entry": first[0].entries} | labels_of(first[0].ids, facts_in(data, first[0].ids))
    return [readings(packed, names, settings), *(
        line for name, others in zip(names[1:], costs[1:], strict=True)
        for line in lines(names[0], name, (first, others), labels, len(folders) - 1))]


def _names(folders: Sequence[Path]) -> list[str]:
    """The name of each folder of blocks; of different ones with the same name, with that of their data folder."""
    names = [folder.name for folder in folders]
    twice = {folder.name for folder in folders for other in folders
             if folder.name == other.name and folder.resolve() != other.resolve()}
    return [f"{folder.resolve().parent.parent.name}-{name}" if name in twice else name
            for folder, name in zip(folders, names, strict=True)]


def _run_of(data: str, config: str, mixture: str, workers: int | None) -> dict[str, Any]:
    """The options of a run of the flow, as its words take them."""
    return {"data": data, "config": config, "rules": own_or_shipped("rules.yaml"), "mixture": mixture, "tokenizer": None,
            "set": (), "runner": "local", "workers": workers, "job_endpoint": None, "worker_pool": None, "runner_option": ()}


def _ablations(given: dict[str, Any], without: Sequence[str], rules: Sequence[str],
               changes: tuple[str, ...]) -> tuple[dict[str, Path], list[str]]:
    """The blocks of every ablation that is asked for, by its name, and the data folders that know which texts are alike.

    All are looked at before any is made. Where copies are left in among documents that were never deduplicated, dedup is run
    on these besides: a held-out text must have no copy that is trained on."""
    from textmill.base.strict import read_yaml
    from textmill.cli.flow import bring_upstream
    from textmill.cli.options import run_context
    from textmill.pipelines.dedup.settings import DedupSettings
    from textmill.pipelines.standalone.ablation import COPIES, RULES, Ablation, changed_stages, link, write_rules
    from textmill.pipelines.standalone.ablation import without as left_out

    config, table = run_context(given).config, read_yaml(given["rules"])
    asked = [left_out(names.split(","), table, config[DedupSettings]) for names in without]
    asked += [Ablation(f"rules-{Path(path).stem}", read_yaml(path)) for path in rules]
    if changes:
        asked.append(Ablation("set-" + re.sub(r"[^A-Za-z0-9._-]+", "-", ",".join(changes))[:80], table, changes))
    compared = [ablation.name for ablation in asked]
    for names in without:
        others = [name for name in names.split(",") if name not in ("dedup", *COPIES)]
        if 0 < len(others) < len(names.split(",")):
            asked.append(left_out(others, table, config[DedupSettings]))
    runs = {}
    for ablation in asked:
        folder = Path(given["data"]) / "compare" / ablation.name
        write_rules(folder, ablation)
        run = given | {"data": str(folder), "rules": str(folder / RULES), "set": ablation.changes}
        other = run_context(run).config
        runs[ablation.name] = run, other, changed_stages(config, other)
    bring_upstream("train", given)
    for name, (run, other, stages) in runs.items():
        print(f"compare: preparing {name} in {run['data']}", file=sys.stderr, flush=True)
        link(Path(given["data"]), Path(run["data"]), stages, other)
        bring_upstream("train" if name in compared else "curate", run)
    return ({name: Path(of_mixture("blocks", runs[name][0])) for name in compared}, [run["data"] for run, *_ in runs.values()])


def known_alike(folders: Iterable[str], warn: bool = False) -> dict[str, str]:
    """The group of each document that has a copy, by all of these data folders; `warn`: where none knows of copies."""
    try:
        from textmill.pipelines.ledger.alike import alike, has_duplicates
    except ModuleNotFoundError:             # blocks were copied to where only the model's packages are
        return {}
    known = [data_folder(folder) for folder in dict.fromkeys(os.path.realpath(folder) for folder in folders)]
    if warn and not any(map(has_duplicates, known)):
        print("compare: no data folder says which texts are alike, so held-out texts are told from those trained on by their "
              "ids alone; give --data", file=sys.stderr, flush=True)
    return alike(known)


COMPARE = compare
