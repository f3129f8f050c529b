"""Tables of a data folder, as its card and its Croissant metadata list them."""

from dataclasses import dataclass
from typing import Any

from textmill.pipelines.contract.parts import Counts, Manifest, Part, read_counts
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.ledger.blocks import datasets_under

# Those that are there are listed in this order; the first is what `load_dataset` opens where none is named.
COUNTED_AFTER = "language_score"        # the column before `token_count`, as FineWeb orders them
STAGED = ("curated", "documents", "signals", "verdicts", "duplicates")


@dataclass(frozen=True)
class Table:
    """A complete dataset: the name of its configuration, its folder below the data folder, manifest and counts.

    `described` is its key in columns.yaml; `tokenizer` is set where rows have `token_count`, counted by it.
    """

    name: str
    place: str
    described: str
    manifest: Manifest
    counts: Counts
    tokenizer: str | None = None

    @property
    def parts(self) -> tuple[Part, ...]:
        return self.manifest.parts

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)

    @property
    def made_from(self) -> dict[str, Any]:
        return self.manifest.made_from


def tables(data: Folder) -> list[Table]:
    """Every table of Parquet files that is complete."""
    found = [_table(data, name, name.replace("/", "-"), name) for name in STAGED]
    found += [_table(data, f"tokens/{name}", f"tokens-{name}", "tokens/<tokenizer>") for name in datasets_under(data, "tokens")]
    return [table for table in found if table]


def _table(data: Folder, place: str, name: str, described: str) -> Table | None:
    manifest = Manifest.read(data / place)
    return Table(name, place, described, manifest, read_counts(data / place)) if manifest else None
