"""Comparisons as a model reads them: JSONL of prompt, chosen and rejected, rendered by the chat template, split by hash.

A line is {"prompt": messages or text, "chosen": text, "rejected": text}; `margin` says how much better, where it is graded.
Other keys stay unread. Guarantee: what is held out follows from the prompt alone, so no prompt is on both sides.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from textmill.model import ModelError
from textmill.model.posttraining.rows import Row
from textmill.tokenizer.bpe import TokenizerError
from textmill.tokenizer.chat import render
from textmill.tokenizer.encoder import Encoder


class Comparison(NamedTuple):
    """Two answers to one prompt; `margin` above 0 says how much better the chosen one is."""

    chosen: Row
    rejected: Row
    margin: float


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
        return f"{len(self.learned):,} pairs, {len(self.held_out):,} held out{left_out}"


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
        prompt, texts = messages_of(line["prompt"], path, number), [line["chosen"], line["rejected"]]
        if texts[0] == texts[1]:
            raise ModelError(f"{path}, line {number}: chosen and rejected are equal, so nothing is to be learned; take it out")
        margin = line.get("margin", 0)
        if not isinstance(margin, int | float) or isinstance(margin, bool) or not 0 <= margin < float("inf"):
            raise ModelError(f"{path}, line {number}: margin is {margin!r}; give a number from 0 on")
        chosen, rejected = (answer_row(prompt, text, encoder, f"{path}, line {number}") for text in texts)
        if max(len(chosen), len(rejected)) > context:
            too_long += 1
        else:
            (kept if is_held_out(prompt, held_out) else learned).append(Comparison(chosen, rejected, float(margin)))
    for name, side in (("to learn from", learned), ("held out", kept)):
        if not side:
            long = f" ({too_long:,} are longer than {context} tokens)" if too_long else ""
            raise ModelError(f"{path} has no comparison {name}{long}; give more, or change `held_out`")
    return Comparisons(learned, kept, hashlib.sha256(data).hexdigest(), too_long)


def lines(data: bytes, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and object of each line with prompt, chosen and rejected."""
    for number, line in objects(data, path):
        answers = [line.get(key) for key in ("chosen", "rejected")]
        if "prompt" not in line or not all(isinstance(text, str) and text.strip() for text in answers):
            raise ModelError(f"{path}, line {number}: has no prompt with a chosen and a rejected answer; give all three")
        yield number, line


def objects(data: bytes, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and object of each line that is not empty. ModelError where one is no JSON object, or has half a character."""
    for number, text in enumerate(data.splitlines(), 1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
            json.dumps(line, ensure_ascii=False).encode()       # half of a surrogate pair, escaped, is no text
        except (ValueError, RecursionError):
            raise ModelError(f"{path}, line {number}: is no JSON; write one object a line") from None
        yield number, line if isinstance(line, dict) else {}


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
