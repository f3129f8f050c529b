"""Datasets that the pipelines wrote, as Arrow, pandas or DuckDB.

Guarantees: only files that the manifest names are read, in its order; their page checksums (Parquet) or their sha256 (Arrow
streams) are verified. What cannot be read is one sentence.
"""

import contextlib
import difflib
import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from textmill.base.errors import TextmillError
from textmill.base.extras import needing
from textmill.base.older_names import current_schema, current_table
from textmill.pipelines.contract.filesystems import open_filesystem, unreachable
from textmill.pipelines.contract.part_files import opened, read_batches
from textmill.pipelines.contract.parts import Part, checked
from textmill.pipelines.contract.storage import LEDGER, MANIFEST, Folder, dataset_at

if TYPE_CHECKING:
    import duckdb
    import pandas
    from pyarrow import dataset as arrow_dataset

NO_TABLE = {"tokenizer": "textmill.load_tokenizer opens it",
            "pack": "it holds two datasets, so open its folder train or validation, or use textmill.load_blocks"}


class DatasetError(TextmillError):
    """What keeps a dataset from being read, in one sentence with its cure."""


def open_dataset(path: str | Path) -> "Dataset":
    """The dataset in a folder such as data/curated: a path, `s3://…` or `gs://…`.

    A split of packed blocks is one too, such as data/blocks/demo/train (`textmill.load_blocks` gives tensors instead). Raises
    TextmillError where there is no finished dataset, its manifest is damaged or of a newer textmill, or a store does not
    answer.

    >>> rows = textmill.open_dataset("data/curated").to_table(["url", "text"])      # doctest: +SKIP
    """
    uri = str(path).rstrip("/") or "/"
    with _answering(Folder(uri)):
        folder = dataset_at(uri)
        try:
            data = folder.read(MANIFEST)
        except (FileNotFoundError, NotADirectoryError):
            raise DatasetError(f"there is no finished dataset in {folder.uri}: its manifest, which its stage writes last, is "
                               f"neither there nor in {LEDGER}/ beside; check the path, or run the stage to its end") from None
    manifest = checked(data, folder.shown(MANIFEST))
    if cure := NO_TABLE.get(manifest.get("stage", "")):
        raise DatasetError(f"{folder.uri} is no table: {cure}")
    try:
        return Dataset(folder, manifest, tuple(Part(**part) for part in manifest["parts"]))
    except (KeyError, TypeError):
        raise DatasetError(f"{folder.shown(MANIFEST)} is damaged; run its stage again, which writes it anew") from None


