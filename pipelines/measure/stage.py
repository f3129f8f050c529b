"""Measure: read each document's text once and store everything a later decision may need."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.output import Output, Parquet
from textmill.pipelines.contract.parts import Counts, add_counts
from textmill.pipelines.contract.stage import RunContext, Stage
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.tally import count, tally
from textmill.pipelines.contract.task import Task
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.extract.stage import EXTRACT
from textmill.pipelines.measure.named_inputs import changed_since
from textmill.pipelines.measure.settings import MeasureSettings
from textmill.pipelines.measure.signals import SIGNALS, MeasureTools, measure_batch, open_tools, table_hashes


class Measure(Stage[MeasureSettings, MeasureTools, None]):
    """The stage that writes `signals`: every measurement of every document, its MinHash signature and personal data."""

    name, version = "measure", 9
    reads = (EXTRACT,)
    libraries = ("fasttext-community", "pycld2", "datasketch", "regex", "xxhash", "zstandard", "phonenumbers", "python-stdnum")

    def dataset(self, config: Configuration) -> str:
        return "signals"

    def settings(self, config: Configuration) -> MeasureSettings:
        return config[MeasureSettings]

    def output_format(self, tools: MeasureTools, settings: MeasureSettings) -> Parquet:
        return Parquet(SIGNALS)

    def named_inputs(self, context: RunContext) -> dict[str, str]:
        return dict(table_hashes(context.config[MeasureSettings], context.data))

    def remarks(self, context: RunContext) -> list[str]:
        return changed_since(context.config[MeasureSettings], context.config[ExtractSettings].text_columns, context.data)

    def open(self, settings: MeasureSettings, data: Folder) -> MeasureTools:
        return open_tools(settings, data)

    def work(self, tools: MeasureTools, settings: MeasureSettings, task: Task, batches: Iterator[tuple[pa.RecordBatch, ...]],
             output: Output) -> Counts:
        counts: Counts = {"read": 0, "kept": 0}
        for (documents,) in batches:
            signals = measure_batch(documents, tools)
            output.write(signals)
            counts = add_counts(counts, {
                "read": documents.num_rows, "kept": signals.num_rows, "personal_data": count(_kinds(signals)),
                "language": tally(signals["language"], documents=None, words=signals["word_count"])})
        return counts


def _kinds(signals: pa.RecordBatch) -> pa.Array:
    return pc.struct_field(pc.list_flatten(signals["findings"]), "kind")


MEASURE = Measure()
