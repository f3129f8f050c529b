"""Checkpoints of a run: safetensors and JSON only, published whole, and never one of another run taken up.

A run's folder holds `step-00000120/` (config.json in the form of transformers, model.safetensors, optimizer.safetensors,
state.json), the tokenizer and log.jsonl. A checkpoint is written under a name of its own and renamed, so a folder named
`step-…` is complete; the one before it is removed after that.
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from textmill.base.strict import SettingsError, parse
from textmill.model import ModelError
from textmill.model.architecture.gpt2 import GPT2
from textmill.model.architecture.qwen3 import Decoder, Qwen3
from textmill.model.training.optimizers import Names, restore, state_of
from textmill.model.training.settings import Plan

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True)
class State:
    """Where a run stands; `plan` and `blocks` say which run it is."""

    plan: Plan
    blocks: str                             # identity of the mixture's folder
    step: int = 0
    tokens: int = 0                         # trained on, with repetition
    seconds: float = 0.0                    # spent in updates
    validation_start: float | None = None   # bits per byte before the first update
    validation_end: float | None = None     # at the latest validation


def build(config: dict[str, Any]) -> Decoder:
    """An untrained model of this configuration (`model/architecture/shapes.py`)."""
    return Qwen3(config) if config["model_type"] == "qwen3" else GPT2(config)


def latest(run: Path) -> Path | None:
    """The run's checkpoint with the most steps."""
    return max((path for path in run.glob("step-*") if path.is_dir()), default=None)


def save(run: Path, state: State, model: Decoder, made: list[tuple[torch.optim.Optimizer, Names]]) -> Path:
    """Write a checkpoint whole, then remove older ones."""
    final = run / f"step-{state.step:08d}"
    draft = run / f".draft-{state.step:08d}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    save_file(_plain(model.state_dict()), draft / "model.safetensors")
    save_file(_plain(state_of(made)), draft / "optimizer.safetensors")
    _write_json(draft / "config.json", model.config)
    _write_json(draft / "state.json", asdict(state))
    for path in draft.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    shutil.rmtree(final, ignore_errors=True)
    draft.rename(final)
    for path in run.iterdir():
        if path != final and path.name.startswith(("step-", ".draft-")):
            shutil.rmtree(path)
    return final


def load_state(checkpoint: Path) -> State:
    """What state.json says. ModelError where it is damaged or of another version."""
    try:
        read = json.loads((checkpoint / "state.json").read_text("utf-8"))
        state = State(**read)
        return replace(state, plan=parse(Plan, read["plan"], "plan"))
    except (OSError, ValueError, TypeError, KeyError, SettingsError) as error:
        raise ModelError(f"{checkpoint} cannot be taken up ({_first_line(error)}); remove it, or train into another "
                         "folder") from None


def load_model(checkpoint: Path, device: torch.device) -> Decoder:
    """The trained model on `device`. ModelError where a file is missing, damaged or of another shape."""
    try:
        model = build(json.loads((checkpoint / "config.json").read_text("utf-8")))
        model.load_state_dict(load_file(checkpoint / "model.safetensors"))
    except Exception as error:
        raise ModelError(f"{checkpoint} holds no model that can be read ({_first_line(error)}); train it again") from None
    return model.to(device)


def load_optimizers(checkpoint: Path, made: list[tuple[torch.optim.Optimizer, Names]]) -> None:
    """Put the optimizers where the checkpoint left them."""
    try:
        restore(made, load_file(checkpoint / "optimizer.safetensors"))
    except Exception as error:
        raise ModelError(f"{checkpoint} cannot be taken up ({_first_line(error)}); remove it, or train into another "
                         "folder") from None


def differences(state: State, plan: Plan, blocks: str) -> list[str]:
    """What keeps a run from being taken up with this plan and these blocks, in words; empty where nothing does."""
    was, now = asdict(state.plan), asdict(plan)
    told = [f"{name} was {was[name]}, is {now[name]}" for name in now if was[name] != now[name]]
    return told + (["the blocks have changed"] if state.blocks != blocks else [])


def _plain(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", "utf-8")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
