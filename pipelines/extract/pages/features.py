"""Features of a page's blocks, as whole numbers: the same on every machine, since nothing is rounded by a library.

Shares and logarithms are in 1/64.
"""

import re
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from textmill.pipelines.extract.pages.blocks import Blocks

_WORD = re.compile(r"\w+")
_LEVELS = 5             # elements around a block whose text is looked at
_END = frozenset(".!?:;…。！？\"”»")
_SHORT = 80             # characters of a block whose words are looked at, from its start


class Features(NamedTuple):
    """`dense`: (blocks, features), int64; the words of each block's text, of the elements around it, and of the page."""

    dense: np.ndarray
    text_words: list[list[str]]
    around: list[int]           # node of each block


def log64(counts: np.ndarray) -> np.ndarray:
    """64 log2(1 + n), straight between powers of two: exact in whole numbers."""
    mantissa, exponent = np.frexp(counts.astype(np.float64) + 1)
    return (exponent * 64 + np.floor(mantissa * 128).astype(np.int64) - 128).astype(np.int64)


def share64(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Part / whole in 1/64, rounded down; 0 of nothing."""
    return (64 * part) // np.maximum(whole, 1)


def features(page: Blocks) -> Features:
    """The features of a page's blocks: of each alone, its place, and the elements around it."""
    blocks, nodes, spans = page
    count = len(blocks)
    counted, text_words = [], []
    seen: dict[str, int] = {}
    for text, _, link_chars, links, item in blocks:
        length = len(text)
        seen[text] = seen.get(text, 0) + 1
        counted.append((length, text.count(" ") + 1, link_chars, links, text.count(","), text.count(".") + text.count("。"),
                        text.count("\n"), text[-1] in _END, text[0].isupper(), text[0].isdigit(), item >= 0, item > 0,
                        text.isupper(), "|" in text, "©" in text, text.count("(") , text.count("/"),
                        "?" in text, ":" in text[-2:], length > 30 and not text.isascii()))
        text_words.append(_WORD.findall(text[:_SHORT].lower()))
    raw = np.array(counted, dtype=np.int64).reshape(count, 20)
    size, words, link = raw[:, 0], raw[:, 1], raw[:, 2]
    repeats = np.array([seen[block.text] for block in blocks], dtype=np.int64)
    place = np.arange(count)
    total, total_link = int(size.sum()), int(link.sum())
    before = np.cumsum(size) - size
    node = np.array([block.node for block in blocks], dtype=np.int64)
    parent = np.array([one.parent for one in nodes], dtype=np.int64)
    parent[0] = 0
    starts, ends = np.array(spans, dtype=np.int64).reshape(-1, 2).T
    summed: dict[str, np.ndarray] = {"size": size, "link": link, "words": words, "long": (words >= 12) * size,
                                     "ends": raw[:, 7] * size}
    sums = {name: np.concatenate([[0], np.cumsum(values)]) for name, values in summed.items()}
    within = {name: sum_[ends] - sum_[starts] for name, sum_ in sums.items()}
    inside = ends - starts
    headings = np.array([one.tag in ("h1", "h2", "h3") for one in nodes])[node]
    first = np.array([one.tag == "h1" for one in nodes])[node]
    since = np.cumsum(headings)
    h1_seen = np.cumsum(first) > 0
    h1_before = np.where(h1_seen, 0, int(first.sum() > 0))
    last_heading = np.maximum.accumulate(np.where(headings, place, -1))
    columns = [log64(size), log64(words), share64(link, size), log64(raw[:, 3]), log64(raw[:, 4]), log64(raw[:, 5]),
               share64(size, words) // 4, log64(raw[:, 6]), *(64 * raw[:, n] for n in range(7, 15)),
               log64(raw[:, 15]), log64(raw[:, 16]), *(64 * raw[:, n] for n in range(17, 20)),
               log64(repeats - 1), share64(place, np.full(count, count)), share64(before, np.full(count, total)),
               log64(place), log64(count - 1 - place), np.full(count, log64(np.array([total]))[0]),
               np.full(count, log64(np.array([count]))[0]), np.full(count, 64 * total_link // max(total, 1)),
               64 * h1_seen, 64 * h1_before, log64(since), log64(place - last_heading),
               64 * (place > (np.flatnonzero(first)[0] if first.any() else -1))]
    around = node
    for _ in range(_LEVELS):
        inner = within["size"][around]
        columns += [log64(inner), share64(within["link"][around], inner), share64(within["long"][around], inner),
                    log64(inside[around]), share64(inner, np.full(count, total)),
                    share64(within["words"][around], inside[around]) // 4, share64(within["ends"][around], inner)]
        up = parent[around]
        for _ in range(6):          # on to the first that holds more than this one
            same = (starts[up] == starts[around]) & (ends[up] == ends[around]) & (up > 0)
            if not same.any():
                break
            up = np.where(same, parent[up], up)
        around = up
    dense = np.stack(columns, axis=1).astype(np.int64) if count else np.zeros((0, 34 + 7 * _LEVELS), np.int64)
    return Features(np.clip(dense, -1024, 1024), text_words, [block.node for block in blocks])


def page_words(metas: list[tuple[str, str]], json_ld: list[dict[str, Any]]) -> list[str]:
    """Words of what a page says of itself: its type, its generator, the types of its JSON-LD, its own address."""
    words = set()
    for name, content in metas:
        if name == "og:type":
            words.add(f"og:{content.strip().lower()}")
        elif name == "generator":
            words.add(f"by:{content.strip().lower().partition(' ')[0]}")
        elif name == "og:url":
            try:
                address = urlsplit(content.strip())
            except ValueError:
                continue
            parts = [part for part in address.path.split("/") if part]
            words |= {f"url:{word}" for word in _WORD.findall(address.path.lower()) if not word.isdigit()}
            words |= {f"host:{word}" for word in _WORD.findall((address.netloc or "").lower())}
            words.add(f"deep:{min(len(parts), 4)}")
    for data in json_ld[:200]:
        kinds = data.get("@type")
        words |= {f"ld:{kind.lower()}" for kind in (kinds if isinstance(kinds, list) else [kinds]) if isinstance(kind, str)}
    return sorted(words)
