"""Packed blocks, their spans coloured by document, as pages."""

from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from tokenizers import Tokenizer

from textmill.base.blocks_format import SPLITS
from textmill.base.names import name_problem
from textmill.pipelines.browse.asked import number_of
from textmill.pipelines.browse.browser import Browser
from textmill.pipelines.browse.passages import masked_segments
from textmill.pipelines.browse.search import by_ids
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.display.lines import shown
from textmill.pipelines.ledger.blocks import datasets_under, spans_of_block, stored_block

COLOURS = 6             # of documents, in turn


def blocks(browser: Browser, request: Request) -> Response:
    """The mixtures that are packed, with their numbers of blocks."""
    return browser.page("blocks.html", request, mixtures=[(name, counts_of(browser.context.data, name))
                                                          for name in datasets_under(browser.context.data, "blocks")])


def counts_of(data: Folder, mixture: str) -> dict[str, int]:
    """Blocks of each split."""
    manifest = Manifest.read(data / f"blocks/{mixture}")
    return {split: sum(part.rows for part in manifest.parts if part.path.startswith(f"{split}/")) if manifest else 0
            for split in SPLITS}


def block(browser: Browser, request: Request) -> Response:
    """One block, by its number in the path or as a field: its text, cut where a document begins or ends."""
    mixture, split = request.path_params["mixture"], request.path_params["split"]
    number = request.path_params.get("number", number_of(request.query_params.get("number", "")) or 0)
    if name_problem("mixture", mixture) or split not in SPLITS:
        raise StageError(f"there is no split {shown(split)} of {shown(mixture)}; the page of blocks lists all there are")
    row = stored_block(browser.context.data, mixture, split, number)
    tokens = row["tokens"][0].values.to_numpy()
    tokenizer = _tokenizer(browser.context.data.uri, mixture)
    spans: list[dict[str, Any]] = []
    colours: dict[str, int] = {}
    listed = spans_of_block(row, mixture, split, number)
    documents = by_ids(browser.indexes, [span.id for span in listed])
    names = dict(zip(documents, browser.indexes.snapshot.rows(
        "documents", [found.row for found in documents.values()], ["title", "url"]), strict=True))
    for span in listed:
        facts, stored = documents[span.id].facts if span.id in documents else {}, names.get(span.id, {})
        text = tokenizer.decode(tokens[span.first:span.last].tolist(), skip_special_tokens=False)
        name = stored.get("title") or stored.get("url")
        spans.append({"span": span, "known": span.id in documents,
                      "colour": colours.setdefault(span.id, len(colours) % COLOURS),
                      "name": shown(name, facts.get("language") or "und", facts.get("host")) if name else span.id,
                      "language": facts.get("language"), "source": facts.get("source"),
                      "text": masked_segments(text, facts.get("language") or "und", facts.get("host"))})
    used = sum(each["span"].last - each["span"].first for each in spans)
    return browser.page("block.html", request, mixture=mixture, split=split, number=number, entry=row["entry"][0].as_py(),
                        spans=spans, size=len(tokens), used=used, count=counts_of(browser.context.data, mixture)[split])


@lru_cache(4)
def _tokenizer(data: str, mixture: str) -> Tokenizer:
    return Tokenizer.from_str((Folder(data) / f"blocks/{mixture}").read("tokenizer.json").decode())
