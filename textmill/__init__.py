"""textmill in Python: open what a run wrote, and use the model that was trained on it.

>>> import textmill
>>> textmill.open_dataset("data/curated").to_pandas()           # doctest: +SKIP

`open_dataset` opens the tables, `load_blocks` packed blocks as torch tensors, `load_tokenizer` a tokenizer, `load_model` a
trained model, and `generate` continues a prompt by it. What is wrong with a path or an argument is a TextmillError, whose
text is one sentence with the cure. Importing textmill loads none of the libraries behind these: each is loaded at first use.
"""

from typing import TYPE_CHECKING, Any

from textmill.base.errors import TextmillError

if TYPE_CHECKING:
    from textmill.api.blocks import load_blocks
    from textmill.api.dataset import Dataset, open_dataset
    from textmill.api.model import generate, load_model
    from textmill.api.tokenizer import load_tokenizer

__version__ = "0.1.0"
__all__ = ["Dataset", "TextmillError", "__version__", "generate", "load_blocks", "load_model", "load_tokenizer", "open_dataset"]

_MODULES = {"Dataset": "dataset", "open_dataset": "dataset", "load_blocks": "blocks", "load_tokenizer": "tokenizer",
            "load_model": "model", "generate": "model"}


def __getattr__(name: str) -> Any:
    """A public name, at its first use."""
    if name not in _MODULES:
        raise AttributeError(f"module 'textmill' has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"textmill.api.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
