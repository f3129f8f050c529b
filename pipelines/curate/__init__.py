"""Curate: what is kept and no copy becomes text to learn from, with personal data taken out and long pages cut."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.curate.rows import CURATED, REJECTED, Curate, curate_batch
from pipelines.dedup import DEDUP
from pipelines.extract.stage import EXTRACT
from pipelines.measure import MEASURE
from pipelines.parts import Counts, add_counts
from pipelines.rules import PersonalDataPolicy
from pipelines.screen import SCREEN
from pipelines.stage import Output, Stage, Task
from pipelines.tally import count, tally

if TYPE_CHECKING:
    from pipelines.settings import Config


@dataclass(frozen=True)
class Given:
    """The settings curate reads: its own, the personal-data policy, and dedup's threshold for the ledger."""

    curate: Curate
    policy: PersonalDataPolicy
    threshold: float


class CurateStage(Stage):
    name, version = "curate", 1
    reads = (EXTRACT, MEASURE, SCREEN, DEDUP)
    columns = {  # noqa: RUF012  (read only)
        "documents": ["id", "record_id", "source", "url", "date", "text", "file", "offset", "length", "extra"],
        "signals": ["id", "language", "language_score", "findings"]}
    schema, rejected = CURATED, REJECTED

    def dataset(self, config: "Config") -> str:
        return "curated"

    def settings(self, config: "Config") -> Given:
        return Given(config.settings.curate, config.rules.personal_data, config.settings.dedup.threshold)

    def work(self, tools: Any, settings: Given, task: Task, batches: Iterator[tuple[pa.RecordBatch, ...]],
             output: Output) -> Counts:
        """`kept` counts documents; their pieces are counted apart."""
        counts: Counts = {"read": 0, "kept": 0, "pieces": 0, "bytes": 0}
        for documents, signals, verdicts, duplicates in batches:
            curated, rejected = curate_batch(documents, signals, verdicts, duplicates, settings.curate, settings.policy,
                                             settings.threshold)
            output.write(curated)
            output.reject(rejected)
            first = pc.cast(pc.equal(curated["piece"], 0), pa.int64())
            sizes = pc.cast(pc.binary_length(curated["text"]), pa.int64())
            measured = {"documents": first, "pieces": None, "bytes": sizes}
            counts = add_counts(counts, {
                "read": documents.num_rows, "kept": pc.sum(first).as_py() or 0, "pieces": curated.num_rows,
                "bytes": pc.sum(sizes).as_py() or 0, "rejected": count(rejected["rule"]),
                "edits": count(pc.struct_field(pc.list_flatten(curated["edits"]), "kind")),
                "language": tally(curated["language"], **measured), "source": tally(curated["source"], **measured)})
        return counts

    def summary(self, counts: Counts) -> str:
        edits = sum(counts.get("edits", {}).values())
        return super().summary(counts) + f"; {counts['pieces']:,} pieces, {counts['bytes'] / 1e6:.1f} MB, {edits:,} edits"


CURATE = CurateStage()
