"""Arithmetic of training compute: FLOPs, hours and money on named accelerators. Both halves of the house use it.

`flops(N, D)` is 6·N·D (Kaplan et al. 2020): a multiplication and an addition for each parameter and token, once forward and
twice backward. Utilisation is the share of the peak rate of dense bfloat16 products that this useful work runs at (MFU,
Chowdhery et al. 2022); what rematerialisation computes twice is no useful work.
"""

from typing import NamedTuple

UTILISATION = 0.4       # one H200 reaches 42 % at 124 M parameters (modded-nanogpt, 2026-05); larger models reach 50 %
TOKENS_PER_PARAMETER = 20       # compute-optimal (Hoffmann et al. 2022)


class Accelerator(NamedTuple):
    """One card."""

    peak: float         # FLOPs a second, dense bfloat16 with sums in float32
    memory: float       # bytes
    price: float        # dollars an hour, an example


PRICES = "RunPod's lowest listed, March 2026; --price gives yours"      # deploybase.ai/articles/runpod-gpu-pricing
ACCELERATORS = {        # peaks and memory from NVIDIA's data sheets: half of the rate that they give with sparsity
    "b200": Accelerator(2250e12, 180e9, 5.98),
    "h200": Accelerator(989.4e12, 141e9, 3.59),
    "h100": Accelerator(989.4e12, 80e9, 2.69),              # SXM
    "h100-pcie": Accelerator(756e12, 80e9, 1.99),
    "a100": Accelerator(312e12, 80e9, 1.39),
    "l40s": Accelerator(362e12, 48e9, 0.79),
    "l4": Accelerator(121e12, 24e9, 0.44),
    "rtx-4090": Accelerator(165.2e12, 24e9, 0.34),
    "rtx-3090": Accelerator(71e12, 24e9, 0.22),
}


def accelerator_named(name: str) -> Accelerator | None:
    """The card that a driver calls `name`, such as "NVIDIA H100 80GB HBM3"; None where it is not in the table."""
    words = set(name.lower().replace("-", " ").split())
    found = [key for key in ACCELERATORS if words.issuperset(key.split("-"))]
    return ACCELERATORS[max(found, key=len)] if found else None


def flops(parameters: float, tokens: float) -> float:
    """FLOPs of training so many parameters on so many tokens, 6·N·D; attention is not counted."""
    return 6 * parameters * tokens


def hours(work: float, peak: float, cards: int = 1, utilisation: float = UTILISATION) -> float:
    """Hours that `work` FLOPs take on so many cards of this peak rate, FLOPs a second."""
    return work / (peak * cards * utilisation) / 3600


def dollars(work: float, peak: float, price: float, utilisation: float = UTILISATION) -> float:
    """What `work` FLOPs cost at `price` dollars for a card's hour: the same on any number of cards."""
    return hours(work, peak, 1, utilisation) * price
