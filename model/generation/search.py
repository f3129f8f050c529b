"""Searching at test time: several answers drawn or grown, and one chosen; each way says what it cost in tokens.

Best of several by a score, the most frequent final answer (self-consistency, Wang et al. 2023), drawing until an answer is
valid, one after the other or side by side, and beam search.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch

from textmill.model import ModelError
from textmill.model.generation.answer import Answer
from textmill.model.generation.certainty import Agreement, agreement
from textmill.model.generation.distribution import Batch, check_finite
from textmill.model.generation.engine import Engine
from textmill.model.generation.request import Request

Score = Callable[[Answer], float]       # the higher, the better: a reward model can be one
Valid = Callable[[str], bool]


class Chosen(NamedTuple):
    """What a search came to."""

    answer: Answer | None           # None where none was valid
    answers: list[Answer]           # all, the best first where they were scored
    scores: list[float]             # of them, where they were
    generated: int                  # tokens that were generated in all
    agreement: Agreement | None = None


class Hypothesis(NamedTuple):
    """A text of beam search."""

    tokens: tuple[int, ...]         # without the one that ends it
    logprob: float                  # of them and the end
    score: float                    # that over a power of their number
    ended: bool


def seeded(request: Request, count: int) -> list[Request]:
    """The request `count` times, each with the seed after the one before's."""
    settings = request.settings
    return [replace(request, settings=settings.another(number)) for number in range(count)]


def mean_logprob(answer: Answer) -> float:
    """Mean log-probability of an answer's tokens; lowest of all for one without."""
    return sum(answer.logprobs) / len(answer.logprobs) if answer.logprobs else -float("inf")


def best_of(engine: Engine, request: Request, count: int, score: Score = mean_logprob) -> Chosen:
    """The best of `count` answers by a score; of equals the one with the first seed."""
    if score is mean_logprob and request.top_logprobs is None:
        request = replace(request, top_logprobs=0)
    answers = engine.run(seeded(request, count))
    scores = [score(answer) for answer in answers]
    order = sorted(range(count), key=lambda number: -scores[number])
    return Chosen(answers[order[0]], [answers[n] for n in order], [scores[n] for n in order], cost(answers))


def self_consistency(engine: Engine, request: Request, count: int, final: Callable[[str], str | None]) -> Chosen:
    """The first of `count` answers with the most frequent final answer, as `final` finds it in a text."""
    answers = engine.run(seeded(request, count))
    found = agreement(answers, final)
    chosen = next(answer for answer in answers if final(answer.text) == found.text)
    return Chosen(chosen, answers, [], cost(answers), found)


def until_valid(engine: Engine, request: Request, valid: Valid, tries: int) -> Chosen:
    """The first valid answer of up to `tries`, one after the other."""
    answers = []
    for each in seeded(request, tries):
        answers += engine.run([each])
        if valid(answers[-1].text):
            return Chosen(answers[-1], answers, [], cost(answers))
    return Chosen(None, answers, [], cost(answers))


def first_valid(engine: Engine, request: Request, valid: Valid, count: int) -> Chosen:
    """The first valid answer of `count` side by side; the others are cancelled then."""
    answers = [engine.add(each) for each in seeded(request, count)]
    chosen, looked_at = None, set()
    while chosen is None and not engine.idle:
        engine.step()
        for number, answer in enumerate(answers):
            if answer.finish_reason is not None and number not in looked_at:
                looked_at.add(number)
                chosen = chosen or (answer if valid(answer.text) else None)
    for answer in answers:
        engine.cancel(answer)
    engine.step()
    return Chosen(chosen, answers, [], cost(answers))


def cost(answers: Sequence[Answer]) -> int:
    """Tokens that were generated for answers."""
    return sum(answer.generated for answer in answers)


@torch.inference_mode()
def beam_search(engine: Engine, request: Request, width: int, power: float = 1.0) -> tuple[list[Hypothesis], int]:
    """The best texts by log-probability over the `power` of their length, up to `width`, the best first; and the cost.

    Of the request the prompt, bias, lengths and stop ids hold. It ends early where nothing that goes on can still be better.
    ModelError where the request has a form or stop texts, or the engine is busy."""
    if request.constraint is not None or request.stop or not engine.idle:
        raise ModelError("beam search takes no constraint and no stop texts, and an engine that is idle; draw samples instead")
    decoder = engine.model.decoder
    if problems := list(request.problems(decoder.vocab_size, decoder.context_length)):
        raise ModelError("; ".join(problems))
    if width < 1 or power < 0:
        raise ModelError("beams must be 1 or more, and the power of the length 0 or more")
    ends = sorted(engine.model.special if request.stop_ids is None else request.stop_ids)
    limit = min(request.max_tokens, decoder.context_length - len(request.prompt))
    logits, _ = engine.read_prompt(request.prompt, 0)
    logits, cache = logits[None], engine.passes.cache
    growing, ended, generated = [Hypothesis((), 0.0, 0.0, False)], list[Hypothesis](), 0
    for length in range(1, limit + 1):
        check_finite(logits)
        logs = Batch([request.settings] * len(growing), logits.shape[1], logits.device).adjusted(logits).log_softmax(-1)
        if length <= request.min_tokens:
            logs[:, ends] = -torch.inf
        totals = (logs.double() + logs.new_tensor([each.logprob for each in growing], dtype=torch.double)[:, None]).flatten()
        best = totals.topk(min(len(totals), (1 + len(ends)) * width))
        parents, following = list[int](), list[Hypothesis]()
        for total, number in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            parent, token = divmod(number, logs.shape[1])
            if total == -float("inf") or len(following) == width:
                break
            if token in ends:
                ended.append(Hypothesis(growing[parent].tokens, total, total / length ** power, True))
            else:
                parents.append(parent)
                following.append(Hypothesis((*growing[parent].tokens, token), total, total / length ** power, False))
        generated += len(growing)
        growing = following
        ended = sorted(ended, key=lambda each: -each.score)[:width]
        bound = max((each.logprob for each in growing), default=-float("inf")) / limit ** power
        if not growing or length == limit or (len(ended) == width and ended[-1].score >= bound):
            break
        place = len(request.prompt) + length - 1
        cache.reserve(width, place + 1)
        cache.reorder(parents, place)
        logits = engine.passes.step([each.tokens[-1] for each in growing], [place] * len(growing))
    if length == limit:
        ended += growing
    return sorted(ended, key=lambda each: -each.score)[:width], generated
