"""Memorisation: what a model gives back of single texts that it read.

Three measures. *Exposure* (Carlini et al. 2019): log2 of how many candidates there are over the rank of the true one by
log-probability; of n candidates it is at most log2 n. *Extractable* (Carlini et al. 2023): greedy decoding after the k tokens
before gives the next ones exactly; the longest such run of a text. Greedy decoding after a text gives its next tokens as long
as each of them is the likeliest after all before it, so one pass over the text finds every run. *Given back*: a value is, after
the text before it.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from textmill.base.blocks_format import NO_TARGET
from textmill.model.data.batch import Batch
from textmill.model.data.blocks import Blocks
from textmill.model.data.tokenizer import document_ids, shared_ids
from textmill.model.device import autocast, precision_of
from textmill.model.evaluation.canaries import Canary, number
from textmill.model.generation.language_model import LanguageModel

BATCH = 32
FEWEST = 2          # values of a kind, for a rank among them


class Value(NamedTuple):
    """Something that was in a text, of a kind, and the text before it."""

    kind: str
    before: str
    value: str


class Recall(NamedTuple):
    """What a model makes of values: how many, how many it gives back, how many it ranks first of its candidates, exposures."""

    kind: str
    values: int
    given_back: int
    first: int
    candidates: float           # how many there are, on average, the true one among them
    exposure: float             # median
    chance: float               # median of the exposure of a rank drawn by chance


def scored_rows(model: LanguageModel, before: str, values: Sequence[str]) -> list[tuple[list[int], int]]:
    """The ids of `before` with each value, cut to the context from the left, and how many of them are the value's."""
    end, context = model.decoder.end_of_text, model.decoder.context_length
    given = document_ids(model.tokenizer, before, end)
    rows = []
    for value in values:
        ids = document_ids(model.tokenizer, before + value, end)
        own = min(len(ids) - max(1, shared_ids(given, ids)), context - 1)
        rows.append((ids[-context:], max(1, own)))
    return rows


@torch.no_grad()
def log_probabilities(model: LanguageModel, before: str, values: Sequence[str]) -> list[float]:
    """Nats of each value after `before`, 0 or less."""
    decoder, rows, found = model.decoder, scored_rows(model, before, values), []
    precision = precision_of(decoder.device)
    for start in range(0, len(rows), BATCH):
        some = rows[start:start + BATCH]
        length = max(len(ids) for ids, _ in some)
        tokens = torch.full((len(some), length), decoder.end_of_text)
        targets = torch.full((len(some), length), NO_TARGET)
        for n, (ids, own) in enumerate(some):
            tokens[n, :len(ids)] = torch.tensor(ids)
            targets[n, len(ids) - own - 1:len(ids) - 1] = torch.tensor(ids[-own:])
        batch = Batch(tokens, targets, (length,) * len(some), ("",) * len(some), 0).to(decoder.device)
        masking = decoder.masking(precision, length)
        with autocast(decoder.device, precision):
            found += (-decoder(batch.tokens, batch.targets, masking(batch)).sum(1)).tolist()
    return found


@torch.no_grad()
def likeliest(model: LanguageModel, ids: Sequence[int]) -> np.ndarray:
    """Of each of these ids but the first, whether it is the likeliest after all before it, bool (n - 1,)."""
    decoder = model.decoder
    logits = decoder.logits(torch.tensor([list(ids)], device=decoder.device), decoder.cache(1, len(ids)))[0, :-1]
    return (logits.argmax(-1).cpu() == torch.tensor(list(ids[1:]))).numpy()


def longest_run(right: np.ndarray, prefix: int) -> int:
    """The longest stretch of right ones that has `prefix` ids before it."""
    longest = run = 0
    for each in right[prefix - 1:]:
        run = run + 1 if each else 0
        longest = max(longest, run)
    return longest


def exposure(own: float, others: Iterable[float]) -> float:
    """log2 of the candidates over the true one's rank among them; of equal ones it is the last."""
    others = list(others)
    return math.log2((len(others) + 1) / (1 + sum(other >= own for other in others)))


def canary_exposures(model: LanguageModel, canaries: Sequence[Canary], candidates: int,
                     seed: int) -> list[tuple[int, float, bool]]:
    """Of each canary: times, exposure among `candidates` numbers, and whether greedy decoding gives its number."""
    found = []
    for n, canary in enumerate(canaries):
        source = random.Random(f"{seed} candidates {n}")
        numbers = {number(source) for _ in range(candidates - 1)} - {canary.secret}
        own, *others = log_probabilities(model, "\n" + canary.before, [canary.secret, *sorted(numbers)])
        found.append((canary.times, exposure(own, others), given_back(model, Value("", "\n" + canary.before, canary.secret))))
    return found


