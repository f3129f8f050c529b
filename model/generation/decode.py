"""Decoding: token after token with a key-value cache, several continuations of one prompt side by side.

Each continuation draws from a generator of its own, on the CPU, so the third is the same whether three or ten are asked for.
"""

from collections.abc import Collection

import torch

from textmill.model import ModelError
from textmill.model.architecture.decoder import Decoder
from textmill.model.generation.sampling import SamplingSettings, next_token


@torch.no_grad()
def decode(model: Decoder, prompt: list[int], count: int, tokens: int, settings: SamplingSettings,
           ends: Collection[int] = ()) -> list[list[int]]:
    """Token ids after `prompt`, `count` times, each up to `tokens`, the end of the context, or an id that ends a text.

    Those are end-of-text and `ends`, and they are left out.
    ModelError where the prompt fills the context.
    """
    if len(prompt) >= model.context_length:
        raise ModelError(f"the prompt has {len(prompt)} tokens and the model reads {model.context_length}; shorten it")
    length = min(model.context_length, len(prompt) + tokens)
    generators = [torch.Generator().manual_seed(settings.seed + n) for n in range(count)]
    cache = model.cache(count, length)
    unread = torch.tensor([prompt] * count, device=model.device)
    ends = {model.end_of_text, *ends}
    rows: list[list[int]] = [[] for _ in range(count)]
    running = [True] * count
    while any(running) and len(prompt) + max(map(len, rows)) < length:
        logits = model.logits(unread, cache, cache.position)[:, -1].cpu()
        cache.position += unread.shape[1]
        drawn = [next_token(row, settings, generator) for row, generator in zip(logits, generators, strict=True)]
        for n, token in enumerate(drawn):
            running[n] = running[n] and token not in ends
            if running[n]:
                rows[n].append(token)
        unread = torch.tensor(drawn, device=model.device)[:, None]
    return rows
