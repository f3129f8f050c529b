"""Processors of logits: each a pure function of logits (rows, vocabulary), with a number for every row, to such logits.

A token that is left out has the logit -inf. Their order, from the model's logits to the distribution that a token is drawn
from, is that of this file: bias, penalties, (what a constraint or a minimum length forbids,) temperature, top-k, top-p, min-p,
typical. What a row gets depends on that row alone, to the bit: sums go along a row in one order, whatever rows stand beside.
"""

import torch

PART = 256          # of the likeliest tokens that are looked at first; a nucleus is seldom larger


def bias(logits: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
    """Logits with `added` (rows, vocabulary) to each."""
    return logits + added


def penalties(logits: torch.Tensor, in_prompt: torch.Tensor, counts: torch.Tensor, repetition: torch.Tensor,
              presence: torch.Tensor, frequency: torch.Tensor) -> torch.Tensor:
    """Logits less the penalties of tokens `in_prompt` (bool) or with `counts` in the answer, both (rows, vocabulary)."""
    scaled = torch.where(logits > 0, logits / repetition[:, None], logits * repetition[:, None])
    logits = torch.where(in_prompt | (counts > 0), scaled, logits)
    return logits - presence[:, None] * (counts > 0) - frequency[:, None] * counts


def temperature(logits: torch.Tensor, temperatures: torch.Tensor) -> torch.Tensor:
    """Logits below the largest, over the temperature (above 0).

    No quotient is infinite, and in float64 every temperature above 0 is above 0."""
    below = (logits - logits.amax(-1, keepdim=True)).double()
    return (below / temperatures[:, None]).float()


def top_k(logits: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    """The k largest of each row, and what equals the last of them; all where k is the vocabulary or more."""
    limited = k < logits.shape[-1]
    largest = logits.topk(int(k.where(limited, 1).max())).values
    least = largest.gather(-1, k.where(limited, 1)[:, None] - 1)
    return logits.masked_fill((logits < least) & limited[:, None], -torch.inf)


def top_p(logits: torch.Tensor, p: torch.Tensor, part: int = PART) -> torch.Tensor:
    """The likeliest of each row up to the one with which they reach p, and what equals it; all where p is 1.

    The `part` likeliest are looked at first, and all others only where those do not reach p."""
    probabilities = logits.softmax(-1)
    for size in (min(part, logits.shape[-1]), logits.shape[-1]):
        largest, ids = logits.topk(size)
        ordered = probabilities.gather(-1, ids).double()
        before = ordered.cumsum(-1) - ordered
        enough = (before[:, -1] >= p) | (largest[:, -1] == -torch.inf) | (p >= 1)
        if size == logits.shape[-1] or bool(enough.all()):
            break
    last = ((before < p[:, None]).sum(-1, keepdim=True) - 1).clamp(min=0)
    return logits.masked_fill((logits < largest.gather(-1, last)) & (p < 1)[:, None], -torch.inf)


def min_p(logits: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """Those at least p times as likely as the likeliest of their row."""
    return logits.masked_fill(logits < logits.amax(-1, keepdim=True) + p.log()[:, None], -torch.inf)


def typical(logits: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """Those whose surprise is nearest to the row's entropy, up to the one with which they reach p, and as near ones.

    All where p is 1."""
    logs = logits.log_softmax(-1)
    probabilities = logs.exp()
    entropy = -torch.where(probabilities > 0, probabilities * logs, 0).double().cumsum(-1)[:, -1:]
    away = (logs + entropy).abs().masked_fill(probabilities == 0, torch.inf)
    nearest, ids = away.sort(-1)
    ordered = probabilities.gather(-1, ids).double()
    last = ((ordered.cumsum(-1) - ordered < p[:, None]).sum(-1, keepdim=True) - 1).clamp(min=0)
    return logits.masked_fill((away > nearest.gather(-1, last)) & (p < 1)[:, None], -torch.inf)


def draw(logits: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """An id for each row, by a number from 0 to below 1 (rows,): the one whose stretch of the cumulated chances it falls in."""
    cumulated = logits.softmax(-1).double().cumsum(-1)
    total = cumulated[:, -1:]
    places = torch.minimum(uniform[:, None] * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulated, places, right=True)[:, 0]
