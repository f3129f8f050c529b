"""Constraints on the form of an answer: one of some options, a regular expression, a JSON Schema, a grammar.

By llguidance, which says before each token which ones may follow. Guarantees: an answer that ends by itself has the form; one
that the length limit would cut is led to a valid end, the shortest that was found, and where there is none it says so. A form
that nothing can have, or nothing within the limit, is refused before a token is drawn.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from textmill.model import ModelError
from textmill.model.generation.closing import shortest_end
from textmill.model.generation.language_model import LanguageModel

if TYPE_CHECKING:
    from llguidance import LLMatcher

MARGIN, TRIES = 8, 4
LOOKED_AT = 256         # tokens up to which an end is looked for before the first


@dataclass(frozen=True)
class Constraint:
    """A form that an answer must have."""

    kind: Literal["options", "regex", "json", "grammar"]
    form: Any
    """A list of texts, a regular expression, a JSON Schema, or a grammar in llguidance's Lark notation."""


class Matcher:
    """A constraint on its way through an answer of at most `limit` tokens.

    ModelError where the form is none, or no answer can have it."""

    def __init__(self, constraint: Constraint, model: LanguageModel, stop_ids: Collection[int], limit: int):
        self.stop_ids, self.end, self.device = list(stop_ids), model.decoder.end_of_text, model.decoder.device
        self.order = model.closing_order
        self.state = matcher(constraint, model)
        way = shortest_end(self.state, self.order, max(limit, LOOKED_AT))
        if way is not None and len(way) > limit:
            raise ModelError(f"the shortest answer of this form that was found has {len(way)} tokens, and the limit is "
                             f"{limit}; give more with max_tokens, or a simpler form")
        # Tokens before the limit from which on a way to an end is looked for.
        self.zone = limit // 2 if way is None else 2 * len(way) + MARGIN
        self.tries = TRIES
        self.way: list[int] | None = None           # that is taken, once it is

    @property
    def finished(self) -> bool:
        """Whether nothing can follow."""
        return bool(self.state.is_stopped())

    @property
    def problem(self) -> str | None:
        """Why the answer, as it stands, has not the form; None where it has."""
        if self.state.is_error():
            return f"the form is too much for llguidance ({first_line(self.state.get_error())}); give a simpler one"
        return None if self.valid or self.finished else "give more tokens"

    @property
    def valid(self) -> bool:
        """Whether the answer has the form as it stands."""
        return bool(self.state.is_accepting())

    def forbidden(self) -> torch.Tensor:
        """Of each id, whether it must not come next (vocabulary,)."""
        allowed = torch.frombuffer(bytearray(self.state.compute_logit_bias()), dtype=torch.uint8) != 0
        allowed[self.end] = False
        allowed[self.stop_ids] = self.valid or self.state.is_error()
        return (~allowed).to(self.device)

    def choose(self, token: int, left: int) -> int:
        """The drawn token; near the limit, with `left` tokens to come, the next one of a way to a valid end.

        The way is taken from where it has a few tokens to spare; once taken it is followed."""
        if self.way is None and left <= self.zone and self.tries and token not in self.stop_ids:
            way = shortest_end(self.state, self.order, left)
            if way is None:
                self.tries -= 1
            elif len(way) + MARGIN < left:
                self.zone = len(way) + MARGIN
            else:
                self.way = way
        if self.way is None:
            return token
        return self.way.pop(0) if self.way else next(iter(self.stop_ids), token)

    def take(self, token: int) -> None:
        """Go on by a token that does not end the answer."""
        self.state.consume_token(token)


def matcher(constraint: Constraint, model: LanguageModel) -> "LLMatcher":
    """The constraint at its start. ModelError where it is none, or nothing can have that form."""
    from llguidance import LLMatcher

    try:
        grammar = GRAMMARS[constraint.kind](constraint.form)
    except (ValueError, TypeError) as error:
        raise ModelError(f"the {NAMES[constraint.kind]} cannot be read ({first_line(str(error))}); correct it") from None
    state = LLMatcher(model.guidance, grammar, log_level=0)
    if not state.is_error():
        state.compute_logit_bias()
    if state.is_error():
        problem = state.get_error()
        what = "nothing can have the form asked for" if "nsatisfiable" in problem or "NoExtension" in problem else (
            f"the {NAMES[constraint.kind]} cannot be used")
        raise ModelError(f"{what} ({first_line(problem)}); correct it")
    return state


def options(texts: Any) -> str:
    """The grammar of one of some texts."""
    from llguidance import LLMatcher

    if not isinstance(texts, list | tuple) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise ValueError("options are a list of texts that are not empty")
    return LLMatcher.grammar_from_lark("start: " + " | ".join(json.dumps(text, ensure_ascii=False) for text in texts))


def regex(expression: Any) -> str:
    """The grammar of a regular expression, for the whole answer."""
    from llguidance import LLMatcher

    if not isinstance(expression, str):
        raise ValueError("a regular expression is a text")
    return LLMatcher.grammar_from_regex(expression)


def json_schema(schema: Any) -> str:
    """The grammar of JSON by a schema, without spaces: where they are free, a model may write them for ever."""
    from llguidance import LLMatcher

    if schema is True:
        schema = {}
    if not isinstance(schema, dict):
        raise ValueError("a JSON Schema is an object")
    return LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides={"whitespace_flexible": False})


def lark(grammar: Any) -> str:
    """The grammar as it stands."""
    from llguidance import LLMatcher

    if not isinstance(grammar, str):
        raise ValueError("a grammar is a text")
    return LLMatcher.grammar_from_lark(grammar)


GRAMMARS = {"options": options, "regex": regex, "json": json_schema, "grammar": lark}
NAMES = {"options": "options", "regex": "regular expression", "json": "JSON Schema", "grammar": "grammar"}


def first_line(problem: str) -> str:
    """The line of a message that says what is wrong."""
    lines = [line.strip() for line in problem.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("error: ")), lines[0] if lines else "no reason given")
