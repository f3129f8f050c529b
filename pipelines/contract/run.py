"""One run of one stage, from top to bottom: refuse stale input, do what has no receipt, check, publish, clean, tell."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from textmill.base.progress import watched
from textmill.pipelines.contract.parts import MANIFEST, RUN, STATS, Counts, Manifest, Receipt, add_counts, files_of, to_json
from textmill.pipelines.contract.stage import RECEIPTS, RunContext, Stage, Task, library_version, manifest_of, quiet
from textmill.pipelines.contract.storage import Folder, StageError


def refuse_stale(stage: Stage, context: RunContext, current: set[str] | None = None) -> None:
    """StageError where something upstream of `stage` was not made from what is there now.

    `current` names what was looked at before: the flow comes together again, and each look at raw files opens them all.
    """
    current = set() if current is None else current
    for upstream in stage.reads:
        if upstream.name in current:
            continue
        refuse_stale(upstream, context, current)
        if manifest_of(upstream, context).wanted != upstream.wanted(context):
            raise StageError(f"{upstream.dataset(context.config)} is stale: its input or settings have changed; "
                             f"run `make {upstream.name}` (or `make {stage.name}`, which does both)")
        current.add(upstream.name)


def bring_up_to_date(stage: Stage, context: RunContext, if_missing: bool = False, current: set[str] | None = None) -> str:
    """Make the stage's dataset complete and current; the summary line. StageError says what stopped it.

    With `if_missing`, a complete dataset is left as it is, though its input may have changed since. `current` names stages
    whose datasets are taken as they are.
    """
    start = time.monotonic()
    if if_missing and (manifest := Manifest.read(context.data / stage.dataset(context.config))):
        changed = "" if manifest.wanted == stage.wanted(context) else "; its input has changed since it was made"
        return f"{stage.name}: {stage.dataset(context.config)} is there{changed}"
    refuse_stale(stage, context, current)
    dataset = context.data / stage.dataset(context.config)
    wanted, manifest = stage.wanted(context), Manifest.read(dataset)
    listing = {entry.path: entry.size for entry in dataset.entries()}
    if manifest and manifest.wanted == wanted and _whole(manifest, listing):
        receipts = read_receipts(dataset, list(manifest.receipts))
        clean(stage, context, receipts)
        remarks = "".join(f"; {remark}" for remark in stage.remarks(context))
        return f"{stage.name}: up to date, {total(receipts)['kept']:,} kept in {len(manifest.parts)} parts{remarks}"
    if not context.engine.is_local and stage.uses_workers:
        with quiet():                           # Beam warns of cloud libraries that are not installed
            from textmill.pipelines.engines.preflight import check_workers

        check_workers(stage, context)
    tasks = stage.tasks(context)
    kept = {r.task: r for r in read_receipts(dataset, [t.receipt for t in tasks if t.receipt in listing])
            if all(listing.get(part.path) == part.bytes for part in files_of(r))}
    todo = [task for task in tasks if task.key not in kept]
    if todo:
        wait = 0.5 if dataset.is_local else 3.0
        with watched(stage.name, len(todo), lambda: _made(dataset, todo), every=wait):
            stage.make(context, todo)
        redone = read_receipts(dataset, [t.receipt for t in todo if dataset.exists(t.receipt)])
        if len(redone) < len(todo):
            raise StageError(f"{len(todo) - len(redone)} of {len(todo)} parts were not finished; run the same command again")
        kept |= {r.task: r for r in redone}
    receipts = [kept[task.key] for task in tasks]
    balance(stage, tasks, receipts)
    if faults := list(stage.faults(receipts)):
        raise StageError("\n".join(faults))
    counts = total(receipts)
    dataset.write(STATS, to_json(counts))
    for path, content in stage.extra_files(context, receipts).items():
        dataset.write(path, content)
    dataset.write(MANIFEST, Manifest(
        stage.name, stage.version, wanted, tuple(part for r in receipts for part in r.parts),
        tuple(r.rejected for r in receipts if r.rejected), tuple(task.receipt for task in tasks),
        {"settings": stage.decisive(context.config), "named_inputs": stage.named_inputs(context),
         "libraries": stage.versions()}).to_json())
    seconds = time.monotonic() - start
    remember(dataset, runner=context.engine.runner, workers=context.engine.workers, seconds=round(seconds, 1),
             python_textmill=library_version("textmill"), redone=len(todo), tasks=len(tasks))
    clean(stage, context, receipts)
    if fault := stage.verdict(counts, context):
        raise StageError(f"{fault} (all else is written: {stage.summary(counts)})")
    parts = sum(len(r.parts) for r in receipts)
    said = "; ".join([stage.summary(counts), *stage.remarks(context)])
    return f"{stage.name}: {said}; {parts} parts ({len(todo)} of {len(tasks)} made now), {seconds:.1f} s"


def balance(stage: Stage, tasks: list[Task], receipts: list[Receipt]) -> None:
    """Nothing disappears: read = kept + rejected + quarantined in every receipt, or the run fails."""
    for task, receipt in zip(tasks, receipts, strict=True):
        counts = receipt.counts
        out = counts["kept"] + sum(counts.get("rejected", {}).values()) + sum(counts.get("quarantined", {}).values())
        fault = None if counts["read"] == out else f"read {counts['read']} but accounted for {out}"
        if fault := fault or stage.check(task, receipt):
            raise StageError(f"{task.key} does not balance: {fault}; this is a bug of {stage.name}, please report it")


def clean(stage: Stage, context: RunContext, receipts: list[Receipt]) -> None:
    """Remove what the manifest does not list: parts of older runs, temporary files, work folders."""
    dataset = context.data / stage.dataset(context.config)
    listed = {MANIFEST, STATS, RUN, *stage.extra_files(context, receipts)}
    for receipt in receipts:
        listed |= {f"{RECEIPTS}/{receipt.task}.{receipt.fingerprint}.json"} | {part.path for part in files_of(receipt)}
    for entry in dataset.entries():
        if entry.path not in listed:
            dataset.delete(entry.path)
    dataset.delete_empty_folders()


def remember(dataset: Folder, **facts: Any) -> None:
    """Add facts about this run to `_run.json`, the one file that the promise of equal bytes leaves out."""
    dataset.write(RUN, to_json(recall(dataset) | facts))


def recall(dataset: Folder) -> dict[str, Any]:
    try:
        return dict(json.loads(dataset.read(RUN)))
    except (FileNotFoundError, ValueError):
        return {}


def _whole(manifest: Manifest, listing: dict[str, int]) -> bool:
    return (all(listing.get(part.path) == part.bytes for part in (*manifest.parts, *manifest.rejected))
            and all(receipt in listing for receipt in manifest.receipts))


def read_receipts(dataset: Folder, paths: list[str]) -> list[Receipt]:
    """The receipts at these paths, sorted by path."""
    def read(path: str) -> Receipt:
        return Receipt.from_json(dataset.read(path), f"{dataset.uri}/{path}")

    with ThreadPoolExecutor(8) as pool:     # on an object store each is a request
        return list(pool.map(read, sorted(paths)))


def _made(dataset: Folder, tasks: list[Task]) -> int:
    there = {entry.path for entry in dataset.entries(RECEIPTS)}
    return sum(task.receipt in there for task in tasks)


def total(receipts: list[Receipt]) -> Counts:
    """The counts of all receipts: what `_stats.json` holds."""
    summed: Counts = {"read": 0, "kept": 0}
    for receipt in receipts:
        summed = add_counts(summed, receipt.counts)
    return summed
