"""Factual restraint: demonstrations that refuse what a model does not know (R-tuning, Zhang et al. 2023).

Several answers are drawn to each question. Where enough of them are the right one the demonstration stays as it is; where they
contradict it, or each other, it becomes a refusal. The rows are dialogues like any other: they go through the mill, so that
`why` and `takedown` know them, and are fine-tuned on like any other; each says what was found.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textmill.base.status_line import StatusLine
from textmill.model.generation.answer import Answer
from textmill.model.generation.certainty import agreement
from textmill.model.generation.language_model import LanguageModel
from textmill.model.posttraining.jsonl import write_lines
from textmill.model.posttraining.questions import Question, answers_to, by_kind
from textmill.model.posttraining.tasks import plain
from textmill.model.training.settings import not_above_zero
from textmill.tokenizer.encoder import Encoder


@dataclass(frozen=True)
class RestrainSettings:
    """Of what counts as known, and of how not knowing is said."""

    samples: int = 8
    """Answers drawn to each question."""
    temperature: float = 1.0
    """Of the draws."""
    max_tokens: int = 32
    """Of an answer; one that is cut off is wrong."""
    known: float = 0.5
    """Share of the answers that must be right for a demonstration to stay."""
    refusal: str = "I do not know."
    """What is said instead."""
    refusals: dict[str, str] = field(default_factory=dict)
    """Language → the same in it, for rows that name their `language`."""
    seed: int = 1
    """Of the draws."""

    def problems(self) -> Iterator[str]:
        for name in ("samples", "max_tokens", "temperature"):
            yield from not_above_zero(name, getattr(self, name))
        if not 0 < self.known <= 1:
            yield f"known: a share above 0 and at most 1, is {self.known}"
        if not all(plain(text) for text in self.all_refusals):
            yield "refusal and refusals: a text is empty; say how not knowing is said"

    @property
    def all_refusals(self) -> list[str]:
        """In every language."""
        return [self.refusal, *self.refusals.values()]

    def refuses(self, text: str) -> bool:
        """Whether a text is a refusal, whatever its case, spaces and final full stop."""
        return plain(text) in map(plain, self.all_refusals)


def restrained(question: Question, answers: Sequence[Answer], settings: RestrainSettings) -> dict[str, Any]:
    """The row of a question: its dialogue, with the answer or a refusal, and what the drawn answers were."""
    share = sum(question.is_answer(answer) for answer in answers) / len(answers)
    refusal = settings.refusals.get(question.language or "", settings.refusal)
    said = refusal if share < settings.known else question.answer
    most = agreement(answers, plain)
    return {"messages": [*question.messages, {"role": "assistant", "content": said}],
            **({"kind": question.kind} if question.kind else {}),
            **({"language": question.language} if question.language else {}),
            "question": question.id, "refused": share < settings.known, "share_right": share,
            "agreement": most.share, "most_frequent": most.text}


def write_restrained(model: LanguageModel, encoder: Encoder, questions: Sequence[Question], path: Path,
                     settings: RestrainSettings) -> Iterator[str]:
    """Write the rows as JSONL, whole or not at all; a line on what became of the questions, and one for each kind."""
    rows: list[Mapping[str, Any]] = []
    line = StatusLine()
    for question, answers in answers_to(model, encoder, questions, settings.samples, settings.temperature, settings.max_tokens,
                                        settings.seed):
        rows.append(restrained(question, answers, settings))
        if len(rows) > 1 and line.due():
            line.show(f"restrain: {len(rows):,} of {len(questions):,} questions")
    write_lines(path, rows)
    refused = [bool(row["refused"]) for row in rows]
    yield f"restrain: {len(rows):,} questions, {sum(refused):,} ({sum(refused) / len(rows):.0%}) refused, in {path}"
    for kind, (there, so) in by_kind([question.kind for question in questions], refused).items():
        if kind:
            yield f"restrain: {kind}: {so:,} of {there:,} refused"
