"""The files of a split of blocks, checked before a block is read: manifest, streams, and what these say of themselves.

Guarantee: what `open_stream` gives has the bytes that the manifest lists and the published format throughout, in types,
lengths and offsets, so that nothing read from it later can leave the mapped file. A stranger's folder is refused in words.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from textmill.base.blocks_format import (
    COLUMNS,
    FORMAT,
    FORMATS,
    LEARN,
    LEARN_FORMATS,
    MANIFEST,
    MANIFEST_SCHEMA,
    METADATA,
    SHARES,
    SPAN_FIELDS,
)
from textmill.base.older_names import current, current_schema
from textmill.base.sealed import unseal
from textmill.model import ModelError


class Facts(NamedTuple):
    """What a stream says of itself; the same for all streams of a split."""

    mixture: str
    length: int                         # of a block
    vocab_size: int
    end_of_text: int
    tokenizer_sha256: str
    shares: dict[str, float]            # of the recipe, by entry; empty where blocks were packed before they said so
    has_learn: bool                     # spans say what is learned of them


class Stream(NamedTuple):
    """A stream that was found sound; its batches are views of the mapped file."""

    facts: Facts
    batches: list[pa.RecordBatch]


def read_manifest(folder: Path) -> list[dict[str, Any]]:
    """Path, rows and sha256 of the streams in `folder`, in training order. ModelError where there is no sound manifest."""
    path = folder / MANIFEST
    try:
        manifest = unseal(path.read_bytes())
        schema = manifest.get("schema", MANIFEST_SCHEMA)
        parts = [{"path": str(part["path"]), "rows": int(part["rows"]), "sha256": str(part["sha256"])}
                 for part in manifest["parts"]]
    except FileNotFoundError:
        raise ModelError(f"there is no {path}: pack writes it last, so let pack finish, or copy the whole folder") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ModelError(f"{path} is not a manifest of blocks ({error!r}); pack the mixture again") from None
    if schema != MANIFEST_SCHEMA:
        raise ModelError(f"{path} was written in schema {schema}, this version reads {MANIFEST_SCHEMA}; update textmill, "
                         "or pack the mixture with this version")
    if not parts:
        raise ModelError(f"{folder} holds no blocks; pack more tokens")
    return parts


def open_stream(folder: Path, part: dict[str, Any]) -> Stream:
    """One of the manifest's streams. ModelError where its bytes, rows, format or values are not as they must be."""
    path = folder / part["path"]
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:          # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(f"{path} is named in the manifest and cannot be read ({reason}); "
                         "copy the folder again, or pack again") from None
    if digest != part["sha256"]:
        raise ModelError(f"{path} is damaged: its sha256 is not the one in the manifest; copy it again, or pack again")
    try:
        with pa.ipc.open_stream(pa.memory_map(str(path))) as reader:
            facts = _facts(path, reader.schema)
            if problem := _wrong_type(current_schema(reader.schema), facts):
                raise ModelError(f"{path} is not in the format of blocks: {problem}; pack the mixture again")
            batches = [batch.select(COLUMNS) for batch in reader]
        for batch in batches:
            batch.validate(full=True)
        batches = [current(batch) for batch in batches]
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:       # the last: of names in the schema
        raise ModelError(f"{path} is not an Arrow stream ({' '.join(str(error).split())}); pack the mixture again") from None
    if any(_nulls(column) for batch in batches for column in batch.columns):
        raise ModelError(f"{path} lacks values of its blocks (it has nulls); pack the mixture again")
    rows = sum(batch.num_rows for batch in batches)
    if rows != part["rows"]:
        raise ModelError(f"{path} holds {rows} blocks, the manifest says {part['rows']}; copy it again, or pack again")
    return Stream(facts, batches)


def _facts(path: Path, schema: pa.Schema) -> Facts:
    """A stream's METADATA, complete and in the format that we read."""
    stored = (schema.metadata or {}).items()
    values = {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in stored}
    if (format := values.get("schema", FORMAT)) not in FORMATS:
        raise ModelError(f"{path} has block format {format}, this version reads {' and '.join(FORMATS)}; update textmill, "
                         "or pack the mixture with this version")
    missing = [name for name in METADATA if name not in values]
    if missing:
        raise ModelError(f"{path} does not say its {', '.join(missing)}; pack the mixture again")
    try:
        length, vocab_size, end_of_text = (int(values[name]) for name in ("block", "vocab_size", "end_of_text"))
    except ValueError as error:
        raise ModelError(f"{path} says of itself what is no number ({error}); pack the mixture again") from None
    if length < 1 or not 0 <= end_of_text < vocab_size <= 1 << 32:
        raise ModelError(f"{path} says of itself block {length}, vocab_size {vocab_size}, end_of_text {end_of_text}, which "
                         "cannot be; pack the mixture again")
    shares = _shares(values.get(SHARES, "{}"))
    return Facts(values["mixture"], length, vocab_size, end_of_text, values["tokenizer_sha256"], shares,
                 format in LEARN_FORMATS)


def _shares(text: str) -> dict[str, float]:
    """The recipe's shares; empty where they are not what the recipe can say."""
    try:
        shares = {entry: float(share) for entry, share in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return {}
    return shares if all(0 < share <= 1 for share in shares.values()) else {}


def _wrong_type(schema: pa.Schema, facts: Facts) -> str | None:
    """The first column that is missing, double or of another type than the format has; None where all are right."""
    for name in COLUMNS:
        if schema.names.count(name) != 1:
            return f"it has {schema.names.count(name)} columns {name}"
    tokens, entry, spans = (schema.field(name).type for name in COLUMNS)
    if not (pa.types.is_fixed_size_list(tokens) and tokens.list_size == facts.length
            and tokens.value_type in (pa.uint16(), pa.uint32())):
        return f"tokens are {tokens}"
    if entry != pa.string():
        return f"entry is {entry}"
    if not (pa.types.is_list(spans) and pa.types.is_struct(spans.value_type)):
        return f"spans are {spans}"
    fields = [(field.name, field.type) for field in spans.value_type]
    wanted = [(name, pa.string() if name == "id" else pa.int32()) for name in SPAN_FIELDS]
    if facts.has_learn:
        wanted.append((LEARN, pa.list_(pa.struct([("start", pa.int32()), ("end", pa.int32())]))))
    return None if all(fields.count(field) == 1 for field in wanted) else f"spans are {spans}"


def _nulls(column: pa.Array) -> bool:
    """Whether a value is missing in a column, at any depth; a span's LEARN may be."""
    if isinstance(column, pa.StructArray):
        fields = [child.drop_null() if field.name == LEARN else child
                  for field, child in zip(column.type, column.flatten(), strict=True)]
        return column.null_count > 0 or any(map(_nulls, fields))
    below = [column.flatten()] if isinstance(column, pa.ListArray | pa.FixedSizeListArray) else []
    return column.null_count > 0 or any(_nulls(child) for child in below)
