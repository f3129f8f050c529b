"""Objectives of post-training, as plain functions of numbers: formulas as their papers have them, nothing of models or data.

Log-probabilities are natural, float32. Everything is per answer or per token as said; nothing is averaged here.
"""

import torch
from torch.nn import functional as F


def bradley_terry(chosen: torch.Tensor, rejected: torch.Tensor, margin: torch.Tensor | float = 0.0) -> torch.Tensor:
    """−log σ(r_w − r_l − margin) of each pair (Bradley and Terry 1952; Ouyang et al. 2022; margins: Touvron et al. 2023)."""
    return -F.logsigmoid(chosen - rejected - margin)


def dpo(chosen: torch.Tensor, rejected: torch.Tensor, beta: float, smoothing: float = 0.0) -> torch.Tensor:
    """Of each pair; `chosen` and `rejected` are log π(y|x) − log π_ref(y|x) of the whole answer (Rafailov et al. 2023).

    `smoothing`: the chance that a label is the wrong way round (conservative DPO, Mitchell 2023)."""
    margin = beta * (chosen - rejected)
    return -(1 - smoothing) * F.logsigmoid(margin) - smoothing * F.logsigmoid(-margin)


def ipo(chosen: torch.Tensor, rejected: torch.Tensor, beta: float) -> torch.Tensor:
    """(h − 1/(2β))² of each pair, h the difference of mean log-ratios per token (Azar et al. 2023)."""
    return (chosen - rejected - 1 / (2 * beta)) ** 2


def advantages(rewards: torch.Tensor, values: torch.Tensor, mask: torch.Tensor, gamma: float, decay: float) -> torch.Tensor:
    """Generalised advantage estimates (Schulman et al. 2016) of every token (rows, length); 0 where `mask` is not.

    `values` are those of the state before each token; after a row's last token there is none. `mask` may begin anywhere in a
    row and has no gaps."""
    result, ahead, next_value = torch.zeros_like(rewards), torch.zeros_like(rewards[:, 0]), torch.zeros_like(rewards[:, 0])
    for place in reversed(range(rewards.shape[1])):
        inside = mask[:, place].to(rewards.dtype)
        delta = rewards[:, place] + gamma * next_value - values[:, place]
        ahead = inside * (delta + gamma * decay * ahead)
        next_value = inside * values[:, place]
        result[:, place] = ahead
    return result


def clipped(now: torch.Tensor, before: torch.Tensor, advantage: torch.Tensor, clip: float) -> torch.Tensor:
    """PPO's loss of each token: −min(ρA, clip(ρ, 1 ± ε)A), ρ the ratio of its probabilities (Schulman et al. 2017)."""
    ratio = (now - before).exp()
    return -torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)


def clipped_value(now: torch.Tensor, before: torch.Tensor, returns: torch.Tensor, clip: float) -> torch.Tensor:
    """Half the squared error of each value, the worse of it and of one that moved by at most `clip` (as in PPO's own code)."""
    near = before + (now - before).clamp(-clip, clip)
    return torch.maximum((now - returns) ** 2, (near - returns) ** 2) / 2


def divergence(now: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Estimate of KL(π ‖ π_ref) from each token drawn by π, never below 0: r − 1 − log r, r = π_ref/π (Schulman 2020, "k3")."""
    difference = reference - now
    return difference.exp() - 1 - difference


def group_advantages(rewards: torch.Tensor, size: int, scaled: bool = True) -> torch.Tensor:
    """Rewards of answers (groups of `size` in a row) less the mean of their group, over its deviation (GRPO, Shao et al. 2024).

    Not `scaled`: less the mean alone (Liu et al. 2025, "Dr. GRPO")."""
    groups = rewards.view(-1, size)
    centred = groups - groups.mean(1, keepdim=True)
    return (centred / (groups.std(1, keepdim=True) + 1e-4) if scaled else centred).flatten()


def ranked_pairs(count: int) -> list[tuple[int, int]]:
    """The k·(k−1)/2 pairs (better, worse) that a ranking of `count` answers is worth, best first (Ouyang et al. 2022)."""
    return [(better, worse) for better in range(count) for worse in range(better + 1, count)]
