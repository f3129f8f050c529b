"""Checkpoints of a run: safetensors and JSON only, written atomically, every file under a checksum.

A run's folder holds `step-00000120/` (FILES, and SHA256SUMS of them, which `sha256sum -c` checks), the tokenizer and
log.jsonl. A checkpoint is written under a name of its own and renamed, so a folder named `step-…` is complete; then all are
removed but the last few and the best by validation. One whose bytes are no longer what was written is named, and the one
before it is used. Nothing is ever removed that training did not write. A Snapshot is a copy in memory, which can be written
while training goes on.

Names and layout of the weights are ours, so the configuration is called decoder.json: transformers, which would fail on
them, looks for config.json. `export` writes a folder that it opens.
"""

import contextlib
import json
import os
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from textmill.base.blocks_format import CHAT_FILES, TOKENIZER_FILES
from textmill.base.errors import first_line
from textmill.base.strict import SettingsError, parse
from textmill.model import ModelError
from textmill.model.architecture.build import build
from textmill.model.architecture.decoder import Decoder, decoder_of
from textmill.model.training.checkpoint_files import (
    CONFIG,
    FILES,
    OPTIMIZER,
    STATE,
    SUMS,
    WEIGHTS,
    checkpoints,
    damage,
    remove,
    sums,
)
from textmill.model.training.finished import FILE as FINISHED
from textmill.model.training.lora import merged
from textmill.model.training.optimizers import NamedOptimizer, restore, state_of
from textmill.model.training.processes import whole
from textmill.model.training.settings import RunSettings

LOG = "log.jsonl"
Better = Literal["lower", "higher", None]


@dataclass(frozen=True)
class State:
    """Where a run stands; `settings` and `sources` say which run it is.

    In state.json the settings are called `plan`, as in every earlier version, and each source is under its name.
    """

    settings: RunSettings
    sources: dict[str, str]                 # what it is trained on (`blocks`, …) and the digest of that
    step: int = 0
    tokens: int = 0                         # trained on, with repetition
    seconds: float = 0.0                    # spent in updates
    validation_start: float | None = None   # before the first update
    validation_end: float | None = None     # at the latest validation
    validation_step: int | None = None      # when that was

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
        return values.pop("sources") | {"plan": values.pop("settings")} | values

    @staticmethod
    def from_json(values: dict[str, Any], settings: type[RunSettings]) -> "State":
        """KeyError, TypeError or SettingsError where the values are not those of a run with such settings."""
        progress = {name: values.pop(name) for name in ("step", "tokens", "seconds", "validation_start", "validation_end")}
        progress["validation_step"] = values.pop("validation_step", None)       # earlier versions wrote none
        kinds = {"step": (int,), "tokens": (int,), "seconds": (int, float), "validation_step": (int, type(None))}
        for name, value in progress.items():
            if isinstance(value, bool) or not isinstance(value, kinds.get(name, (int, float, type(None)))):
                raise TypeError(f"{name} is {value!r}")
        return State(parse(settings, values.pop("plan"), "plan"), values, **progress)


def latest(run: Path) -> Path | None:
    """The run's undamaged checkpoint with the most steps; None where it has none at all.

    A warning names each damaged one that is passed over. ModelError where all are damaged.
    """
    found = checkpoints(run)[::-1]
    for checkpoint in found:
        if not (problem := damage(checkpoint)):
            return checkpoint
        if checkpoint == found[-1]:
            raise _not_resumable(checkpoint, problem)
        warnings.warn(f"{checkpoint} is damaged ({problem}); the checkpoint before it is used", stacklevel=2)
    return None


def trained(run: Path) -> tuple[Path, Path]:
    """The latest checkpoint of a run, and the run's folder; `run` may be one of its checkpoints. ModelError where none is."""
    if (run / STATE).is_file():
        if problem := damage(run):
            raise ModelError(f"{run} is damaged ({problem}); name another checkpoint, or the run's folder")
        return run, run.parent
    checkpoint = latest(run)
    if checkpoint is None:
        raise ModelError(f"there is no checkpoint in {run}; train first, or name another folder with --run")
    return checkpoint, run


@dataclass(frozen=True)
class Snapshot:
    """A run at one step, in memory of its own unless it is written before the next update."""

    state: State
    config: dict[str, Any]
    weights: dict[str, torch.Tensor]
    optimizers: dict[str, torch.Tensor]
    better: Better = None           # which figure of validation is


def snapshot(state: State, model: nn.Module, optimizers: list[NamedOptimizer], better: Better = None) -> Snapshot:
    """A copy on the CPU, which no update reaches; of tensors that processes have parts of, all have to take it."""
    weights, of_optimizers = ({name: whole(tensor.detach()).to("cpu", copy=True) for name, tensor in tensors.items()}
                              for tensors in (model.state_dict(), state_of(optimizers)))
    return Snapshot(state, decoder_of(model).config, weights, of_optimizers, better)


def save(run: Path, state: State, model: nn.Module, optimizers: list[NamedOptimizer]) -> Path:
    """Write a checkpoint now."""
    return write(run, Snapshot(state, decoder_of(model).config, model.state_dict(), state_of(optimizers)))


