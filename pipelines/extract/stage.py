"""Extract: raw files become documents. Every record becomes one document or one rejected row."""

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.output import Output, Parquet
from textmill.pipelines.contract.parts import Counts, Receipt, add_counts
from textmill.pipelines.contract.stage import RunContext, Stage
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.tally import count, tally
from textmill.pipelines.contract.task import Task, fingerprint, to_plain
from textmill.pipelines.extract.blocklists import BLOCKLISTS, Blocklist, open_blocklists
from textmill.pipelines.extract.files.archive import Ends
from textmill.pipelines.extract.files.ignored import ignored_line
from textmill.pipelines.extract.files.raw import hidden, survey
from textmill.pipelines.extract.files.raw_file import RawFile
from textmill.pipelines.extract.files.remote_files import RAW, open_raw
from textmill.pipelines.extract.legal_counts import legal_counts
from textmill.pipelines.extract.outcome import extract_split
from textmill.pipelines.extract.pages.model import digest
from textmill.pipelines.extract.pages.reader import Readers
from textmill.pipelines.extract.quarantine import CURES, place, unknown_files, unreadable
from textmill.pipelines.extract.rows import DOCUMENTS, REJECTED, batches
from textmill.pipelines.extract.settings import RUN_ONLY, ExtractSettings
from textmill.pipelines.extract.source_settings import NOTHING_SAID, SourceSettings, check_columns, read_sources
from textmill.pipelines.extract.splits import Split, plan_splits
from textmill.pipelines.takedown.emptying import RULE, emptied
from textmill.pipelines.takedown.memory import taken_by_task

SOME = 10       # unreadable records that a small input may have, if they are at most a tenth of it: a share says little there


class ExtractTools(NamedTuple):
    """Resources that a worker process opens once."""

    readers: Readers
    blocklists: tuple[Blocklist, ...]


class SplitWork(NamedTuple):
    """Content of a task: its split, its fingerprint before takedown, and the keys of the rows taken down."""

    split: Split
    fingerprint: str
    taken: tuple[str, ...]
    given: SourceSettings = NOTHING_SAID


class Extract(Stage[ExtractSettings, ExtractTools, list[RawFile]]):
    """The stage that writes `documents`: text and metadata of every record of the raw files, and its rejected records."""

    name, version, unit = "extract", 10, "records"
    libraries = ("trafilatura", "lxml", "FastWARC", "warcio", "resiliparse", "brotli", "zstandard",
                 "publicsuffixlist", "pypdfium2", "mwparserfromhell", "ijson")

    def dataset(self, config: Configuration) -> str:
        return "documents"

    def settings(self, config: Configuration) -> ExtractSettings:
        return config[ExtractSettings]

    def output_format(self, tools: ExtractTools, settings: ExtractSettings) -> Parquet:
        return Parquet(DOCUMENTS, REJECTED, settings.part_bytes)

    def output_settings(self, config: Configuration) -> Any:
        """All but those that decide which files are read, or affect a run and no output byte."""
        return {name: value for name, value in to_plain(self.settings(config)).items() if name not in RUN_ONLY}

    def prepare(self, context: RunContext) -> list[RawFile]:
        """The raw files, with hashes; those unchanged since an earlier run are not hashed again."""
        return survey(context.data, self.settings(context.config).ignore)

    def tasks(self, context: RunContext, prepared: list[RawFile]) -> list[Task]:
        settings, open_file = self.settings(context.config), partial(open_raw, context.data)
        splits, sources = plan_splits(prepared, open_file, settings), read_sources(context.data)
        check_columns(sources, prepared, open_file, settings)
        base, taken = self.base(context), taken_by_task(context.data)

        def task(split: Split) -> Task:
            given = sources.get(split.source, NOTHING_SAID)
            said = () if given == NOTHING_SAID else (to_plain(given),)       # a source without any keeps its fingerprints
            return task_of(split, fingerprint(base, to_plain(split), *said), taken.get(split.key, ()), given)

        return [task(split) for split in splits]

    def named_inputs(self, context: RunContext) -> dict[str, str]:
        settings = self.settings(context.config)
        weights = {"main-text.npz": digest()} if settings.engine == "model" else {}
        return {**BLOCKLISTS.digests(settings.blocklists, context.data), **weights}

    def open(self, settings: ExtractSettings, data: Folder) -> ExtractTools:
        return ExtractTools(Readers(settings), open_blocklists(settings.blocklists, data))

    def work(self, tools: ExtractTools, settings: ExtractSettings, task: Task, _: Iterator[tuple[pa.RecordBatch, ...]],
             output: Output) -> Counts:
        work: SplitWork = task.payload
        counts: Counts = {"read": 0, "kept": 0}
        ends: list[Ends] = []
        if work.taken:
            output.change_rows(partial(emptied, keys=work.taken))
        with tools.readers.one() as reader:
            rows = extract_split(work.split, partial(open_raw, output.data), settings, reader, ends, tools.blocklists,
                                 work.given)
            for batch in batches(rows):
                kept = batch.schema.equals(DOCUMENTS)
                (output.write if kept else output.reject)(batch)
                counts = add_counts(counts, counted(batch, work.taken))
        output.notes = {"ends": [end._asdict() for end in ends], **takedown_notes(work.fingerprint, work.taken)}
        return counts

    def remarks(self, context: RunContext) -> list[str]:
        """The files under raw/ that are not read: for their names, and those of no known kind."""
        ignore = self.settings(context.config).ignore
        paths = [entry.path for entry in (context.data / RAW).entries()]
        return [*hidden(paths, ignore), *ignored_line(paths, ignore), *unknown_files(context.data)]

    def contradictions(self, receipts: list[Receipt]) -> Iterator[str]:
        """Ranges of a file that are not contiguous: one began in the middle of a record of another."""
        ends = sorted((end for receipt in receipts for end in receipt.notes["ends"] if end["first"] < end["end"]),
                      key=lambda end: (end["path"], end["start"]))
        for one, after in pairwise(ends):
            if one["path"] == after["path"] and one["stop"] != after["first"]:
                yield (f"{one['path']} seems to hold another archive inside a record (its ranges do not meet at byte "
                       f"{after['start']}); set extract.split_bytes above the size of the file")

    def summary(self, counts: Counts) -> str:
        """With the dialogues, and the columns that made them dialogues and not texts."""
        by_columns = counts.get("turns_from", {})
        named = ", ".join(f"{columns.replace(', ', ' + ')} {n:,}" for columns, n in by_columns.items())
        pairs = f", of these {counts['pairs']:,} compared pairs" if counts.get("pairs") else ""
        return super().summary(counts) + (f"; {sum(by_columns.values()):,} dialogues ({named}){pairs}" if by_columns else "")

    def failure(self, counts: Counts, context: RunContext) -> str | None:
        bad, bound = sum(counts.get("quarantined", {}).values()), self.settings(context.config).max_quarantined
        if bad <= max(bound * counts["read"], min(SOME, counts["read"] / 10)):
            return None
        rule = max(sorted(counts["quarantined"]), key=counts["quarantined"].__getitem__)
        first = unreadable(context.data, rule)
        where = f", the first in raw/{place(context.data, first['file'], first['offset'])}" if first else ""
        detail = f" ({first['detail']})" if first and first["detail"] else ""
        return (f"{bad:,} of {counts['read']:,} records could not be read, more than max_quarantined ({bound:.1%}): "
                f"{counts['quarantined'][rule]:,} by {rule}{where}{detail}; {CURES.get(rule, 'take it out of raw/')}, or raise "
                f"extract.max_quarantined; `textmill rejected --data {context.data.uri}` lists all")


