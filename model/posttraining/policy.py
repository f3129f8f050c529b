"""Reinforcement learning on one's own answers: PPO with a value head (Ouyang et al. 2022), and GRPO without (Shao et al. 2024).

A round draws answers by the model as it stands, rewards them, and takes some updates on them; the distance from the model it
started from costs. PPO: the cost is part of each token's reward, its price moves towards a target (Ziegler et al. 2019), and
advantages are GAE's. GRPO: an answer's advantage is what it is above the others to its prompt, the cost is a term of the loss.
Rounds begin at multiples of their updates, and a checkpoint lies only there, so a run goes on with the answers it would have
drawn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from textmill.base.blocks_format import NO_TARGET
from textmill.model import ModelError
from textmill.model.architecture.attention import by_document
from textmill.model.architecture.cross_entropy import cross_entropy
from textmill.model.architecture.decoder import Decoder, decoder_of
from textmill.model.data.batch import Batch
from textmill.model.data.blocks import PackedMixture
from textmill.model.data.tokenizer import open_tokenizer
from textmill.model.device import autocast, precision_of
from textmill.model.generation.language_model import LanguageModel
from textmill.model.posttraining.comparisons import prompt_ids
from textmill.model.posttraining.losses import advantages, clipped, clipped_value, divergence, group_advantages
from textmill.model.posttraining.rollouts import Drawn, Reward, checked, draw, end_of
from textmill.model.posttraining.rows import batch_of, log_probabilities
from textmill.model.posttraining.settings import GrpoSettings, PolicySettings, PpoSettings
from textmill.model.posttraining.start import Start, start_from
from textmill.model.posttraining.tasks import Task, generate
from textmill.model.posttraining.watch import collapse, overoptimised
from textmill.model.training.checkpoint import LOG
from textmill.model.training.run import Run
from textmill.model.training.validate import Validation

HELD_OUT = 100          # tasks that are answered greedily at each validation
HELD_OUT_SEED = 1
SEEDS = 1 << 20         # of a round


class ActorCritic(nn.Module):
    """A decoder with a value head, what the rest of an answer is worth before each of its tokens; and the price of distance."""

    price: torch.Tensor

    def __init__(self, decoder: Decoder, price: float):
        super().__init__()
        self.decoder = decoder
        self.value = nn.Linear(decoder.output().shape[1], 1)
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)
        self.register_buffer("price", torch.tensor(price))

    def forward(self, rows: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probability of each target, and the value before it, float32 (rows, length)."""
        hidden = self.decoder.hidden(rows.tokens, by_document(rows, self.decoder.window))
        nats = cross_entropy(hidden.flatten(0, 1), self.decoder.output(), rows.targets.flatten()).view(rows.targets.shape)
        return -nats, self.value(hidden)[..., 0].float()


@dataclass(frozen=True)
class Episodes:
    """Answers to learn from; all tensors but `rows` are float32 (answers, length), and count where there is a target."""

    rows: Batch
    before: torch.Tensor                # log-probabilities when they were drawn
    reference: torch.Tensor             # and by the model that training started from
    advantages: torch.Tensor
    values: torch.Tensor                # PPO's alone, else zeros
    returns: torch.Tensor
    text: Batch | None = None           # pretraining text, for the loss beside

    @property
    def target_count(self) -> int:
        return self.rows.target_count

    @property
    def token_count(self) -> int:
        return self.rows.token_count

    @property
    def mask(self) -> torch.Tensor:
        """Where there is a target."""
        return self.rows.targets != NO_TARGET

    def to(self, device: torch.device) -> "Episodes":
        moved = {field.name: value.to(device) for field in fields(self) if (value := getattr(self, field.name)) is not None}
        return replace(self, **moved)


