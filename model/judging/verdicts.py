"""Pairwise judgements: which of two answers to a prompt is better, and how far the judge can be trusted.

Learning from a judge's comparisons is RLAIF (Bai et al. 2022; Lee et al. 2023); what judges get wrong is in Zheng et al. 2023.
Guarantees: a judge reads every pair in both orders, and one that contradicts itself by the order makes a tie; every pair ends
as won, tied or unjudged, the last two with their reason; no figure depends on which answer of a pair stands first.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from textmill.model.evaluation.statistics import wilson

Message = Mapping[str, Any]
CONTRADICTS, NEITHER = "contradicts itself by the order", "calls neither better"


class Question(NamedTuple):
    """Two answers to a prompt, in the order in which a judge reads them."""

    prompt: Sequence[Message]
    first: str
    second: str


class Opinion(NamedTuple):
    """The chance that the answer read first is better, 0.5 for neither; None where the judge gave none, and why."""

    first: float | None
    problem: str = ""


Judge = Callable[[Sequence[Question]], Iterable[Opinion]]       # in the order of the questions


class Pair(NamedTuple):
    """Two answers to a prompt. `label` is the number of the one that people chose; `about` goes with what is written of it."""

    prompt: Sequence[Message]
    answers: tuple[str, str]
    label: int | None = None
    about: Mapping[str, Any] = {}           # never written to


class Verdict(NamedTuple):
    """What a judge makes of a pair: its opinion in the order given, and in the other."""

    pair: Pair
    opinions: tuple[Opinion, Opinion]

    @property
    def chances(self) -> tuple[float, float] | None:
        """That the pair's first answer is better, by each opinion; None where one is missing."""
        given, turned = (opinion.first for opinion in self.opinions)
        return None if given is None or turned is None else (given, 1 - turned)

    @property
    def winner(self) -> int | None:
        """The number of the better answer; None where there is none."""
        chances = self.chances
        if chances is None or not (min(chances) > 0.5 or max(chances) < 0.5):
            return None
        return 0 if chances[0] > 0.5 else 1

    @property
    def tie(self) -> str:
        """Why neither answer won though the judge spoke; "" where one did, or it did not speak."""
        if self.chances is None or self.winner is not None:
            return ""
        return NEITHER if 0.5 in self.chances else CONTRADICTS

    @property
    def problem(self) -> str:
        """Why the pair could not be judged; "" where it could."""
        return next((opinion.problem or "no opinion" for opinion in self.opinions if opinion.first is None), "")


class Share(NamedTuple):
    """A share of `of` cases, and the interval that holds the true one with 95 % (Wilson 1927)."""

    value: float
    low: float
    high: float
    of: int


class WinRate(NamedTuple):
    """How often the first of two models gives the better answer, a tie as half of one; with its interval (Wilson 1927)."""

    share: float
    low: float
    high: float
    ties: int
    judged: int
    unjudged: int


def judged(pairs: Sequence[Pair], judge: Judge) -> Iterator[Verdict]:
    """The verdict on each pair, in order."""
    questions = [Question(pair.prompt, *answers) for pair in pairs for answers in (pair.answers, pair.answers[::-1])]
    opinions = iter(judge(questions))
    for pair in pairs:
        yield Verdict(pair, (next(opinions), next(opinions)))


def win_rate(prompts: Sequence[str | Sequence[Message]], ours: Sequence[str], theirs: Sequence[str], judge: Judge) -> WinRate:
    """Of `ours` over `theirs`, two models' answers to the same prompts. Equal answers are ties, which no judge need read."""
    pairs = [Pair(messages(prompt), (one, other)) for prompt, one, other in zip(prompts, ours, theirs, strict=True)]
    different = [pair for pair in pairs if pair.answers[0] != pair.answers[1]]
    return rate(list(judged(different, judge)), len(pairs) - len(different))


def rate(verdicts: Sequence[Verdict], equal: int = 0) -> WinRate:
    """How often the first answers of pairs win; `equal`: pairs that were not judged, as their answers are the same."""
    spoke = [verdict for verdict in verdicts if not verdict.problem]
    ties, count = equal + sum(bool(verdict.tie) for verdict in spoke), equal + len(spoke)
    found = share(sum(verdict.winner == 0 for verdict in spoke) + ties / 2, count)
    return WinRate(found.value, found.low, found.high, ties, count, len(verdicts) - len(spoke))


def messages(prompt: str | Sequence[Message]) -> Sequence[Message]:
    """A prompt as messages; a text is the user's."""
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt


def share(cases: float, of: int) -> Share:
    """So many of so many; of none it is one half, and nothing is known."""
    return Share(cases / of if of else 0.5, *wilson(cases, of), of)


