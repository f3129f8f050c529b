"""The aligned datasets of a data folder as their manifests list them at one moment, and places of documents in them.

A document's number is its row counted through all parts of `documents`, in the order of the manifest: the indexes of the
browser name documents by it. A dataset that was made from other documents than lie there now is left out. Tokens are not
aligned, and are counted by document where there are any.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from textmill.base.names import name_problem
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.row_groups import DocumentRow, rows_of
from textmill.pipelines.contract.storage import MANIFEST, Folder
from textmill.pipelines.ledger.blocks import datasets_under

ALIGNED = {"documents": "extract", "signals": "measure", "verdicts": "screen", "duplicates": "dedup"}


@dataclass(frozen=True)
class Snapshot:
    """Manifests by dataset, those of ALIGNED that belong to the documents; of tokens by tokenizer; and the digest of all."""

    data: Folder
    manifests: dict[str, Manifest]
    tokens: dict[str, Manifest]
    digest: str

    @classmethod
    def of(cls, data: Folder) -> "Snapshot":
        """What lies there now. StageError where there are no documents yet."""
        found = {name: manifest for name in ALIGNED if (manifest := Manifest.read(data / name))}
        if "documents" not in found:
            raise StageError(f"there is nothing in {data.uri}/documents yet; run `textmill extract`")
        rows = _rows(found["documents"])
        names = [name for name in datasets_under(data, "tokens") if name_problem("tokenizer", name) is None]
        tokens = {name: manifest for name in names if (manifest := Manifest.read(data / f"tokens/{name}"))}
        return cls(data, {name: manifest for name, manifest in found.items() if _rows(manifest) == rows}, tokens,
                   digest_of(data, _datasets(tokens)))

    @property
    def has_changed(self) -> bool:
        """Whether other datasets lie there now than when this was taken."""
        return digest_of(self.data, _datasets(self.tokens)) != self.digest

    @cached_property
    def _starts(self) -> list[int]:
        return list(accumulate((part.rows for part in self.manifests["documents"].parts), initial=0))

    @property
    def documents(self) -> int:
        return self._starts[-1]

    def first(self, part: int) -> int:
        """The number of the first document of a part, by its place in the manifest."""
        return self._starts[part]

    def place(self, number: int) -> tuple[str, int]:
        """The key of the part that a document lies in, and its row there."""
        part = bisect_right(self._starts, number) - 1
        return self.manifests["documents"].parts[part].key, number - self._starts[part]

    def rows(self, dataset: str, documents: Sequence[DocumentRow], columns: Sequence[str]) -> list[dict[str, Any]]:
        """The rows of documents in an aligned dataset, {} for one that it does not have."""
        return [row or {} for row in rows_of(self.data, dataset, documents, columns)]


def _datasets(tokenizers: Iterable[str]) -> list[str]:
    """The datasets that a snapshot reads."""
    return [*ALIGNED, *(f"tokens/{name}" for name in tokenizers)]


def digest_of(data: Folder, datasets: Sequence[str]) -> str:
    """The digest of the manifests of datasets that lie there now: another one means that they have changed."""
    digest = hashlib.sha256()
    for name in datasets:
        try:
            digest.update((data / name).read(MANIFEST))
        except FileNotFoundError:
            digest.update(name.encode())
    return digest.hexdigest()[:16]


def interval(row: Mapping[str, Any]) -> tuple[int, int]:
    """Start and end of a finding, an edit, a turn or a piece."""
    return row["start"], row["end"]


def _rows(manifest: Manifest) -> list[tuple[str, int]]:
    return [(part.key, part.rows) for part in manifest.parts]
