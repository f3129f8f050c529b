"""Parts, receipts and manifests: the contents of a dataset, and the proof that it is complete.

A part is one file, named `<key>.<fingerprint>.<suffix>` and published whole (`part_files`). Its receipt, written after it,
holds its sha256 and the counts of every outcome: only a receipt makes a part done. The manifest lists the receipts' parts
in key order and is written when the stage is complete; readers obey it and nothing else. All of them, and the counts, carry
a checksum of themselves: what is damaged is never read as another value.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from textmill.base.sealed import seal, unseal
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.storage import MANIFEST, Folder

SCHEMA = 2                  # of receipts, manifests and the datasets they describe; a newer one is refused
UNSEALED = 1                # the last schema whose files carry no checksum
STATS, RUN = "_stats.json", "_run.json"

Counts = dict[str, Any]     # str → int or Counts: added up key by key


class DamagedError(StageError):
    """A state file is not what was written. Its stage writes it anew; for all who only read it, it is a sentence."""

    def __init__(self, where: str, what: str = "damaged"):
        super().__init__(f"{where} is {what}; run its stage again, which writes it anew")
        self.where, self.what = where, what


@dataclass(frozen=True)
class Part:
    """A file of a dataset: key, path relative to the dataset, rows, bytes, sha256 (hex).

    `footer` is the sha256 of a Parquet file's footer: with the checksums of its pages it covers every byte that a reader of
    some columns takes. Empty for other files, and where an older version wrote it.
    """

    key: str
    path: str
    rows: int
    bytes: int
    sha256: str
    footer: str = ""


@dataclass(frozen=True)
class Receipt:
    """Record of a finished task: its parts, its rejected rows (None where the stage has none) and its counts."""

    task: str
    fingerprint: str
    parts: tuple[Part, ...]
    rejected: Part | None
    counts: Counts
    notes: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> bytes:
        return seal({"schema": SCHEMA} | asdict(self))

    @staticmethod
    def from_json(data: bytes, where: str) -> "Receipt":
        loaded = checked(data, where)
        try:
            rejected = loaded["rejected"]
            return Receipt(loaded["task"], loaded["fingerprint"], tuple(Part(**p) for p in loaded["parts"]),
                           Part(**rejected) if rejected else None, loaded["counts"], loaded["notes"])
        except (KeyError, TypeError):       # of a version that wrote no checksum
            raise DamagedError(where) from None


def files_of(receipt: Receipt) -> list[Part]:
    """Every file that a receipt lists."""
    return [*receipt.parts, *([receipt.rejected] if receipt.rejected else [])]


@dataclass(frozen=True)
class Manifest:
    """A complete dataset: its parts and rejected parts in key order, and the digest of everything it was made from.

    In the file the digest is called `wanted`, as in every earlier version.
    """

    stage: str
    version: int
    input_digest: str
    parts: tuple[Part, ...]
    rejected: tuple[Part, ...]
    receipts: tuple[str, ...]                                   # paths, in key order
    made_from: dict[str, Any] = field(default_factory=dict)     # settings, libraries and named inputs, for people

    def to_json(self) -> bytes:
        values = asdict(self)
        return seal({"schema": SCHEMA, "wanted": values.pop("input_digest")} | values)

    @staticmethod
    def read(dataset: Folder) -> "Manifest | None":
        """The manifest of a dataset, or None where there is none. DamagedError; StageError where a newer textmill wrote it."""
        try:
            data = dataset.read(MANIFEST)
        except FileNotFoundError:
            return None
        loaded = checked(data, dataset.shown(MANIFEST))
        try:
            return Manifest(loaded["stage"], loaded["version"], loaded["wanted"], tuple(Part(**p) for p in loaded["parts"]),
                            tuple(Part(**p) for p in loaded["rejected"]), tuple(loaded["receipts"]), loaded["made_from"])
        except (KeyError, TypeError):       # of a version that wrote no checksum
            raise DamagedError(dataset.shown(MANIFEST)) from None


def read_counts(dataset: Folder) -> Counts:
    """`_stats.json` of a complete dataset: the counts of its whole run. DamagedError where it is damaged or missing."""
    try:
        return unseal(dataset.read(STATS))
    except (ValueError, FileNotFoundError):
        raise DamagedError(dataset.shown(STATS), "missing or damaged") from None


def checked(data: bytes, where: str) -> dict[str, Any]:
    """The JSON object in `data`. DamagedError; StageError where a newer textmill wrote it."""
    try:
        schema = json.loads(data)["schema"]
        newer = schema > SCHEMA
    except (ValueError, TypeError, KeyError):
        raise DamagedError(where) from None
    if newer:
        raise StageError(f"{where} was written by a newer textmill (schema {schema}, this one reads up to {SCHEMA}); "
                         "install that version, or point --data elsewhere")
    try:
        return unseal(data, required=schema > UNSEALED)
    except ValueError:
        raise DamagedError(where) from None


def add_counts(total: Counts, more: Counts) -> Counts:
    """The sum of two nested counts, as a new one with sorted keys."""
    keys = sorted(total.keys() | more.keys())
    summed: Counts = {}
    for key in keys:
        a, b = total.get(key), more.get(key)
        if isinstance(a, dict) or isinstance(b, dict):
            summed[key] = add_counts(a or {}, b or {})
        else:
            summed[key] = (a or 0) + (b or 0)
    return summed
