"""Account of a layout: what became of every token row and of every token."""

import json
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from textmill.pipelines.contract.parts import Counts
from textmill.pipelines.pack import near_copies
from textmill.pipelines.pack.documents import Index, id_bytes, id_words
from textmill.pipelines.pack.plan import Plan, outcome
from textmill.pipelines.pack.planned import SplitLayout
from textmill.tokenizer.encoder import Encoder

_ID = np.dtype([("high", "<u8"), ("low", "<u8")])


def account(plan: Plan, index: Index, encoder: Encoder, duplicates: Callable[[], Iterator[pa.RecordBatch]]) -> Counts:
    """Every token row: packed, of no entry of the recipe, or beyond what the recipe asks for. And near-copies held out.

    Every token likewise, end-of-text included: a row may lie in blocks in part.
    """
    layouts = (plan.train, plan.validation)
    first = np.cumsum([0, *(index.part_rows[part] for part in sorted(index.part_rows))])
    in_blocks = np.zeros(first[-1], bool)
    for layout in layouts:
        for spans in layout.used():
            in_blocks[first[spans["part"]] + spans["row"]] = True
    kept, chosen = int(np.count_nonzero(in_blocks)), index.rows.rows
    too_long, lost = sum(count.too_long for count in plan.dialogues.values()), index.lost_tokens
    of_dialogues = {"not_preferred": index.not_preferred, "too_long": too_long}
    rejected = {"no_entry": len(in_blocks) - chosen - sum(of_dialogues.values()), "beyond_the_recipe": chosen - kept}
    rejected |= {reason: count for reason, count in of_dialogues.items() if count}
    counts: Counts = {"read": len(in_blocks), "kept": kept, "vocabulary": encoder.vocab_size, "rejected": rejected}
    available, left_out = (sum(getattr(packed, name) for layout in layouts for packed in layout.packed)
                           for name in ("available", "left_out"))
    counts["tokens"] = {"read": index.read_tokens, "no_entry": index.read_tokens - available - lost, "left_out": left_out,
                        "packed": available - left_out} | ({"lost": lost} if lost else {})
    counts |= outcome(plan)
    counts["validation"]["near_copies"] = near_copies.counted(
        ids_in(plan.validation), lambda ids: ids_in(plan.train, ids), duplicates)
    return dict(json.loads(json.dumps(counts)))     # plain ints


def ids_in(layout: SplitLayout, among: pa.Array | None = None) -> pa.Array:
    """The distinct ids of documents in the blocks of a split, or those of `among` that are there."""
    wanted = np.unique(np.stack(id_words(among), axis=1).view(_ID)) if among is not None else None
    found = [np.zeros(0, _ID)]
    for spans in layout.used():
        ids = np.unique(np.stack([spans["high"], spans["low"]], axis=1).view(_ID))
        found.append(ids if wanted is None else np.intersect1d(ids, wanted))
    distinct = np.unique(np.concatenate(found))
    return pa.array([id.tobytes().hex() for id in id_bytes(distinct["high"], distinct["low"])], pa.string())
