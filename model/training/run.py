"""A training run in a folder: log, validation, checkpoints, resumption, progress and summary, the same for every trainer.

A trainer opens a Run with its settings and the digests of what it trains on, and calls `train` with a model, its loss, its
batches and its validation function (`pretrain.py` is the example). A post-training method is no more than that: it takes
its model from another run's checkpoint, names that among its sources, and writes down only its loss, its batches and its
validation; a reward or value head is a module around the Decoder, a frozen reference model and sampling inside a step live
in the closures of loss and batches.

Guarantees: on a CPU, a run that was killed and started again ends with the same bytes of weights as one that was not, if
the batches are a function of the step and the weights; a run is taken up only with the settings and the sources it began
with, but for more `steps`, which make it longer: the learning rate then goes on as that length has it. A loss that is not
a number ends the run, with the last good checkpoint kept.
"""

import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from textmill.base.blocks_format import CHAT_FILES, TOKENIZER_FILES
from textmill.base.status_line import StatusLine
from textmill.model import ModelError
from textmill.model.architecture.decoder import decoder_of
from textmill.model.device import precision_of
from textmill.model.training.checkpoint import (
    LOG,
    Better,
    State,
    best,
    differences,
    latest,
    load_state,
    remove_run,
    resume,
    snapshot,
    write,
)
from textmill.model.training.checkpoint_files import checkpoints
from textmill.model.training.loop import B, Batches, Loss, M, Update, train
from textmill.model.training.optimizers import OPTIMIZERS
from textmill.model.training.settings import RunSettings, learning_rate
from textmill.model.training.validate import SMALL, Validation

LOG_EVERY = 10          # updates between looks at the loss: each look makes the host wait for the device


