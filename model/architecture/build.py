"""Architectures by name, and a decoder from its configuration.

To add an architecture: write `architecture/<name>.py` with a subclass of Decoder, and put a line into ARCHITECTURES.
"""

from typing import Any

from textmill.model import ModelError
from textmill.model.architecture.alibi import AlibiGPT2
from textmill.model.architecture.decoder import Decoder
from textmill.model.architecture.gpt2 import GPT2, SinusoidalGPT2
from textmill.model.architecture.qwen3 import Qwen3
from textmill.model.architecture.qwen3_moe import Qwen3Moe
from textmill.model.architecture.relative import RelativeGPT2

ARCHITECTURES: dict[str, type[Decoder]] = {
    "qwen3": Qwen3, "qwen3-moe": Qwen3Moe,
    "gpt2": GPT2, "gpt2-sinusoidal": SinusoidalGPT2, "gpt2-relative": RelativeGPT2, "gpt2-alibi": AlibiGPT2}


def build(config: dict[str, Any]) -> Decoder:
    """An untrained decoder of this `config.json`. ModelError where it is of no architecture known here, or too large."""
    known = [architecture for architecture in ARCHITECTURES.values() if architecture.SIGNATURE.items() <= config.items()]
    if known:       # the most particular one: a variant's signature may hold all of the plain one's
        architecture = max(known, key=lambda architecture: len(architecture.SIGNATURE))
        bounds = {architecture.LAYERS: 512, architecture.CONTEXT: 1 << 17, "num_experts": 1 << 10}
        for key, value in config.items():
            if isinstance(value, int) and value > bounds.get(key, 1 << 24):
                raise ModelError(f"{key} is {value}, and at most {bounds.get(key, 1 << 24)} can be; copy the checkpoint again")
        window = config.get("sliding_window", 1)
        if type(window) is not int or window < 1:
            raise ModelError(f"sliding_window is {window!r}, and must be 1 or more; copy the checkpoint again")
        return architecture(config)
    raise ModelError(f"the model type {config.get('model_type')!r} is not one of {', '.join(ARCHITECTURES)}; update textmill")
