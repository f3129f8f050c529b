"""Extract: raw files become documents. Every record ends as one document or one rejected row, wherever it lay."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.extract.archive import Ends
from pipelines.extract.rows import DOCUMENTS, REJECTED, batches
from pipelines.extract.settings import Extract
from pipelines.extract.splits import RawFile, RawFilesError, plan_splits
from pipelines.parts import Counts, Receipt, add_counts
from pipelines.run import recall, remember
from pipelines.stage import Output, Place, Stage, Task, fingerprint, to_plain
from pipelines.storage import Entry, StageError
from pipelines.tally import count, tally

if TYPE_CHECKING:
    from pipelines.settings import Config

RAW = "raw"


class ExtractStage(Stage):
    name, version, unit = "extract", 1, "records"
    libraries = ("trafilatura", "lxml", "FastWARC", "warcio", "resiliparse", "brotli", "zstandard")
    schema, rejected = DOCUMENTS, REJECTED

    def dataset(self, config: "Config") -> str:
        return "documents"

    def settings(self, config: "Config") -> Extract:
        return config.settings.extract

    def part_bytes(self, settings: Extract) -> int:
        return settings.part_bytes

    def decisive(self, config: "Config") -> Any:
        """max_quarantined decides about a run, not about a byte."""
        return {name: value for name, value in to_plain(self.settings(config)).items() if name != "max_quarantined"}

    def tasks(self, place: Place) -> list[Task]:
        files = [RawFile(*found) for found in survey(place)]
        try:
            splits = plan_splits(files, (place.data / RAW).open, self.settings(place.config))
        except RawFilesError as error:
            raise StageError(str(error)) from None
        base = self.base(place)
        return [Task(split.key, fingerprint(base, to_plain(split)), payload=split) for split in splits]

    def work(self, tools: Any, settings: Extract, task: Task, _: Iterator[tuple[pa.RecordBatch, ...]],
             output: Output) -> Counts:
        from pipelines.extract.outcome import extract_split  # trafilatura: slow to import, needed by workers only

        counts: Counts = {"read": 0, "kept": 0}
        ends: list[Ends] = []
        for batch in batches(extract_split(task.payload, (output.data / RAW).open, settings, ends)):
            counts["read"] += batch.num_rows
            if batch.schema.equals(DOCUMENTS):
                output.write(batch)
                sizes = {"text_bytes": pc.binary_length(batch["text"]), "payload_bytes": batch["payload_bytes"]}
                counts = add_counts(counts, {
                    "kept": batch.num_rows, "source": tally(batch["source"], documents=None, **sizes),
                    "charset_from": count(batch["charset_from"]), "robots": count(pc.list_flatten(batch["robots"])),
                    **{name: pc.sum(column).as_py() for name, column in sizes.items()}})
            else:
                output.reject(batch)
                for outcome in ("rejected", "quarantined"):
                    rules = batch["rule"].filter(pc.equal(batch["outcome"], outcome))
                    counts = add_counts(counts, {outcome: count(rules)})
        output.notes = {"ends": [end._asdict() for end in ends]}
        return counts

    def faults(self, receipts: list[Receipt]) -> Iterator[str]:
        """Ranges of a file that do not meet: one began in the middle of a record of another."""
        ends = sorted((end for receipt in receipts for end in receipt.notes["ends"] if end["first"] < end["end"]),
                      key=lambda end: (end["path"], end["start"]))
        for one, after in pairwise(ends):
            if one["path"] == after["path"] and one["stop"] != after["first"]:
                yield (f"{one['path']} seems to hold another archive inside a record (its ranges do not meet at byte "
                       f"{after['start']}); set extract.split_bytes above the size of the file")

    def verdict(self, counts: Counts, place: Place) -> str | None:
        bad, bound = sum(counts.get("quarantined", {}).values()), self.settings(place.config).max_quarantined
        if bad <= bound * counts["read"]:
            return None
        return (f"{bad:,} of {counts['read']:,} records could not be read, more than max_quarantined ({bound:.1%}); look at "
                f"{place.data.uri}/documents/_rejected, or raise extract.max_quarantined")


def survey(place: Place) -> list[tuple[str, int, str]]:
    """(path relative to raw/, size, sha256) of every raw file. StageError where there is none or one cannot be opened.

    A file whose size and modification time are those of an earlier run is not hashed again.
    """
    raw, documents = place.data / RAW, place.data / "documents"
    entries = [e for e in raw.entries() if not any(name.startswith((".", "_")) for name in e.path.split("/"))]
    if not entries:
        raise StageError(f"nothing to read in {raw.uri}; put pages there (a folder for each source) or pass --data")
    known = recall(documents).get("files", {})

    def hashed(entry: Entry) -> tuple[str, int, str]:
        try:
            with raw.open(entry.path) as file:
                old = known.get(entry.path)
                if old and (old["size"], old["modified"]) == (entry.size, entry.modified) and entry.modified:
                    return entry.path, entry.size, old["sha256"]
                return entry.path, entry.size, sha256(file)
        except OSError as error:
            reason = error.strerror or " ".join(str(error).split())
            raise StageError(f"{raw.uri}/{entry.path} cannot be opened ({reason}); "
                             "make it readable or take it out of raw/") from None

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        files = list(pool.map(hashed, entries))
    now = {e.path: {"size": e.size, "modified": e.modified, "sha256": digest}
           for e, (_, _, digest) in zip(entries, files, strict=True)}
    if now != known:
        remember(documents, files=now)
    return files


def sha256(file: Any) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(8 << 20):
        digest.update(chunk)
    return digest.hexdigest()


EXTRACT = ExtractStage()
