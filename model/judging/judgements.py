"""Judgements in files: pairs of answers in, comparisons that a reward model and DPO learn from out.

A folder gets comparisons.jsonl (the pairs that were won), ties.jsonl and unjudged.jsonl (the others, with the reason), and
figures.json. Guarantees: every pair is in one of the three (of best and worst answers: or was not one), in the order of the
input; the same pairs and opinions give the same bytes; each file is written whole or not at all.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from textmill.base.status_line import StatusLine
from textmill.model import ModelError
from textmill.model.judging.speakers import Ask, Speaker
from textmill.model.judging.verdicts import Judge, Message, Pair, Verdict, judged, report
from textmill.model.posttraining.comparisons import answers_of, messages_of
from textmill.model.posttraining.jsonl import lines, write_lines, write_whole
from textmill.model.posttraining.losses import ranked_pairs
from textmill.model.posttraining.settings import JudgeSettings

COMPARISONS, TIES, UNJUDGED, FIGURES, JOURNAL = ("comparisons.jsonl", "ties.jsonl", "unjudged.jsonl", "figures.json",
                                                 "answers.jsonl")
ABOUT = ("pair", "source", "language")      # of a line of comparisons, goes with the judgement
PROMPT, EQUAL = "prompt number", "equal to another"


class Drawn(NamedTuple):
    """Pairs of answers that a model gave, and what became of the answers that are in none."""

    pairs: list[Pair]
    answers: int
    left_out: Counter[str]


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a file: lines of prompt and `answers` (all pairs of them), or of comparisons.

    Of the latter people's label is kept aside. ModelError where a line is neither, or there is none."""
    pairs: list[Pair] = []
    for number, line in lines(_bytes(path), path):
        labelled, where = "answers" not in line, f"{path}, line {number}"
        answers = answers_of(line, where) if labelled else line["answers"]
        if not isinstance(answers, list) or len(answers) < 2 or not all(map(_is_text, answers)):
            raise ModelError(f"{where}: `answers` is no list of two texts or more; give them")
        if len(set(answers)) < len(answers):
            raise ModelError(f"{where}: two answers are equal, so there is nothing to judge; take one out")
        prompt, about = messages_of(line.get("prompt"), path, number), {key: line[key] for key in ABOUT if key in line}
        if labelled and "chosen_id" in line:
            about["ids"] = (line["chosen_id"], line.get("rejected_id"))
        pairs += [Pair(prompt, (answers[one], answers[other]), 0 if labelled else None, about | {PROMPT: number})
                  for one, other in ranked_pairs(len(answers))]
    return _some(pairs, path, "pair of answers")


def read_prompts(path: Path) -> list[list[dict[str, Any]]]:
    """The prompts of a file, as messages; other keys stay unread. ModelError where a line has none, or there is none."""
    prompts = [messages_of(line.get("prompt"), path, number) for number, line in lines(_bytes(path), path)]
    return _some(prompts, path, "prompt")


def drawn_pairs(prompts: Sequence[Sequence[Message]], speaker: Speaker, settings: JudgeSettings) -> Drawn:
    """All pairs of the different whole answers among those that a model gives each prompt."""
    asks = [Ask(prompt, settings.max_tokens, settings.temperature, settings.seed + number * settings.answers + each)
            for number, prompt in enumerate(prompts) for each in range(settings.answers)]
    replies, pairs, left_out = list(watched(speaker(asks), len(asks), "answers")), [], Counter[str]()
    for number, prompt in enumerate(prompts):
        answers: list[str] = []
        for reply in replies[number * settings.answers:(number + 1) * settings.answers]:
            why = reply.problem or ("empty" if not reply.text.strip() else EQUAL if reply.text in answers else "")
            left_out.update([why] if why else [])
            answers += [] if why else [reply.text]
        pairs += [Pair(prompt, (answers[one], answers[other]), None, {PROMPT: number})
                  for one, other in ranked_pairs(len(answers))]
    return Drawn(pairs, len(asks), left_out)


