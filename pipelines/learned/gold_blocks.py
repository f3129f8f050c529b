"""Labels of a page's blocks from its gold text: which of them to keep so that the words kept are the gold's, by F1."""

import re
from collections import Counter

import numpy as np

_WORD = re.compile(r"\w+")
_RUN = 4            # words of a run that is looked up in the gold


def words(text: str) -> list[str]:
    """The words of a text as the gold sets compare them."""
    return _WORD.findall(text.lower())


def labels(texts: list[str], gold: str) -> np.ndarray:
    """1 for each block to keep, 0 for the others.

    A block is kept at first if most of its runs of words are in the gold; of fewer than four words also only as a line of
    it, or together with a neighbour. Then blocks are put in or taken out as long as the F1 of all words rises.
    """
    wanted, blocks = words(gold), [words(text) for text in texts]
    whole = f" {' '.join(wanted)} "
    runs = {size: {tuple(wanted[at:at + size]) for at in range(len(wanted) - size + 1)} for size in range(1, _RUN + 1)}
    lines = {" ".join(words(line)) for line in gold.split("\n")}
    shares: list[float] = []
    for number, block in enumerate(blocks):
        if not block:
            shares.append(shares[-1] if shares else 0)
            continue
        size = min(_RUN, len(block))
        of = [tuple(block[at:at + size]) in runs[size] for at in range(len(block) - size + 1)]
        share = sum(of) / len(of)
        if share > 0.5 and len(block) < _RUN and " ".join(block) not in lines:
            before = [*(blocks[number - 1][-2:] if number else ()), *block]
            after = [*block, *(blocks[number + 1][:2] if number + 1 < len(blocks) else ())]
            if f" {' '.join(before)} " not in whole and f" {' '.join(after)} " not in whole:
                share = 0.3
        shares.append(share)
    return _refined(np.array(shares), blocks, Counter(wanted))


def _refined(shares: np.ndarray, blocks: list[list[str]], wanted: Counter[str]) -> np.ndarray:
    """The labels after two rounds over the blocks, short ones first."""
    keep = shares > 0.5
    found: Counter[str] = Counter(word for kept, block in zip(keep, blocks, strict=True) if kept for word in block)
    both, words_found, words_wanted = (found & wanted).total(), found.total(), wanted.total()
    for _ in range(2):
        for number in sorted(range(len(blocks)), key=lambda one: len(blocks[one])):
            block = Counter(blocks[number])
            if len(blocks[number]) < 3 or (not keep[number] and shares[number] <= 0.2):
                continue
            sign = -1 if keep[number] else 1
            gain = sum(min(found[word] + sign * count, wanted[word]) - min(found[word], wanted[word])
                       for word, count in block.items())
            size = words_found + words_wanted
            better = (both + gain) / (size + sign * len(blocks[number])) > both / size + 1e-9
            if better and (sign > 0 or shares[number] < 0.9 or gain == 0):
                keep[number] = not keep[number]
                both, words_found = both + gain, words_found + sign * len(blocks[number])
                for word, count in block.items():
                    found[word] += sign * count
    return keep.astype(np.float32)