class Run:
    """The run in the folder `home`, new or to be gone on with. ModelError where the folder holds another kind of run.

    `sources`: what it trains on and the digest of that, such as {"blocks": …}. `verb` begins every line shown, `unit` is
    that of the validation's figure; the checkpoint with the best one, `better` lower or higher, is kept beside the last ones.
    `replace_run`: a run that cannot be gone on with is deleted instead.
    """

    def __init__(self, home: Path, settings: RunSettings, sources: dict[str, str], verb: str = "train",
                 unit: str = "bits per byte", replace_run: bool = False, better: Better = None):
        self.home, self.settings, self.verb, self.unit, self.better = home, settings, verb, unit, better
        self.checkpoint: Path | None = None
        self._saving: Future[Path] | None = None                # the checkpoint being written
        self.state = State(settings, sources)
        try:
            self._take_up()
        except ModelError:
            if not replace_run:
                raise
            remove_run(home)
        self.finished = self.checkpoint is not None and self.state.step == settings.steps
        self._line = StatusLine()

    def _take_up(self) -> None:
        """Go on from the latest checkpoint, where there is one. ModelError where it is of another kind of run."""
        if (checkpoint := latest(self.home)) is None:
            return
        state = load_state(checkpoint, type(self.settings))
        if changes := differences(state, self.state):
            raise ModelError(f"{self.home} holds a run of another kind ({'; '.join(changes)}): train into another folder with "
                             "--run, or start over with --replace")
        self.checkpoint, self.state = checkpoint, replace(state, settings=self.settings)

    def train(self, model: M, loss: Loss[M, B], batches: Batches[B], validate: Callable[[], Validation] | None, about: str,
              tokenizer: Path) -> str:
        """Train `model` (its weights as they are before the first step, on its device) to the end; the summary line.

        `validate` is None where nothing is held out. `about` says on a line what is trained on what; the tokenizer's files
        are copied from the folder `tokenizer`.
        """
        settings, device = self.settings, decoder_of(model).device
        precision, optimizers = precision_of(device), OPTIMIZERS[settings.optimizer](model, settings.lr, settings.weight_decay)
        if self.checkpoint is not None:
            resume(self.checkpoint, model, optimizers)
        self.home.mkdir(parents=True, exist_ok=True)
        for name in (*TOKENIZER_FILES, *CHAT_FILES):
            if (tokenizer / name).is_file():
                shutil.copyfile(tokenizer / name, self.home / name)
        with Log(self.home / LOG, self.state.step) as log, ThreadPoolExecutor(1, "checkpoint") as writer:
            start = f", from step {self.state.step}" if self.state.step else ""
            self._line.print(f"{self.verb}: {about}, {device.type} in {str(precision).removeprefix('torch.')}{start}")
            if validate is None:
                self._line.print(f"{self.verb}: nothing is held out for validation, so there are figures of training only")
            elif self.state.validation_start is None:
                self._validate(validate, log)
            pending: list[Update] = []                          # updates whose figures are still on the device
            clock = time.monotonic()                            # before the work of the first batch
            for update in train(model, [each.optimizer for each in optimizers], loss, batches, settings, precision,
                                self.state.step):
                pending.append(update)
                validating = validate is not None and self._due(update, settings.validation_every)
                saving = self._due(update, settings.save_every)
                if not (validating or saving or update.step % LOG_EVERY == 0 or self._line.due()):
                    continue
                self._record(pending, log, clock)
                pending.clear()
                if validate is not None and validating:
                    self._validate(validate, log)
                if saving:
                    self._settle()
                    copy = snapshot(self.state, model, optimizers, self.better)
                    self._saving = writer.submit(write, self.home, copy)
                clock = time.monotonic()
            self._settle()
        return self.summary()

    def _settle(self) -> None:
        """Wait for the checkpoint being written; what went wrong with it is raised here."""
        if self._saving is not None:
            saving, self._saving = self._saving, None
            self.checkpoint = saving.result()

    def summary(self) -> str:
        """What came of the run, as one line. It has to have been trained to its end."""
        state = self.state
        best_one = best(checkpoints(self.home), self.better)
        better = "" if best_one in (None, self.checkpoint) else f"best in {best_one}, "
        validation = "no validation" if state.validation_start is None or state.validation_end is None else (
            f"validation {state.validation_start:.4f} → {state.validation_end:.4f} {self.unit}")
        return (f"{self.verb}: {'up to date; ' if self.finished else ''}{validation}, {state.tokens:,} tokens, "
                f"{state.tokens / state.seconds:,.0f} tok/s, {state.seconds:.0f} s, {better}checkpoint in {self.checkpoint}")

    def _due(self, update: Update, every: int) -> bool:
        return update.step == self.settings.steps or update.step % every == 0

    def _record(self, updates: list[Update], log: "Log", clock: float) -> None:
        """Fetch the figures of these updates, log them and move the state on. ModelError where one is not a finite number."""
        figures = torch.stack([torch.stack([update.loss, update.norm]) for update in updates]).tolist()
        for update, (loss, norm) in zip(updates, figures, strict=True):
            if not (abs(loss) < float("inf") and abs(norm) < float("inf")):
                self._settle()
                kept = f"the last good checkpoint is {self.checkpoint}" if self.checkpoint else "there is no checkpoint yet"
                raise ModelError(f"the loss is not a number at step {update.step}; {kept}; lower lr and train into another "
                                 "folder")
        last, before = updates[-1], self.state
        self.state = state = replace(before, step=last.step, tokens=before.tokens + sum(update.tokens for update in updates),
                                     seconds=before.seconds + time.monotonic() - clock)
        for update, (loss, norm) in zip(updates, figures, strict=True):
            log.write({"step": update.step, "loss": loss, "norm": norm, "lr": learning_rate(update.step - 1, self.settings)})
        log.write({"step": state.step, "tokens": state.tokens, "seconds": state.seconds})
        if self._line.due():
            left = ((self.settings.steps or 0) - state.step) * state.seconds / state.step
            self._line.show(f"{self.verb}: step {state.step} of {self.settings.steps}, loss {figures[-1][0]:.3f}, gradient "
                            f"{figures[-1][1]:.2f}, rate {learning_rate(state.step - 1, self.settings):.2g}, "
                            f"{state.tokens / state.seconds:,.0f} tok/s, {left:.0f} s left")

    def _validate(self, validate: Callable[[], Validation], log: "Log") -> None:
        value, entries, sizes = validate()
        sized = {"documents": {entry: size.documents for entry, size in sizes.items()},
                 "bytes": {entry: size.bytes for entry, size in sizes.items()}} if sizes else {}
        log.write({"step": self.state.step, "validation": value, "entries": entries} | sized)
        listed = "; ".join(f"{entry} {of_entry:.3f}{f' of {sizes[entry]}' if entry in sizes else ''}"
                           for entry, of_entry in entries.items())
        self._line.print(f"{self.verb}: step {self.state.step} of {self.settings.steps}, validation {value:.4f} {self.unit}"
                         + (f" ({listed})" if listed else ""))
        small = [f"{entry} ({size})" for entry, size in sizes.items() if size.bytes < SMALL]
        if self.state.validation_start is None and small:
            self._line.print(f"{self.verb}: less than {SMALL // 1000} kB is held out of {', '.join(small)}, too little to "
                             "compare runs by; raise `validation` or `tokens` of the mixture, or `validation_blocks`")
        first = value if self.state.validation_start is None else self.state.validation_start
        self.state = replace(self.state, validation_start=first, validation_end=value, validation_step=self.state.step)


class Log:
    """The log of a run, a JSON object a line, opened to go on after `step`: lines of updates to be redone are dropped."""

    def __init__(self, path: Path, step: int):
        lines = []
        if path.is_file():
            for line in path.read_text("utf-8").splitlines():
                try:
                    lines += [line] if json.loads(line)["step"] <= step else []
                except (ValueError, KeyError, TypeError):       # the last line of a killed run
                    continue
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        self._file = path.open("a", encoding="utf-8")

    def write(self, values: dict[str, Any]) -> None:
        self._file.write(json.dumps(values) + "\n")
        self._file.flush()

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
