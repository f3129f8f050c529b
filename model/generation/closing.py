"""The shortest way to a valid end of a constrained answer, as far as a short search finds it.

Depth first, a few more places than the limit has tokens. What is forced is taken; then what closes (quotation marks, brackets)
or goes between values, then a token of each first byte that ends the answer or leads to where other tokens are allowed, and
last the longest tokens, for what only counts. Not every answer is tried, so there may be a shorter way, and of a strange form
none is found.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from llguidance import LLMatcher

CLOSING, BETWEEN = frozenset(b'"}]'), frozenset(b'"}],:')
PLACES = 32             # that are looked at beyond the limit's
TURNS, TRIED = 3, 96    # places that are gone to from one, and tokens that are tried for them


class Order:
    """The ids of a vocabulary that stand for text, in the order in which they are tried."""

    def __init__(self, pieces: Sequence[bytes]):
        texts = [number for number, piece in enumerate(pieces) if piece]
        self.first = np.array([piece[0] if piece else 0 for piece in pieces])
        letters_first = sorted(texts, key=lambda number: (not pieces[number][:1].isalnum(), len(pieces[number]), number))
        self.shortest = np.array(letters_first)
        self.longest = np.array(sorted(texts, key=lambda number: (-len(pieces[number]), number)))
        closing = [number for number in texts if frozenset(pieces[number]) <= BETWEEN]
        self.closing = np.array(sorted(closing, key=lambda number: (not frozenset(pieces[number]) <= CLOSING,
                                                                    -len(pieces[number]), number)), dtype=np.int64)

    def of_each_byte(self, allowed: np.ndarray) -> list[int]:
        """The shortest allowed token of each first byte, letters and digits first."""
        ids = self.shortest[allowed[self.shortest]]
        return ids[np.sort(np.unique(self.first[ids], return_index=True)[1])].tolist()


def shortest_end(state: "LLMatcher", order: Order, limit: int) -> list[int] | None:
    """Tokens that take the answer to a valid end, at most `limit`; [] where it has one, None where none was found."""
    places = [limit + PLACES]

    def search(state: "LLMatcher", left: int) -> list[int] | None:
        way: list[int] = []
        while not (state.is_accepting() or state.is_stopped()):
            tokens = state.compute_ff_tokens()
            places[0] -= 1
            if len(way) + max(1, len(tokens)) > left or places[0] < 0:
                return None
            if tokens:
                if not state.consume_tokens(tokens):
                    return None
            else:
                following = list(turns(state, order))
                for token, after in following[:-1]:
                    if (rest := search(after, left - len(way) - 1)) is not None:
                        return [*way, token, *rest]
                if not following:
                    return None
                token, state = following[-1]
                tokens = [token]
            way += tokens
        return None if state.is_error() else way

    return search(state.deep_copy(), limit)


def turns(state: "LLMatcher", order: Order) -> Iterator[tuple[int, "LLMatcher"]]:
    """Tokens that may come next, with the state after each: the most promising first, one alone where it ends the answer."""
    mask = state.compute_logit_bias()
    allowed = np.frombuffer(mask, np.uint8) != 0
    seen = {mask}
    found: list[tuple[int, LLMatcher]] = []
    for candidates in (order.closing[allowed[order.closing]].tolist()[:TURNS], order.of_each_byte(allowed)[:TRIED]):
        for token in candidates:
            after = state.deep_copy()
            if not after.consume_token(token):
                continue
            if after.is_accepting():
                yield token, after
                return
            if len(found) < TURNS and (beyond := after.compute_logit_bias()) not in seen:
                seen.add(beyond)
                found.append((token, after))
        if found:
            break
    for token in order.longest[allowed[order.longest]][:2].tolist():
        after = state.deep_copy()
        if after.consume_token(token):
            found.append((token, after))
    yield from found
