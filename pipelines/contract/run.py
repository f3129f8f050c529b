"""The run of a stage: refuse stale input, prepare, do the tasks without a receipt, check, publish, clean up, report."""

import contextlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from textmill.base.progress import watched
from textmill.base.sealed import seal
from textmill.base.strict import SettingsError
from textmill.pipelines.contract.attempt import attempt
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.lock import is_free, locked
from textmill.pipelines.contract.parts import (
    RUN,
    STATS,
    Counts,
    DamagedError,
    Manifest,
    Receipt,
    add_counts,
    files_of,
    read_counts,
)
from textmill.pipelines.contract.pulse import FOLDER as PULSES
from textmill.pipelines.contract.pulse import rows_so_far
from textmill.pipelines.contract.run_notes import remember
from textmill.pipelines.contract.stage import RunContext, Stage, library_version, manifest_of
from textmill.pipelines.contract.storage import MANIFEST, Folder
from textmill.pipelines.contract.task import RECEIPTS, Task


def refuse_stale(stage: Stage, context: RunContext, current: set[str] | None = None) -> None:
    """StageError where a dataset upstream of `stage` is stale.

    `current` names stages checked before: paths of the flow meet again, and each check of the raw files opens them all.
    """
    current = set() if current is None else current
    for upstream in stage.reads:
        if upstream.name in current:
            continue
        refuse_stale(upstream, context, current)
        if manifest_of(upstream, context).input_digest != upstream.input_digest(context):
            raise StageError(f"{upstream.dataset(context.config)} is stale: its input or settings have changed; "
                             f"run `textmill {upstream.name}` (or `textmill {stage.name}`, which does both)")
        current.add(upstream.name)


def bring_up_to_date(stage: Stage, context: RunContext, if_missing: bool = False, current: set[str] | None = None) -> str:
    """Make the stage's dataset complete and current; the summary line. StageError says what stopped it.

    With `if_missing`, a complete dataset is left as it is, though its input may have changed since. `current` names stages
    whose datasets are taken as they are.
    """
    if problems := list(stage.problems(context.config)):
        raise SettingsError(problems)
    dataset = context.data / stage.dataset(context.config)
    if if_missing and (line := in_place(stage, context, if_missing)):
        return line
    with contextlib.ExitStack() as locks:
        for upstream in stage.reads:
            locks.enter_context(locked(context.data / upstream.dataset(context.config), stage.name, shared=True))
        refuse_stale(stage, context, current)
        digest = stage.input_digest(context)
        if line := up_to_date(stage, context, digest):
            return line
        if locks.enter_context(locked(dataset, stage.name)):
            digest = stage.input_digest(context)        # the other run may have done it
            if line := up_to_date(stage, context, digest):
                return line
        return build(stage, context, digest)


def in_place(stage: Stage, context: RunContext, if_missing: bool = False) -> str | None:
    """The summary line of a dataset that needs nothing, where all that is upstream needs nothing; None for any other.

    With `if_missing`, it needs nothing where it is complete, though its input may have changed since.
    """
    dataset = context.data / stage.dataset(context.config)
    if not dataset.exists(MANIFEST):
        by_hand = if_missing and put_by_hand(dataset)
        return f"{stage.name}: {stage.dataset(context.config)} is there, put there by hand" if by_hand else None
    digest = stage.input_digest(context)
    if not if_missing:
        return up_to_date(stage, context, digest)
    manifest = Manifest.read(dataset)
    changed = "" if manifest and manifest.input_digest == digest else "; its input has changed since it was made"
    return f"{stage.name}: {stage.dataset(context.config)} is there{changed}"


def put_by_hand(dataset: Folder) -> bool:
    """Whether there are files in the folder of a dataset, and none that a run of ours would have left before them."""
    names = [entry.path for entry in dataset.entries()]
    return bool(names) and not any(name.startswith("_") for name in names)


