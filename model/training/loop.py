"""Train a model on a blocks folder: updates, validation, checkpoints, and a run that can be killed at any moment.

Guarantees: on a CPU, a run that was killed and started again ends with the same bytes of weights as one that was not;
a run is taken up only with the plan and the blocks it began with; a loss that is not a number ends the run, with the
last good checkpoint kept.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from textmill.base.status_line import Progress
from textmill.model import ModelError
from textmill.model.architecture.attention import Masking, choose
from textmill.model.architecture.qwen3 import Decoder
from textmill.model.architecture.shapes import SHAPES, configuration
from textmill.model.data.blocks import Batch, Mixture
from textmill.model.training.checkpoint import (
    TOKENIZER_FILES,
    State,
    build,
    differences,
    latest,
    load_model,
    load_optimizers,
    load_state,
    save,
)
from textmill.model.training.optimizers import optimizers
from textmill.model.training.settings import Plan, in_steps, learning_rate
from textmill.model.training.validate import bits_per_byte, token_bytes

LOG_EVERY = 10          # updates between looks at the loss: each look makes the host wait for the device


class Update(NamedTuple):
    """One update as it left the device: number (from 1), mean nats per target, norm of the gradient before clipping."""

    step: int
    loss: torch.Tensor
    norm: torch.Tensor


def train(model: Decoder, made: list[torch.optim.Optimizer], batches: Callable[[int], list[Batch]], masking: Masking,
          plan: Plan, precision: torch.dtype, start: int = 0) -> Iterator[Update]:
    """Take the optimizers from step `start` to `plan.steps`, yielding after every update.

    Every target of an update weighs the same, in whichever of its batches it lies.
    """
    device = next(model.parameters()).device
    for step in range(start, plan.steps or 0):
        for optimizer in made:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, plan)
        losses, parts = [], batches(step)
        targets = max(1, sum(batch.target_count for batch in parts))
        for batch in parts:
            there = batch.to(device)
            with torch.autocast(device.type, precision, enabled=precision != torch.float32):
                loss = model(there.tokens, there.targets, masking(there)).sum() / targets
            loss.backward()
            losses.append(loss.detach())                        # stays on the device: nothing waits for it here
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip if plan.clip is not None else torch.inf)
        for optimizer in made:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        yield Update(step + 1, torch.stack(losses).sum(), norm)


def run(blocks: str | Path, folder: str | Path, plan: Plan, device: torch.device, replace_run: bool = False) -> str:
    """Train to the end of the plan, from the latest checkpoint where there is one; the summary line."""
    mixture, home = Mixture(blocks), Path(folder)
    plan = in_steps(plan, len(mixture.train))
    identity = mixture.identity()
    checkpoint, state = latest(home), State(plan, identity)
    if checkpoint is not None:
        state = load_state(checkpoint)
        told = differences(state, plan, identity)
        if told and not replace_run:
            raise ModelError(f"{home} holds a run of another kind ({'; '.join(told)}): train into another folder with "
                             "--run, or begin it anew with --replace")
        if told:
            shutil.rmtree(home)
            checkpoint, state = None, State(plan, identity)
    if checkpoint is not None and state.step == plan.steps:
        return f"train: up to date; {_summary(state, checkpoint)}"
    home.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        if (mixture.folder / name).is_file():
            shutil.copyfile(mixture.folder / name, home / name)
    if checkpoint is None:
        config = configuration(plan.architecture, SHAPES[plan.shape], mixture.train.vocab_size, mixture.train.length,
                               mixture.train.end_of_text)
        model = build(config)
        model.initialise(plan.seed)
        model.to(device)
    else:
        model = load_model(checkpoint, device)
    return _go_on(mixture, home, state, checkpoint, model, device)


def _go_on(mixture: Mixture, home: Path, state: State, checkpoint: Path | None, model: Decoder, device: torch.device) -> str:
    plan, progress, precision = state.plan, Progress(), precision_of(device)
    shape = SHAPES[plan.shape]
    heads = (shape.heads, shape.kv_heads) if plan.architecture == "qwen3" else (shape.heads, shape.heads)
    masking = choose(device, precision, mixture.train.length, *heads, shape.head_width)
    made = optimizers(model, plan)
    if checkpoint is not None:
        load_optimizers(checkpoint, made)
    sizes = token_bytes(mixture.tokenizer, mixture.train.vocab_size)
    log = _open_log(home / "log.jsonl", state.step)

    def validate(state: State) -> State:
        batches = mixture.validation.in_order(plan.batch, plan.validation_blocks)
        overall, entries = bits_per_byte(model, batches, masking, sizes, device, precision)
        _log(log, {"step": state.step, "validation": overall, "entries": entries})
        told = ", ".join(f"{entry} {value:.3f}" for entry, value in entries.items())
        progress.tell(f"train: step {state.step} of {plan.steps}, validation {overall:.4f} bits per byte ({told})")
        first = overall if state.validation_start is None else state.validation_start
        return replace(state, validation_start=first, validation_end=overall)

    with log:
        parameters = sum(weight.numel() for weight in model.parameters())
        progress.tell(f"train: {plan.architecture} {plan.shape}, {parameters:,} parameters, {len(mixture.train)} blocks of "
                      f"{mixture.train.length}, {device.type} in {str(precision).removeprefix('torch.')}"
                      + (f", from step {state.step}" if state.step else ""))
        if state.validation_start is None:
            state = validate(state)
        waiting: list[Update] = []
        clock = time.monotonic()                                # before the work of the first batch
        per_step = plan.batch * plan.accumulate * mixture.train.length

        def batches(step: int) -> list[Batch]:
            return mixture.train.step(step, plan.batch, plan.accumulate)

        for update in train(model, [optimizer for optimizer, _ in made], batches, masking, plan, precision, state.step):
            waiting.append(update)
            last = update.step == plan.steps
            validating, saving = last or update.step % plan.validation_every == 0, last or update.step % plan.save_every == 0
            if not (validating or saving or update.step % LOG_EVERY == 0 or progress.due()):
                continue
            losses = _looked_at(waiting, home)
            now = time.monotonic()
            state = replace(state, step=update.step, tokens=state.tokens + per_step * len(waiting),
                            seconds=state.seconds + now - clock)
            rate = state.tokens / state.seconds
            for one, (loss, norm) in zip(waiting, losses, strict=True):
                _log(log, {"step": one.step, "loss": loss, "norm": norm, "lr": learning_rate(one.step - 1, plan)})
            _log(log, {"step": state.step, "tokens": state.tokens, "seconds": state.seconds})
            if progress.due():
                left = ((plan.steps or 0) - update.step) * per_step / rate
                progress.show(f"train: step {update.step} of {plan.steps}, loss {losses[-1][0]:.3f}, gradient "
                              f"{losses[-1][1]:.2f}, rate {learning_rate(update.step - 1, plan):.2g}, {rate:,.0f} tok/s, "
                              f"{left:.0f} s left")
            waiting.clear()
            if validating:
                state = validate(state)
            if saving:
                checkpoint = save(home, state, model, made)
            clock = time.monotonic()
    assert checkpoint is not None
    return f"train: {_summary(state, checkpoint)}"


def choose_device(name: str) -> torch.device:
    """The device called `name`; for "auto" cuda, then mps, then cpu, whichever is there first."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, available in there.items() if available)
    if not there[name]:
        raise ModelError(f"there is no {name} device here; use --device auto")
    return torch.device(name)