def figures(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """What came of the pairs, and of the judge: by position, by length, and beside people's labels where there are some."""
    won = [verdict for verdict in verdicts if verdict.winner is not None]
    spoke = [verdict for verdict in verdicts if verdict.chances is not None]
    decided = [each.first for verdict in verdicts for each in verdict.opinions if each.first not in (None, 0.5)]
    firm = [verdict for verdict in spoke if 0.5 not in (verdict.chances or ())]
    uneven = [verdict for verdict in won if len(set(map(len, verdict.pair.answers))) == 2]
    found = {
        "pairs": len(verdicts), "won": len(won),
        "ties": dict(sorted(Counter(verdict.tie for verdict in verdicts if verdict.tie).items())),
        "unjudged": dict(sorted(Counter(kind(verdict.problem) for verdict in verdicts if verdict.problem).items())),
        "first preferred": share(sum(first > 0.5 for first in decided if first is not None), len(decided))._asdict(),
        "same in both orders": share(sum(verdict.winner is not None for verdict in firm), len(firm))._asdict(),
        "longer preferred": share(sum(longer(verdict.pair) == verdict.winner for verdict in uneven), len(uneven))._asdict()}
    labelled = [verdict for verdict in spoke if verdict.pair.label is not None]
    return found | ({"people": agreement(labelled)} if labelled else {})


def agreement(labelled: Sequence[Verdict]) -> dict[str, Any]:
    """A judge beside people: on the pairs it decided, on all with a tie as half, and by the mean chance of its two orders.

    As no answer of a pair is the first by itself, both ways of writing the pair down count alike, by which chance agrees on one
    half: Cohen's kappa is 2a − 1 of the agreement a."""
    won = [verdict for verdict in labelled if verdict.winner is not None]
    agree = sum(verdict.winner == verdict.pair.label for verdict in won)
    of_label = [sum(verdict.chances) / 2 if verdict.pair.label == 0 else 1 - sum(verdict.chances) / 2
                for verdict in labelled if verdict.chances is not None]
    by_mean = sum(0.5 if chance == 0.5 else float(chance > 0.5) for chance in of_label)
    uneven = [verdict for verdict in labelled if len(set(map(len, verdict.pair.answers))) == 2]
    decided = share(agree, len(won))
    return {"agreement": decided._asdict(),
            "kappa": {"value": 2 * decided.value - 1, "low": 2 * decided.low - 1, "high": 2 * decided.high - 1},
            "agreement, ties as half": share(agree + (len(labelled) - len(won)) / 2, len(labelled))._asdict(),
            "agreement by the mean of both orders": share(by_mean, len(labelled))._asdict(),
            "longer preferred": share(sum(longer(verdict.pair) == verdict.pair.label for verdict in uneven),
                                      len(uneven))._asdict()}


def kind(problem: str) -> str:
    """A problem without what a server said of it in particular."""
    return problem.partition(", ")[0]


def longer(pair: Pair) -> int:
    """The number of the answer with more characters."""
    return int(len(pair.answers[1]) > len(pair.answers[0]))


def report(found: Mapping[str, Any]) -> Iterator[str]:
    """The figures for a terminal."""
    if answers := found.get("answers"):
        yield f"{answers['drawn']:,} answers drawn, {_counted('left out', answers['left out'])}"
    yield (f"{found['pairs']:,} pairs: {found['won']:,} won, {_counted('tied', found['ties'])}, "
           f"{_counted('not judged', found['unjudged'])}")
    yield f"the answer read first is preferred in {_words(found['first preferred'], 'opinions')}; without bias in 0.50"
    yield f"the same answer wins in both orders in {_words(found['same in both orders'], 'pairs')}"
    people = found.get("people")
    beside = f"; people prefer it in {_words(people['longer preferred'], 'pairs')}" if people else ""
    yield f"the longer answer wins in {_words(found['longer preferred'], 'pairs')}{beside}"
    if people and people["agreement"]["of"]:
        kappa = people["kappa"]
        yield (f"agrees with people in {_words(people['agreement'], 'pairs that it decided')}, kappa {kappa['value']:.2f} "
               f"({kappa['low']:.2f} to {kappa['high']:.2f})")
    if people:
        halves, means = people["agreement, ties as half"], people["agreement by the mean of both orders"]
        yield (f"agrees with people, ties as half, in {_words(halves, 'pairs')}; by the mean of both orders in "
               f"{_words(means, 'pairs')}")
    if rate := found.get("win rate"):
        yield (f"win rate {rate['share']:.2f} ({rate['low']:.2f} to {rate['high']:.2f}) in {rate['judged']:,} prompts, "
               f"{rate['ties']:,} ties as half")


def _words(found: Mapping[str, Any], what: str) -> str:
    value = f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})" if found["of"] else "none"
    return f"{value} of {found['of']:,} {what}"


def _counted(name: str, by_reason: Mapping[str, int]) -> str:
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in by_reason.items())
    return f"{sum(by_reason.values()):,} {name}{f' ({reasons})' if reasons else ''}"
