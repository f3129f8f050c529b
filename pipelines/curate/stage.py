"""Curate: training text from kept documents that are no copies, with personal data replaced and long pages cut."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.output import Output, Parquet
from textmill.pipelines.contract.parts import Counts, add_counts
from textmill.pipelines.contract.stage import RunContext, Stage
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.tally import count, tally
from textmill.pipelines.contract.task import Task, to_plain
from textmill.pipelines.curate.evaluation import SETS, Evaluation, open_sets
from textmill.pipelines.curate.rows import CURATED, REJECTED, curate_batch
from textmill.pipelines.curate.settings import CurateSettings
from textmill.pipelines.dedup.settings import DedupSettings
from textmill.pipelines.dedup.stage import DEDUP
from textmill.pipelines.extract.stage import EXTRACT
from textmill.pipelines.measure.stage import MEASURE
from textmill.pipelines.screen.policies import EvaluationPolicy, PersonalDataPolicy
from textmill.pipelines.screen.rules import Rules
from textmill.pipelines.screen.stage import SCREEN


@dataclass(frozen=True)
class CurateInputs:
    """The settings that curate reads: its own, the policies, and dedup's threshold for the ledger."""

    curate: CurateSettings
    policy: PersonalDataPolicy
    threshold: float
    evaluation: EvaluationPolicy


class Curate(Stage[CurateInputs, Evaluation | None, None]):
    """The stage that writes `curated`: the text of every kept document, with personal data replaced and long texts cut."""

    name, version = "curate", 5
    reads = (EXTRACT, MEASURE, SCREEN, DEDUP)
    libraries = ("phonenumbers", "python-stdnum", "regex")      # of what is found in `extra`
    columns: ClassVar = {
        "documents": ["id", "record_id", "source", "url", "date", "text", "file", "offset", "length", "extra",
                      "turns", "pair", "preferred"],
        "signals": ["id", "language", "language_score", "findings"]}

    def dataset(self, config: Configuration) -> str:
        return "curated"

    def settings(self, config: Configuration) -> CurateInputs:
        rules = config[Rules]
        return CurateInputs(config[CurateSettings], rules.personal_data, config[DedupSettings].threshold, rules.evaluation)

    def output_format(self, tools: Evaluation | None, settings: CurateInputs) -> Parquet:
        return Parquet(CURATED, REJECTED)

    def output_settings(self, config: Configuration) -> Any:
        """Without evaluation sets, the policy for them decides nothing."""
        settings = to_plain(self.settings(config))
        return settings if config[CurateSettings].evaluation_sets else settings | {"evaluation": None}

    def named_inputs(self, context: RunContext) -> dict[str, str]:
        return SETS.digests(context.config[CurateSettings].evaluation_sets, context.data)

    def open(self, settings: CurateInputs, data: Folder) -> Evaluation | None:
        return open_sets(settings.curate.evaluation_sets, settings.evaluation, data)

    def work(self, tools: Evaluation | None, settings: CurateInputs, task: Task, batches: Iterator[tuple[pa.RecordBatch, ...]],
             output: Output) -> Counts:
        """`kept` counts documents; their pieces are counted apart."""
        counts: Counts = {"read": 0, "kept": 0, "pieces": 0, "bytes": 0}
        for documents, signals, verdicts, duplicates in batches:
            curated, rejected = curate_batch(documents, signals, verdicts, duplicates, settings.curate, settings.policy,
                                             settings.threshold, tools)
            output.write(curated)
            output.reject(rejected)
            first = pc.cast(pc.equal(curated["piece"], 0), pa.int64())
            sizes = pc.cast(pc.binary_length(curated["text"]), pa.int64())
            measured = {"documents": first, "pieces": None, "bytes": sizes}
            counts = add_counts(counts, {
                "read": documents.num_rows, "kept": pc.sum(first).as_py() or 0, "pieces": curated.num_rows,
                "dialogues": curated.num_rows - curated["turns"].null_count,
                "bytes": pc.sum(sizes).as_py() or 0, "rejected": count(rejected["rule"]),
                "with_evaluation_items": pc.sum(pc.and_(pc.equal(curated["piece"], 0), pc.greater(
                    pc.list_value_length(curated["evaluation_items"]), 0))).as_py() or 0,
                "edits": count(pc.struct_field(pc.list_flatten(curated["edits"]), "kind")),
                "language": tally(curated["language"], **measured), "source": tally(curated["source"], **measured)})
        return counts

    def summary(self, counts: Counts) -> str:
        edits = sum(counts.get("edits", {}).values())
        turned = f", {counts['dialogues']:,} of them dialogues" if counts.get("dialogues") else ""
        return (f"{super().summary(counts)}; {counts['pieces']:,} pieces{turned}, {counts['bytes'] / 1e6:.1f} MB, "
                f"{edits:,} edits")


CURATE = Curate()
