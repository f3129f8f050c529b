"""Questions with a known short answer: JSONL of prompt and response, or of messages that end with the assistant's.

A line may have `kind` and `language`. Guarantee: a question's id, and with it all that is drawn at random for it, follows from
its messages alone.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from textmill.model import ModelError
from textmill.model.generation.answer import Answer
from textmill.model.generation.engine import Engine
from textmill.model.generation.language_model import LanguageModel
from textmill.model.generation.request import Request
from textmill.model.generation.sampling import SamplingSettings
from textmill.model.posttraining.comparisons import messages_of, prompt_ids
from textmill.model.posttraining.jsonl import lines
from textmill.model.posttraining.tasks import plain
from textmill.tokenizer.encoder import Encoder

ROWS = 64               # answers under way at once
SHOWN = 60              # characters of a question in an error


class Question(NamedTuple):
    """Messages after which the assistant speaks, and what it should say."""

    messages: list[dict[str, Any]]
    answer: str
    kind: str
    language: str | None

    @property
    def id(self) -> str:
        """Of the messages: 16 hex digits."""
        return hashlib.sha256(json.dumps(self.messages, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def words(self) -> str:
        """What is said of it in errors."""
        text = str(self.messages[-1].get("content"))
        return f"the question {text if len(text) <= SHOWN else text[:SHOWN] + '…'!r}"

    def is_answer(self, answer: Answer) -> bool:
        """Whether an answer came to its end and is the right one, whatever its case, spaces and final full stop."""
        return answer.finish_reason == "stop" and plain(answer.text) == plain(self.answer)


def read_questions(path: Path) -> list[Question]:
    """The questions of a file, each once. ModelError where a line is none, or there are none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error}); give JSONL of prompt and response, as `textmill tasks` writes it"
                         ) from None
    found: dict[str, Question] = {}
    for number, row in lines(data, path):
        question = _question(row, path, number)
        found.setdefault(question.id, question)
    if not found:
        raise ModelError(f"{path} has no questions; give JSONL of prompt and response, as `textmill tasks` writes it")
    return list(found.values())


def _question(row: dict[str, Any], path: Path, number: int) -> Question:
    prompt, answer, turns = row.get("prompt"), row.get("response"), row.get("messages")
    if isinstance(turns, list) and len(turns) > 1 and isinstance(turns[-1], dict) and turns[-1].get("role") == "assistant":
        prompt, answer = turns[:-1], turns[-1].get("content")
    if prompt is None or not isinstance(answer, str) or not answer.strip():
        raise ModelError(f"{path}, line {number}: has no prompt with a response, nor messages that end with the assistant's; "
                         "give one of them")
    language = row.get("language")
    return Question(messages_of(prompt, path, number), answer, str(row.get("kind") or ""),
                    language if isinstance(language, str) else None)


def answers_to(model: LanguageModel, encoder: Encoder, questions: Sequence[Question], count: int, temperature: float,
               max_tokens: int, seed: int) -> Iterator[tuple[Question, list[Answer]]]:
    """`count` answers of the model to each question, with the scores of their tokens.

    What is drawn for a question depends on it and the seed alone."""
    for start in range(0, len(questions), ROWS):
        some = questions[start:start + ROWS]
        requests = [Request(prompt_ids(question.messages, encoder, question.words),
                            SamplingSettings(temperature=temperature, seed=_seed(question, seed, number)), max_tokens,
                            top_logprobs=0)
                    for question in some for number in range(count)]
        for number, request in enumerate(requests):
            if problems := list(request.problems(model.decoder.vocab_size, model.decoder.context_length)):
                raise ModelError(f"{some[number // count].words} cannot be answered: {'; '.join(problems)}")
        finished = Engine(model, ROWS).run(requests)
        for number, question in enumerate(some):
            yield question, finished[number * count:(number + 1) * count]


def _seed(question: Question, seed: int, number: int) -> int:
    digest = hashlib.sha256(f"{seed} {question.id} {number}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def by_kind(kinds: Iterable[str], of: Iterable[bool]) -> dict[str, tuple[int, int]]:
    """Of each kind, how many there are, and of how many of these it is so."""
    counts: dict[str, tuple[int, int]] = {}
    for kind, so in zip(kinds, of, strict=True):
        there, true = counts.get(kind, (0, 0))
        counts[kind] = there + 1, true + so
    return counts
