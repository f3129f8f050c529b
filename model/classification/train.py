"""Training of a classifier of one's own model: the head fitted on frozen features, then, where asked for, all of it together.

To fine-tune from the fitted head on, not from a random one, keeps what the body knows (Kumar et al. 2022). What comes of it is
a checkpoint and `head.json`, a card with classes, temperature, figures on held-out texts, and the hash of the weights.
Guarantee: on a CPU, the same texts give the same bytes; a run that was killed goes on to them.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from textmill.base.blocks_format import TOKENIZER_FILES
from textmill.base.sealed import seal, unseal
from textmill.base.status_line import StatusLine
from textmill.model import ModelError
from textmill.model.architecture.decoder import Decoder
from textmill.model.classification import figures
from textmill.model.classification.fit import fit, temperature
from textmill.model.classification.fit import loss as loss_of
from textmill.model.classification.head import HeadModel, Texts, features_of, one_thread, read_ids, texts_of
from textmill.model.classification.labelled import SIDES, Labelled
from textmill.model.classification.settings import HeadSettings
from textmill.model.data.order import order
from textmill.model.data.tokenizer import open_tokenizer
from textmill.model.training.checkpoint import State, best, load_model, resume, save, trained
from textmill.model.training.checkpoint_files import WEIGHTS, checkpoints, sha256_of
from textmill.model.training.run import Run
from textmill.model.training.settings import in_steps
from textmill.model.training.validate import Validation

CARD = "head.json"
VERSION = 1
SHOWN_EVERY = 64        # texts whose features are there


def train_head(start: str | Path, labelled: Labelled, home: str | Path, settings: HeadSettings, device: torch.device,
               origin: Mapping[str, Any], replace_run: bool = False) -> str:
    """Train in the folder `home`, or go on there; a line with the figures on held-out texts.

    `origin` says in the card where the labelled texts are from. ModelError where `home` holds another run."""
    home, (checkpoint, folder) = Path(home), trained(Path(start))
    sources = {"labels": labelled.sha256, "columns": ", ".join(origin["columns"]),
               "starting weights": sha256_of(checkpoint / WEIGHTS)}
    settings = replace(settings, steps=1, epochs=None) if settings.frozen else in_steps(settings, len(labelled.side(SIDES[0])))
    run = Run(home, settings, sources, verb="head", unit="of loss on development texts", replace_run=replace_run,
              better="lower")
    if run.finished and (card := read_card(home)):
        return summary(card, home, "up to date; ")
    model = HeadModel(load_model(checkpoint, device), max(1, len(labelled.classes)))
    window = min(settings.window or model.decoder.context_length, model.decoder.context_length)
    texts = Encoded(labelled, folder, model.decoder, settings, window)
    if run.checkpoint is None:
        fit_head(model, texts)
    if settings.frozen and run.checkpoint is None:
        home.mkdir(parents=True, exist_ok=True)
        for name in TOKENIZER_FILES:
            shutil.copyfile(folder / name, home / name)
        save(home, State(settings, sources, 1, texts.count(SIDES[0])), model, [])
    elif not run.finished:
        about = f"head on {checkpoint}, {labelled.words}"
        run.train(model, loss, texts.batches, lambda: validation(model, texts), about, folder)
    final = best(checkpoints(home), "lower") or checkpoints(home)[-1]
    resume(final, model)
    card = judged(model, texts, settings) | {
        "version": VERSION, "checkpoint": final.name, "weights_sha256": sha256_of(final / WEIGHTS), "texts": dict(origin),
        "starting_weights_sha256": sources["starting weights"], "settings": asdict(settings), "window": window}
    (home / CARD).write_bytes(seal(card))
    return summary(card, home)


class Encoded:
    """Labelled texts as ids, and the batches of them."""

    def __init__(self, labelled: Labelled, tokenizer: Path, decoder: Decoder, settings: HeadSettings, window: int):
        opened, self.end = open_tokenizer(tokenizer, decoder.vocab_size), decoder.end_of_text
        self.ids = [read_ids(opened, text, self.end, settings.max_tokens) for text in labelled.texts]
        self.labelled, self.settings, self.window = labelled, settings, window
        self.all_labels = torch.from_numpy(labelled.labels)
        self.learned = labelled.side(SIDES[0])

    def of(self, side: str) -> list[tuple[int, ...]]:
        """The ids of each text of a side."""
        return [self.ids[number] for number in self.labelled.side(side)]

    def labels(self, side: str) -> torch.Tensor:
        """Their labels."""
        return self.all_labels[torch.from_numpy(self.labelled.side(side))]

    def count(self, side: str) -> int:
        """Their tokens."""
        return sum(map(len, self.of(side)))

    def batches(self, step: int) -> list[Texts]:
        """The batches of a step."""
        settings = self.settings
        return [self.batch([int(self.learned[number]) for number in numbers])
                for numbers in order(len(self.learned), step, settings.batch, settings.accumulate, settings.seed)]

    def batch(self, numbers: Sequence[int]) -> Texts:
        """These texts as one batch."""
        return texts_of([self.ids[number] for number in numbers], self.all_labels[list(numbers)], self.window,
                        self.settings.pooling, self.end)


def fit_head(model: HeadModel, texts: Encoded) -> None:
    """Give the model the head that fits its features as they are."""
    learned, development = features(model, texts, SIDES[0]), features(model, texts, SIDES[1])
    head, _ = fit(learned, texts.labels(SIDES[0]), development, texts.labels(SIDES[1]), len(texts.labelled.classes))
    with torch.no_grad():
        model.head.weight.copy_(head.weight)
        model.head.bias.copy_(head.bias)


def features(model: HeadModel, texts: Encoded, side: str) -> torch.Tensor:
    """The features of a side's texts, float32 (texts, width), on the CPU."""
    line, ids, found = StatusLine(), texts.of(side), []
    model.eval()
    with one_thread():
        for number, each in enumerate(ids, 1):
            found.append(features_of(model, each, texts.window, texts.settings.pooling).cpu())
            if number % SHOWN_EVERY == 0 and line.due():
                line.show(f"head: features of {number:,} of {len(ids):,} texts ({side})")
    return torch.stack(found).clone()


