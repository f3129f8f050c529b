"""Publishing a table: its shards, card and Croissant metadata, in a folder, a bucket, or a repository of the Hugging Face hub.

Guarantees: nothing that is recorded of a run goes out, and no rejected row; a folder that holds other files is refused; the
hub gets everything in one commit, so that nobody sees half of it.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from textmill.base.extras import needing
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.publish.card import card
from textmill.pipelines.publish.croissant import croissant
from textmill.pipelines.publish.settings import CardSettings
from textmill.pipelines.publish.shards import SHARD_BYTES, write_shards
from textmill.pipelines.publish.tables import Table, tables

HUB = "hf://datasets/"
OWN = ("README.md", "croissant.json")


def push(data: Folder, name: str, place: str, settings: CardSettings, private: bool = False, shard_bytes: int = SHARD_BYTES,
         tell: Callable[[int], object] = int) -> str:
    """Publish the table `name` at `place`: a folder, s3://, gs:// or hf://datasets/OWNER/NAME. What was done, in one line.

    StageError where there is no such table, `place` holds something else, or the hub or the store refuses.
    """
    known = tables(data)
    chosen = next((table for table in known if table.name == name), None)
    if chosen is None:
        there = ", ".join(table.name for table in known) or "none yet; run `textmill curate`"
        raise StageError(f"there is no table {name} in {data.uri} (there: {there})")
    others = [table for table in known if table is not chosen]
    if place.startswith(HUB):
        with tempfile.TemporaryDirectory() as folder:
            written = _write(data, chosen, others, Folder(folder, ""), settings, shard_bytes, tell)
            where = _upload(Path(folder), place.removeprefix(HUB).strip("/"), private, written)
    else:
        target = Folder(place.rstrip("/"), "")
        _refuse_other_files(target)
        written, where = _write(data, chosen, others, target, settings, shard_bytes, tell), target.uri
    return f"push: {written.rows:,} rows of {name} in {len(written.parts)} shards, with card and Croissant metadata; {where}"


def _write(data: Folder, chosen: Table, others: list[Table], target: Folder, settings: CardSettings, shard_bytes: int,
           tell: Callable[[int], object]) -> Table:
    written = write_shards(data, chosen, target, shard_bytes, tell)
    crawls = list(dict.fromkeys(part.path.split("/")[1] for part in written.parts))
    files = {written.name: {"train": "data/*/*.parquet"}} | {crawl: {"train": f"data/{crawl}/*.parquet"} for crawl in crawls}
    target.write("README.md", card([written], settings, files, others).encode())
    target.write("croissant.json", croissant([written], settings, lambda table, part: part.path,
                                             {written.name: "data/*/*.parquet"}).encode())
    for entry in target.entries("data"):            # of an earlier time, with more shards
        if entry.path not in {part.path for part in written.parts}:
            target.delete(entry.path)
    target.delete_empty_folders()
    return written


def _refuse_other_files(target: Folder) -> None:
    """StageError where `target` holds files, but no card of ours."""
    names = [entry.path for entry in target.entries()]
    if names and not (target.exists(OWN[0]) and target.exists(OWN[1])):
        raise StageError(f"{target.uri} holds {names[0]} and is no dataset that was pushed there; name a new folder")


def _upload(folder: Path, repository: str, private: bool, written: Table) -> str:
    """Put a folder into a dataset repository of the hub, as one commit; its address."""
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise StageError(f"{HUB}{repository} names no repository; give {HUB}OWNER/NAME")
    with needing(f"{HUB}{repository}", "textmill[push]"):
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
    paths = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    try:
        api = HfApi()
        address = str(api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True))
        stale = [name for name in api.list_repo_files(repository, repo_type="dataset")
                 if name.startswith("data/") and name not in paths]
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            *(CommitOperationAdd(path, str(folder / path)) for path in paths),
            *(CommitOperationDelete(name) for name in stale)]
        api.create_commit(repository, operations, commit_message=f"{written.rows:,} rows of {written.name}",
                          repo_type="dataset")
    except Exception as error:      # whatever its client raises, of its own and of its HTTP library: the hub did not take it
        raise StageError(f"the hub did not take {repository} ({' '.join(str(error).split())[:300]}); log in with `hf auth "
                         "login`, check the name and your right to write there, and try again") from None
    return address