class Rounds:
    """Rounds of a run: draws answers, and gives the batches of each step."""

    def __init__(self, begin: Start, model: nn.Module, settings: PolicySettings, reward: Reward, kinds: tuple[str, ...],
                 device: torch.device, log: Path, text: Callable[[int], Batch] | None = None):
        self.settings, self.reward, self.kinds, self.model, self.text, self.log = settings, reward, kinds, model, text, log
        self.encoder, self.reference = begin.encoder, begin.model(device).requires_grad_(False)
        policy = decoder_of(model)
        self.language_model = LanguageModel(policy, open_tokenizer(begin.home, policy.vocab_size), begin.checkpoint)
        self.device, self.end = device, end_of(begin.encoder)
        self.figures: dict[str, float] = {}
        self._round: list[Episodes] = []

    def batches(self, step: int) -> list[Episodes]:
        """The minibatch of a step; at the first of a round answers are drawn."""
        settings = self.settings
        number, place = divmod(step, settings.updates)
        if place == 0:
            self._round = self._drawn(number)
        per_pass = len(self._round)
        order = torch.randperm(per_pass, generator=torch.Generator().manual_seed(settings.seed * SEEDS + step // per_pass))
        episodes = self._round[int(order[place % per_pass])]
        return [episodes if self.text is None else replace(episodes, text=self.text(step))]

    def answers(self, tasks: Sequence[Task], count: int, temperature: float, seed: int) -> list[Drawn]:
        """`count` answers of the model as it stands to each task."""
        prompts = [prompt_ids([{"role": "user", "content": task.prompt}], self.encoder, task.prompt) for task in tasks]
        was = self.model.training
        self.model.eval()
        drawn = draw(self.language_model, tasks, prompts, count, self.settings.max_tokens, temperature, seed, self.end)
        self.model.train(was)
        return drawn

    def _drawn(self, number: int) -> list[Episodes]:
        settings = self.settings
        seed = (settings.seed * SEEDS + number) * SEEDS
        tasks = list(generate(settings.prompts, seed, held_out=False, kinds=self.kinds))
        drawn = self.answers(tasks, settings.answers, settings.temperature, seed)
        rewards = self.reward(drawn)
        rounds = [self._episodes(drawn[start:start + settings.batch]) for start in range(0, len(drawn), settings.batch)]
        kl = float(torch.cat([(each.before - each.reference)[each.mask] for each in rounds]).mean())
        surprise = -torch.cat([each.before[each.mask] for each in rounds])
        self.figures = {"reward": float(rewards.mean()), "KL a token": kl, "entropy a token": float(surprise.mean()),
                        "tokens": sum(len(each.row.answer) for each in drawn) / len(drawn)}
        if problem := collapse(drawn, kl, settings):
            raise ModelError(f"in round {number + 1}, {problem}")
        if isinstance(settings, PpoSettings):
            assert isinstance(self.model, ActorCritic)
            price = self.model.price
            rounds = [self._valued(each, rewards[start:start + settings.batch], float(price))
                      for each, start in zip(rounds, range(0, len(drawn), settings.batch), strict=True)]
            error = max(-0.2, min(0.2, kl / settings.target_kl - 1))
            price.mul_(1 + 0.5 * error)
            return _whitened(rounds)
        scaled = not isinstance(settings, GrpoSettings) or settings.scaled
        gains = group_advantages(rewards, settings.answers, scaled)
        return [replace(each, advantages=gains[start:start + settings.batch, None].expand_as(each.before))
                for each, start in zip(rounds, range(0, len(drawn), settings.batch), strict=True)]

    @torch.no_grad()
    def _episodes(self, drawn: Sequence[Drawn]) -> Episodes:
        """The answers as rows, with their log-probabilities now and by the reference."""
        rows, precision = batch_of([each.row for each in drawn], self.encoder.end_of_text), precision_of(self.device)
        there = rows.to(self.device)
        with autocast(self.device, precision):
            before = log_probabilities(decoder_of(self.model), there).cpu()
            reference = log_probabilities(self.reference, there).cpu()
        zeros = torch.zeros_like(before)
        return Episodes(rows, before, reference, zeros, zeros, zeros)

    @torch.no_grad()
    def _valued(self, episodes: Episodes, rewards: torch.Tensor, price: float) -> Episodes:
        """With PPO's rewards: the distance at every token, the answer's worth at its last; and what the value head expected."""
        settings, mask, precision = self.settings, episodes.mask, precision_of(self.device)
        assert isinstance(settings, PpoSettings)
        with autocast(self.device, precision):
            values = self.model(episodes.rows.to(self.device))[1].cpu() * mask
        worth = -price * (episodes.before - episodes.reference) * mask
        last = torch.where(mask, torch.arange(mask.shape[1]), -1).amax(1)
        worth[torch.arange(len(worth)), last] += rewards
        gains = advantages(worth, values, mask, settings.gamma, settings.gae_decay)
        return replace(episodes, advantages=gains, values=values, returns=(gains + values) * mask)

    def validate(self) -> Validation:
        """Share of held-out tasks answered rightly, greedily; by kind, with the figures of the last round."""
        tasks = list(generate(HELD_OUT, HELD_OUT_SEED, held_out=True, kinds=self.kinds))
        right = checked(self.answers(tasks, 1, 0.0, 0))
        if problem := overoptimised(self.log, float(right.mean()), self.figures.get("reward")):
            raise ModelError(problem)
        by_kind = {kind: float(right[[task.kind == kind for task in tasks]].mean()) for kind in self.kinds}
        return Validation(float(right.mean()), by_kind | self.figures)


def _whitened(rounds: list[Episodes]) -> list[Episodes]:
    """Advantages of all answers of a round with mean 0 and deviation 1."""
    every = torch.cat([each.advantages[each.mask] for each in rounds])
    return [replace(each, advantages=(each.advantages - every.mean()) / (every.std() + 1e-8) * each.mask) for each in rounds]


def grpo_loss(settings: GrpoSettings) -> Callable[[Decoder, Episodes], torch.Tensor]:
    """The sum over an update's tokens: PPO's clipped objective, and the distance from the reference."""
    def loss(model: Decoder, episodes: Episodes) -> torch.Tensor:
        now, mask = log_probabilities(model, episodes.rows), episodes.mask
        costs = clipped(now, episodes.before, episodes.advantages, settings.clip_ratio)
        costs = costs + settings.kl * divergence(now, episodes.reference)
        return (costs * mask).sum() + _beside(model, episodes, settings)

    return loss


def ppo_loss(settings: PpoSettings) -> Callable[[ActorCritic, Episodes], torch.Tensor]:
    """The sum over an update's tokens: PPO's clipped objective, and the value head's clipped error."""
    def loss(model: ActorCritic, episodes: Episodes) -> torch.Tensor:
        (now, values), mask = model(episodes.rows), episodes.mask
        costs = clipped(now, episodes.before, episodes.advantages, settings.clip_ratio)
        costs = costs + settings.value_weight * clipped_value(values, episodes.values, episodes.returns, settings.clip_ratio)
        return (costs * mask).sum() + _beside(model.decoder, episodes, settings)

    return loss


def _beside(model: Decoder, episodes: Episodes, settings: PolicySettings) -> torch.Tensor | float:
    """The pretraining loss that is mixed in, per target of it, for as many tokens as there are answers' tokens."""
    if episodes.text is None:
        return 0.0
    text = episodes.text
    nats: torch.Tensor = model(text.tokens, text.targets, by_document(text, model.window)).sum()
    return settings.pretraining * nats / max(1, text.target_count) * episodes.target_count


def text_of(mixture: PackedMixture, step: int) -> Batch:
    """The block of pretraining text that goes with a step."""
    return mixture.train.step(step, 1, 1)[0]


def train_policy(start: str | Path, home: str | Path, settings: PolicySettings, device: torch.device, kinds: tuple[str, ...],
                 reward: Reward = checked, rewarded_by: str = "the tasks' checker", blocks: str | Path | None = None,
                 replace_run: bool = False) -> str:
    """Train in the folder `home`, or go on there; the summary line.

    `rewarded_by` names the reward: a run is gone on with by the same only. `blocks`: pretraining text, for `pretraining`."""
    begin, method = start_from(start), "ppo" if isinstance(settings, PpoSettings) else "grpo"
    if bool(settings.pretraining) != (blocks is not None):
        raise ModelError("the pretraining loss needs text and a weight: give both --blocks and `pretraining`, or neither")
    sources = {"reward": rewarded_by, "starting weights": begin.sha256, "tasks": ", ".join(kinds)}
    text = None
    decoder = begin.model(device)
    if blocks is not None:
        mixture = PackedMixture(blocks)
        begin.check_blocks(mixture)
        sources["blocks"] = mixture.identity()
        text = partial(text_of, mixture)
    run = Run(Path(home), settings, sources, verb=method, unit="of held-out tasks right", replace_run=replace_run,
              better="higher")
    if run.finished:
        return run.summary()
    model = ActorCritic(decoder, settings.kl).to(device) if isinstance(settings, PpoSettings) else decoder
    rounds = Rounds(begin, model, settings, reward, kinds, device, run.home / LOG, text)
    about = (f"{method} from {begin.checkpoint}, rewarded by {rewarded_by}, "
             f"{settings.prompts * settings.answers} answers a round")
    if isinstance(model, ActorCritic):
        assert isinstance(settings, PpoSettings)
        return run.train(model, ppo_loss(settings), rounds.batches, rounds.validate, about, begin.home)
    assert isinstance(settings, GrpoSettings)
    return run.train(decoder, grpo_loss(settings), rounds.batches, rounds.validate, about, begin.home)
