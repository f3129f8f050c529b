"""Life of a model in figures: its phases from text continuer to assistant, each put to the same tests.

What it forgot (bits per byte of held-out pretraining text), how well it predicts held-out dialogues, how many held-out tasks it
gets right when it takes the likeliest token, draws, or draws several times and chooses, how far its answers are from those of
the phase it is compared with, and what a judge prefers. Guarantee: the same weights give the same figures on a CPU.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch

from textmill.model.architecture.decoder import Decoder
from textmill.model.data.blocks import PackedMixture
from textmill.model.data.tokenizer import open_tokenizer
from textmill.model.device import autocast, precision_of
from textmill.model.evaluation.calibration import Judgement, expected_error, reliability
from textmill.model.generation.language_model import LanguageModel
from textmill.model.judging.judges import by_reward
from textmill.model.judging.verdicts import WinRate, win_rate
from textmill.model.posttraining.comparisons import prompt_ids
from textmill.model.posttraining.restraint import RestrainSettings
from textmill.model.posttraining.reward import RewardModel
from textmill.model.posttraining.rollouts import Drawn, by_model, checked, draw, end_of
from textmill.model.posttraining.rows import batch_of, log_probabilities
from textmill.model.posttraining.start import Start
from textmill.model.posttraining.tasks import Task, generate, has_form
from textmill.model.training.validate import Validation, bits_per_byte, token_bytes

SEED = 1
TEXT = "pretraining text"
SAID = RestrainSettings()               # how not knowing is said
ROWS = 64               # answers that are scored at a time


@dataclass(frozen=True)
class Exam:
    """What every phase is put to; the blocks are of held-out text, the reward model chooses among answers and judges."""

    tasks: Sequence[Task]
    answers: int = 8
    """Drawn for each task, at temperature 1."""
    max_tokens: int = 32
    """Of an answer; one that is cut off is wrong."""
    text: PackedMixture | None = None
    dialogues: PackedMixture | None = None
    blocks: int = 64
    """Held-out blocks, the first ones, of either."""
    reward: RewardModel | None = None


class OfKind(NamedTuple):
    """Shares of the tasks of a kind: right by the likeliest tokens, right as drawn, right as chosen, and in the right form."""

    greedy: float
    drawn: float
    chosen: float | None
    form: float


@dataclass(frozen=True)
class Phase:
    """A phase's figures; what nothing was given to measure by is None, or left out."""

    name: str
    checkpoint: str
    bits: dict[str, float]
    """Bits per byte of held-out text: pretraining text, and each entry of the dialogues' mixture, of what is learned there."""
    kinds: dict[str, OfKind]
    tokens: float
    """Mean length of a drawn answer."""
    kl: float
    """Nats a token that its drawn answers are away from the phase compared with."""
    calibration: float
    """Expected calibration error of the probability of an answer by the likeliest tokens."""
    refused: float
    """Share of the tasks that it says it does not know."""
    answers: list[str] = field(default_factory=list)
    """By the likeliest tokens, to each task."""
    win: WinRate | None = None
    """Over the phase compared with, by the judge."""

    def mean(self, what: str) -> float | None:
        """A share over all kinds, each kind the same."""
        values = [getattr(each, what) for each in self.kinds.values()]
        return None if None in values else sum(values) / len(values)


def tasks_of(kinds: Sequence[str], count: int) -> list[Task]:
    """`count` held-out tasks of each kind."""
    return [task for kind in kinds for task in generate(count, SEED, held_out=True, kinds=(kind,))]


def life(starts: Mapping[str, Start], exam: Exam, against: str, device: torch.device) -> list[Phase]:
    """The figures of all phases, in their order; the one named `against` is what distances and wins are taken from."""
    compared = starts[against].model(device).eval()
    phases = {name: measure(name, start, exam, compared, device) for name, start in starts.items()}
    return [phase if name == against else replace(phase, win=judged_against(phase, phases[against], exam, starts[name]))
            for name, phase in phases.items()]


def measure(name: str, start: Start, exam: Exam, compared: Decoder, device: torch.device) -> Phase:
    """The figures of a phase. ModelError where the blocks are of another tokenizer."""
    model = start.model(device).eval()
    bits = {} if exam.text is None else {TEXT: _bits(model, exam.text, start, exam.blocks).value}
    bits |= {} if exam.dialogues is None else _bits(model, exam.dialogues, start, exam.blocks).entries
    speaker = LanguageModel(model, open_tokenizer(start.home, model.vocab_size), start.checkpoint)
    prompts = [prompt_ids([{"role": "user", "content": task.prompt}], start.encoder, task.prompt) for task in exam.tasks]
    greedy, drawn = (draw(speaker, exam.tasks, prompts, count, exam.max_tokens, temperature, SEED, end_of(start.encoder))
                     for count, temperature in ((1, 0.0), (exam.answers, 1.0)))
    right, drawn_right = checked(greedy), checked(drawn).view(len(exam.tasks), -1)
    chosen = None if exam.reward is None else drawn_right.gather(
        1, by_model(exam.reward, start.encoder)(drawn).view(len(exam.tasks), -1).argmax(1, keepdim=True))[:, 0]
    kinds = {}
    for kind in dict.fromkeys(task.kind for task in exam.tasks):
        of_kind = torch.tensor([task.kind == kind for task in exam.tasks])
        formed = [each.ended and has_form(each.task, each.text) for each in drawn if each.task.kind == kind]
        kinds[kind] = OfKind(float(right[of_kind].mean()), float(drawn_right[of_kind].mean()),
                             None if chosen is None else float(chosen[of_kind].mean()), sum(formed) / len(formed))
    confidence = _log_probabilities(model, greedy).exp().tolist()
    judged = [Judgement(min(1.0, share), bool(is_right)) for share, is_right in zip(confidence, right, strict=True)]
    tokens = sum(len(each.row.answer) for each in drawn)
    kl = float((_log_probabilities(model, drawn) - _log_probabilities(compared, drawn)).sum()) / tokens
    return Phase(name, str(start.checkpoint), bits, kinds, tokens / len(drawn), kl,
                 expected_error(reliability(judged)), sum(SAID.refuses(each.text) for each in greedy) / len(greedy),
                 [each.text for each in greedy])


def judged_against(phase: Phase, other: Phase, exam: Exam, start: Start) -> WinRate | None:
    """How often the judge prefers a phase's answers to another's; None without a judge."""
    if exam.reward is None:
        return None
    # The judge reads what was said; where nothing was, it reads that.
    ours, theirs = ([text or "…" for text in each.answers] for each in (phase, other))
    return win_rate([task.prompt for task in exam.tasks], ours, theirs, by_reward(exam.reward, start.encoder))


@torch.no_grad()
def _log_probabilities(model: Decoder, drawn: Sequence[Drawn]) -> torch.Tensor:
    """Of each whole answer, float32 (answers,)."""
    found = []
    for first in range(0, len(drawn), ROWS):
        batch = batch_of([each.row for each in drawn[first:first + ROWS]], 0).to(model.device)
        with autocast(model.device, precision_of(model.device)):
            found.append(log_probabilities(model, batch).sum(1).float().cpu())
    return torch.cat(found)


def _bits(model: Decoder, mixture: PackedMixture, start: Start, blocks: int) -> Validation:
    """Bits per byte of the first held-out blocks."""
    start.check_blocks(mixture)
    precision, sizes = precision_of(model.device), token_bytes(mixture.tokenizer, mixture.train.vocab_size)
    return bits_per_byte(model, mixture.validation.in_order(1, blocks), model.masking(precision, mixture.train.length), sizes,
                         model.device, precision, mixture.train.shares)