def outputs(model: HeadModel, texts: Encoded, side: str) -> torch.Tensor:
    """What the model makes of a side's texts, float64 (texts, outputs)."""
    head = model.head
    found = features(model, texts, side)
    with torch.no_grad():
        return found.double() @ head.weight.cpu().double().T + head.bias.cpu().double()


def validation(model: HeadModel, texts: Encoded) -> Validation:
    """The loss on development texts."""
    found = Validation(loss_of(outputs(model, texts, SIDES[1]), texts.labels(SIDES[1])), {})
    model.train()
    return found


def loss(model: HeadModel, texts: Texts) -> torch.Tensor:
    """The sum over a batch: nats of the right class, or squared errors of scores."""
    found = model(texts)
    if texts.labels.is_floating_point():
        return ((found[:, 0] - texts.labels.float()) ** 2).sum()
    return F.cross_entropy(found, texts.labels, reduction="sum")


def judged(model: HeadModel, texts: Encoded, settings: HeadSettings) -> dict[str, Any]:
    """Of a card: what the outputs mean, and the figures on held-out texts."""
    labelled, learned = texts.labelled, texts.labels(SIDES[0])
    counts = {name: len(labelled.side(name)) for name in SIDES}
    held_out, labels = outputs(model, texts, SIDES[2]), texts.labels(SIDES[2]).numpy()
    if settings.regression:
        span = [float(learned.min()), float(learned.max())]
        return {"kind": "scores", "span": span, "counts": counts,
                "figures": figures.of_scores(held_out[:, 0].clamp(*span).numpy(), labels, float(learned.mean()))}
    divisor = temperature(outputs(model, texts, SIDES[1]), texts.labels(SIDES[1]))
    shares = np.bincount(learned.numpy(), minlength=len(labelled.classes)) / len(learned)
    return {"kind": "classes", "classes": list(labelled.classes), "temperature": divisor, "counts": counts,
            "shares": dict(zip(labelled.classes, shares.tolist(), strict=True)),
            "figures": figures.of_classes((held_out / divisor).softmax(1).numpy(), labels, shares)}


def read_card(home: Path) -> dict[str, Any] | None:
    """The card in a run's folder, where it belongs to a checkpoint there."""
    try:
        card = unseal((home / CARD).read_bytes(), required=True)
        whole = card["version"] == VERSION and sha256_of(home / card["checkpoint"] / WEIGHTS) == card["weights_sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return card if whole else None


def summary(card: Mapping[str, Any], home: Path, begin: str = "") -> str:
    """The figures on held-out texts, in one line."""
    values = card["figures"]
    listed = ", ".join(f"{name} {values[name]:.4f}" for name in figures.NAMES if name in values)
    return f"head: {begin}on {card['counts'][SIDES[2]]:,} held-out texts {listed}; {home / card['checkpoint']}, {home / CARD}"


def trained_card(home: Path) -> dict[str, Any]:
    """The card of a trained head. ModelError where there is none that belongs to the run's checkpoint."""
    if (card := read_card(home)) is None:
        raise ModelError(f"{home} holds no trained head; train one with `textmill head`")
    return card
