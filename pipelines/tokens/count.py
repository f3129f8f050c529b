"""Pre-token counts of the curated text, from which the tokenizer is trained: a table for each part, made by workers.

A text is counted by its language, so that languages can be weighted afterwards. Where there is more text than
`sample_bytes`, languages share them as `balance` says, and in each texts are chosen by the hash of their ids.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.output import Output, Parquet
from textmill.pipelines.contract.parts import Counts, add_counts, read_counts
from textmill.pipelines.contract.stage import RunContext, Stage, manifest_of
from textmill.pipelines.contract.tally import tally
from textmill.pipelines.contract.task import Task, fingerprint
from textmill.pipelines.curate.stage import CURATE
from textmill.pipelines.tokens.settings import TokenizerName
from textmill.tokenizer.balance import sample_shares
from textmill.tokenizer.pretokens import COUNTS, count_pretokens
from textmill.tokenizer.settings import Balance, TokenizerSettings
from textmill.tokenizer.training import chosen

_ROWS = 1 << 16


@dataclass(frozen=True)
class CountSettings:
    """Of the tokenizer's settings, those that its counts depend on."""

    pattern: str
    max_pretoken_bytes: int
    sample_bytes: int
    balance: Balance


class CountPretokens(Stage[CountSettings, None, dict[str, float]]):
    """The stage that writes `pretokens/<tokenizer>`, as part of training a tokenizer."""

    name, version, unit = "count", 1, "texts"
    reads = (CURATE,)
    columns: ClassVar = {"curated": ["id", "source", "language", "text"]}
    here_below = 32 << 20

    def dataset(self, config: Configuration) -> str:
        return f"pretokens/{config[TokenizerName].name}"

    def settings(self, config: Configuration) -> CountSettings:
        settings = config[TokenizerSettings]
        return CountSettings(settings.pattern, settings.max_pretoken_bytes, settings.sample_bytes, settings.balance)

    def output_settings(self, config: Configuration) -> Any:
        """What is taken of each language stands in the tasks."""
        settings = self.settings(config)
        return {"pattern": settings.pattern, "max_pretoken_bytes": settings.max_pretoken_bytes}

    def output_format(self, tools: None, settings: CountSettings) -> Parquet:
        return Parquet(COUNTS)

    def prepare(self, context: RunContext) -> dict[str, float]:
        """Of each language ("" where unknown), the share of its texts that is counted."""
        manifest_of(CURATE, context)
        settings = self.settings(context.config)
        languages = read_counts(context.data / CURATE.dataset(context.config)).get("language", {})
        sizes = {language: of["bytes"] for language, of in languages.items()}
        return sample_shares(sizes, settings.balance, settings.sample_bytes)

    def tasks(self, context: RunContext, prepared: dict[str, float]) -> list[Task]:
        """One task per part; what is taken of each language is part of its fingerprint."""
        taken = {language: share for language, share in sorted(prepared.items()) if share < 1}
        return [Task(task.key, fingerprint(task.fingerprint, taken), task.inputs, taken, task.bytes)
                for task in self.aligned_tasks(context)]

    def work(self, tools: None, settings: CountSettings, task: Task, batches: Iterator[tuple[pa.RecordBatch, ...]],
             output: Output) -> Counts:
        counts: Counts = {"read": 0, "kept": 0, "bytes": 0, "rejected": {}}

        def taken() -> Iterator[tuple[pa.StringArray, pa.StringArray]]:
            nonlocal counts
            for (curated,) in batches:
                sample = curated.filter(_chosen(curated, task.payload)) if task.payload else curated
                sizes = pc.cast(pc.binary_length(sample["text"]), pa.int64())
                left_out = curated.num_rows - sample.num_rows
                counts = add_counts(counts, {
                    "read": curated.num_rows, "kept": sample.num_rows, "bytes": pc.sum(sizes).as_py() or 0,
                    "rejected": {"beyond_sample_bytes": left_out} if left_out else {},
                    "language": tally(sample["language"], documents=None, bytes=sizes),
                    "source": tally(sample["source"], documents=None, bytes=sizes)})
                yield sample["text"], sample["language"]

        for batch in count_pretokens(taken(), settings.pattern, settings.max_pretoken_bytes).to_batches(_ROWS):
            output.write(batch)
        return counts

    def summary(self, counts: Counts) -> str:
        return f"{counts['kept']:,} of {counts['read']:,} texts, {counts['bytes'] / 1e6:.1f} MB"


def _chosen(curated: pa.RecordBatch, taken: dict[str, float]) -> pa.BooleanArray:
    rows = zip(curated["id"].to_pylist(), curated["language"].to_pylist(), strict=True)
    return pa.array([chosen(id, taken.get(language or "", 1.0)) for id, language in rows], pa.bool_())


COUNT = CountPretokens()
