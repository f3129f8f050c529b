"""Scores of a prompt: what the model would have thought of each of its tokens, for clients that rate given texts."""

import math
from collections.abc import Sequence

import torch
from torch.nn import functional as F

from textmill.model.generation.answer import TokenScore
from textmill.model.generation.language_model import LanguageModel
from textmill.model.generation.scoring import PART, scores_of


@torch.inference_mode()
def prompt_scores(model: LanguageModel, ids: Sequence[int], top: int) -> list[TokenScore]:
    """Of each id but an end-of-text at the beginning; one that stands first has no probability (NaN)."""
    begins = ids[0] == model.decoder.end_of_text
    scores = [] if begins else [TokenScore(ids[0], math.nan, math.nan, math.nan, ())]
    if len(ids) == 1:
        return scores
    tokens = torch.tensor([ids], device=model.decoder.device)
    hidden = model.decoder.hidden(tokens, model.decoder.cache(1, len(ids)))[0, :-1]
    for part, targets in zip(hidden.split(PART), tokens[0, 1:].split(PART), strict=True):
        scores += scores_of(F.linear(part, model.decoder.output()).float().log_softmax(-1), targets, top)
    return scores
