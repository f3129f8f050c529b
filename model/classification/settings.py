"""Settings of a classifier's head: section `head` of settings.yaml."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from textmill.model.training.settings import RunSettings, not_above_zero


@dataclass(frozen=True)
class HeadSettings(RunSettings):
    """Of a linear head over a model's hidden states. What is said of steps and rates holds for a body that is not frozen."""

    frozen: bool = True
    """Whether the model stays as it is and the head alone is fitted; else both are trained, from the fitted head on."""
    pooling: str = "mean"
    """What stands for a text: the mean of its tokens' hidden states, or that of the last one."""
    regression: bool = False
    """Whether labels are scores to be predicted, not classes."""
    max_tokens: int = 512
    """Of a text, from its beginning on: the rest is not read."""
    window: int | None = None
    """Tokens read at a time; a longer text has several windows. null: the model's context."""
    held_out: float = 0.2
    """Share of texts (or groups), by hash, that the figures are of and nothing is fitted on."""
    development: float = 0.1
    """Share that chooses regularisation, temperature and checkpoint."""
    steps: int | None = None
    epochs: float | None = 2.0
    batch: int = 8
    """Texts at a time."""
    optimizer: str = "adamw"
    lr: float = 0.0003
    weight_decay: float = 0.01
    decay: float = 1.0
    warmup: int = 20
    validation_every: int = 100
    save_every: int = 100

    choices: ClassVar = RunSettings.choices | {"pooling": ("mean", "last")}

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        if self.pooling not in self.choices["pooling"]:
            yield f"pooling: {self.pooling!r} is not one of {', '.join(self.choices['pooling'])}"
        for name in ("max_tokens", "window"):
            yield from not_above_zero(name, getattr(self, name))
        if self.window == 1:
            yield "window: the first token of a window is end-of-text; give 2 or more"
        for name in ("held_out", "development"):
            if not 0 < getattr(self, name) < 1:
                yield f"{name}: a share above 0 and below 1, is {getattr(self, name)}"
        if self.held_out + self.development >= 1:
            yield "held_out and development: together all texts, so nothing is left to learn from; give less"
