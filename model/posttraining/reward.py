"""Reward model: the decoder with a scalar head on an answer's last token, trained on comparisons (Ouyang et al. 2022).

A ranking of k answers counts as its k·(k−1)/2 pairs, which weigh together as much as one pair does. What it is known by is the
share of held-out pairs that it ranks right; beside stand its loss, how far its chances are from the shares that come true, and
how much it goes by length.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from textmill.base.blocks_format import NO_TARGET
from textmill.base.errors import first_line
from textmill.model import ModelError
from textmill.model.architecture.attention import by_document
from textmill.model.architecture.build import build
from textmill.model.architecture.decoder import Decoder
from textmill.model.data.batch import Batch
from textmill.model.data.tokenizer import open_tokenizer
from textmill.model.device import autocast, precision_of
from textmill.model.posttraining.comparisons import read_comparisons
from textmill.model.posttraining.losses import bradley_terry
from textmill.model.posttraining.pairs import Pairs, in_order, of_step, ranked_right
from textmill.model.posttraining.settings import RewardSettings
from textmill.model.posttraining.start import Start, start_from
from textmill.model.training.checkpoint_files import CONFIG, WEIGHTS
from textmill.model.training.run import Run
from textmill.model.training.settings import in_steps
from textmill.model.training.validate import Validation

BINS = 10               # of chances, to compare with what comes true


class RewardModel(nn.Module):
    """A decoder and a scalar head; before training every answer is worth 0."""

    def __init__(self, decoder: Decoder):
        super().__init__()
        self.decoder = decoder
        self.score = nn.Linear(decoder.output().shape[1], 1, bias=False)
        nn.init.zeros_(self.score.weight)

    def forward(self, rows: Batch) -> torch.Tensor:
        """The reward of each row, float32 (rows,)."""
        hidden = self.decoder.hidden(rows.tokens, by_document(rows, self.decoder.window))
        return self.score(hidden[torch.arange(len(hidden), device=hidden.device), last_tokens(rows.targets)])[:, 0].float()


def last_tokens(targets: torch.Tensor) -> torch.Tensor:
    """The place of the last token of each row's answer: one after that of its last target."""
    places = torch.arange(targets.shape[1], device=targets.device)
    return torch.where(targets == NO_TARGET, -1, places).amax(1) + 1


def train_reward(start: str | Path, comparisons: Path, home: str | Path, settings: RewardSettings, device: torch.device,
                 replace_run: bool = False) -> str:
    """Train in the folder `home`, or go on there; the summary line."""
    begin = start_from(start)
    model = RewardModel(begin.model(torch.device("cpu"))).to(device)
    data = read_comparisons(comparisons, begin.encoder, model.decoder.context_length, settings.held_out)
    settings = in_steps(settings, len(data.learned))
    run = Run(Path(home), settings, {"comparisons": data.sha256, "starting weights": begin.sha256}, verb="reward",
              unit="of pairs ranked right", replace_run=replace_run, better="higher")
    if run.finished:
        return run.summary()
    pad = begin.encoder.end_of_text

    def batches(step: int) -> list[Pairs]:
        return of_step(data.learned, step, settings, pad)

    def loss(model: RewardModel, pairs: Pairs) -> torch.Tensor:
        return (pairs.weights * bradley_terry(*pairs.apart(model(pairs.rows)), pairs.margins)).sum()

    about = f"reward model of {begin.checkpoint}, {data.words}"
    held_out = in_order(data.held_out, settings.batch, pad)
    return run.train(model, loss, batches, lambda: judged(model, held_out), about, begin.home)


@torch.no_grad()
def judged(model: RewardModel, held_out: Sequence[Pairs]) -> Validation:
    """What a reward model makes of pairs: share ranked right (a tie is half), loss, calibration error, bias by length."""
    device, margins, longer = model.score.weight.device, [], []
    precision = precision_of(device)
    for pairs in held_out:
        on_device = pairs.to(device)
        with autocast(device, precision):
            better, worse = on_device.apart(model(on_device.rows))
        margins.append((better - worse).float().cpu())
        first, second = pairs.apart((pairs.rows.targets != NO_TARGET).sum(1))
        longer.append((first - second).sign())
    margin, length, weights = torch.cat(margins), torch.cat(longer), torch.cat([pairs.weights for pairs in held_out])
    return Validation(ranked_right(margin, weights), {
        "loss": float(-(F.logsigmoid(margin) * weights).sum() / weights.sum()), "calibration error": calibration_error(margin),
        "longer ranked higher": float((margin.sign() * length > 0).float().mean())})


def calibration_error(margins: torch.Tensor) -> float:
    """Expected calibration error (Guo et al. 2017) of the chance σ(|margin|) that the ranking is right."""
    chances, right = torch.sigmoid(margins.abs()).numpy(), (margins > 0).numpy()
    bins = np.minimum((2 * chances - 1) * BINS, BINS - 1).astype(int)
    return float(sum((bins == each).mean() * abs(chances[bins == each].mean() - right[bins == each].mean())
                     for each in np.unique(bins)))


def open_reward(run: str | Path, device: torch.device) -> tuple[RewardModel, Start]:
    """The reward model of a run, or of a checkpoint, and where it is from. ModelError where its vocabulary is another one."""
    begin = start_from(run)
    model = load_reward(begin.checkpoint, device)
    open_tokenizer(begin.home, model.decoder.vocab_size)
    return model, begin


def load_reward(checkpoint: Path, device: torch.device) -> RewardModel:
    """The reward model of a checkpoint. ModelError where it is none."""
    try:
        weights = load_file(checkpoint / WEIGHTS)
        if "score.weight" not in weights:
            raise ValueError("it gives text and no rewards")
        model = RewardModel(build(json.loads((checkpoint / CONFIG).read_text("utf-8"))))
        model.load_state_dict(weights)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise ModelError(f"{checkpoint} holds no reward model ({first_line(error)}); train one with `textmill reward`"
                         ) from None
    return model.to(device).eval()
