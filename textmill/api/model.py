"""A trained model, and texts by it."""

from pathlib import Path
from typing import TYPE_CHECKING, overload

from textmill.base.extras import needing

if TYPE_CHECKING:
    from textmill.model.generation.language_model import LanguageModel


def load_model(run: str | Path, device: str = "auto") -> "LanguageModel":
    """The model of a run's latest checkpoint, with its tokenizer.

    `device`: cuda, mps or cpu; auto is the first of these that there is. The model's `decoder` is a torch module:
    `decoder.logits(tokens, decoder.cache(rows, length))` gives float32 (rows, length, vocabulary) for int64 `tokens`
    (rows, length). Its `tokenizer` is one of Hugging Face's tokenizers. Raises TextmillError where there is no checkpoint or
    no tokenizer, one of them is damaged, or torch is not installed.

    >>> model = textmill.load_model("data/checkpoints/demo")                # doctest: +SKIP
    """
    with needing("textmill.load_model", "textmill[model]"):
        from textmill.model.device import choose_device
        from textmill.model.generation.language_model import LanguageModel
    return LanguageModel.load(run, choose_device(device))


@overload
def generate(model: "LanguageModel", prompt: str = "", *, tokens: int = ..., temperature: float = ..., top_k: int | None = ...,
             top_p: float | None = ..., seed: int = ...) -> str: ...
@overload
def generate(model: "LanguageModel", prompt: str = "", *, count: int, tokens: int = ..., temperature: float = ...,
             top_k: int | None = ..., top_p: float | None = ..., seed: int = ...) -> list[str]: ...
def generate(model: "LanguageModel", prompt: str = "", *, count: int | None = None, tokens: int = 100,
             temperature: float = 0.8, top_k: int | None = None, top_p: float | None = None,
             seed: int = 1) -> str | list[str]:
    """A text that begins with the prompt, or a list of `count` of them, each of at most `tokens` tokens more.

    A text ends earlier at end-of-text and where the model's context is full. `temperature` 0 takes the likeliest token;
    `top_k` and `top_p` leave the rest out of the draw. The same arguments give the same text. Raises TextmillError where an
    argument cannot be, or the prompt fills the context.

    >>> textmill.generate(model, "The river", tokens=40)                    # doctest: +SKIP
    """
    with needing("textmill.generate", "textmill[model]"):
        from textmill.model.generation.sample import continuations
        from textmill.model.generation.sampling import SamplingSettings
    texts = continuations(model, prompt, 1 if count is None else count, tokens,
                          SamplingSettings(temperature, top_k, top_p, seed))
    return texts[0] if count is None else texts
