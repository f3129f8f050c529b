"""Optimizers by name, and their state as named tensors, so that a checkpoint needs no pickle.

To add one: write a function of (model, lr, weight_decay), and put a line into OPTIMIZERS.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from textmill.model.architecture.decoder import decoder_of
from textmill.model.architecture.qwen3_moe import Qwen3Moe
from textmill.model.training.balance import Balance
from textmill.model.training.muon import Muon
from textmill.model.training.processes import divided, whole


class NamedOptimizer(NamedTuple):
    """An optimizer, and the names of its parameters in its own order."""

    optimizer: torch.optim.Optimizer
    names: list[str]


Parameters = list[tuple[str, nn.Parameter]]


def adamw(model: nn.Module, lr: float, weight_decay: float) -> list[NamedOptimizer]:
    """AdamW for all trained parameters."""
    return [_adamw(_trained(model), lr, weight_decay), *_balance(model, lr)]


def muon(model: nn.Module, lr: float, weight_decay: float) -> list[NamedOptimizer]:
    """Muon for the layers' matrices and AdamW for the rest."""
    hidden = {id(weight) for weight in decoder_of(model).hidden_matrices()}
    matrices = [(name, weight) for name, weight in _trained(model) if id(weight) in hidden]
    rest = [(name, weight) for name, weight in _trained(model) if id(weight) not in hidden]
    optimizers = [_adamw(rest, lr, weight_decay)] if rest else []
    if matrices:
        optimizer = Muon([weight for _, weight in matrices], lr, weight_decay)
        optimizers = [NamedOptimizer(optimizer, [name for name, _ in matrices]), *optimizers]
    return optimizers + _balance(model, lr)


OPTIMIZERS: dict[str, Callable[[nn.Module, float, float], list[NamedOptimizer]]] = {"adamw": adamw, "muon": muon}


def _adamw(parameters: Parameters, lr: float, weight_decay: float) -> NamedOptimizer:
    """Only matrices decay, embeddings included; norms and biases do not. The betas are those of GPT-3."""
    matrices = [(name, weight) for name, weight in parameters if weight.dim() == 2]
    vectors = [(name, weight) for name, weight in parameters if weight.dim() != 2]
    groups = [{"params": [weight for _, weight in matrices], "weight_decay": weight_decay},
              {"params": [weight for _, weight in vectors], "weight_decay": 0.0}]
    fused = parameters[0][1].device.type in ("cpu", "cuda")
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=lr, betas=(0.9, 0.95), fused=fused)
    return NamedOptimizer(optimizer, [name for name, _ in matrices + vectors])


def _balance(model: nn.Module, lr: float) -> list[NamedOptimizer]:
    """What keeps the experts of a mixture in use; nothing where there are none."""
    decoder = decoder_of(model)
    if not isinstance(decoder, Qwen3Moe):
        return []
    mixtures = decoder.experts()
    return [NamedOptimizer(Balance(mixtures, lr), [f"{name}.balance" for name in mixtures])]


def _trained(model: nn.Module) -> Parameters:
    return [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]


def state_of(optimizers: list[NamedOptimizer]) -> dict[str, torch.Tensor]:
    """All state as "parameter/quantity" → tensor, whole where processes have parts of it."""
    return {f"{names[index]}/{quantity}": whole(value) for optimizer, names in optimizers
            for index, state in optimizer.state_dict()["state"].items() for quantity, value in state.items()}


def restore(optimizers: list[NamedOptimizer], tensors: dict[str, torch.Tensor]) -> None:
    """Put back what `state_of` gave."""
    for optimizer, names in optimizers:
        state: dict[int, dict[str, Any]] = {index: {} for index in range(len(names))}
        parameters = [weight for group in optimizer.param_groups for weight in group["params"]]
        for key, value in tensors.items():
            name, quantity = key.rsplit("/", 1)
            if name in names:
                index = names.index(name)
                state[index][quantity] = divided(value, parameters[index])
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
