"""Documents that are alike, as dedup found them, over one or several data folders.

A comparison asks it whether a held-out text has a near-copy among those that a model was trained on: the two may come from data
folders that were deduplicated in different ways, or not at all, so that no single one knows.
"""

from collections.abc import Iterable

import pyarrow.compute as pc

from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.pack.near_copies import COLUMNS

DATASET = "duplicates"


def has_duplicates(data: Folder) -> bool:
    """Whether dedup has been run in this data folder."""
    return Manifest.read(data / DATASET) is not None


def alike(folders: Iterable[Folder]) -> dict[str, str]:
    """The name of its group by id, of every document that is in a cluster, lies in another or has one in it.

    Groups are connected: two documents are in one where a chain of such ties leads from the one to the other, in whichever
    folders. What is in none is left out. Memory grows with the documents that are tied."""
    above: dict[str, str] = {}

    def root(name: str) -> str:
        while (parent := above.setdefault(name, name)) != name:
            above[name] = above[parent]         # halves the path
            name = parent
        return name

    ids: set[str] = set()
    for folder in folders:
        manifest = Manifest.read(folder / DATASET)
        for part in manifest.parts if manifest else ():
            for batch in read_batches(folder / DATASET, part, COLUMNS):
                for row in batch.filter(pc.or_(pc.is_valid(batch["cluster"]), pc.is_valid(batch["contained_in"]))).to_pylist():
                    ids.add(row["id"])
                    for other in (row["cluster"], row["contained_in"]):
                        if other is not None:
                            one, two = sorted((root(row["id"]), root(other)))
                            above[two] = one
                    if row["contained_in"] is not None:
                        ids.add(row["contained_in"])
    return {id_: root(id_) for id_ in ids}