def given_back(model: LanguageModel, value: Value) -> bool:
    """Whether greedy decoding after the text before it gives the value."""
    ((ids, own),) = scored_rows(model, value.before, [value.value])
    return bool(likeliest(model, ids)[-own:].all())


def recalls(model: LanguageModel, values: Sequence[Value], candidates: int, seed: int = 1) -> list[Recall]:
    """By kind, what the model makes of the values; candidates for a rank are other values of the same kind."""
    by_kind: dict[str, list[Value]] = defaultdict(list)
    for value in values:
        by_kind[value.kind].append(value)
    found = []
    for kind, own in sorted(by_kind.items()):
        pool, source, exposures, chances, sizes = sorted({each.value for each in own}), random.Random(seed), [], [], []
        for each in own:
            others = [other for other in pool if other != each.value]
            others = source.sample(others, min(candidates - 1, len(others)))
            if len(others) + 1 >= FEWEST:
                first, *rest = log_probabilities(model, each.before, [each.value, *others])
                exposures.append(exposure(first, rest))
                chances.append(float(np.median([math.log2((len(others) + 1) / rank) for rank in range(1, len(others) + 2)])))
                sizes.append(len(others) + 1)
        ranked = bool(exposures)
        found.append(Recall(kind, len(own), sum(given_back(model, each) for each in own),
                            sum(math.isclose(e, math.log2(size)) for e, size in zip(exposures, sizes, strict=True)),
                            float(np.mean(sizes)) if ranked else 0, float(np.median(exposures)) if ranked else math.nan,
                            float(np.median(chances)) if ranked else math.nan))
    return found


def stretches(blocks: Blocks, most: int, least: int) -> Iterator[tuple[str, list[int]]]:
    """(id, ids) of the first `most` stretches of a document in the blocks that have at least `least` tokens."""
    count = 0
    for number_ in range(len(blocks)):
        spans = blocks.spans(number_).to_pylist()
        tokens = blocks.read([number_]).tokens[0]
        for span in spans:
            if span["end"] - span["start"] >= least:
                yield span["id"], tokens[span["start"]:span["end"]].tolist()
                count += 1
                if count == most:
                    return


def canary_lines(found: Sequence[tuple[int, float, bool]], candidates: int) -> Iterator[str]:
    """Canaries by the number of blocks that they are in; those in none are what chance gives."""
    yield f"canaries: exposure is at most {math.log2(candidates):.1f}, among {candidates:,} numbers; by chance its median is 1"
    yield f"{'in blocks':>10}{'canaries':>10}{'median exposure':>17}{'highest':>9}{'given back':>12}"
    for times in sorted(Counter(each for each, *_ in found)):
        own = [(value, back) for each, value, back in found if each == times]
        values = [value for value, _ in own]
        backs = sum(back for _, back in own)
        yield f"{times:>10}{len(own):>10}{float(np.median(values)):>17.2f}{max(values):>9.2f}{backs:>12}"


def recall_lines(found: Sequence[Recall]) -> Iterator[str]:
    """Values that curation took out, by kind. The values themselves are never shown."""
    yield "personal data that curation took out of texts it kept, after the text before it"
    yield f"{'kind':<14}{'values':>8}{'given back':>12}{'ranked first':>14}{'of':>7}{'median exposure':>17}{'by chance':>11}"
    for each in found:
        exposures = ("-", "-") if math.isnan(each.exposure) else (f"{each.exposure:.2f}", f"{each.chance:.2f}")
        yield (f"{each.kind:<14}{each.values:>8}{each.given_back:>12}{each.first:>14}{each.candidates:>7.0f}{exposures[0]:>17}"
               f"{exposures[1]:>11}")


def run_lines(sides: Mapping[str, Sequence[tuple[str, int]]], prefix: int, suffix: int) -> Iterator[str]:
    """The longest extractable runs of documents, trained on beside held out."""
    yield f"runs of tokens that greedy decoding gives after the {prefix} before them or more; extractable from {suffix} on"
    yield f"{'documents':<12}{'stretches':>10}{'extractable':>13}{'longest':>9}{'median':>8}  of document"
    for name, found in sides.items():
        if not found:
            yield f"{name:<12}{0:>10}"
            continue
        id_, longest = max(found, key=lambda each: each[1])
        runs = [run for _, run in found]
        share = sum(run >= suffix for run in runs) / len(found)
        yield f"{name:<12}{len(found):>10}{share:>13.1%}{longest:>9}{float(np.median(runs)):>8.0f}  {id_}"
