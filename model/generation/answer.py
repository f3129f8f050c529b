"""Answer: the text that comes about for a request, token by token.

Guarantees: its text has whole characters only, holds back what may become a stop text, and once shown is never taken back;
read piece by piece it is the same as read at the end.
"""

import codecs
import random
from collections.abc import Sequence
from typing import Literal, NamedTuple

from textmill.model.generation.request import Request

FinishReason = Literal["stop", "length", "cancelled"]


class TokenScore(NamedTuple):
    """What the model thought at one place."""

    id: int
    logprob: float                          # of the token by the model alone
    drawn: float                            # and by what it was drawn from: after penalties, constraint and limits
    entropy: float                          # nats, of the model alone
    top: tuple[tuple[int, float], ...]      # the likeliest ids with their log-probabilities, by the model alone


class Usage(NamedTuple):
    """Tokens that an answer cost."""

    prompt: int
    cached: int         # of the prompt: that were read before
    generated: int      # with the one that ended it


class Answer:
    """The answer to a request, so far.

    `tokens` are its ids, without the one that ended it; `scores` has one of each where they are asked for; `problem` says in
    words why an answer does not have the form asked for."""

    def __init__(self, request: Request, pieces: Sequence[bytes]):
        self.request = request
        self.tokens: list[int] = []
        self.scores: list[TokenScore] = []
        self.finish_reason: FinishReason | None = None
        self.stop: str | None = None                    # the stop text that ended it
        self.problem: str | None = None
        self.cached = self.generated = 0
        self.uniform = random.Random(request.settings.seed)
        self._pieces = pieces
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._decoded = ""
        self._shown = self._read = 0
        self._longest = max(map(len, request.stop), default=0)

    @property
    def text(self) -> str:
        """What is certain of its text."""
        return self._decoded[:self._shown]

    @property
    def logprobs(self) -> list[float]:
        """The log-probability of each token by the model alone, where they are asked for."""
        return [score.logprob for score in self.scores]

    @property
    def usage(self) -> Usage:
        return Usage(len(self.request.prompt), self.cached, self.generated)

    def read(self) -> str:
        """Its text since the last call."""
        start, self._read = self._read, self._shown
        return self._decoded[start:self._shown]

    def append(self, token: int) -> None:
        """Take a token that does not end it; a stop text that it completes does."""
        self.tokens.append(token)
        before = len(self._decoded)
        self._decoded += self._decoder.decode(self._pieces[token])
        if len(self.tokens) > self.request.min_tokens:
            self._look_for_stop(before)
        if self.finish_reason is None:
            self._shown = max(self._shown, len(self._decoded) - self._held_back())

    def finish(self, reason: FinishReason) -> None:
        """End it; what was held back is shown, half a character as U+FFFD."""
        self.finish_reason = reason
        before = len(self._decoded)
        self._decoded += self._decoder.decode(b"", final=True)
        if len(self._decoded) > before and len(self.tokens) > self.request.min_tokens:
            self._look_for_stop(before)
        if self.stop is None:
            self._shown = len(self._decoded)

    def _look_for_stop(self, before: int) -> None:
        """Cut the text at the first stop text that ends after the first `before` characters."""
        places = [(place, text) for text in self.request.stop
                  if (place := self._decoded.find(text, max(0, before - len(text) + 1))) >= 0]
        if places:
            place, self.stop = min(places, key=lambda found: (found[0], -len(found[1])))
            place = max(place, self._shown)
            self._decoded, self._shown, self.finish_reason = self._decoded[:place], place, "stop"

    def _held_back(self) -> int:
        """Characters at the end with which a stop text may begin."""
        for length in range(min(self._longest - 1, len(self._decoded)), 0, -1):
            if any(text.startswith(self._decoded[-length:]) for text in self.request.stop):
                return length
        return 0
