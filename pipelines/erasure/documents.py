"""Erasure in `documents`: parts with rows taken down are rewritten from the stored rows, without the raw files.

The result is byte for byte what extract would write from the raw files with the same takedowns, under the same names;
so it does not matter whether the raw files are still there.
"""

from collections.abc import Iterator
from functools import partial

import pyarrow as pa

from textmill.base.sealed import seal
from textmill.pipelines.contract.part_files import PartWriter, read_batches
from textmill.pipelines.contract.parts import STATS, Counts, Manifest, Part, Receipt, add_counts
from textmill.pipelines.contract.run import clean, read_receipts, total
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.contract.storage import MANIFEST, Folder
from textmill.pipelines.contract.task import RECEIPTS, fingerprint
from textmill.pipelines.extract.rows import DOCUMENTS, REJECTED
from textmill.pipelines.extract.stage import EXTRACT, counted, fingerprint_with, takedown_notes
from textmill.pipelines.takedown.emptying import RULE, emptied
from textmill.pipelines.takedown.memory import Memory


def empty_documents(context: RunContext, memory: Memory) -> int:
    """Empty every row on record as taken down; the number of parts rewritten.

    Idempotent, also after a kill: the manifest is written last, and files it no longer lists are deleted after that.
    """
    dataset = context.data / EXTRACT.dataset(context.config)
    manifest = Manifest.read(dataset)
    assert manifest is not None, "what is taken was found there"
    receipts = {receipt.task: receipt for receipt in read_receipts(dataset, list(manifest.receipts))}
    taken, written = memory.keys_by_task(), 0
    for task, receipt in receipts.items():
        plain = receipt.notes.get(RULE, {}).get("fingerprint_without", receipt.fingerprint)
        keys = taken.get(task, ())
        if fingerprint_with(plain, keys) != receipt.fingerprint and keys:
            receipts[task] = _emptied_task(dataset, receipt, plain, keys)
            written += len(receipts[task].parts)
    listed = [receipts[task] for task in sorted(receipts)]
    if written:
        dataset.write(STATS, seal(total(listed)))
        dataset.write(MANIFEST, Manifest(
            manifest.stage, manifest.version, fingerprint(*((one.task, one.fingerprint) for one in listed)),
            tuple(part for one in listed for part in one.parts), tuple(one.rejected for one in listed if one.rejected),
            tuple(_path(one) for one in listed), manifest.made_from).to_json())
    clean(EXTRACT, context, listed)
    return written


def _emptied_task(dataset: Folder, receipt: Receipt, plain: str, keys: tuple[str, ...]) -> Receipt:
    """Rewrite the parts of a task, and last its receipt."""
    assert receipt.rejected is not None, "extract writes its rejected rows always"
    name, counts = fingerprint_with(plain, keys), _Counts(keys)
    parts = tuple(_emptied_part(dataset, part, f"{part.key}.{name}.parquet", DOCUMENTS, counts) for part in receipt.parts)
    lost = _emptied_part(dataset, receipt.rejected, f"_rejected/{receipt.task}.{name}.parquet", REJECTED, counts)
    made = Receipt(receipt.task, name, parts, lost, add_counts({}, counts.counts),
                   {key: value for key, value in receipt.notes.items() if key != RULE} | takedown_notes(plain, keys))
    dataset.write(_path(made), made.to_json())
    return made


class _Counts:
    """The counts of a task, as extract counts them."""

    def __init__(self, keys: tuple[str, ...]):
        self.keys, self.counts = keys, Counts(read=0, kept=0)

    def of(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.counts = add_counts(self.counts, counted(batch, self.keys))
            yield batch


def _emptied_part(dataset: Folder, part: Part, path: str, schema: pa.Schema, counts: _Counts) -> Part:
    with PartWriter(dataset, part.key, path, schema, partial(emptied, keys=counts.keys)) as writer:
        for batch in counts.of(read_batches(dataset, part)):
            writer.copy_group(batch)
    assert writer.part is not None
    return writer.part


def _path(receipt: Receipt) -> str:
    return f"{RECEIPTS}/{receipt.task}.{receipt.fingerprint}.json"
