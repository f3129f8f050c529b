"""Mixture of experts: Qwen3 whose feed-forward blocks are several small ones, of which a router picks some for each token.

Fedus et al. 2021, Dai et al. 2024. A token goes through the `num_experts_per_tok` experts with the highest probability plus
balance; balance only moves the choice and has no gradient (Wang et al. 2024; `training/balance.py` sets it), so there is no
auxiliary loss. A trained model is a `Qwen3MoeForCausalLM`, which knows no balance and no shared expert: balance is zero at the
end of a run, and with a shared expert a model is not exported. Modules carry the names they have in transformers.
"""

from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from textmill.model.architecture.qwen3 import Qwen3, Qwen3MLP
from textmill.model.architecture.shapes import Shape


class Qwen3Moe(Qwen3):
    """Yang et al. 2025, "Qwen3 Technical Report", mixture of experts in every layer."""

    ONE_GRAPH: ClassVar[bool] = False
    SIGNATURE: ClassVar[dict[str, str]] = {"model_type": "qwen3_moe"}

    @classmethod
    def configuration(cls, shape: Shape, vocab_size: int, context_length: int, end_of_text: int) -> dict[str, Any]:
        return super().configuration(shape, vocab_size, context_length, end_of_text) | {
            "architectures": ["Qwen3MoeForCausalLM"], "moe_intermediate_size": shape.expert_mlp, "num_experts": shape.experts,
            "num_experts_per_tok": shape.active, "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": [],
            "output_router_logits": False, "router_aux_loss_coef": 0.0, "shared_expert": shape.shared,
        }

    @staticmethod
    def feed_forward(config: dict[str, Any]) -> nn.Module:
        return Experts(config)

    def experts(self) -> dict[str, "Experts"]:
        """The mixture in each layer, by its name."""
        return {name: module for name, module in self.named_modules() if isinstance(module, Experts)}

    def hidden_matrices(self) -> list[nn.Parameter]:
        routers = {id(mixture.gate.weight) for mixture in self.experts().values()}
        return [weight for weight in super().hidden_matrices() if id(weight) not in routers]

    def published(self) -> dict[str, torch.Tensor]:
        return {name: weight for name, weight in super().published().items() if not name.endswith(".balance")}

    def not_exportable(self) -> str | None:
        if self.config["shared_expert"]:
            return "transformers' Qwen3Moe has no shared expert"
        if any(mixture.balance.any() for mixture in self.experts().values()):
            return ("its experts are still chosen by the balance of training, which transformers' Qwen3Moe does not know; "
                    "train it to its end, where there is none")
        return None


class Experts(nn.Module):
    """A router and its experts, each a SwiGLU block, and one that every token goes through where `shared_expert` says so."""

    balance: torch.Tensor       # (experts,), added to probabilities where experts are chosen
    load: torch.Tensor          # (experts,), tokens that each got in training since the last update

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        width, inner, count = config["hidden_size"], config["moe_intermediate_size"], config["num_experts"]
        self.active = config["num_experts_per_tok"]
        if not 0 < self.active <= count:
            raise ValueError(f"{self.active} of {count} experts cannot be chosen")
        self.gate = nn.Linear(width, count, bias=False)
        self.experts = nn.ModuleList(Qwen3MLP(width, inner) for _ in range(count))
        self.shared_expert = Qwen3MLP(width, inner) if config["shared_expert"] else None
        self.register_buffer("balance", torch.zeros(count))
        self.register_buffer("load", torch.zeros(count), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(0, -2)
        with torch.autocast(x.device.type, enabled=False):          # a choice by rounded numbers would be another
            probabilities = F.linear(flat.float(), self.gate.weight).softmax(-1)
        chosen = (probabilities + self.balance).topk(self.active).indices
        weights = probabilities.gather(1, chosen)
        weights = weights / weights.sum(-1, keepdim=True)
        order = chosen.flatten().argsort(stable=True)               # by expert
        counts = chosen.flatten().bincount(minlength=len(self.experts))
        if torch.is_grad_enabled():
            self.load += counts
        tokens = order // self.active
        parts = flat.index_select(0, tokens).split(counts.tolist())
        outputs = torch.cat([expert(part) for expert, part in zip(self.experts, parts, strict=True) if len(part)])
        weighed = (outputs * weights.flatten()[order, None]).to(flat.dtype)
        mixed = torch.zeros_like(flat).index_add(0, tokens, weighed).view(x.shape)
        return mixed if self.shared_expert is None else mixed + self.shared_expert(x)
