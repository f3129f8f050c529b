"""Screen: verdicts from stored measurements and the bounds of rules.yaml. Reads no text, so a changed bound costs seconds.

Guarantees a verdict for every document, with every broken rule, its value and its bound, in the table's order. A document
that takedown.txt lists has broken the rule `takedown` and no other.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.output import Output, Parquet
from textmill.pipelines.contract.parts import Counts, add_counts
from textmill.pipelines.contract.stage import RunContext, Stage
from textmill.pipelines.contract.tally import count, tally
from textmill.pipelines.contract.task import Task, fingerprint
from textmill.pipelines.extract.stage import EXTRACT
from textmill.pipelines.measure.stage import MEASURE
from textmill.pipelines.screen.rules import Rule, Rules
from textmill.pipelines.screen.verdicts import VERDICTS, RuleCount, optional, verdicts_batch
from textmill.pipelines.takedown.emptying import RULE, with_takedown
from textmill.pipelines.takedown.matching import taken_ids


class Screen(Stage[tuple[Rule, ...], None, dict[str, tuple[str, ...]]]):
    """The stage that writes `verdicts`: for every document whether it is kept, and every bound it breaks."""

    name, version = "screen", 2
    reads = (MEASURE, EXTRACT)
    columns: ClassVar = {"documents": ["source", "turns", "page_kind"]}

    def dataset(self, config: Configuration) -> str:
        return "verdicts"

    def settings(self, config: Configuration) -> tuple[Rule, ...]:
        return config[Rules].rules

    def output_format(self, tools: None, settings: tuple[Rule, ...]) -> Parquet:
        return Parquet(VERDICTS)

    def prepare(self, context: RunContext) -> dict[str, tuple[str, ...]]:
        """Part → the ids in it that takedown.txt lists."""
        return taken_ids(context.data)

    def tasks(self, context: RunContext, prepared: dict[str, tuple[str, ...]]) -> list[Task]:
        """One task per part; a part with documents listed in takedown.txt carries their ids."""
        return [replace(task, fingerprint=fingerprint(task.fingerprint, RULE, taken), payload=taken)
                if (taken := prepared.get(task.key)) else task for task in self.aligned_tasks(context)]

    def work(self, tools: None, settings: tuple[Rule, ...], task: Task, batches: Iterator[tuple[pa.RecordBatch, ...]],
             output: Output) -> Counts:
        """A document is rejected here under the first rule it breaks; `rules` counts every rule on its own."""
        counts: Counts = {"read": 0, "kept": 0, "rules": {rule.name: _as_counts(RuleCount()) for rule in settings}}
        for signals, documents in batches:
            if optional(signals, "form") is None:
                raise StageError("data/signals has no column form: it was made by an older version; run `textmill measure`")
            has_turns = documents["turns"].is_valid()
            verdicts, by_rule = verdicts_batch(signals, settings, has_turns.to_numpy(zero_copy_only=False),
                                                optional(documents, "page_kind"))
            if task.payload:
                verdicts = with_takedown(verdicts, signals, task.payload)
            output.write(verdicts)
            kept = verdicts["kept"].cast(pa.int64())
            words = pc.fill_null(signals["word_count"], 0)
            measured = {"documents": None, "words": words, "kept": kept, "kept_words": pc.multiply(words, kept)}
            turned = verdicts.filter(has_turns)
            counts = add_counts(counts, {
                "dialogues": {"documents": turned.num_rows, "kept": pc.sum(turned["kept"]).as_py() or 0},
                "read": verdicts.num_rows, "kept": pc.sum(kept).as_py() or 0, "rejected": count(_first_broken(verdicts)),
                "rules": {name: _as_counts(numbers) for name, numbers in by_rule.items()},
                "tags": count(pc.list_flatten(verdicts["tags"])),
                "language": tally(signals["language"], **measured), "source": tally(documents["source"], **measured)})
        return counts

    def summary(self, counts: Counts) -> str:
        turned, read = counts.get("dialogues", {"documents": 0}), counts["read"]
        idle = [name for name, numbers in counts["rules"].items()       # it is no news that pages' rules pass over dialogues
                if read and not numbers["applied"] and not (turned["documents"] and numbers["unbounded"] == read)]
        said = f"; {turned['kept']:,} of {turned['documents']:,} dialogues kept" if turned["documents"] else ""
        return super().summary(counts) + said + (f"; applied to no document: {', '.join(idle)}" if idle else "")


def _first_broken(verdicts: pa.RecordBatch) -> pa.Array:
    broken = verdicts["broken"].filter(pc.greater(pc.list_value_length(verdicts["broken"]), 0))
    return pc.struct_field(pc.list_element(broken, 0), "rule")


def _as_counts(numbers: RuleCount) -> Counts:
    return {name: getattr(numbers, name) for name in ("applied", "broken", "unmeasured", "unbounded")}


SCREEN = Screen()
