"""Continue a prompt: the same model, prompt, settings and seed give the same text.

Each of several samples draws from a generator of its own, on the CPU, so sample 3 is the same whether two or ten are
asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from textmill.model import ModelError
from textmill.model.architecture.attention import Cache
from textmill.model.architecture.qwen3 import Decoder
from textmill.model.training.checkpoint import latest, load_model


@dataclass(frozen=True)
class Draw:
    """How a token is drawn; temperature 0 takes the likeliest, None leaves a limit off."""

    temperature: float = 0.8
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 1

    def problems(self) -> Iterator[str]:
        if not 0 <= self.temperature < float("inf"):
            yield f"temperature must be 0 or more, is {self.temperature}"
        if self.top_k is not None and self.top_k < 1:
            yield f"top_k must be 1 or more, is {self.top_k}"
        if self.top_p is not None and not 0 < self.top_p <= 1:
            yield f"top_p must be above 0 and at most 1, is {self.top_p}"


def sample(run: str | Path, prompt: str, count: int, tokens: int, draw: Draw, device: torch.device) -> list[str]:
    """`count` texts that begin with the prompt, each of at most `tokens` tokens more. ModelError where that cannot be."""
    problems = [*draw.problems(), *(["count and tokens must be 1 or more"] if min(count, tokens) < 1 else [])]
    if problems:
        raise ModelError("; ".join(problems))
    checkpoint = latest(Path(run))
    if checkpoint is None:
        raise ModelError(f"there is no checkpoint in {run}; train first, or name another folder with --run")
    model = load_model(checkpoint, device).eval()
    try:
        tokenizer = Tokenizer.from_file(str(Path(run) / "tokenizer.json"))
    except Exception as error:                                  # the library raises bare Exception
        raise ModelError(f"{run}/tokenizer.json cannot be read ({error}); copy it from the blocks") from None
    start = [model.config["eos_token_id"], *tokenizer.encode(prompt, add_special_tokens=False).ids]
    continued = generate(model, start, count, tokens, draw)
    return [tokenizer.decode(start[1:] + ids) for ids in continued]


@torch.no_grad()
def generate(model: Decoder, start: list[int], count: int, tokens: int, draw: Draw) -> list[list[int]]:
    """Token ids after `start`, `count` times, each up to end-of-text (left out), `tokens`, or the end of the context."""
    room = model.config.get("max_position_embeddings") or model.config["n_positions"]
    if len(start) >= room:
        raise ModelError(f"the prompt has {len(start)} tokens and the model reads {room}; shorten it")
    device = next(model.parameters()).device
    layers = model.config.get("num_hidden_layers") or model.config["n_layer"]
    end, length = model.config["eos_token_id"], min(room, len(start) + tokens)
    randoms = [torch.Generator().manual_seed(draw.seed + n) for n in range(count)]
    cache = Cache(layers, count, length)
    given = torch.tensor([start] * count, device=device)
    rows: list[list[int]] = [[] for _ in range(count)]
    running = [True] * count
    while any(running) and len(start) + max(map(len, rows)) < length:
        logits = model.logits(given, cache, cache.position)[:, -1].cpu()
        cache.position += given.shape[1]
        chosen = [next_token(row, draw, random) for row, random in zip(logits, randoms, strict=True)]
        for n, token in enumerate(chosen):
            running[n] = running[n] and token != end
            if running[n]:
                rows[n].append(token)
        given = torch.tensor(chosen, device=device)[:, None]
    return rows


def next_token(logits: torch.Tensor, draw: Draw, random: torch.Generator) -> int:
    """One id from logits (vocabulary,): temperature first, then the top k, then the likeliest that reach p together."""
    if draw.temperature == 0:
        return int(logits.argmax())
    ordered, ids = (logits / draw.temperature).sort(descending=True, stable=True)
    chances = ordered[:draw.top_k].softmax(-1)
    if draw.top_p is not None:
        chances = chances * (chances.cumsum(-1) - chances < draw.top_p)        # the one that crosses p stays
    return int(ids[torch.multinomial(chances, 1, generator=random)])
