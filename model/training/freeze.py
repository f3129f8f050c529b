"""Frozen parts of a model: named weights that training leaves as they are."""

import re
from collections.abc import Iterator, Sequence

from torch import nn

from textmill.model import ModelError
from textmill.model.architecture.decoder import Decoder

PART = re.compile(r"embedding|head|layers\.(\d{1,4})(?:-(\d{1,4}))?")


def freeze_problems(parts: Sequence[str], layers: int) -> Iterator[str]:
    """What is wrong with these names of parts for a model of so many layers."""
    for part in parts:
        if not (found := PART.fullmatch(part)):
            yield f"freeze: {part!r} is no part; give embedding, head, layers.0 or layers.0-3"
        elif found[1] and not int(found[1]) <= int(found[2] or found[1]) < layers:
            yield f"freeze: there is no {part}; the layers are 0 to {layers - 1}"


def freeze(model: Decoder, parts: Sequence[str]) -> None:
    """Freeze these parts. ModelError where nothing is left to train.

    The embedding is what is looked up by id or position; the head is the output matrix, which the embedding may be.
    """
    for part in parts:
        for weight in weights_of(model, part):
            weight.requires_grad_(False)
    if not any(weight.requires_grad for weight in model.parameters()):
        raise ModelError(f"freeze: {', '.join(parts)} are all of the model, so nothing is left to train; name less")


def weights_of(model: Decoder, part: str) -> list[nn.Parameter]:
    """The weights of a part."""
    head = model.output()
    if part == "head":
        return [weight for weight in model.parameters() if weight is head]
    if part == "embedding":
        tied = model.config["tie_word_embeddings"]
        inside = {id(weight) for weight in model.decoder_layers.parameters()}
        return [weight for weight in model.parameters()
                if weight.dim() == 2 and id(weight) not in inside and (tied or weight is not head)]
    found = PART.fullmatch(part)
    assert found and found[1]
    layers = model.decoder_layers[int(found[1]):int(found[2] or found[1]) + 1]
    return [weight for layer in layers for weight in layer.parameters()]
