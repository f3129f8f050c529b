"""Linear head over the pooled hidden states of a decoder (feature-based transfer: Devlin et al. 2019, section 5.3).

A text is read in windows that each begin with end-of-text; its features are the mean of all its tokens' hidden states, or of
those of each window's last token, windows weighed by their tokens. Guarantee of `features_of`: a text's features depend on
nothing but the text: each window is a pass of its own, in float32, on one thread of a CPU.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn

from textmill.base.blocks_format import NO_TARGET
from textmill.model.architecture.attention import by_document
from textmill.model.architecture.decoder import Decoder
from textmill.model.data.batch import Batch
from textmill.model.data.tokenizer import document_ids

CHARACTERS = 16         # of a text are encoded for each token that is read: encoding takes time quadratic in a word's length


@dataclass(frozen=True)
class Texts:
    """Texts as rows: a window each, padded at its end."""

    rows: Batch
    weights: torch.Tensor           # float32 (rows, length): of each hidden state in its text's features
    owners: torch.Tensor            # int64 (rows,): the text of each row
    labels: torch.Tensor            # (texts,)

    @property
    def target_count(self) -> int:
        return len(self.labels)

    @property
    def token_count(self) -> int:
        return self.rows.token_count

    def to(self, device: torch.device) -> "Texts":
        return Texts(self.rows.to(device), self.weights.to(device), self.owners.to(device), self.labels.to(device))


class HeadModel(nn.Module):
    """A decoder and a linear head: a logit for each class, or a score; all 0 before anything is fitted."""

    def __init__(self, decoder: Decoder, outputs: int):
        super().__init__()
        self.decoder = decoder
        self.head = nn.Linear(decoder.output().shape[1], outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def features(self, texts: Texts) -> torch.Tensor:
        """Pooled hidden states, float32 (texts, width)."""
        hidden = self.decoder.hidden(texts.rows.tokens, by_document(texts.rows, self.decoder.window)).float()
        pooled = (hidden * texts.weights[..., None]).sum(1)
        return pooled.new_zeros(len(texts.labels), pooled.shape[1]).index_add(0, texts.owners, pooled)

    def forward(self, texts: Texts) -> torch.Tensor:
        """Float32 (texts, outputs)."""
        return self.head(self.features(texts)).float()


def read_ids(tokenizer: Tokenizer, text: str, end_of_text: int, longest: int) -> tuple[int, ...]:
    """The first `longest` ids of a text, without end-of-text."""
    return tuple(document_ids(tokenizer, text[:longest * CHARACTERS], end_of_text)[1:longest + 1])


def texts_of(ids: Sequence[Sequence[int]], labels: torch.Tensor, window: int, pooling: str, end_of_text: int) -> Texts:
    """These texts as one batch; `window` counts end-of-text."""
    windows = [(owner, part) for owner, each in enumerate(ids) for part in windows_of(each, window)]
    length = 1 + max(len(part) for _, part in windows)
    tokens, weights = np.full((len(windows), length), end_of_text, np.int64), np.zeros((len(windows), length), np.float32)
    lengths: list[int] = []
    for row, (owner, part) in enumerate(windows):
        used, all_tokens = 1 + len(part), max(1, len(ids[owner]))
        tokens[row, 1:used] = part
        if pooling == "last" or not part:
            weights[row, used - 1] = max(1, len(part)) / all_tokens
        else:
            weights[row, 1:used] = 1 / all_tokens           # end-of-text says nothing of a text
        lengths += [used, length - used] if used < length else [used]
    targets = torch.full(tokens.shape, NO_TARGET)
    batch = Batch(torch.from_numpy(tokens), targets, tuple(lengths), ("",) * len(windows), 0)
    return Texts(batch, torch.from_numpy(weights), torch.tensor([owner for owner, _ in windows]), labels)


def windows_of(ids: Sequence[int], window: int) -> list[Sequence[int]]:
    """The ids in stretches that fit a window after end-of-text; of an empty text one empty stretch."""
    return [ids[start:start + window - 1] for start in range(0, len(ids), window - 1)] or [ids]


@torch.inference_mode()
def features_of(model: HeadModel, ids: Sequence[int], window: int, pooling: str) -> torch.Tensor:
    """The features of one text, float32 (width,)."""
    none, end = torch.zeros(1), model.decoder.end_of_text
    parts = windows_of(ids, window)
    total = torch.zeros(model.head.in_features, device=model.decoder.device)
    for part in parts:
        rows = texts_of([part], none, window, pooling, end).to(model.decoder.device)
        total += model.features(rows)[0] * (max(1, len(part)) / max(1, len(ids)))
    return total


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread, so that the order of its sums, and with it the last bits, do not depend on the machine's cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
