"""Optimizers for a plan, and their state as named tensors, so that a checkpoint needs no pickle."""

from typing import Any

import torch

from textmill.model.architecture.qwen3 import Decoder
from textmill.model.training.settings import Plan

Names = list[str]       # of the parameters, in an optimizer's own order


def optimizers(model: Decoder, plan: Plan) -> list[tuple[torch.optim.Optimizer, Names]]:
    """AdamW for everything, or Muon for the layers' matrices and AdamW for the rest.

    Muon (Jordan et al. 2024) with its updates scaled to AdamW's size, so that one learning rate serves both. Only
    matrices decay, embeddings included; norms and biases do not. AdamW's betas are those of GPT-3.
    """
    trained = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    inner = [(name, weight) for name, weight in trained if weight.dim() == 2 and name.startswith(("layers.", "h."))]
    made: list[tuple[torch.optim.Optimizer, Names]] = []
    if plan.optimizer == "muon":
        names = [name for name, _ in inner]
        muon = torch.optim.Muon([weight for _, weight in inner], lr=plan.lr, weight_decay=plan.weight_decay,
                                adjust_lr_fn="match_rms_adamw")
        made.append((muon, names))
        trained = [(name, weight) for name, weight in trained if name not in set(names)]
    matrices = [(name, weight) for name, weight in trained if weight.dim() == 2]
    vectors = [(name, weight) for name, weight in trained if weight.dim() != 2]
    groups = [{"params": [weight for _, weight in matrices], "weight_decay": plan.weight_decay},
              {"params": [weight for _, weight in vectors], "weight_decay": 0.0}]
    fused = next(model.parameters()).device.type in ("cpu", "cuda")
    adamw = torch.optim.AdamW([group for group in groups if group["params"]], lr=plan.lr, betas=(0.9, 0.95), fused=fused)
    made.append((adamw, [name for name, _ in matrices + vectors]))
    return made


def state_of(made: list[tuple[torch.optim.Optimizer, Names]]) -> dict[str, torch.Tensor]:
    """All state as "parameter/quantity" → tensor."""
    return {f"{names[index]}/{quantity}": value for optimizer, names in made
            for index, state in optimizer.state_dict()["state"].items() for quantity, value in state.items()}


def restore(made: list[tuple[torch.optim.Optimizer, Names]], tensors: dict[str, torch.Tensor]) -> None:
    """Put back what `state_of` gave."""
    for optimizer, names in made:
        state: dict[int, dict[str, Any]] = {index: {} for index in range(len(names))}
        for key, value in tensors.items():
            name, quantity = key.rsplit("/", 1)
            if name in names:
                state[names.index(name)][quantity] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
