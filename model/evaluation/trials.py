"""Trials: a mixture trained with several settings, each model judged on the same held-out texts, and every figure kept.

Guarantee: a figure is kept under the digest of all that it follows from (settings, blocks, texts), in a file of a line for
each, written as it comes. So what was stopped goes on: a kept figure is read, a run that was being trained is taken up, and a
figure of other settings or blocks is never taken for this one.
"""

import hashlib
import json
import math
import os
import sys
from collections.abc import Mapping, Set
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import torch

from textmill.base.sealed import canonical
from textmill.model.data.blocks import PackedMixture
from textmill.model.evaluation.documents import documents_of, open_for
from textmill.model.training.pretrain import pretrain
from textmill.model.training.settings import TrainSettings

FILE = "results.jsonl"
RUNS = "runs"


class Trial(NamedTuple):
    """A trained model's figure: its name, the digest of what it follows from, bits per byte, tokens read, seconds."""

    name: str
    key: str
    bits_per_byte: float
    tokens: int
    seconds: float


class Trials:
    """The trials of a mixture, kept in the folder `home`, judged on `texts` in the held-out blocks of `judge`."""

    def __init__(self, mixture: PackedMixture, home: Path, device: torch.device, texts: Set[str],
                 judge: PackedMixture | None = None):
        self.mixture, self.home, self.device, self.texts, self.judge = mixture, home, device, texts, judge or mixture
        self._given = [mixture.identity(), self.judge.identity(), sorted(texts)]
        self._kept = kept(home / FILE)

    def key(self, settings: TrainSettings) -> str:
        """The digest of what a trial with these settings follows from."""
        return hashlib.sha256(canonical([asdict(settings), self._given])).hexdigest()[:16]

    def find(self, settings: TrainSettings) -> Trial | None:
        """The kept trial with these settings."""
        return self._kept.get(self.key(settings))

    def run(self, name: str, settings: TrainSettings) -> Trial:
        """The trial with these settings: the kept one, or one that is trained and judged now."""
        if trial := self.find(settings):
            return trial._replace(name=name)
        key = self.key(settings)
        run = self.home / RUNS / f"{name}-{key}"
        line = pretrain(self.mixture.folder, run, settings, self.device)
        print(line.replace("train:", f"{name}:", 1), file=sys.stderr, flush=True)
        model, sizes = open_for(run, self.judge, self.device)
        documents = documents_of(model, self.judge.validation, sizes, limit=settings.validation_blocks, wanted=self.texts)
        figure = float(documents.nats.sum() / (math.log(2) * documents.bytes.sum()))
        tokens = (settings.steps or 0) * settings.batch * settings.accumulate * self.mixture.train.length
        trial = Trial(name, key, figure, tokens, _seconds(run))
        keep(self.home / FILE, trial, {"settings": asdict(settings)})
        self._kept[key] = trial
        return trial


def kept(path: Path) -> dict[str, Trial]:
    """The trials in a file, by key. A line that is not whole, as a killed process leaves, is as if it were not there."""
    found = {}
    for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
            trial = Trial(str(row["name"]), str(row["key"]), float(row["bits_per_byte"]), int(row["tokens"]),
                          float(row["seconds"]))
        except (ValueError, KeyError, TypeError):
            continue
        found[trial.key] = trial
    return found


def keep(path: Path, trial: Trial, more: Mapping[str, object]) -> None:
    """Add a line with this trial, which is on the disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torn = path.is_file() and not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0
    with path.open("a", encoding="utf-8") as file:
        file.write(("\n" if torn else "") + json.dumps(trial._asdict() | dict(more)) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _seconds(run: Path) -> float:
    """Seconds in updates, by the run's log."""
    lines = (json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines())
    return float(max((line["seconds"] for line in lines if "seconds" in line), default=0.0))


def fitted(settings: TrainSettings, tokens: int, length: int) -> TrainSettings:
    """The settings for a run of about so many tokens: whole updates, a warm-up of a tenth at most, figures at the end only."""
    steps = max(1, round(tokens / (settings.batch * settings.accumulate * length)))
    values = asdict(settings) | {"steps": steps, "epochs": None, "warmup": min(settings.warmup, steps // 10),
                                 "validation_every": steps, "save_every": max(100, -(-steps // 4))}
    return TrainSettings(**values)