def task_of(split: Split, plain: str, taken: tuple[str, ...], given: SourceSettings = NOTHING_SAID) -> Task:
    """The task of a split whose fingerprint is `plain` as long as none of its rows is taken down."""
    return Task(split.key, fingerprint_with(plain, taken), payload=SplitWork(split, plain, taken, given),
                bytes=sum(part.end - part.start for part in split.ranges))


def fingerprint_with(plain: str, taken: tuple[str, ...]) -> str:
    """A task's fingerprint where rows with these keys are empty: only a task that has one of them carries it."""
    return fingerprint(plain, RULE, taken) if taken else plain


def takedown_notes(plain: str, taken: tuple[str, ...]) -> dict[str, Any]:
    """The receipt's notes on rows taken down; empty where there are none."""
    return {RULE: {"fingerprint_without": plain, "rows": len(taken)}} if taken else {}


def counted(batch: pa.RecordBatch, taken: tuple[str, ...]) -> Counts:
    """The counts of a batch of documents or of rejected records, those taken down counted as empty."""
    if taken:
        (batch,) = emptied(pa.Table.from_batches([batch]), taken).combine_chunks().to_batches()
    return {"read": batch.num_rows, **(kept_counts if batch.schema.equals(DOCUMENTS) else lost_counts)(batch)}


def kept_counts(batch: pa.RecordBatch) -> Counts:
    """The counts of documents."""
    sizes = {"text_bytes": pc.binary_length(batch["text"]), "payload_bytes": batch["payload_bytes"]}
    return {"kept": batch.num_rows, "source": tally(batch["source"], documents=None, **sizes),
            "charset_from": count(batch["charset_from"]), "truncated": count(batch["truncated"]), **legal_counts(batch),
            "turns_from": count(batch["turns_from"]), "pairs": pc.sum(batch["preferred"]).as_py() or 0,
            **{name: pc.sum(column).as_py() for name, column in sizes.items()}}


def lost_counts(batch: pa.RecordBatch) -> Counts:
    """Rejected and quarantined records by rule."""
    return {outcome: count(batch["rule"].filter(pc.equal(batch["outcome"], outcome)))
            for outcome in ("rejected", "quarantined")}


EXTRACT = Extract()
