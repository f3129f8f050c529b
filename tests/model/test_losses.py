"""Objectives of post-training, held against naive references of their papers' formulas, and against TRL where it is installed."""

import math

import pytest
import torch

from textmill.model.posttraining.losses import (
    advantages,
    bradley_terry,
    clipped,
    clipped_value,
    divergence,
    dpo,
    group_advantages,
    ipo,
    ranked_pairs,
)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_pairs_by_hand():
    chosen, rejected = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])
    assert bradley_terry(chosen, rejected, torch.tensor([0.0, 1.0])).tolist() == pytest.approx(
        [-math.log(sigmoid(0.5)), -math.log(sigmoid(-6))])
    assert dpo(chosen, rejected, 0.3).tolist() == pytest.approx([-math.log(sigmoid(0.15)), -math.log(sigmoid(-1.5))])
    assert dpo(chosen, rejected, 0.3, 0.1).tolist() == pytest.approx(
        [-0.9 * math.log(sigmoid(h)) - 0.1 * math.log(sigmoid(-h)) for h in (0.15, -1.5)])
    assert ipo(chosen, rejected, 0.25).tolist() == pytest.approx([(0.5 - 2) ** 2, (-5 - 2) ** 2])


def test_advantages_are_the_sum_over_what_comes():
    """GAE as its definition has it: Σ (γλ)^k δ, over the tokens of the row alone; a prompt before and padding after count nothing."""
    random = torch.Generator().manual_seed(1)
    rewards, values = torch.randn(3, 9, generator=random), torch.randn(3, 9, generator=random)
    mask = torch.zeros(3, 9, dtype=torch.bool)
    for row, (start, end) in enumerate([(0, 9), (3, 7), (5, 6)]):
        mask[row, start:end] = True
    gamma, decay = 0.9, 0.8
    found = advantages(rewards, values, mask, gamma, decay)
    for row in range(3):
        places = mask[row].nonzero().flatten().tolist()
        deltas = [float(rewards[row, t] - values[row, t]) + (gamma * float(values[row, t + 1]) if t + 1 in places else 0) for t in places]
        expected = [sum((gamma * decay) ** k * delta for k, delta in enumerate(deltas[n:])) for n in range(len(deltas))]
        assert found[row][mask[row]].tolist() == pytest.approx(expected, abs=1e-5)
        assert not found[row][~mask[row]].any()


def test_the_clipped_objective_by_hand():
    before = torch.zeros(4)
    now = torch.tensor([1.5, 1.5, 0.5, 0.5]).log()
    gain = torch.tensor([2.0, -2.0, 2.0, -2.0])
    assert clipped(now, before, gain, 0.2).tolist() == pytest.approx([-2.4, 3.0, -1.0, 1.6])
    now.requires_grad_()
    clipped(now, before, gain, 0.2).sum().backward()
    assert (now.grad == 0).tolist() == [True, False, False, True], "what is far enough already is not pushed further"
    assert clipped_value(torch.tensor([3.0]), torch.tensor([1.0]), torch.tensor([0.0]), 0.5).tolist() == [4.5]
    assert clipped_value(torch.tensor([3.0]), torch.tensor([1.0]), torch.tensor([4.0]), 0.5).tolist() == [(1.5 - 4) ** 2 / 2]


def test_the_divergence_is_unbiased_and_never_negative():
    random = torch.Generator().manual_seed(2)
    p, q = (torch.randn(5, generator=random).log_softmax(-1) for _ in range(2))
    exact = float((p.exp() * (p - q)).sum())
    drawn = torch.multinomial(p.exp(), 200_000, replacement=True, generator=random)
    found = divergence(p[drawn], q[drawn])
    assert float(found.mean()) == pytest.approx(exact, rel=0.02) and float(found.min()) >= 0


def test_groups_and_rankings():
    found = group_advantages(torch.tensor([1.0, 0, 0, 1, 5, 5, 5, 5]), 4)
    assert found[:4].tolist() == pytest.approx([0.866, -0.866, -0.866, 0.866], abs=1e-3) and not found[4:].any()
    assert group_advantages(torch.tensor([1.0, 0, 0, 1]), 4, scaled=False).tolist() == [0.5, -0.5, -0.5, 0.5]
    assert ranked_pairs(4) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
