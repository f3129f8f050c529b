"""Decoder-only transformer, the base of all architectures: from token ids to logits or to the loss at each position.

An architecture is a subclass in a file of its own and a line in `build.ARCHITECTURES`. It says how hidden states and the
output matrix come about, how a shape becomes a `config.json` of transformers, and the sizes that callers ask for; none of
them knows an architecture by name.
"""

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from textmill.model.architecture.attention import Attend, Heads, Masking
from textmill.model.architecture.cache import Cache
from textmill.model.architecture.cross_entropy import cross_entropy
from textmill.model.architecture.kernels import Choice, Unmade, choose_masking
from textmill.model.architecture.shapes import Shape

STD = 0.02              # of the initial weights (GPT-2)


class Decoder(nn.Module):
    """A decoder-only transformer of the configuration `config`, in the form of transformers."""

    SIGNATURE: ClassVar[dict[str, str]]         # the entries of its `config` that no other architecture has
    LAYERS: ClassVar[str]                       # the key of its `config` for how many layers there are
    CONTEXT: ClassVar[str]                      # and for the positions that it reads at most
    RESIDUAL: ClassVar[tuple[str, ...]]         # suffixes of the matrices whose output is added to the residual stream
    BIASED: ClassVar[bool] = False              # whether attention has biases by distance
    ONE_GRAPH: ClassVar[bool] = True            # whether a compiler can take it whole: no shape inside depends on values

    recompute = False                           # whether training keeps a layer's input alone and computes the rest again

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        self.config = config

    @classmethod
    @abstractmethod
    def configuration(cls, shape: Shape, vocab_size: int, context_length: int, end_of_text: int) -> dict[str, Any]:
        """The `config.json` for transformers of a decoder of this size, SIGNATURE included."""

    @abstractmethod
    def hidden(self, tokens: torch.Tensor, attend: Attend, start: int = 0) -> torch.Tensor:
        """The last layer's output (rows, length, width), normed; tokens (rows, length) stand from position `start` on."""

    @abstractmethod
    def output(self) -> torch.Tensor:
        """The matrix (vocabulary, width) that turns hidden states into logits."""

    @abstractmethod
    def published(self) -> dict[str, torch.Tensor]:
        """The weights under the names and in the layout of transformers."""

    @property
    @abstractmethod
    def decoder_layers(self) -> nn.ModuleList:
        """The layers, in order: attention and MLP each."""

    @property
    @abstractmethod
    def context_length(self) -> int:
        """Positions that it reads at most."""

    @property
    @abstractmethod
    def heads(self) -> Heads:
        """How its attention is divided."""

    @property
    def window(self) -> int | None:
        """How many tokens of its document a token sees, itself among them; None for all before it."""
        return self.config["sliding_window"] if self.config.get("use_sliding_window") else None

    def not_exportable(self) -> str | None:
        """Why transformers has no model that this one would be, in words; None where it has."""
        return None

    @property
    def vocab_size(self) -> int:
        return int(self.config["vocab_size"])

    @property
    def end_of_text(self) -> int:
        return int(self.config["eos_token_id"])

    @property
    def device(self) -> torch.device:
        return self.output().device

    def hidden_matrices(self) -> list[nn.Parameter]:
        """The matrices inside the layers: what Muon updates. Embeddings and the output are not among them."""
        return [weight for weight in self.decoder_layers.parameters() if weight.dim() == 2]

    def masking(self, precision: torch.dtype, length: int) -> Masking:
        """The attention for batches of `length` tokens, as fast as the device has it."""
        return self.choose_masking(precision, length).masking

    def choose_masking(self, precision: torch.dtype, length: int, wanted: str = "auto") -> Choice:
        """The same, by name where one is `wanted`, with the reasons."""
        return choose_masking(self.device, precision, length, self.heads, self.window, self.BIASED, wanted)

    def through(self, layer: nn.Module, *inputs: Any) -> torch.Tensor:
        """The output of a layer; where `recompute` says so, going backward computes it anew (Chen et al. 2016)."""
        if self.recompute and torch.is_grad_enabled():
            output: torch.Tensor = checkpoint(layer, *inputs, use_reentrant=False)
            return output
        result: torch.Tensor = layer(*inputs)
        return result

    def cache(self, rows: int, length: int) -> Cache:
        """An empty cache for decoding `rows` texts of up to `length` tokens side by side."""
        return Cache(len(self.decoder_layers), rows, length, self.window)

    def logits(self, tokens: torch.Tensor, attend: Attend, start: int = 0) -> torch.Tensor:
        """(rows, length, vocabulary), float32."""
        return F.linear(self.hidden(tokens, attend, start), self.output()).float()

    def forward(self, tokens: torch.Tensor, targets: torch.Tensor, attend: Attend | Unmade) -> torch.Tensor:
        """Nats of each target, float32 (rows, length); 0 where there is no target."""
        if isinstance(attend, Unmade):
            attend = attend.kernel.attend(attend.layout)
        hidden = self.hidden(tokens, attend).flatten(0, 1)
        return cross_entropy(hidden, self.output(), targets.flatten()).view(targets.shape)

    def initialise(self, seed: int) -> None:
        """Seeded weights: normal, and zero where a layer adds to the residual stream, so that it starts as the identity.

        Biases are zero, as GPT-2 has them; torch would draw them from its own generator, which the seed does not reach.
        """
        random = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weight in self.named_parameters():
                if name.endswith((*self.RESIDUAL, ".bias")):
                    weight.zero_()
                elif weight.dim() == 2 and weight.requires_grad:
                    weight.normal_(0, STD, generator=random)


def decoder_of(model: nn.Module) -> Decoder:
    """The decoder that `model` is, or has inside where it adds a head of its own (a reward, a value)."""
    return next(module for module in model.modules() if isinstance(module, Decoder))
