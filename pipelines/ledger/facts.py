"""Source, language and address of documents by id, for whoever has ids from blocks."""

from collections.abc import Collection
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.display.lines import shown


class Facts(NamedTuple):
    """What a document is known by."""

    source: str
    language: str
    url: str            # as it may be shown


def facts_of(data: Folder, ids: Collection[str]) -> dict[str, Facts]:
    """Of these ids, those that are in `curated`; none where there is no such dataset."""
    manifest, wanted = Manifest.read(data / "curated"), pa.array(sorted(ids), pa.string())
    found: dict[str, Facts] = {}
    for part in manifest.parts if manifest else ():
        for batch in read_batches(data / "curated", part, ["id", "source", "language", "url"]):
            for row in batch.filter(pc.is_in(batch["id"], value_set=wanted)).to_pylist():
                found.setdefault(row["id"], Facts(row["source"], row["language"], shown(row["url"])))
    return found
