"""Settings of post-training: sections `reward`, `prefer`, `ppo`, `grpo` and `judge` of settings.yaml."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from textmill.model.training.settings import BlockSettings, RunSettings, not_above_zero


@dataclass(frozen=True)
class FineTuneSettings(BlockSettings):
    """Of supervised fine-tuning. The size of the model is that of the one it starts from."""

    steps: int | None = 240
    batch: int = 4
    lr: float = 0.005
    warmup: int = 10
    patience: int | None = 3
    validation_every: int = 30
    save_every: int = 30


@dataclass(frozen=True)
class ComparisonSettings(RunSettings):
    """Of what learns from comparisons; `batch` counts prompts."""

    steps: int | None = None
    epochs: float | None = 1.0
    batch: int = 8
    lr: float = 0.001
    weight_decay: float = 0.0
    decay: float = 1.0
    warmup: int = 5
    validation_every: int = 50
    save_every: int = 50
    held_out: float = 0.1
    """Share of prompts held out, by hash."""

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        if not 0 < self.held_out < 1:
            yield f"held_out: a share above 0 and below 1, is {self.held_out}"


@dataclass(frozen=True)
class RewardSettings(ComparisonSettings):
    """Of a reward model."""


@dataclass(frozen=True)
class PreferSettings(ComparisonSettings):
    """Of direct preference optimisation."""

    method: str = "dpo"
    """dpo, or ipo."""
    beta: float = 0.1
    """How dearly distance from the model it starts from is paid."""
    per_token: bool = False
    """Whether log-ratios are means over an answer's tokens, not sums, so that length buys nothing (always in ipo)."""
    smoothing: float = 0.0
    """Chance that a label is the wrong way round (dpo only)."""

    choices: ClassVar = RunSettings.choices | {"method": ("dpo", "ipo")}

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        if self.method not in self.choices["method"]:
            yield f"method: {self.method!r} is not one of {', '.join(self.choices['method'])}"
        yield from not_above_zero("beta", self.beta)
        if not 0 <= self.smoothing < 0.5:
            yield f"smoothing: a chance from 0 and below 0.5, is {self.smoothing}"


@dataclass(frozen=True)
class PolicySettings(RunSettings):
    """Of reinforcement learning: rounds of answers drawn, rewarded and learned from. An update is a minibatch of a round."""

    steps: int | None = 120
    batch: int = 64
    """Answers at a time."""
    optimizer: str = "adamw"
    """Muon makes every update as large, and what a few answers say is mostly noise."""
    lr: float = 0.0005
    weight_decay: float = 0.0
    warmup: int = 4
    decay: float = 0.5
    validation_every: int = 40
    save_every: int = 40
    prompts: int = 16
    """Prompts of a round."""
    answers: int = 8
    """Drawn for each prompt."""
    passes: int = 1
    """Over a round's answers before new ones are drawn."""
    max_tokens: int = 32
    """Of an answer; one that is cut off gets no reward."""
    temperature: float = 1.0
    """Of the draws that are learned from."""
    clip_ratio: float = 0.2
    """How far an update may move a token's probability for gain (PPO's ε)."""
    kl: float = 0.05
    """What a nat of distance from the model it starts from costs, per token."""
    most_kl: float = 3.0
    """Nats per token at which training stops: the model has left the language it came from."""
    pretraining: float = 0.0
    """Weight of the pretraining loss beside (InstructGPT's ptx); it needs --blocks."""

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        for name in ("prompts", "answers", "passes", "max_tokens", "temperature", "clip_ratio", "most_kl"):
            yield from not_above_zero(name, getattr(self, name))
        if min(self.kl, self.pretraining) < 0:
            yield "kl and pretraining: must be 0 or more"
        if self.accumulate != 1:
            yield "accumulate: an update is one batch here; give 1 and a larger batch"
        size = self.batch
        if min(size, self.prompts, self.answers, self.passes) > 0:
            if self.prompts * self.answers % size:
                yield f"batch: a round has {self.prompts * self.answers} answers, which {size} does not divide"
            elif self.save_every % self.updates or self.validation_every % self.updates:
                yield (f"save_every and validation_every: give multiples of {self.updates}, the updates of a round, so that a "
                       "run goes on with the answers it would have drawn")

    @property
    def updates(self) -> int:
        """Updates of a round."""
        return max(1, self.passes * self.prompts * self.answers // self.batch)


@dataclass(frozen=True)
class GrpoSettings(PolicySettings):
    """Of group-relative policy optimisation: an answer is as good as it is above the others to its prompt."""

    scaled: bool = True
    """Whether rewards are divided by their deviation within a prompt's answers."""

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        if self.answers < 2:
            yield "answers: there is nothing to compare an answer with; give 2 or more"


@dataclass(frozen=True)
class PpoSettings(PolicySettings):
    """Of proximal policy optimisation, with a value head."""

    answers: int = 4
    prompts: int = 32
    passes: int = 2
    gamma: float = 1.0
    """Discount of later rewards."""
    gae_decay: float = 0.95
    """λ of generalised advantage estimation."""
    value_weight: float = 0.1
    """Of the value head's loss, which moves the body, too (Ziegler et al. 2019)."""
    target_kl: float = 0.3
    """Nats per token that the price `kl` is moved towards, by a tenth a round at most (Ziegler et al. 2019)."""

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        for name in ("gamma", "gae_decay"):
            if not 0 <= getattr(self, name) <= 1:
                yield f"{name}: between 0 and 1, is {getattr(self, name)}"
        yield from not_above_zero("target_kl", self.target_kl)


@dataclass(frozen=True)
class JudgeSettings:
    """Of a judge, and of what it reads: answers drawn, critiques and revisions."""

    principle: str = ("The better answer does what was asked, is true, and harms nobody. Length, confidence and politeness "
                      "alone make no answer better.")
    """By which answers are compared, and revised."""
    answers: int = 4
    """Drawn for each prompt."""
    pairs: str = "all"
    """Of a prompt's answers: all pairs, or best-worst, the one that wins most often against the one that does least."""
    temperature: float = 1.0
    """Of answers drawn."""
    max_tokens: int = 256
    """Of an answer, a critique, a revision and a verdict. Answers that are cut off are left out."""
    seed: int = 1
    """Of answers drawn."""
    timeout: float = 60.0
    """Seconds for a reply of an endpoint."""
    tries: int = 5
    """Of a question to an endpoint that is busy or does not answer."""
    parallel: int = 4
    """Questions to an endpoint at once."""
    request: dict[str, Any] = field(default_factory=dict)
    """Keys of an endpoint's request to add, or with null to leave out: {max_tokens: null, max_completion_tokens: 512}."""

    choices: ClassVar = {"pairs": ("all", "best-worst")}

    def problems(self) -> Iterator[str]:
        if not self.principle.strip():
            yield "principle: is empty; say what makes an answer the better one"
        if self.pairs not in self.choices["pairs"]:
            yield f"pairs: {self.pairs!r} is not one of {', '.join(self.choices['pairs'])}"
        if self.answers < 2:
            yield f"answers: 2 or more, to be compared, is {self.answers}"
        for name in ("max_tokens", "timeout", "tries", "parallel"):
            yield from not_above_zero(name, getattr(self, name))
        if not 0 <= self.temperature < float("inf"):
            yield f"temperature: 0 or more, is {self.temperature}"
        if not 0 <= self.seed < 1 << 63:
            yield f"seed is {self.seed}; give 0 to {(1 << 63) - 1}"
