"""`trace`: the pages in a block. `where`: the parts and blocks that contain a page, or all pages of a host."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.row_groups import DocumentRow, find_ids, row_groups, rows_of
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.display.lines import labelled, ranges, shown
from textmill.pipelines.ledger.blocks import datasets_under, spans_in, spans_of
from textmill.pipelines.ledger.why import pages_of


def trace(data: Folder, mixture: str, split: str, block: int) -> list[str]:
    """Every span of a block: its positions, the document and piece it is from, and its position in a raw file."""
    entry, spans = spans_in(data, mixture, split, block)
    found = find_ids(data, {span.id for span in spans})
    stays = {id_: document for id_, documents in found.items() if (document := _standing(data, documents))}
    places = dict(zip(stays, rows_of(data, "documents", list(stays.values()), ["file", "offset", "length"]), strict=True))
    lines = [f"block {block} of {mixture}/{split}, entry {entry}, {len(spans)} spans"]
    for span in spans:
        lines.append(f"  {span.first:>5} to {span.last:<5} {span.id}, piece {span.piece} from its token {span.start:,}")
        if place := places.get(span.id):
            lines.append(f"{' ' * 17}{shown(stays[span.id].url or stays[span.id].record_id)}")
            lines += labelled("", _place(place["file"], place["offset"], place["length"]), width=17)
        else:
            lines.append(f"{' ' * 17}no document has this id now; run `textmill pack`")
    return lines


def _standing(data: Folder, documents: list[DocumentRow]) -> DocumentRow | None:
    """Of the records with one id the one that dedup kept; the first where it was not run."""
    for document, row in zip(documents, rows_of(data, "duplicates", documents, ["kind"]), strict=True):
        if row and row["kind"] is None:
            return document
    return documents[0] if documents else None


def where(data: Folder, name: str) -> list[str]:
    """The parts of every dataset, and the blocks, that contain a page or the pages of a host."""
    pages = pages_of(data, name)
    documents, ids = pages.documents, {document.id for document in pages.documents}
    found = [("documents", f"{key}, rows {ranges(sorted(d.row for d in documents if d.part == key))}")
             for key in sorted({document.part for document in documents})]
    found += [("ledger/documents/rejected", f"{_place(lost.file, lost.offset, lost.length)}: {lost.rule}")
              for lost in pages.lost]
    for dataset in ("curated", *(f"tokens/{name}" for name in datasets_under(data, "tokens"))):
        found += [(dataset, f"{key}, {count:,} {'row' if count == 1 else 'rows'}")
                  for key, count in _rows_in_parts(data, dataset, documents, ids)]
    spans = spans_of(data, ids)
    for place in sorted({(span.mixture, span.split) for span in spans}):
        blocks = sorted({span.block for span in spans if (span.mixture, span.split) == place})
        found.append((f"blocks/{'/'.join(place)}", ranges(blocks)))
    if not spans:
        found.append(("blocks", "none"))
    width = max(len(label) for label, _ in found) + 2
    return [f"{len(documents):,} documents and {len(pages.lost):,} records without one go by this {pages.by}",
            *(line for label, text in found for line in labelled(label, text, width=width))]


def _place(file: str, offset: int, length: int | None) -> str:
    return f"{file}, offset {offset:,}" + ("" if length is None else f", length {length:,}")


def _rows_in_parts(data: Folder, dataset: str, documents: tuple[DocumentRow, ...], ids: set[str]) -> Iterator[tuple[str, int]]:
    """(part, rows with one of these ids) of the parts that have any: they have the keys of the parts of documents."""
    manifest, wanted = Manifest.read(data / dataset), pa.array(sorted(ids), pa.string())
    for part in (p for p in (manifest.parts if manifest else ()) if p.key in {document.part for document in documents}):
        count = sum(pc.sum(pc.is_in(read(["id"])["id"], value_set=wanted)).as_py() or 0
                    for _, read in row_groups(data / dataset, part))
        if count:
            yield part.key, count
