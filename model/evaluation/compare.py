"""Comparison of mixtures: the same model trained on each with the same settings, judged on the same held-out texts.

Texts are documents that both mixtures hold out and neither trains on, nor on one that is alike, read from the blocks of the
first, by both models: what differs is what the models learned. A difference is of bits per byte, paired by seed and by
document. Its variance has two parts: that of the seeds, of their mean, and that of the documents, by bootstrap; the interval
is Student's t over seeds.
"""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch

from textmill.model import ModelError
from textmill.model.data.blocks import Blocks, PackedMixture
from textmill.model.evaluation.documents import Documents, documents_of, open_for
from textmill.model.evaluation.figures import groups
from textmill.model.evaluation.statistics import holm, quantile, within
from textmill.model.training.pretrain import pretrain
from textmill.model.training.settings import TrainSettings, in_steps

ROUNDS = 1000           # bootstrap samples of documents
SURE = 0.05             # p below which a difference is one
POWER = 0.6             # |T| is below the 80 % point of T with this probability: a power of 80 %
MOST_SEEDS = 1000
NOTHING: Mapping[str, str] = MappingProxyType({})
FEWEST_DOCUMENTS = 10   # of fewer a bootstrap says nothing: of one there is no variance at all


class Difference(NamedTuple):
    """Second less first, in bits per byte: below 0 the second is better."""

    value: float
    low: float
    high: float
    p: float
    seeds_needed: int | None        # to be sure of a difference of this size, at a power of 80 %; None: no number is enough
    documents: int
    bytes: int


def ids_in(split: Blocks) -> set[str]:
    """The documents of a split."""
    return {id_ for number in range(len(split)) for id_ in split.spans(number).field("id").to_pylist()}


def common_texts(mixtures: Sequence[PackedMixture], alike: Mapping[str, str] = NOTHING) -> set[str]:
    """Documents that all hold out, and of which none trains on one that is `alike` (id → group; who is in none is alone).

    ModelError where mixtures do not compare, or there is no such document."""
    first = mixtures[0]
    for other in mixtures[1:]:
        if other.train.tokenizer_sha256 != first.train.tokenizer_sha256 or other.train.length != first.train.length:
            raise ModelError(f"{other.folder} and {first.folder} are of different tokenizers or block lengths, so models of "
                             "them do not compare; pack both with one tokenizer and block")
    texts, trained = ids_in(first.validation), set[str]()
    for mixture in mixtures:
        texts &= ids_in(mixture.validation)
        trained |= {alike.get(id_, id_) for id_ in ids_in(mixture.train)}
    texts = {id_ for id_ in texts if alike.get(id_, id_) not in trained}
    if not texts:
        raise ModelError("no document is held out in all of these mixtures; raise `validation` or `tokens` in each and pack "
                         "again")
    return texts


def train_all(blocks: Sequence[Path], home: Path, settings: TrainSettings, seeds: int, device: torch.device,
              alike: Mapping[str, str] = NOTHING,
              names: Sequence[str] = ()) -> tuple[list[list[Documents]], list[PackedMixture]]:
    """What the texts in common cost each model, by mixture and seed, and the mixtures. A finished run is not trained again.

    A mixture that is named twice gets other seeds the second time: a comparison without a difference. Where settings give
    epochs, those of the first: all read as many tokens. `alike` as in common_texts; a run is `home`/NAME-seed-N by `names`,
    which are the folders' where they are not given.
    """
    mixtures = [PackedMixture(folder) for folder in blocks]
    texts, settings = common_texts(mixtures, alike), in_steps(settings, len(mixtures[0].train))
    used: dict[str, int] = {}
    costs: list[list[Documents]] = []
    for mixture, name in zip(mixtures, names or [folder.name for folder in blocks], strict=True):
        first = used.setdefault(mixture.identity(), 0)
        used[mixture.identity()] += seeds
        costs.append([])
        for seed in range(settings.seed + first, settings.seed + first + seeds):
            run = home / f"{name}-seed-{seed}"
            line = pretrain(mixture.folder, run, replace(settings, seed=seed), device)
            print(line.replace("train:", f"{run.name}:", 1), file=sys.stderr, flush=True)
            model, sizes = open_for(run, mixtures[0], device)
            costs[-1].append(documents_of(model, mixtures[0].validation, sizes, wanted=texts))
    return costs, mixtures


def readings(mixtures: Sequence[PackedMixture], names: Sequence[str], settings: TrainSettings) -> str:
    """How much each model reads, and how many passes over its mixture that is."""
    settings = in_steps(settings, len(mixtures[0].train))
    blocks = (settings.steps or 0) * settings.batch * settings.accumulate
    passes = [f"{blocks / len(mixture.train):.2f} over {name}" for mixture, name in zip(mixtures, names, strict=True)]
    return f"each model reads {blocks * mixtures[0].train.length:,} tokens, passes: {', '.join(passes)}"