def up_to_date(stage: Stage, context: RunContext, digest: str) -> str | None:
    """The summary line of a dataset that is whole and made from what `digest` is of; None for any other.

    A damaged manifest, receipt or count is as if it had not been written. Further files are put right, and what the manifest
    does not list is removed, unless another run works there. In an object store, where each would be a request, receipts are
    not read. StageError where the run that made it failed (`Stage.failure`) and would fail again.
    """
    dataset = context.data / stage.dataset(context.config)
    try:
        manifest = Manifest.read(dataset)
        listing = _listing(dataset)
        if not manifest or manifest.input_digest != digest or not _whole(manifest, listing):
            return None
        counts, unlisted = read_counts(dataset), listing.keys() - listed_in(manifest)
        receipts = read_receipts(dataset, list(manifest.receipts)) if dataset.is_local or unlisted else []
    except DamagedError as error:
        _tell_damage(stage, error)
        return None
    with contextlib.ExitStack() as locks:
        if receipts and is_free(dataset, locks):
            dataset.move_to_ledger()
            for path, content in stage.extra_files(context, receipts).items():
                if dataset.size(path) != len(content) or dataset.read(path) != content:
                    dataset.write(path, content)
            clean(stage, context, receipts)
    if failure := stage.failure(counts, context):
        raise StageError(f"{failure} (all else is written: {stage.summary(counts)})")
    remarks = "".join(f"; {remark}" for remark in stage.remarks(context))
    return f"{stage.name}: up to date, {counts['kept']:,} kept in {len(manifest.parts)} parts{remarks}"


def listed_in(manifest: Manifest) -> set[str]:
    """The paths of all files that every dataset of this manifest has."""
    return {MANIFEST, STATS, RUN, *manifest.receipts, *(part.path for part in (*manifest.parts, *manifest.rejected))}


def build(stage: Stage, context: RunContext, digest: str) -> str:
    """Do the tasks that have no receipt and publish the dataset; the summary line."""
    start, dataset = time.monotonic(), context.data / stage.dataset(context.config)
    dataset.move_to_ledger()
    try:
        if stage.uses_workers:
            context.engine.preflight(stage, context)
        prepared = stage.prepare(context)
        tasks = stage.tasks(context, prepared)
        receipts, built = done(stage, context, tasks)
        counts = add_counts(total(receipts), stage.prepared_counts(prepared))
        check(stage, tasks, receipts, counts)
        refuse_changed(stage, context, digest, [task.receipt for task in tasks if task.key in built])
    except Exception as error:
        # Without locks another run that was faster removes the work files of this one; then the dataset is there.
        if getattr(error, "ends_process", False) or not (line := up_to_date(stage, context, digest)):
            raise
        return line
    publish(stage, context, tasks, receipts, counts, digest)
    remember(dataset, runner=context.engine.runner, workers=context.engine.workers, seconds=round(time.monotonic() - start, 1),
             python_textmill=library_version("textmill"), redone=len(built), tasks=len(tasks))
    clean(stage, context, receipts)
    if failure := stage.failure(counts, context):
        raise StageError(f"{failure} (all else is written: {stage.summary(counts)})")
    summary = "; ".join([stage.summary(counts), *stage.remarks(context)])
    parts, fresh = (sum(len(r.parts) for r in receipts if r.task in keys) for keys in ({t.key for t in tasks}, built))
    return f"{stage.name}: {summary}; {parts} parts ({fresh} built, {parts - fresh} reused), {time.monotonic() - start:.1f} s"


def done(stage: Stage, context: RunContext, tasks: list[Task]) -> tuple[list[Receipt], set[str]]:
    """The receipts of all tasks, in their order, after doing those that have no valid one, and the keys of these."""
    dataset = context.data / stage.dataset(context.config)
    listing, damage = _listing(dataset), list[DamagedError]()
    receipts = {r.task: r for r in read_receipts(dataset, [t.receipt for t in tasks if t.receipt in listing], damage)
                if all(listing.get(part.path) == part.bytes for part in files_of(r))}
    for error in damage:
        _tell_damage(stage, error)
    missing = [task for task in tasks if task.key not in receipts]
    if missing:
        for entry in dataset.entries(PULSES) if dataset.is_local else ():       # of a run that was killed
            dataset.delete(entry.path)
        with watched(stage.name, len(missing), lambda: _finished(dataset, missing), every=0.5 if dataset.is_local else 3.0,
                     detail=lambda: f"{rows:,} {stage.unit}" if (rows := rows_so_far(dataset)) else ""):
            here = not stage.uses_workers or sum(task.bytes for task in missing) < stage.here_below
            (do_here if here else context.engine.do)(stage, context, missing)
        built = read_receipts(dataset, [task.receipt for task in missing if dataset.exists(task.receipt)])
        if len(built) < len(missing):
            raise StageError(f"{len(missing) - len(built)} of {len(missing)} tasks were not finished; run the same command "
                             "again")
        receipts |= {receipt.task: receipt for receipt in built}
    return [receipts[task.key] for task in tasks], {task.key for task in missing}


