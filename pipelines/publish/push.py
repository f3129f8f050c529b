"""Publishing a table: its shards, card and Croissant metadata, in a folder, a bucket, or a repository of the Hugging Face hub.

Guarantees: nothing that is recorded of a run goes out, and no rejected row; a folder that holds other files is refused; the
hub gets everything in one commit, so that nobody sees half of it, and elsewhere the card says so until all of it is there.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from textmill.base.extras import needing
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.display import numbers
from textmill.pipelines.publish.card import card
from textmill.pipelines.publish.croissant import croissant
from textmill.pipelines.publish.settings import CardSettings
from textmill.pipelines.publish.shards import SHARD_BYTES, write_shards
from textmill.pipelines.publish.tables import Table, tables

HUB = "hf://datasets/"
UNFINISHED = """---
tags: [textmill]
---

This dataset is being published by textmill, or that was interrupted: not all of it is here. Push it again.
"""


def push(data: Folder, name: str, place: str, settings: CardSettings, private: bool = False, shard_bytes: int = SHARD_BYTES,
         tell: Callable[[int], object] = int, tokenizer: str | None = None) -> str:
    """Publish the table `name` at `place`: a folder, s3://, gs:// or hf://datasets/OWNER/NAME. What was done, in one line.

    Curated text has a column `token_count` by `tokenizer`, by default the only one that has encoded it.
    StageError where there is no such table, `place` holds something else, or the hub or the store refuses.
    """
    known = tables(data)
    chosen = next((table for table in known if table.name == name), None)
    if chosen is None:
        there = ", ".join(table.name for table in known) or "none yet; run `textmill curate`"
        raise StageError(f"there is no table {name} in {data.uri} (there: {there})")
    write = partial(write_shards, data, chosen, shard_bytes=shard_bytes, tell=tell, tokens=_encoded(known, chosen, tokenizer))
    upstream = [table for table in known if table is not chosen]
    if place.startswith(HUB):
        repository = _repository(place)
        with tempfile.TemporaryDirectory() as folder:
            written = _write(Folder(folder, ""), write, settings, upstream)
            where = _upload(Path(folder), repository, private, written)
    else:
        target = Folder(place.rstrip("/"), "")
        _refuse_other_files(target)
        written, where = _write(target, write, settings, upstream), target.uri
    beside = f"{f'token_count by {written.tokenizer}, ' if written.tokenizer else ''}card and Croissant metadata"
    return f"push: {written.rows:,} rows of {name} in {numbers.many(len(written.parts), 'shard')} with {beside}; {where}"


def _write(target: Folder, write: Callable[[Folder], Table], settings: CardSettings, upstream: list[Table]) -> Table:
    """Shards and what describes them; the card that says that all is there comes last."""
    target.write("README.md", UNFINISHED.encode())
    written = write(target)
    paths = {part.path for part in written.parts}
    crawls = sorted({path.split("/")[1] for path in paths} - {written.name})
    files = {written.name: {"train": "data/*/*.parquet"}} | {crawl: {"train": f"data/{crawl}/*.parquet"} for crawl in crawls}
    target.write("croissant.json", croissant([written], settings, lambda table, part: part.path,
                                             {written.name: "data/*/*.parquet"}).encode())
    for entry in target.entries("data"):            # of an earlier time, with more shards
        if entry.path not in paths:
            target.delete(entry.path)
    target.delete_leftovers()
    target.delete_empty_folders()
    target.write("README.md", card([written], settings, files, upstream).encode())
    return written


def _encoded(known: list[Table], chosen: Table, tokenizer: str | None) -> Table | None:
    """The tokens of the curated text by this tokenizer; where none is named, by the only one that has encoded it."""
    rows = [(part.key, part.rows) for part in chosen.parts]
    found = [table for table in known if table.name.startswith("tokens-") and chosen.name == "curated"
             and [(part.key, part.rows) for part in table.parts] == rows]
    if tokenizer is None:
        return found[0] if len(found) == 1 else None
    if named := next((table for table in found if table.name == f"tokens-{tokenizer}"), None):
        return named
    raise StageError(f"tokens/{tokenizer} does not have the rows of {chosen.name}; run `textmill tokenize`")


def _refuse_other_files(target: Folder) -> None:
    """StageError where `target` holds files, but no card of ours, or is the data folder of a run."""
    names = [entry.path for entry in target.entries()]
    ours = target.exists("README.md") and b"textmill" in target.read("README.md")
    if names and (not ours or any(name.startswith("ledger/") for name in names)):
        raise StageError(f"{target.uri} holds {names[0]} and is no dataset that was pushed there; name a new folder")


def _repository(place: str) -> str:
    """OWNER/NAME of an address on the hub. StageError where it is none, or the hub's library is not installed."""
    repository = place.removeprefix(HUB).strip("/")
    if repository.count("/") != 1:
        raise StageError(f"{HUB}{repository} names no repository; give {HUB}OWNER/NAME")
    with needing(f"{HUB}{repository}", "textmill[push]"):
        import huggingface_hub  # noqa: F401
    return repository


def _upload(folder: Path, repository: str, private: bool, written: Table) -> str:
    """Put a folder into a dataset repository of the hub, as one commit; its address."""
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
