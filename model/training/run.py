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

import resource
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

import torch

from textmill.base.accelerators import accelerator_named
from textmill.base.blocks_format import CHAT_FILES, TOKENIZER_FILES
from textmill.base.errors import out_of_memory
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
    resume_optimizers,
    snapshot,
    write,
)
from textmill.model.training.checkpoint_files import checkpoints
from textmill.model.training.log import Log, Silent, Spikes, open_trackers, validations
from textmill.model.training.loop import B, Batches, Loss, M, Update, train
from textmill.model.training.optimizers import OPTIMIZERS
from textmill.model.training.processes import ALONE, Processes
from textmill.model.training.settings import RunSettings, learning_rate
from textmill.model.training.validate import SMALL, Validation

LOG_EVERY = 10          # updates between looks at the loss: each look makes the host wait for the device


class Run:
    """The run in the folder `home`, new or to be gone on with. ModelError where the folder holds another kind of run.

    `sources`: what it trains on and the digest of that, such as {"blocks": …}. `verb` begins every line shown, `unit` is
    that of the validation's figure; the checkpoint with the best one, `better` lower or higher, is kept beside the last ones.
    `replace_run`: a run that cannot be gone on with is deleted instead. Of several `processes`, in touch with each other, each
    opens the run.
    """

    def __init__(self, home: Path, settings: RunSettings, sources: dict[str, str], verb: str = "train",
                 unit: str = "bits per byte", replace_run: bool = False, better: Better = None, processes: Processes = ALONE):
        self.home, self.settings, self.verb, self.unit, self.better = home, settings, verb, unit, better
        self.processes = processes
        self.checkpoint: Path | None = None
        self._saving: Future[Path] | None = None                # the checkpoint being written
        self.state = State(settings, sources)
        try:
            self._take_up()
        except ModelError:
            if not replace_run:
                raise
            if processes.first:
                remove_run(home)
        processes.wait()                    # none writes before all have read
        self.finished = self.checkpoint is not None and (self.state.step == settings.steps or self._out_of_patience())
        self.flops: float | None = None
        self._device, self._spikes, self._line = torch.device("cpu"), Spikes(), StatusLine()

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
              tokenizer: Path, documents: Callable[[int], Sequence[str]] | None = None, flops: float | None = None) -> str:
        """Train `model` (its weights as they are before the first step, on its device) to the end; the summary line.

        `validate` is None where nothing is held out. `about` says on a line what is trained on what; the tokenizer's files
        are copied from the folder `tokenizer`. `documents` gives the ids of those in a step (from 0), which a spike of the loss
        is reported with; `flops` are those of a token, for the share of the device's peak rate (MFU).
        """
        try:
            return self._train(model, loss, batches, validate, about, tokenizer, documents, flops)
        except (RuntimeError, MemoryError) as error:
            if not (isinstance(error, torch.OutOfMemoryError) or out_of_memory(error)):
                raise
            raise ModelError(self._too_large()) from None

    def _train(self, model: M, loss: Loss[M, B], batches: Batches[B], validate: Callable[[], Validation] | None, about: str,
               tokenizer: Path, documents: Callable[[int], Sequence[str]] | None, flops: float | None) -> str:
        settings, device = self.settings, decoder_of(model).device
        precision, self.flops, self._device = precision_of(device), flops, device
        if self.checkpoint is not None:
            resume(self.checkpoint, model)
        wrapped = self.processes.wrapped(model, settings.shard)
        optimizers = OPTIMIZERS[settings.optimizer](model, settings.lr, settings.weight_decay)
        if self.checkpoint is not None:
            resume_optimizers(self.checkpoint, optimizers)
        with ExitStack() as stack:
            log = stack.enter_context(self._open_log(tokenizer))
            writer = stack.enter_context(ThreadPoolExecutor(1, "checkpoint"))
            start = f", from step {self.state.step}" if self.state.step else ""
            together = f", {self.processes.count} processes" if self.processes.count > 1 else ""
            self._print(f"{self.verb}: {about}, {device.type} in {str(precision).removeprefix('torch.')}{together}{start}")
            if validate is None:
                self._print(f"{self.verb}: nothing is held out for validation, so there are figures of training only")
            elif self.state.validation_start is None:
                self._validate(validate, log)
            pending: list[Update] = []                          # updates whose figures are still on the device
            clock = time.monotonic()                            # before the work of the first batch
            for update in train(wrapped, [each.optimizer for each in optimizers], loss, batches, settings, precision,
                                self.state.step, self.processes):
                pending.append(update)
                validating = validate is not None and self._due(update, settings.validation_every)
                saving = self._due(update, settings.save_every)
                shown = self._line.due() and device.type == "cpu"       # elsewhere a look would make the host wait
                if not (validating or saving or update.step % LOG_EVERY == 0 or shown):
                    continue
                self._record(pending, log, clock, documents)
                pending.clear()
                if validate is not None and validating:
                    self._validate(validate, log)
                stopping = validating and self._out_of_patience()
                if saving or stopping:
                    self._settle()
                    copy = snapshot(self.state, model, optimizers, self.better)
                    if self.processes.first:
                        self._saving = writer.submit(write, self.home, copy)
                if stopping:
                    self._print(f"{self.verb}: {self.settings.patience} validations without a better figure; the run ends")
                    break
                clock = time.monotonic()
            self._settle()
        self.processes.wait()
        self.checkpoint = self.checkpoint if self.processes.first else latest(self.home)
        return self.summary()

    def _too_large(self) -> str:
        """What to do where memory is refused: the same updates in smaller batches, or layers computed anew."""
        settings = self.settings
        smaller = "pack shorter blocks"
        if settings.batch % 2 == 0:
            smaller = (f"set `batch` to {settings.batch // 2} and `accumulate` to {settings.accumulate * 2}, which gives the "
                       "same updates")
        less = "" if settings.recompute else ", or `recompute` to true"
        kept = f"; {self.checkpoint} is kept, and the same command goes on from it" if self.checkpoint else ""
        return f"there is not enough memory for {settings.batch} blocks at a time: {smaller}{less}{kept}"

    def _open_log(self, tokenizer: Path) -> Log:
        """The run's folder with the tokenizer's files, and its log."""
        if not self.processes.first:
            return Silent()
        self.home.mkdir(parents=True, exist_ok=True)
        for name in (*TOKENIZER_FILES, *CHAT_FILES):
            if (tokenizer / name).is_file():
                shutil.copyfile(tokenizer / name, self.home / name)
        trackers = open_trackers(self.settings.trackers, self.home, asdict(self.settings))
        return Log(self.home / LOG, self.state.step, trackers)

    def _print(self, text: str) -> None:
        if self.processes.first:
            self._line.print(text)

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

    def _record(self, updates: list[Update], log: Log, clock: float,
                documents: Callable[[int], Sequence[str]] | None) -> None:
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
            by_layer = {"norms": dict(zip(update.layers, update.norms.tolist(), strict=True))} if update.layers else {}
            log.write({"step": update.step, "loss": loss, "norm": norm, "lr": learning_rate(update.step - 1, self.settings)}
                      | by_layer)
            if documents and self._spikes.is_one(loss):         # a reward has no documents, and its loss is noise about 0
                ids = list(documents(update.step - 1))
                log.write({"step": update.step, "spike": loss, "documents": ids})
                self._print(f"{self.verb}: the loss jumps to {loss:.3f} at step {update.step}"
                            + (f", in which are {', '.join(ids[:3])}{f' and {len(ids) - 3} more' if len(ids) > 3 else ''} "
                               f"({self.home / LOG} has all)" if ids else ""))
        rate = (state.tokens - before.tokens) / max(1e-9, state.seconds - before.seconds)
        mfu, memory = self._mfu(rate), peak_memory(self._device)
        log.write({"step": state.step, "tokens": state.tokens, "seconds": state.seconds, "tokens_per_second": rate,
                   "memory": memory} | ({} if mfu is None else {"mfu": mfu}))
        if self.processes.first and self._line.due():
            left = ((self.settings.steps or 0) - state.step) * state.seconds / state.step
            card = "" if self._device.type == "cpu" else f", {memory / 1e9:.1f} GB"
            self._line.show(f"{self.verb}: step {state.step} of {self.settings.steps}, loss {figures[-1][0]:.3f}, gradient "
                            f"{figures[-1][1]:.2f}, rate {learning_rate(state.step - 1, self.settings):.2g}, "
                            f"{state.tokens / state.seconds:,.0f} tok/s{'' if mfu is None else f', MFU {mfu:.1%}'}{card}, "
                            f"{left:.0f} s left")

    def _out_of_patience(self) -> bool:
        """Whether the last validations, as many as `patience`, were no better than one before them."""
        patience, figures = self.settings.patience, validations(self.home / LOG, self.state.step)
        if patience is None or len(figures) <= patience:
            return False
        best = (max if self.better == "higher" else min)(figures)
        return figures.index(best) < len(figures) - patience

    def _mfu(self, rate: float) -> float | None:
        """Share of the cards' peak rate that so many tokens a second are useful work of; None where that is not known."""
        if self.flops is None or self._device.type != "cuda":
            return None
        card = accelerator_named(torch.cuda.get_device_name(self._device))
        return None if card is None else rate * self.flops / (card.peak * self.processes.count)

    def _validate(self, validate: Callable[[], Validation], log: Log) -> None:
        value, entries, sizes = validate()
        sized = {"documents": {entry: size.documents for entry, size in sizes.items()},
                 "bytes": {entry: size.bytes for entry, size in sizes.items()}} if sizes else {}
        log.write({"step": self.state.step, "validation": value, "entries": entries} | sized)
        listed = "; ".join(f"{entry} {of_entry:.3f}{f' of {sizes[entry]}' if entry in sizes else ''}"
                           for entry, of_entry in entries.items())
        self._print(f"{self.verb}: step {self.state.step} of {self.settings.steps}, validation {value:.4f} {self.unit}"
                         + (f" ({listed})" if listed else ""))
        small = [f"{entry} ({size})" for entry, size in sizes.items() if size.bytes < SMALL]
        if self.state.validation_start is None and small:
            self._print(f"{self.verb}: less than {SMALL // 1000} kB is held out of {', '.join(small)}, too little to "
                             "compare runs by; raise `validation` or `tokens` of the mixture, or `validation_blocks`")
        first = value if self.state.validation_start is None else self.state.validation_start
        self.state = replace(self.state, validation_start=first, validation_end=value, validation_step=self.state.step)


def peak_memory(device: torch.device) -> int:
    """The most bytes that were held: on a card by tensors, on a CPU by the process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
