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
        # The way to a valid end that is known from here, and how near the limit it is looked for before each token.
        self.way = shortest_end(self.state, self.order, limit)
        if self.way is None:
            raise ModelError(f"no answer of this form was found that ends within {limit} tokens; give more with max_tokens, or "
                             "a simpler form")
        self.zone = 2 * len(self.way) + 16

    @property
    def finished(self) -> bool:
        """Whether the answer has the form and nothing can follow."""
        return bool(self.state.is_stopped() and not self.state.is_error())

    @property
    def valid(self) -> bool:
        """Whether the answer has the form as it stands."""
        return bool(self.state.is_accepting())

    def forbidden(self) -> torch.Tensor:
        """Of each id, whether it must not come next (vocabulary,)."""
        allowed = torch.frombuffer(bytearray(self.state.compute_logit_bias()), dtype=torch.uint8) != 0
        if self.state.is_error():
            raise ModelError(f"the constraint cannot go on ({first_line(self.state.get_error())}); give a simpler form")
        allowed[self.end] = False
        allowed[self.stop_ids] = self.valid
        return (~allowed).to(self.device)

    def choose(self, token: int, left: int) -> int:
        """The drawn token; where no valid end would fit after it within `left` tokens, the next one of a way that does."""
        if left > self.zone or token in self.stop_ids:
            return token
        if self.way is None:
            self.way = shortest_end(self.state, self.order, left)
        if self.way is None or (self.way and self.way[0] == token):
            return token
        after = self.state.deep_copy()
        after.consume_token(token)
        way = shortest_end(after, self.order, left - 1)
        if way is not None:
            self.way = [token, *way]
            return token
        return self.way[0] if self.way else token

    def take(self, token: int) -> None:
        """Go on by a token that does not end the answer."""
        self.way = self.way[1:] if self.way and self.way[0] == token else None
        if not self.state.consume_token(token):
            raise ModelError(f"the constraint cannot go on ({first_line(self.state.get_error())}); give a simpler form")


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