def do_here(stage: Stage, context: RunContext, tasks: list[Task]) -> None:
    """Attempt the tasks in this process, for a stage that needs no workers."""
    settings, dataset = stage.settings(context.config), context.data / stage.dataset(context.config)
    tools = stage.open(settings, context.data)
    for task in tasks:
        attempt(stage, tools, settings, context.data, dataset, task)


def check(stage: Stage, tasks: list[Task], receipts: list[Receipt], counts: Counts) -> None:
    """Conservation of records: read = kept + rejected + quarantined in every receipt and in total, or the run fails."""
    balances = [(task.key, receipt.counts, stage.miscount(task, receipt))
                for task, receipt in zip(tasks, receipts, strict=True)]
    for key, count, miscount in (*balances, ("all of it", counts, None)):
        out = count["kept"] + sum(count.get("rejected", {}).values()) + sum(count.get("quarantined", {}).values())
        fault = miscount if count["read"] == out else f"read {count['read']} but accounted for {out}"
        if fault:
            raise StageError(f"{key} does not balance: {fault}; this is a bug of {stage.name}, please report it")
    if contradictions := list(stage.contradictions(receipts)):
        raise StageError("\n".join(contradictions))


def refuse_changed(stage: Stage, context: RunContext, digest: str, built: list[str]) -> None:
    """StageError where the input is another than `digest` is of: tasks may have read what their fingerprints do not name.

    The receipts in `built` are then removed: with the old input back, they would prove what is not so.
    """
    if built and stage.input_digest(context) != digest:
        dataset = context.data / stage.dataset(context.config)
        for receipt in built:
            dataset.delete(receipt)
        raise StageError(f"the input of {stage.name} changed while it was read; run the same command again")


def publish(stage: Stage, context: RunContext, tasks: list[Task], receipts: list[Receipt], counts: Counts, digest: str) -> None:
    """Write the counts, the stage's further files, and last the manifest: the dataset is complete."""
    dataset = context.data / stage.dataset(context.config)
    dataset.write(STATS, seal(counts))
    for path, content in stage.extra_files(context, receipts).items():
        dataset.write(path, content)
    dataset.write(MANIFEST, Manifest(
        stage.name, stage.version, digest, tuple(part for r in receipts for part in r.parts),
        tuple(r.rejected for r in receipts if r.rejected), tuple(task.receipt for task in tasks),
        {"settings": stage.output_settings(context.config), "named_inputs": stage.named_inputs(context),
         "libraries": stage.versions()}).to_json())


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


def read_receipts(dataset: Folder, paths: list[str], damage: list[DamagedError] | None = None) -> list[Receipt]:
    """The receipts at these paths, sorted by path. DamagedError, or with `damage` a list of these in place of the receipts."""
    def read(path: str) -> Receipt | None:
        try:
            return Receipt.from_json(dataset.read(path), dataset.shown(path))
        except DamagedError as error:
            if damage is None:
                raise
            damage.append(error)
            return None

    with ThreadPoolExecutor(8) as pool:     # on an object store each is a request
        return [receipt for receipt in pool.map(read, sorted(paths)) if receipt]


def total(receipts: list[Receipt]) -> Counts:
    """The counts of all receipts."""
    summed: Counts = {"read": 0, "kept": 0}
    for receipt in receipts:
        summed = add_counts(summed, receipt.counts)
    return summed


def _tell_damage(stage: Stage, error: DamagedError) -> None:
    print(f"{stage.name}: {error.where} is {error.what}, so it is written anew", file=sys.stderr, flush=True)


def _listing(dataset: Folder) -> dict[str, int]:
    return {entry.path: entry.size for entry in dataset.entries()}


def _whole(manifest: Manifest, listing: dict[str, int]) -> bool:
    return (STATS in listing and all(receipt in listing for receipt in manifest.receipts)
            and all(listing.get(part.path) == part.bytes for part in (*manifest.parts, *manifest.rejected)))


def _finished(dataset: Folder, tasks: list[Task]) -> int:
    receipts = {entry.path for entry in dataset.entries(RECEIPTS)}
    return sum(task.receipt in receipts for task in tasks)
