"""Request: what is asked of the engine for one answer."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from textmill.model.generation.constraints import Constraint
from textmill.model.generation.sampling import SamplingSettings


@dataclass(frozen=True)
class Request:
    """A prompt, how to go on from it, and where to stop."""

    prompt: tuple[int, ...]
    """Ids, end-of-text first where a document begins."""
    settings: SamplingSettings = field(default_factory=SamplingSettings)
    max_tokens: int = 100
    """At most so many; fewer where the model's context ends."""
    min_tokens: int = 0
    """Before so many neither an end nor a stop text ends the answer."""
    stop: tuple[str, ...] = ()
    """Texts that end the answer and are left out of it, wherever tokens end."""
    stop_ids: frozenset[int] | None = None
    """Ids that end the answer and are left out; None: every special token."""
    top_logprobs: int | None = None
    """How many of the likeliest tokens are noted at each place; None: no log-probabilities."""
    constraint: Constraint | None = None
    """The form that the answer must have."""

    def problems(self, vocab_size: int, context_length: int) -> Iterator[str]:
        """What of it a model of this size cannot answer."""
        yield from self.settings.problems()
        if not self.prompt:
            yield "the prompt is empty; begin it with end-of-text"
        if self.prompt and not 0 <= min(self.prompt) <= max(self.prompt) < vocab_size:
            yield f"the prompt has ids outside 0 to {vocab_size - 1}; encode it by the model's tokenizer"
        if len(self.prompt) >= context_length:
            yield f"the prompt has {len(self.prompt)} tokens and the model reads {context_length}; shorten it"
        if self.max_tokens < 1:
            yield f"max_tokens must be 1 or more, is {self.max_tokens}"
        if not 0 <= self.min_tokens <= self.max_tokens:
            yield f"min_tokens must be 0 to {self.max_tokens}, is {self.min_tokens}"
        if not all(self.stop):
            yield "a stop text is empty; leave it out"
        if self.top_logprobs is not None and not 0 <= self.top_logprobs <= vocab_size:
            yield f"top_logprobs must be 0 to {vocab_size}, is {self.top_logprobs}"
        if wrong := [number for number in self.settings.logit_bias if not 0 <= number < vocab_size]:
            yield f"logit_bias has the id {wrong[0]}, and ids go from 0 to {vocab_size - 1}"