def matched_pairs(prompts: Sequence[Sequence[Message]], ours: Speaker, theirs: Speaker, settings: JudgeSettings) -> Drawn:
    """The likeliest answers of two models to each prompt, those of `ours` first."""
    asks = [Ask(prompt, settings.max_tokens) for prompt in prompts]
    replies = [list(watched(speaker(asks), len(asks), "answers")) for speaker in (ours, theirs)]
    pairs, left_out = [], Counter[str]()
    for number, (prompt, one, other) in enumerate(zip(prompts, *replies, strict=True)):
        problems = [reply.problem or "empty" for reply in (one, other) if reply.problem or not reply.text.strip()]
        left_out.update(problems or ([EQUAL] if one.text == other.text else []))
        if not problems and one.text != other.text:
            pairs.append(Pair(prompt, (one.text, other.text), None, {PROMPT: number}))
    return Drawn(pairs, 2 * len(asks), left_out)


def judge_pairs(pairs: Sequence[Pair], judge: Judge, name: str, folder: Path, best_and_worst: bool = False) -> list[Verdict]:
    """Judge the pairs and write the folder; the verdicts. `name` says who judged."""
    verdicts = list(watched(judged(pairs, judge), len(pairs), "pairs"))
    won = [verdict for verdict in verdicts if verdict.winner is not None]
    write_lines(folder / COMPARISONS, (won_row(verdict, name) for verdict in (extremes(verdicts) if best_and_worst else won)))
    write_lines(folder / TIES, (row(verdict, name) | {"tie": True, "why": verdict.tie} for verdict in verdicts if verdict.tie))
    write_lines(folder / UNJUDGED, (row(verdict, name) | {"why": verdict.problem} for verdict in verdicts if verdict.problem))
    return verdicts


def write_figures(folder: Path, found: dict[str, Any]) -> Iterator[str]:
    """Keep the figures, and say them."""
    write_whole(folder / FIGURES, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    yield from report(found)


def extremes(verdicts: Sequence[Verdict]) -> Iterator[Verdict]:
    """Of each prompt the pair of the answers that win most and least often (ties as half), where the former wins it."""
    for _, of_prompt in groupby(verdicts, lambda verdict: verdict.pair.about[PROMPT]):
        group, points = list(of_prompt), Counter[str]()
        for verdict in group:
            for number, answer in enumerate(verdict.pair.answers):
                points[answer] += 0 if verdict.problem else 1 if verdict.winner is None else 2 * (verdict.winner == number)
        best, worst = max(points, key=points.__getitem__), min(points, key=points.__getitem__)
        yield from (verdict for verdict in group if verdict.winner is not None
                    and verdict.pair.answers[verdict.winner] == best and verdict.pair.answers[1 - verdict.winner] == worst)


def won_row(verdict: Verdict, name: str) -> dict[str, Any]:
    """A line of comparisons; `chances` are those of the chosen answer, as it was read first and second."""
    pair, winner = verdict.pair, verdict.winner
    assert winner is not None and verdict.chances is not None
    found = {"prompt": pair.prompt, "chosen": pair.answers[winner], "rejected": pair.answers[1 - winner], "judge": name,
             "chances": [round(chance if winner == 0 else 1 - chance, 6) for chance in verdict.chances]}
    if pair.label is not None:
        found["people"] = "chosen" if pair.label == winner else "rejected"
    if ids := pair.about.get("ids"):
        found |= {"chosen_id": ids[winner], "rejected_id": ids[1 - winner]}
    return found | {key: pair.about[key] for key in ABOUT if key in pair.about}


def row(verdict: Verdict, name: str) -> dict[str, Any]:
    """A line of a pair that nobody won; `chances` are those of its first answer."""
    pair = verdict.pair
    chances = {} if verdict.chances is None else {"chances": [round(chance, 6) for chance in verdict.chances]}
    ids = {"ids": list(pair.about["ids"])} if "ids" in pair.about else {}
    return ({"prompt": pair.prompt, "answers": list(pair.answers), "judge": name} | chances | ids
            | {key: pair.about[key] for key in ABOUT if key in pair.about})


def watched(items: Iterable[Any], count: int, what: str, verb: str = "judge") -> Iterator[Any]:
    """The items, with a line that says how many there have been."""
    line, shown = StatusLine(), False
    for number, item in enumerate(items, 1):
        if line.due():
            line.show(f"{verb}: {number:,} of {count:,} {what}")
            shown = True
        yield item
    if shown:
        line.print(f"{verb}: {count:,} {what}")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); give a JSONL file") from None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _some(found: list[Any], path: Path, what: str) -> list[Any]:
    if not found:
        raise ModelError(f"{path} has no {what}; give a line of JSON for each")
    return found
