"""Certainty of answers: by the model's own probabilities, and by how far several answers agree.

The figures of one answer are those of its tokens by the model alone, before any limit of drawing. They say how expected a text
was, not whether it is true; `evaluation/calibration.py` measures how far one follows from the other.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from itertools import combinations
from typing import NamedTuple

from textmill.model import ModelError
from textmill.model.generation.answer import Answer, TokenScore


class Certainty(NamedTuple):
    """Of an answer's tokens."""

    mean: float             # geometric mean of their probabilities
    lowest: float           # the lowest of them
    entropy: float          # mean, in nats
    highest_entropy: float


class Agreement(NamedTuple):
    """Of several answers to one prompt."""

    text: str               # the most frequent final answer, of equals the one that came first
    votes: int
    share: float            # of the answers
    pairs: float            # share of pairs with the same final answer
    likeness: float         # mean over pairs: the share of characters that their texts have in common, in order


def certainty(scores: Sequence[TokenScore]) -> Certainty:
    """Of the scores of an answer. ModelError where there are none."""
    if not scores:
        raise ModelError("an answer without scores has no certainty; ask for log-probabilities, and for a token at least")
    logs, entropies = [score.logprob for score in scores], [score.entropy for score in scores]
    return Certainty(math.exp(sum(logs) / len(logs)), math.exp(min(logs)), sum(entropies) / len(entropies), max(entropies))


def agreement(answers: Sequence[Answer], final: Callable[[str], str | None]) -> Agreement:
    """How far answers agree, each by the `final` answer in its text; those without one (None) agree with nothing.

    ModelError where no text has one."""
    finals = [final(answer.text) for answer in answers]
    votes = Counter(text for text in finals if text is not None)
    if not votes:
        raise ModelError("none of the answers has a final answer as described; describe it otherwise, or give more tokens")
    text, count = votes.most_common(1)[0]
    pairs = list(combinations(range(len(answers)), 2))
    same = sum(finals[one] is not None and finals[one] == finals[other] for one, other in pairs)
    alike = sum(likeness(answers[one].text, answers[other].text) for one, other in pairs)
    among = len(pairs) or 1
    return Agreement(text, count, count / len(answers), same / among if pairs else 1.0, alike / among if pairs else 1.0)


def likeness(one: str, other: str) -> float:
    """Share of characters that two texts have in common, in order: 1 for equal texts."""
    return SequenceMatcher(None, one, other, autojunk=False).ratio()