def precision_of(device: torch.device) -> torch.dtype:
    """bfloat16 where it is faster: on CUDA, and on CPUs with AVX-512 (measured 1.2 to 6 times); else float32."""
    quick = device.type == "cuda" or (device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX512")
    return torch.bfloat16 if quick else torch.float32


def _looked_at(updates: list[Update], home: Path) -> list[tuple[float, float]]:
    """Loss and norm of these updates, now that the device has them. ModelError where one is not a finite number."""
    numbers = torch.stack([torch.stack([update.loss, update.norm]) for update in updates]).tolist()
    for update, (loss, norm) in zip(updates, numbers, strict=True):
        if not (abs(loss) < float("inf") and abs(norm) < float("inf")):
            kept = latest(home)
            where = f"the last good checkpoint is {kept}" if kept else "there is no checkpoint yet"
            raise ModelError(f"the loss is not a number at step {update.step}; {where}; lower lr and train into another folder")
    return [(loss, norm) for loss, norm in numbers]


def _open_log(path: Path, step: int) -> Any:
    """The log, without lines of updates that will be done again."""
    kept = []
    if path.is_file():
        for line in path.read_text("utf-8").splitlines():
            try:
                kept += [line] if json.loads(line)["step"] <= step else []
            except (ValueError, KeyError, TypeError):           # the last line of a killed run
                continue
    path.write_text("".join(f"{line}\n" for line in kept), "utf-8")
    return path.open("a", encoding="utf-8")


def _log(log: Any, line: dict[str, Any]) -> None:
    log.write(json.dumps(line) + "\n")
    log.flush()


def _summary(state: State, checkpoint: Path) -> str:
    return (f"validation {state.validation_start:.4f} → {state.validation_end:.4f} bits per byte, {state.tokens:,} tokens, "
            f"{state.tokens / state.seconds:,.0f} tok/s, {state.seconds:.0f} s, checkpoint in {checkpoint}")
