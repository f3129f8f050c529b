"""Checkpoints of a run: safetensors and JSON only, written atomically, and resumed only by the same run.

A run's folder holds `step-00000120/` (config.json in the form of transformers, model.safetensors, optimizer.safetensors,
state.json), the tokenizer and log.jsonl. A checkpoint is written under a name of its own and renamed, so a folder named
`step-…` is complete; the one before it is removed after that.
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from textmill.base.strict import SettingsError, parse
from textmill.model import ModelError
from textmill.model.architecture.build import build
from textmill.model.architecture.decoder import Decoder, decoder_of
from textmill.model.training.optimizers import NamedOptimizer, restore, state_of
from textmill.model.training.settings import RunSettings


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

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
        return values.pop("sources") | {"plan": values.pop("settings")} | values

    @staticmethod
    def from_json(values: dict[str, Any], settings: type[RunSettings]) -> "State":
        """KeyError, TypeError or SettingsError where the values are not those of a run with such settings."""
        progress = {name: values.pop(name) for name in ("step", "tokens", "seconds", "validation_start", "validation_end")}
        return State(parse(settings, values.pop("plan"), "plan"), values, **progress)


def latest(run: Path) -> Path | None:
    """The run's checkpoint with the most steps."""
    return max((path for path in run.glob("step-*") if path.is_dir()), default=None)


def save(run: Path, state: State, model: nn.Module, optimizers: list[NamedOptimizer]) -> Path:
    """Write a checkpoint whole, then remove older ones."""
    final = run / f"step-{state.step:08d}"
    draft = run / f".draft-{state.step:08d}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    save_file(_on_host(model.state_dict()), draft / "model.safetensors")
    save_file(_on_host(state_of(optimizers)), draft / "optimizer.safetensors")
    _write_json(draft / "config.json", decoder_of(model).config)
    _write_json(draft / "state.json", state.to_json())
    for path in draft.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    shutil.rmtree(final, ignore_errors=True)
    draft.rename(final)
    for path in run.iterdir():
        if path != final and path.name.startswith(("step-", ".draft-")):
            shutil.rmtree(path)
    return final


def load_state(checkpoint: Path, settings: type[RunSettings]) -> State:
    """What state.json says of a run with such settings. ModelError where it is damaged or of another version."""
    try:
        return State.from_json(json.loads((checkpoint / "state.json").read_text("utf-8")), settings)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, SettingsError) as error:
        raise _not_resumable(checkpoint, error) from None


def load_model(checkpoint: Path, device: torch.device) -> Decoder:
    """The trained model on `device`. ModelError where a file is missing, damaged or of another shape."""
    try:
        model = build(json.loads((checkpoint / "config.json").read_text("utf-8")))
        model.load_state_dict(load_file(checkpoint / "model.safetensors"))
    except Exception as error:
        raise ModelError(f"{checkpoint} holds no model that can be read ({_first_line(error)}); train it again") from None
    return model.to(device)


def resume(checkpoint: Path, model: nn.Module, optimizers: list[NamedOptimizer]) -> None:
    """Put a model and its optimizers where the checkpoint left them."""
    try:
        model.load_state_dict(load_file(checkpoint / "model.safetensors"))
        restore(optimizers, load_file(checkpoint / "optimizer.safetensors"))
    except Exception as error:
        raise _not_resumable(checkpoint, error) from None


def differences(before: State, now: State) -> list[str]:
    """What keeps a run from being taken up with other settings or sources, in words; empty where nothing does."""
    was, is_ = asdict(before.settings), asdict(now.settings)
    changed = [name for name in {**before.sources, **now.sources} if before.sources.get(name) != now.sources.get(name)]
    return ([f"{name} was {was[name]}, is {is_[name]}" for name in is_ if was[name] != is_[name]]
            + [f"the {name} have changed" for name in changed])


def _not_resumable(checkpoint: Path, error: Exception) -> ModelError:
    return ModelError(f"{checkpoint} cannot be taken up ({_first_line(error)}); remove it, or train into another folder")


def _on_host(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", "utf-8")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
