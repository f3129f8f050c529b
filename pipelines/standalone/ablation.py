"""Ablations: a data folder in which something is left out of curation, beside the one it is left out of.

Guarantees: what does not change is linked and never made again; nothing is written into the folder it is taken from. The rules
of the ablation lie in its folder as rules.yaml, so that every word can be asked about it: `--data FOLDER --rules
FOLDER/rules.yaml`. Its tokenizer is that of the other, as models with different ones do not compare.
"""

import difflib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from textmill.base.strict import SettingsError
from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.stage import Stage
from textmill.pipelines.contract.storage import LEDGER
from textmill.pipelines.dedup.kinds import BY_NAME, RECORD
from textmill.pipelines.dedup.settings import DedupSettings
from textmill.pipelines.flow import STAGES

# What pages say of their own use is no question of quality: these rules stay where `screen` is left out.
RIGHTS = ("noai", "tdm_reservation")
RULES = "rules.yaml"
WHOLE = ("screen", "dedup", "personal_data")
# A record that is stored twice is one document with one id, which no recipe can take twice.
COPIES = tuple(name for name in BY_NAME if name != RECORD.name)
NOT_LINKED = ("blocks", "checkpoints", "compare", "ladder", "sweep", "memorised", "report", "export", LEDGER)


class Ablation(NamedTuple):
    """What is left out: its name, the table of rules without it, and changes of settings as `--set` takes them."""

    name: str
    rules: dict[str, Any]
    changes: tuple[str, ...] = ()


def without(names: Sequence[str], table: Mapping[str, Any], dedup: DedupSettings) -> Ablation:
    """Without screen, dedup, personal_data, a rule, a kind of copy or of personal data. SettingsError for any other name."""
    rules, kinds, dialogues = dict(table.get("rules") or {}), list(dedup.kinds), table.get("dialogues")
    policies = dict(table.get("personal_data") or {})
    known = [*WHOLE, *COPIES, *policies, *rules]
    problems = []
    for name in names:
        if name == "screen":
            rules = {rule: bounds for rule, bounds in rules.items() if rule in RIGHTS}
        elif name == "dedup":
            kinds = [kind for kind in kinds if kind not in COPIES]
        elif name == "personal_data":
            policies = {kind: {"action": "keep"} for kind in policies}
        elif name in COPIES:
            kinds = [kind for kind in kinds if kind != name]
        elif name in policies:
            policies[name] = {"action": "keep"}
        elif name in known:
            rules.pop(name, None)
        else:
            near = difflib.get_close_matches(name, known, n=1)
            cure = f"did you mean {near[0]}?" if near else f"give {', '.join(known[:-len(rules)])} or a rule of the table"
            problems.append(f"--without {name}: there is nothing of this name to leave out; {cure}")
    if problems:
        raise SettingsError(problems)
    written = dict(table) | {"rules": rules, "personal_data": policies}
    if dialogues is not None:
        written["dialogues"] = {rule: bounds for rule, bounds in dialogues.items() if rule in rules}
    changes = [] if kinds == list(dedup.kinds) else [f"dedup.kinds=[{', '.join(kinds)}]"]
    if changes and "url" not in kinds and dedup.same_address == "newest":
        changes.append("dedup.same_address=similar")
    return Ablation("without-" + "-".join(names), written, tuple(changes))


def write_rules(folder: Path, ablation: Ablation) -> None:
    """The table of rules of an ablation, into its data folder."""
    import yaml

    folder.mkdir(parents=True, exist_ok=True)
    text = f"# {ablation.name}: written by `textmill compare`.\n" + yaml.safe_dump(ablation.rules, sort_keys=False,
                                                                                 allow_unicode=True)
    if not (folder / RULES).is_file() or (folder / RULES).read_text("utf-8") != text:
        (folder / RULES).write_text(text, "utf-8")


def changed_stages(config: Configuration, other: Configuration) -> list[Stage]:
    """The stages that another configuration makes anew: the first that it changes, and all after it.

    SettingsError where it changes none, or the tokenizer."""
    stages: list[Stage] = list(STAGES.values())
    first = next((n for n, stage in enumerate(stages) if stage.output_settings(config) != stage.output_settings(other)), None)
    if first is None:
        raise SettingsError(["nothing changes, so there is nothing to compare; give another rule, file or value"])
    if stages[first].name == "tokenizer" or STAGES["tokenizer"].settings(config) != STAGES["tokenizer"].settings(other):
        raise SettingsError(["models with different tokenizers do not compare here; leave its settings as they are"])
    return stages[first:]


def link(data: Path, folder: Path, stages: Sequence[Stage], config: Configuration) -> None:
    """Make `folder` a data folder with everything of `data` but the datasets of `stages`, linked.

    Of texts and tokens the parts are linked file by file: those that come out the same are not made again."""
    own = {stage.dataset(config).split("/")[0] for stage in stages if stage.name != "tokenizer"}
    for below in (".", LEDGER):
        _link_others(data / below, folder / below, own)
    for stage in stages:
        dataset = stage.dataset(config)
        if stage.name in ("curate", "tokenize") and (data / dataset).is_dir() and not (folder / dataset).exists():
            _link_files(data / dataset, folder / dataset)
            for kind in ("receipts", "rejected"):
                _link_files(data / LEDGER / dataset / kind, folder / LEDGER / dataset / kind)


def _link_others(source: Path, target: Path, own: set[str]) -> None:
    """Links to everything in a folder but what is `own` and what no ablation has."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir()) if source.is_dir() else ():
        place = target / entry.name
        if entry.name in own and place.is_symlink():
            place.unlink()              # it was linked for other rules
        if not (entry.name in own or entry.name in NOT_LINKED or os.path.lexists(place)):
            place.symlink_to(os.path.relpath(entry.resolve(), target.resolve()))


def _link_files(source: Path, target: Path) -> None:
    """Hard links of all files, copied where the file system has none. They are replaced and never written into."""
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if path.is_file() and not relative.parts[0].startswith("_"):
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, target / relative)
            except OSError:
                shutil.copyfile(path, target / relative)
