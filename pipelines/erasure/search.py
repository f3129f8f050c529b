"""Residue search after a takedown, in every file of the data folder, listed in a manifest or not.

Looked for: passages of the texts, in every column of text, in token rows and blocks turned back into text, and in pages
and lists; ids in blocks; the names of hosts and pages in the columns that hold names, in pages and in lists. Not looked
into: raw/, the list itself and its memory, and the weights of checkpoints.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.storage import LEDGER, Folder
from textmill.pipelines.erasure.passages import WINDOW, Passages
from textmill.pipelines.takedown.entries import LIST, TakedownEntry
from textmill.pipelines.takedown.memory import MEMORY, Memory
from textmill.pipelines.web.address import below, canonical_url, host
from textmill.tokenizer.bpe import TokenizerError, token_bytes

_NAMES = frozenset({"url", "host", "file", "file_path"})
_PATHS = frozenset({"file", "file_path"})
_WEIGHTS = (".safetensors", ".bin", ".pt")
_COLUMNS = (".parquet", ".arrow")
_TOKENS = 1 << 20           # turned back at once


class Hit(NamedTuple):
    """Something that should not be there. `excused`: only the path of a raw file, which goes with that file."""

    file: str
    what: str
    excused: bool = False


class Searched(NamedTuple):
    """Extent of a search: files, bytes of text, and the files of weights not searched."""

    files: int
    bytes: int
    weights: int


class Content(NamedTuple):
    """A piece of a file: buffers of text, distinct names by column, and the ids of spans."""

    texts: list[np.ndarray]
    names: dict[str, list[str]]
    ids: pa.Array


class Search:
    """The search targets, from the record and the entries in force."""

    def __init__(self, memory: Memory, entries: Sequence[TakedownEntry]):
        self.of_passage = {int(passage, 16): one.id for one in memory.taken for passage in one.passages}
        self.passages = Passages(iter(self.of_passage))
        self.ids = pa.array(sorted({one.id for one in memory.taken if one.id}), pa.string())
        self.urls = {entry.value for entry in entries if entry.kind == "url"}
        self.hosts = [entry.value for entry in entries if entry.kind == "host"]
        spelled = sorted([*self.hosts, *(url.partition("://")[2].rstrip("/") for url in self.urls)])
        whole = "|".join(re.escape(name) + (r"(?![\w/-])" if "/" in name else r"(?![\w-])") for name in spelled)
        self._written = re.compile(rf"(?<![\w-])(?:{whole})".encode()) if spelled else None
        self.named = lru_cache(1 << 16)(self._named)

    def hits(self, data: Folder) -> Iterator[Hit | Searched]:
        """Every hit, and last what was searched."""
        in_paths = any(self._writes(entry.path.encode()) for entry in data.entries("raw"))
        files = count = weights = 0
        for entry in data.entries():
            top = entry.path.removeprefix(f"{LEDGER}/").split("/")[0]
            if top == "raw" or entry.path in (LIST, MEMORY):
                continue
            if entry.path.endswith(_WEIGHTS):
                weights += 1
                continue
            files += 1
            for content in self._contents(data, entry.path):
                count += sum(map(len, content.texts))
                yield from self._hits(entry.path, content)
                if not entry.path.endswith(_COLUMNS) and any(self._writes(text.tobytes()) for text in content.texts):
                    yield Hit(entry.path, "a name", excused=in_paths and top == "documents")
        yield Searched(files, count, weights)

    def _hits(self, path: str, content: Content) -> Iterator[Hit]:
        for text in content.texts:
            for passage in self.passages.found(text).tolist():
                yield Hit(path, f"a passage of {self.of_passage[passage]}")
        for column, values in content.names.items():
            if any(self.named(value) for value in values):
                yield Hit(path, f"a name in the column {column}", excused=column in _PATHS)
        if len(content.ids) and pc.any(pc.is_in(content.ids, value_set=self.ids)).as_py():
            yield Hit(path, "an id in its spans")

    def _named(self, value: str) -> bool:
        """Whether a URL or host in a column of names was taken down."""
        name = host(value) or value.lower()
        return any(below(name, above) for above in self.hosts) or ("://" in value and canonical_url(value) in self.urls) \
            or ("://" not in value and "/" in value and self._writes(value.encode()))

    def _writes(self, content: bytes) -> bool:
        return self._written is not None and self._written.search(content) is not None

    def _contents(self, data: Folder, path: str) -> Iterator[Content]:
        """A file piece by piece."""
        try:
            with data.open(path) as file:
                if path.endswith(".parquet"):
                    with pq.ParquetFile(file, page_checksum_verification=True, pre_buffer=False) as parquet:
                        decoder = _decoder(data, path)
                        for group in range(parquet.num_row_groups):
                            yield _content(parquet.read_row_group(group, use_threads=False), decoder)
                elif path.endswith(".arrow"):
                    decoder = _decoder(data, path)
                    for batch in pa.ipc.open_stream(file):
                        yield _content(pa.Table.from_batches([batch]), decoder)
                else:
                    yield Content([np.frombuffer(file.read(), np.uint8)], {}, pa.array([], pa.string()))
        except FileNotFoundError:
            return                              # a temporary file of another run
        except (OSError, pa.ArrowException) as error:
            raise StageError(f"{data.uri}/{path} cannot be searched ({' '.join(str(error).split())}); delete it, or make it "
                             "readable, and run the same command again") from None


def _content(table: pa.Table, decoder: np.ndarray | None) -> Content:
    texts: list[np.ndarray] = []
    names: dict[str, list[str]] = {}
    ids = pa.array([], pa.string())
    for name, column in zip(table.schema.names, table.columns, strict=True):
        whole = column.combine_chunks()
        whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
        if name in _NAMES:
            names[name] = [value for value in whole.unique().to_pylist() if value]
        if name == "spans":
            ids = whole.flatten().field("id")
        texts += _decoded(whole, decoder) if name == "tokens" and decoder is not None else _buffers(whole)
    return Content(texts, names, ids)


def _decoder(data: Folder, path: str) -> np.ndarray | None:
    """The bytes of each id of the tokenizer that the tokens in a file are of; None for a file without tokens."""
    kind, _, rest = path.partition("/")
    folder = {"tokens": "tokenizers", "blocks": "blocks"}.get(kind)
    if folder is None or "/_" in path:
        return None
    name = rest.split("/")[0]
    try:
        return _vocabulary((data / f"{folder}/{name}").read("tokenizer.json").decode())
    except (FileNotFoundError, TokenizerError):
        raise StageError(f"{data.uri}/{path} cannot be turned back into text: {data.uri}/{folder}/{name}/tokenizer.json is "
                         f"gone or damaged; delete {data.uri}/{kind}/{name}") from None


@lru_cache(8)
def _vocabulary(tokenizer_json: str) -> np.ndarray:
    """Bytes by id."""
    return np.array(token_bytes(tokenizer_json), object)


def _decoded(chunk: pa.Array, vocabulary: np.ndarray) -> list[np.ndarray]:
    """The text behind lists of tokens, all in a row: a passage that is cut between two blocks is not looked for."""
    ids = chunk.flatten().to_numpy()
    return [np.frombuffer(b"".join(vocabulary[ids[start:start + _TOKENS + WINDOW]].tolist()), np.uint8)
            for start in range(0, len(ids), _TOKENS)]


def _buffers(array: pa.Array) -> list[np.ndarray]:
    """The bytes of all text in an array, however nested."""
    if pa.types.is_struct(array.type):
        return [found for n in range(array.type.num_fields) for found in _buffers(array.field(n))]
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or pa.types.is_fixed_size_list(array.type):
        return _buffers(array.flatten())
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        data = array.buffers()[2]
        return [np.frombuffer(data, np.uint8)] if data and data.size else []
    return []