def write(run: Path, snapshot: Snapshot) -> Path:
    """Write a checkpoint whole, then remove all but the last `keep_checkpoints` and the best one.

    Those of more steps go, too: they were damaged."""
    state = snapshot.state
    final, draft = run / f"step-{state.step:08d}", run / f".draft-{state.step:08d}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    _write_json(draft / CONFIG, snapshot.config)
    _write_json(draft / STATE, state.to_json())
    save_tensors(draft / WEIGHTS, snapshot.weights)
    save_tensors(draft / OPTIMIZER, snapshot.optimizers)
    (draft / SUMS).write_text("".join(sums(draft)), "ascii")
    for path in draft.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    if final.exists():                      # it was damaged, or holds something of the user's
        for name in (*FILES, SUMS):
            (draft / name).replace(final / name)
        draft.rmdir()
    else:
        draft.rename(final)
    before = [path for path in checkpoints(run) if path.name <= final.name]
    kept = {*before[-state.settings.keep_checkpoints:], best(before, snapshot.better)}
    for path in checkpoints(run):
        if path not in kept:
            remove(path)
    for path in run.glob(".draft-*"):
        shutil.rmtree(path)
    return final


def best(found: Sequence[Path], better: Better) -> Path | None:
    """The one of these checkpoints with the best validation, the earliest of equals; None where none has one."""
    values: dict[Path, float] = {}
    if better is None:
        return None
    for checkpoint in found:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):         # a damaged one is not the best
            state = json.loads((checkpoint / STATE).read_text("utf-8"))
            if state["validation_step"] == state["step"]:
                values[checkpoint] = float(state["validation_end"])
    return (max if better == "higher" else min)(values, key=values.__getitem__, default=None)


def remove_run(run: Path) -> None:
    """Remove what training wrote into a run's folder; what else lies there stays."""
    for path in checkpoints(run):
        remove(path)
    for path in run.glob(".draft-*"):
        shutil.rmtree(path)
    for name in (LOG, FINISHED, *TOKENIZER_FILES, *CHAT_FILES):
        (run / name).unlink(missing_ok=True)


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file as readable as any file written here: safetensors gives 0600 from version 0.8 on."""
    path.touch()                            # by the umask
    mode = path.stat().st_mode
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path, metadata)
    path.chmod(mode)


def load_state(checkpoint: Path, settings: type[RunSettings]) -> State:
    """What state.json says of a run with such settings. ModelError where it is of another kind of run or version."""
    try:
        return State.from_json(json.loads((checkpoint / STATE).read_text("utf-8")), settings)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, SettingsError) as error:
        raise _not_resumable(checkpoint, first_line(error)) from None


def load_model(checkpoint: Path, device: torch.device) -> Decoder:
    """The trained model on `device`. ModelError where a file is missing, damaged or of another shape."""
    try:
        config = json.loads((checkpoint / CONFIG).read_text("utf-8"))
        weights = merged(without_value_head(load_file(checkpoint / WEIGHTS), checkpoint))
        with torch.device("meta"):          # without memory, however large the configuration says that it is
            shapes = {name: weight.shape for name, weight in build(config).state_dict().items()}
        if shapes != {name: weight.shape for name, weight in weights.items()}:
            raise ValueError(f"its weights are not those of its {CONFIG}")
        model = build(config)
        model.load_state_dict(weights)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"{checkpoint} holds no model that can be read ({first_line(error)}); train it again") from None
    return model.to(device)


def without_value_head(weights: dict[str, torch.Tensor], checkpoint: Path) -> dict[str, torch.Tensor]:
    """The decoder's own weights, where PPO trained a value head beside them. ModelError for a reward model or a classifier."""
    for name, kind in (("score.weight", "reward model"), ("head.weight", "classifier")):
        if name in weights:
            raise ModelError(f"{checkpoint} cannot be used here: it is a {kind}, which gives scores and no text; name the "
                             "run that it was trained from")
    inside = {name.removeprefix("decoder."): weight for name, weight in weights.items() if name.startswith("decoder.")}
    return inside or weights


def resume(checkpoint: Path, model: nn.Module) -> None:
    """Give a model the weights of the checkpoint."""
    try:
        model.load_state_dict(load_file(checkpoint / WEIGHTS))
    except Exception as error:
        raise _not_resumable(checkpoint, first_line(error)) from None


def resume_optimizers(checkpoint: Path, optimizers: list[NamedOptimizer]) -> None:
    """Put the optimizers of a model where the checkpoint left them."""
    try:
        restore(optimizers, load_file(checkpoint / OPTIMIZER))
    except Exception as error:
        raise _not_resumable(checkpoint, first_line(error)) from None


def differences(before: State, now: State) -> list[str]:
    """What keeps a run from being taken up with other settings or sources, in words; empty where nothing does.

    More steps make a run longer, and what shapes no weight is free, but for rounding: how often it is looked at or saved, by
    which kernels it is computed, and how an update's blocks are divided into batches.
    """
    was, is_ = asdict(before.settings), asdict(now.settings)
    free = {"validation_every", "save_every", "keep_checkpoints", "trackers", "gradient_norms", "attention", "compile",
            "recompute", "shard", "init"}       # init: the digest of its weights counts
    if before.settings.batch * before.settings.accumulate == now.settings.batch * now.settings.accumulate:
        free |= {"batch", "accumulate"}
    if (now.settings.steps or 0) > (before.settings.steps or 0):
        free.add("steps")
    changed = [name for name in {**before.sources, **now.sources} if before.sources.get(name) != now.sources.get(name)]
    return ([f"{name} was {was[name]}, is {is_[name]}" for name in is_ if was[name] != is_[name] and name not in free]
            + [f"the {name} have changed" for name in changed])


def _not_resumable(checkpoint: Path, problem: str) -> ModelError:
    return ModelError(f"{checkpoint} cannot be taken up ({problem}); remove it, or train into another folder")


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", "utf-8")