class Dataset:
    """A finished dataset: rows in the order of its manifest, the same whenever it is read.

    `uri` is its folder, `manifest` what its manifest says, as a dict (docs/datasets.md explains the keys). `columns` always
    names the columns to read, in the order wanted; None reads all. Every method raises TextmillError where a column does not
    exist, or a file is missing or damaged.
    """

    def __init__(self, folder: Folder, manifest: dict[str, Any], parts: tuple[Part, ...]):
        self.uri, self.manifest = folder.uri, manifest
        self._folder, self._parts = folder, parts

    def __len__(self) -> int:
        """Rows."""
        return sum(part.rows for part in self._parts)

    def __repr__(self) -> str:
        return f"<textmill.Dataset {self.uri}: {len(self):,} rows>"

    @cached_property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""
        return current_schema(self._stored_schema)

    @cached_property
    def _stored_schema(self) -> pa.Schema:
        if not self._parts:
            raise DatasetError(f"{self.uri} has no files, so no columns are known; run its stage again")
        with _answering(self._folder):
            if self._streams:
                return self._stream(self._parts[0]).schema.remove_metadata()
            with opened(self._folder, self._parts[0]) as file:
                return file.schema_arrow

    @property
    def rejected(self) -> "Dataset | None":
        """The rows that were read and are not in the dataset, with the reason; None where its stage rejects nothing."""
        parts = tuple(Part(**part) for part in self.manifest.get("rejected", ()))
        return Dataset(self._folder, self.manifest | {"rejected": []}, parts) if parts else None

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows as Arrow batches, of a row group (Parquet) or a file (streams) each: what one holds is all that is held."""
        self._check(columns)
        return self._batches(columns)

    def to_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows as an Arrow table."""
        schema = self.schema if columns is None else pa.schema([self.schema.field(name) for name in self._check(columns)])
        return pa.Table.from_batches(self.batches(columns), schema)

    def to_pandas(self, columns: Sequence[str] | None = None) -> "pandas.DataFrame":
        """All rows as a pandas DataFrame. Needs pandas."""
        with needing("to_pandas", "pandas"):
            import pandas  # noqa: F401
        return self.to_table(columns).to_pandas()

    def to_arrow_dataset(self) -> "arrow_dataset.Dataset":
        """A `pyarrow.dataset.Dataset`: rows stay in their files until a query reads them, with its columns and filters only.

        Polars and others take it. A damaged page fails the query with an error of Arrow's. Streams are read at once.
        """
        from pyarrow import dataset as arrow_dataset

        if self._streams:
            return arrow_dataset.dataset(self.to_table())
        for part in self._parts:
            with _answering(self._folder), opened(self._folder, part):
                pass                    # its footer is the one that was written
        filesystem = open_filesystem(self.uri)[0]
        checking = arrow_dataset.ParquetFragmentScanOptions(page_checksum_verification=True)
        paths = [self._folder.path(part.path) for part in self._parts]
        return arrow_dataset.dataset(paths, self._stored_schema, filesystem=filesystem,
                                     format=arrow_dataset.ParquetFileFormat(default_fragment_scan_options=checking))

    def to_duckdb(self, connection: "duckdb.DuckDBPyConnection | None" = None) -> "duckdb.DuckDBPyRelation":
        """The rows as a relation of `connection` (None: DuckDB's default one), read as `to_arrow_dataset` does. Needs duckdb.

        >>> textmill.open_dataset("data/curated").to_duckdb().aggregate("language, count(*)")      # doctest: +SKIP
        """
        with needing("to_duckdb", "duckdb"):
            import duckdb
        return (connection or duckdb.default_connection()).from_arrow(self.to_arrow_dataset())

    @property
    def _streams(self) -> bool:
        return self._parts[0].path.endswith(".arrow")

    def _check(self, columns: Sequence[str] | None) -> Sequence[str]:
        for name in columns or ():
            if name not in self.schema.names:
                near = difflib.get_close_matches(name, self.schema.names, n=1)
                cure = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(self.schema.names)}"
                raise DatasetError(f"{self.uri} has no column {name!r}; {cure}")
        return columns or ()

    def _batches(self, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        for part in self._parts:
            with _answering(self._folder):
                if self._streams:
                    table = self._stream(part).replace_schema_metadata()
                    yield from (table if columns is None else table.select(columns)).to_batches()
                else:
                    yield from read_batches(self._folder, part, columns)

    def _stream(self, part: Part) -> pa.Table:
        """An Arrow stream whose bytes were found right."""
        try:
            data = self._folder.read(part.path)
        except FileNotFoundError:
            raise DatasetError(f"{self._folder.shown(part.path)} is listed in the manifest but missing; copy the "
                               "folder again, or run pack again") from None
        if hashlib.sha256(data).hexdigest() != part.sha256:
            raise DatasetError(f"{self._folder.shown(part.path)} is damaged: its sha256 is not the one in the "
                               "manifest; copy it again, or run pack again")
        return current_table(pa.ipc.open_stream(data).read_all())


@contextlib.contextmanager
def _answering(folder: Folder) -> Iterator[None]:
    """Around reading: a store that does not answer or refuses is a sentence."""
    try:
        yield
    except OSError as error:
        if not (answer := unreachable(error)):
            raise
        raise DatasetError(f"{folder.uri} cannot be read ({answer}); check the address and your credentials, and try again "
                           "when the store answers") from None
