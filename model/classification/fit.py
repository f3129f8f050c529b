"""Fitting of a linear head on features: logistic regression by L-BFGS, ridge regression in closed form.

Features are standardised for the fit, and the scale is folded into the weights. The strength of the penalty is the one of
STRENGTHS with the lowest loss on the development texts. In float64: there is one answer, whatever the order of the texts.
"""

from typing import NamedTuple

import torch
from torch.nn import functional as F

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)       # of the penalty on squared weights, per text
STEPS = 200             # of L-BFGS at most


class Linear(NamedTuple):
    """Weights (outputs, width) and bias (outputs,), float64."""

    weight: torch.Tensor
    bias: torch.Tensor

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        return features.double() @ self.weight.T + self.bias


def fit(features: torch.Tensor, labels: torch.Tensor, development: torch.Tensor, development_labels: torch.Tensor,
        classes: int) -> tuple[Linear, float]:
    """The head, and the strength of its penalty; `classes` 0: scores."""
    mean, deviation = features.double().mean(0), features.double().std(0) + 1e-6
    scaled = (features.double() - mean) / deviation
    found: list[tuple[float, float, Linear]] = []
    for strength in STRENGTHS:
        head = ridge(scaled, labels, strength) if not classes else logistic(scaled, labels, classes, strength)
        weight = head.weight / deviation
        head = Linear(weight, head.bias - weight @ mean)
        found.append((loss(head(development), development_labels), strength, head))
    _, strength, head = min(found, key=lambda each: each[0])
    return head, strength


def loss(outputs: torch.Tensor, labels: torch.Tensor) -> float:
    """Mean nats of the right class; of scores the mean squared error."""
    if labels.is_floating_point():
        return float(((outputs[:, 0] - labels) ** 2).mean())
    return float(F.cross_entropy(outputs, labels))


def logistic(features: torch.Tensor, labels: torch.Tensor, classes: int, strength: float) -> Linear:
    """Multinomial logistic regression with a penalty on squared weights."""
    weight = torch.zeros(classes, features.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=STEPS, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        objective = F.cross_entropy(features @ weight.T + bias, labels) + strength / 2 * (weight**2).sum()
        objective.backward()
        return objective

    optimizer.step(closure)
    return Linear(weight.detach(), bias.detach())


def ridge(features: torch.Tensor, labels: torch.Tensor, strength: float) -> Linear:
    """Ridge regression of features with mean 0."""
    mean = labels.double().mean()
    gram = features.T @ features / len(features) + strength * torch.eye(features.shape[1], dtype=torch.float64)
    weight = torch.linalg.solve(gram, features.T @ (labels.double() - mean) / len(features))
    return Linear(weight[None], mean[None])


def temperature(outputs: torch.Tensor, labels: torch.Tensor) -> float:
    """What logits are divided by for the lowest loss (temperature scaling, Guo et al. 2017), between 0.05 and 20."""
    low, high = -3.0, 3.0                           # of its logarithm; the loss has one valley in the inverse temperature
    for _ in range(60):
        first, second = low + (high - low) / 3, high - (high - low) / 3
        if loss(outputs / torch.tensor(first).exp(), labels) < loss(outputs / torch.tensor(second).exp(), labels):
            high = second
        else:
            low = first
    return float(torch.tensor((low + high) / 2).exp())
