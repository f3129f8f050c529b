"""Critique and revision (constitutional AI, Bai et al. 2022): an answer, what is wrong with it by a principle, a better one.

A folder gets comparisons.jsonl (the revision above the draft), dialogues.jsonl (prompt and revision, which the mill reads as
dialogues to fine-tune on), unrevised.jsonl (the rest, with the reason) and figures.json. Every prompt is in one of these two.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from textmill.model.judging.judgements import COMPARISONS, FIGURES, watched
from textmill.model.judging.speakers import Ask, Reply, Speaker
from textmill.model.judging.verdicts import Message, kind
from textmill.model.posttraining.jsonl import write_lines, write_whole
from textmill.model.posttraining.settings import JudgeSettings

DIALOGUES, UNREVISED = "dialogues.jsonl", "unrevised.jsonl"
CRITIQUE = ("Look at your last answer by this principle: {principle}\n\nWhat of it does not meet the principle? Say so in a "
            "few sentences.")
REVISE = "Now write the answer anew, so that it meets the principle. Give the new answer alone."


class Revision(NamedTuple):
    """What came of a prompt; `problem` where it came to no revision."""

    prompt: Sequence[Message]
    draft: str
    critique: str
    text: str
    problem: str


def revisions(prompts: Sequence[Sequence[Message]], speaker: Speaker, critic: Speaker,
              settings: JudgeSettings) -> list[Revision]:
    """Drafts by `speaker`, critiques and revisions by `critic`; a step is asked for where the one before came to an end."""
    drafts = _said(speaker, [Ask(prompt, settings.max_tokens, settings.temperature, settings.seed + number)
                             for number, prompt in enumerate(prompts)], "drafts")
    question = _said_by("user", CRITIQUE.format(principle=settings.principle.strip()))
    first = [[*prompt, _said_by("assistant", draft.text), question]
             for prompt, draft in zip(prompts, drafts, strict=True)]
    critiques = _next(critic, first, drafts, settings, "critiques")
    second = [[*before, _said_by("assistant", critique.text), _said_by("user", REVISE)]
              for before, critique in zip(first, critiques, strict=True)]
    texts = _next(critic, second, critiques, settings, "revisions")
    return [Revision(prompt, draft.text, critique.text, text.text, text.problem)
            for prompt, draft, critique, text in zip(prompts, drafts, critiques, texts, strict=True)]


def write_revisions(found: Sequence[Revision], name: str, folder: Path) -> Iterator[str]:
    """Write the folder; what came of the prompts as lines."""
    whole = [each for each in found if not each.problem]
    changed = [each for each in whole if each.text.strip() != each.draft.strip()]
    write_lines(folder / COMPARISONS, ({"prompt": each.prompt, "chosen": each.text, "rejected": each.draft,
                                        "critique": each.critique, "judge": name} for each in changed))
    write_lines(folder / DIALOGUES, ({"messages": [*each.prompt, _said_by("assistant", each.text)]} for each in whole))
    write_lines(folder / UNREVISED, ({"prompt": each.prompt, "draft": each.draft, "critique": each.critique,
                                      "why": each.problem} for each in found if each.problem))
    problems = dict(sorted(Counter(kind(each.problem) for each in found if each.problem).items()))
    counts: dict[str, Any] = {"prompts": len(found), "revised": len(changed), "left as they were": len(whole) - len(changed),
                              "unrevised": problems}
    write_whole(folder / FIGURES, json.dumps(counts, indent=1, ensure_ascii=False) + "\n")
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in problems.items())
    yield (f"revise: {len(found):,} prompts: {len(changed):,} answers revised, {len(whole) - len(changed):,} left as they "
           f"were, {sum(problems.values()):,} unrevised{f' ({reasons})' if reasons else ''}")
    yield f"revise: {folder / COMPARISONS} for reward and prefer, {folder / DIALOGUES} for raw/, to fine-tune on"


def _next(speaker: Speaker, conversations: Sequence[list[Message]], before: Sequence[Reply], settings: JudgeSettings,
          what: str) -> list[Reply]:
    """Replies where the step before came to an end; elsewhere its problem goes on."""
    asks = [Ask(conversation, settings.max_tokens) for conversation, reply in zip(conversations, before, strict=True)
            if not reply.problem]
    replies = iter(_said(speaker, asks, what))
    return [Reply("", reply.problem) if reply.problem else next(replies) for reply in before]


def _said(speaker: Speaker, asks: Sequence[Ask], what: str) -> list[Reply]:
    """Replies, an empty one with its problem; the step is named."""
    return [reply._replace(problem=f"{what}: {reply.problem or 'empty'}") if reply.problem or not reply.text.strip() else reply
            for reply in watched(speaker(asks), len(asks), what, "revise")]


def _said_by(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}
