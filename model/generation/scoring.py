"""Scores of a given text: what the model would have thought of each of its tokens, had it said them."""

import torch
from torch.nn import functional as F

from textmill.model import ModelError
from textmill.model.data.tokenizer import shared_ids
from textmill.model.generation.answer import TokenScore
from textmill.model.generation.language_model import LanguageModel

PART = 256          # positions whose logits are looked at together


@torch.inference_mode()
def score(model: LanguageModel, text: str, given: str = "", top: int = 0) -> list[TokenScore]:
    """The score of each token of `text` after `given`, with the `top` likeliest at each place.

    The two are read as one text; a token that holds the end of the one and the beginning of the other is scored. ModelError
    where they are longer than the model's context."""
    before, ids = model.ids(given), model.ids(given + text)
    if len(ids) > model.decoder.context_length:
        raise ModelError(f"the text has {len(ids)} tokens and the model reads {model.decoder.context_length}; shorten it")
    shared = shared_ids(before, ids)
    tokens = torch.tensor([ids], device=model.decoder.device)
    hidden = model.decoder.hidden(tokens, model.decoder.cache(1, len(ids)))[0, shared - 1:-1]
    scores = []
    for part, targets in zip(hidden.split(PART), tokens[0, shared:].split(PART), strict=True):
        scores += scores_of(F.linear(part, model.decoder.output()).float().log_softmax(-1), targets, top)
    return scores


def scores_of(logs: torch.Tensor, ids: torch.Tensor, top: int) -> list[TokenScore]:
    """Scores of an id a row by log-probabilities (rows, vocabulary); what it was drawn from is the model itself."""
    entropies = -torch.where(logs > -torch.inf, logs.exp() * logs, 0).double().cumsum(-1)[:, -1]
    best = logs.topk(top)
    columns = zip(ids.tolist(), logs.gather(-1, ids[:, None])[:, 0].tolist(), entropies.tolist(),
                  best.indices.tolist(), best.values.tolist(), strict=True)
    return [TokenScore(number, logprob, logprob, entropy, tuple(zip(top_ids, values, strict=True)))
            for number, logprob, entropy, top_ids, values in columns]
