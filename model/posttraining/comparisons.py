"""Comparisons as a model reads them: JSONL of prompt, chosen and rejected, rendered by the chat template, split by hash.

A line is {"prompt": messages or text, "chosen": text, "rejected": text}; `margin` says how much better, where it is graded.
In place of the two may stand `ranking`, several answers from the best to the worst. Other keys stay unread. Guarantee: what is
held out follows from the prompt alone, so no prompt is on both sides.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from textmill.model import ModelError
from textmill.model.posttraining.jsonl import lines
from textmill.model.posttraining.rows import Row
from textmill.tokenizer.bpe import TokenizerError
from textmill.tokenizer.chat import render
from textmill.tokenizer.encoder import Encoder


class Comparison(NamedTuple):
    """Answers to one prompt, the best first; of two, `margin` above 0 says how much better the chosen one is."""

    answers: tuple[Row, ...]
    margin: float
    first: int
    """The number of its best answer among all answers of its side, counted comparison by comparison."""


class Comparisons(NamedTuple):
    """Those to learn from and those held out, the digest of the file, and how many were too long for the model."""

    learned: list[Comparison]
    held_out: list[Comparison]
    sha256: str
    too_long: int

    @property
    def words(self) -> str:
        """How many there are, for a run's first line."""
        left_out = f", {self.too_long:,} too long" if self.too_long else ""
        ranked = "pairs" if all(len(each.answers) == 2 for each in (*self.learned, *self.held_out)) else "rankings"
        return f"{len(self.learned):,} {ranked}, {len(self.held_out):,} held out{left_out}"


def read_comparisons(path: Path, encoder: Encoder, context: int, held_out: float) -> Comparisons:
    """The comparisons of a file. ModelError where a line is none, or none is left on either side."""
    learned: list[Comparison] = []
    kept: list[Comparison] = []
    too_long = 0
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); write it with `textmill comparisons`") from None
    for number, line in lines(data, path):
        where = f"{path}, line {number}"
        prompt, texts = messages_of(line.get("prompt"), path, number), answers_of(line, where)
        if len(set(texts)) < len(texts):
            names = "two answers of the ranking" if "ranking" in line else "chosen and rejected"
            raise ModelError(f"{where}: {names} are equal, so nothing is to be learned; take it out")
        margin = line.get("margin", 0)
        if not isinstance(margin, int | float) or isinstance(margin, bool) or not 0 <= margin < float("inf"):
            raise ModelError(f"{where}: margin is {margin!r}; give a number from 0 on")
        if margin and len(texts) > 2:
            raise ModelError(f"{where}: a margin is between two answers, and the ranking has {len(texts)}; leave it out")
        answers = tuple(answer_row(prompt, text, encoder, where) for text in texts)
        if max(map(len, answers)) > context:
            too_long += 1
        else:
            side = kept if is_held_out(prompt, held_out) else learned
            first = side[-1].first + len(side[-1].answers) if side else 0
            side.append(Comparison(answers, float(margin), first))
    for name, side in (("to learn from", learned), ("held out", kept)):
        if not side:
            long = f" ({too_long:,} are longer than {context} tokens)" if too_long else ""
            raise ModelError(f"{path} has no comparison {name}{long}; give more, or change `held_out`")
    return Comparisons(learned, kept, hashlib.sha256(data).hexdigest(), too_long)


def answers_of(line: Mapping[str, Any], where: str) -> list[str]:
    """The answers of a line, the best first: its ranking, or the chosen and the rejected one."""
    if "ranking" in line:
        answers, least = line["ranking"], "ranking is no list of two texts or more, from the best to the worst; give them"
        if {"chosen", "rejected"} & line.keys():
            raise ModelError(f"{where}: has both a ranking and chosen or rejected; give one of them")
    else:
        answers = [line.get(key) for key in ("chosen", "rejected")]
        least = "has no prompt with a chosen and a rejected answer; give all three"
    if not (isinstance(answers, list) and len(answers) > 1 and all(isinstance(text, str) and text.strip() for text in answers)):
        raise ModelError(f"{where}: {least}")
    return answers


def messages_of(prompt: Any, path: Path, number: int) -> list[dict[str, Any]]:
    """A prompt as messages: it may be a text of the user's."""
    if isinstance(prompt, str) and prompt.strip():
        return [{"role": "user", "content": prompt}]
    messages = prompt if isinstance(prompt, list) and all(isinstance(each, dict) for each in prompt) else []
    if messages and messages[-1].get("role") != "assistant":
        return messages
    raise ModelError(f"{path}, line {number}: the prompt is no text and no messages that end before the assistant; give one")


def prompt_ids(messages: Sequence[dict[str, Any]], encoder: Encoder, where: str) -> tuple[int, ...]:
    """The ids after which the assistant speaks. ModelError where they cannot be rendered."""
    try:
        return tuple(render(messages, encoder, add_generation_prompt=True)[0].tolist())
    except TokenizerError as error:
        raise ModelError(f"{where}: {error}") from None


def answer_row(messages: Sequence[dict[str, Any]], answer: str, encoder: Encoder, where: str) -> Row:
    """Prompt and answer with its end of turn."""
    prompt = prompt_ids(messages, encoder, where)
    ids = tuple(render([*messages, {"role": "assistant", "content": answer}], encoder)[0].tolist())
    return Row(prompt, ids[len(prompt):])


def is_held_out(messages: Sequence[dict[str, Any]], share: float) -> bool:
    """Whether a prompt is held out, by its hash."""
    digest = hashlib.sha256(json.dumps(messages, ensure_ascii=False, sort_keys=True).encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64
