"""Direct preference optimisation: a model moved towards chosen answers and held by the one it starts from.

DPO (Rafailov et al. 2023) and IPO (Azar et al. 2023). The reference's log-probabilities are computed once, before the first
update. What it is known by is the share of held-out pairs whose implicit reward ranks them right.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from textmill.base.blocks_format import NO_TARGET
from textmill.model.architecture.decoder import Decoder
from textmill.model.device import autocast, precision_of
from textmill.model.posttraining.comparisons import read_comparisons
from textmill.model.posttraining.losses import dpo, ipo
from textmill.model.posttraining.pairs import Pairs, in_order, of_step, ranked_right
from textmill.model.posttraining.rows import log_probabilities
from textmill.model.posttraining.settings import PreferSettings
from textmill.model.posttraining.start import start_from
from textmill.model.training.run import Run
from textmill.model.training.settings import in_steps
from textmill.model.training.validate import Validation


def train_prefer(start: str | Path, comparisons: Path, home: str | Path, settings: PreferSettings, device: torch.device,
                 replace_run: bool = False) -> str:
    """Train in the folder `home`, or go on there; the summary line."""
    begin = start_from(start)
    model = begin.model(device)
    data = read_comparisons(comparisons, begin.encoder, model.context_length, settings.held_out)
    settings = in_steps(settings, len(data.learned))
    run = Run(Path(home), settings, {"comparisons": data.sha256, "starting weights": begin.sha256}, verb="prefer",
              unit="of pairs ranked right", replace_run=replace_run, better="higher")
    if run.finished:
        return run.summary()
    pad, per_token = begin.encoder.end_of_text, settings.per_token or settings.method == "ipo"
    held_out = in_order(data.held_out, settings.batch, pad)
    reference = [reference_of(model, in_order(side, settings.batch, pad), per_token) for side in (data.learned, data.held_out)]

    def batches(step: int) -> list[Pairs]:
        return of_step(data.learned, step, settings, pad)

    def ratios(policy: Decoder, pairs: Pairs, of: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        now = answer_log_probabilities(policy, pairs, per_token)
        return pairs.apart(now - of.to(now.device)[pairs.answers])

    def loss(policy: Decoder, pairs: Pairs) -> torch.Tensor:
        chosen, rejected = ratios(policy, pairs, reference[0])
        if settings.method == "ipo":
            return (pairs.weights * ipo(chosen, rejected, settings.beta)).sum()
        return (pairs.weights * dpo(chosen, rejected, settings.beta, settings.smoothing)).sum()

    @torch.no_grad()
    def validate() -> Validation:
        precision = precision_of(device)
        with autocast(device, precision):
            both = [ratios(model, pairs.to(device), reference[1]) for pairs in held_out]
        chosen, rejected = (torch.cat(each).float().cpu() for each in zip(*both, strict=True))
        weights = torch.cat([pairs.weights for pairs in held_out])
        return Validation(ranked_right(chosen - rejected, weights),
                          {"chosen": float(chosen.mean()), "rejected": float(rejected.mean())})

    about = f"{settings.method} from {begin.checkpoint}, {data.words}"
    return run.train(model, loss, batches, validate, about, begin.home)


def answer_log_probabilities(model: Decoder, pairs: Pairs, per_token: bool) -> torch.Tensor:
    """Of each row's whole answer, or its mean per token, float32 (rows,)."""
    sums = log_probabilities(model, pairs.rows).sum(1)
    return sums / (pairs.rows.targets != NO_TARGET).sum(1) if per_token else sums


@torch.no_grad()
def reference_of(model: Decoder, comparisons: Sequence[Pairs], per_token: bool) -> torch.Tensor:
    """The same by the model that training starts from, for all answers by their numbers, float32 (answers,)."""
    precision, answers = precision_of(model.device), torch.cat([pairs.answers for pairs in comparisons])
    with autocast(model.device, precision):
        values = torch.cat([answer_log_probabilities(model, pairs.to(model.device), per_token).cpu() for pairs in comparisons])
    return torch.empty_like(values).scatter_(0, answers, values)