def difference(first: Sequence[Documents], second: Sequence[Documents]) -> Difference:
    """Of models of two mixtures, one of each for every seed, on the same documents."""
    sizes = first[0].bytes
    pairs = np.array([b.nats - a.nats for a, b in zip(first, second, strict=True)])         # (seeds, documents)
    scale = math.log(2) * sizes.sum()
    by_seed, seeds = pairs.sum(1) / scale, len(pairs)
    value = float(by_seed.mean())
    random, mean = np.random.default_rng(1), pairs.mean(0)
    drawn = []
    for _ in range(ROUNDS):
        weights = np.bincount(random.integers(0, len(sizes), len(sizes)), minlength=len(sizes))
        drawn.append((weights @ mean) / (math.log(2) * (weights @ sizes)))
    of_documents = float(np.var(drawn))
    of_seeds = float(by_seed.var(ddof=1)) if seeds > 1 else math.nan
    error = math.sqrt(of_seeds / seeds + of_documents) if seeds > 1 else math.nan
    reach = quantile(1 - SURE, seeds - 1) * error if seeds > 1 else math.nan
    p = math.nan if seeds < 2 else 1.0 if error == value == 0 else 1 - within(value / error, seeds - 1) if error else 0.0
    return Difference(value, value - reach, value + reach, p, seeds_for(value, of_seeds, of_documents), len(sizes),
                      int(sizes.sum()))


def seeds_for(value: float, of_seeds: float, of_documents: float) -> int | None:
    """The fewest seeds that would show a difference of this size with a power of 80 %; None where documents are too few."""
    for seeds in range(2, MOST_SEEDS) if value and not math.isnan(of_seeds) else ():
        error = math.sqrt(of_seeds / seeds + of_documents)
        if (quantile(1 - SURE, seeds - 1) + quantile(POWER, seeds - 1)) * error <= abs(value):
            return seeds
    return None


def differences(first: Sequence[Documents], second: Sequence[Documents],
                labels: Mapping[str, Sequence[str]]) -> dict[str, Difference]:
    """By label of `labels` (entry, source, language), "entry web" and so on; p corrected for looking at so many (Holm)."""
    found: dict[str, Difference] = {}
    for name, of_documents in labels.items():
        parts = [[groups(each, of_documents) for each in models] for models in (first, second)]
        for label in parts[0][0]:
            found[f"{name} {label}"] = difference(*([each[label] for each in models] for models in parts))
    corrected = holm({name: each.p for name, each in found.items()
                      if each.documents >= FEWEST_DOCUMENTS and not math.isnan(each.p)})
    return {name: each._replace(p=corrected.get(name, math.nan)) for name, each in found.items()}


def verdict(first: str, second: str, found: Difference, seeds: int) -> str:
    """What the difference says, in words."""
    if seeds < 2:
        return (f"{second} less {first}: {found.value:+.4f} bits per byte with one seed each, which says nothing of chance; "
                "give --seeds 3")
    if found.documents < FEWEST_DOCUMENTS:
        return (f"{second} less {first}: {found.value:+.4f} bits per byte on {found.documents} documents, too few to say more "
                "of; raise `validation` or `tokens` of the mixtures and pack again")
    interval = f"{found.low:+.4f} to {found.high:+.4f}"
    if found.p < SURE:
        better, worse = (second, first) if found.value < 0 else (first, second)
        return (f"{better} is better than {worse} by {abs(found.value):.4f} bits per byte (difference {interval}, 95 %; "
                f"p {found.p:.2g}, {seeds} seeds)")
    if found.seeds_needed is None:
        more = "a difference this small could not be shown with any number of seeds, only on more held-out text"
    else:
        more = f"if there is one of this size, about {found.seeds_needed} seeds of each would show it"
    return (f"no difference between {first} and {second}: {found.value:+.4f} bits per byte ({interval}, 95 %; p {found.p:.2g}, "
            f"{seeds} seeds); {more}")


def lines(first: str, second: str, models: tuple[Sequence[Documents], Sequence[Documents]],
          labels: Mapping[str, Sequence[str]], comparisons: int = 1) -> Iterator[str]:
    """The differences of two mixtures for a terminal, and the verdict; p of the whole is corrected for `comparisons`."""
    seeds, whole = len(models[0]), difference(*models)
    whole = whole._replace(p=min(1.0, whole.p * comparisons)) if whole.p == whole.p else whole
    yield f"{second} less {first}, bits per byte; below 0 {second} is better"
    yield f"{'':<28}{'':>9}{'95 % interval':>20}{'p':>8}{'documents':>11}"
    parts = differences(*models, labels)
    for name, each in [("overall", whole), *parts.items()]:
        told = seeds > 1 and each.documents >= FEWEST_DOCUMENTS
        interval, p = (f"{each.low:+.4f} to {each.high:+.4f}", f"{each.p:.3f}") if told else ("-", "-")
        mark = " *" if told and each.p < SURE else ""
        yield f"{name[:27]:<28}{each.value:>+9.4f}{interval:>20}{p:>8}{each.documents:>11,}{mark}"
    if seeds > 1:
        yield (f"p of the parts is corrected for looking at all of them (Holm), * is below {SURE};")
        yield f"of fewer than {FEWEST_DOCUMENTS} documents nothing is said"
    yield verdict(first, second, whole, seeds)
