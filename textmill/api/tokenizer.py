"""A trained tokenizer, opened as what it is in Hugging Face's tokenizers."""

from pathlib import Path

from tokenizers import Tokenizer

from textmill.base.blocks_format import TOKENIZER_FILES
from textmill.base.errors import TextmillError
from textmill.pipelines.contract.storage import Folder
from textmill.tokenizer.bpe import TokenizerError
from textmill.tokenizer.encoder import read_tokenizer


def load_tokenizer(path: str | Path) -> Tokenizer:
    """The tokenizer in a folder that has a tokenizer.json, or in such a file: a path, `s3://…` or `gs://…`.

    Folders of tokenizers, of blocks and of a model's run have one. It gives the ids that are in the datasets: text is encoded
    as ordinary bytes throughout, so `<|endoftext|>` in a text is 13 characters and never the id that separates documents
    (`encode_special_tokens`; set it to False for the opposite). Raises TextmillError where there is none or it is damaged.

    >>> tokenizer = textmill.load_tokenizer("data/tokenizers/demo-8k")      # doctest: +SKIP
    >>> ids = tokenizer.encode("The river").ids                             # doctest: +SKIP
    >>> tokenizer.decode(ids)                                               # doctest: +SKIP
    'The river'
    """
    name = TOKENIZER_FILES[0]
    uri = str(path).removesuffix(f"/{name}")
    try:
        return read_tokenizer(Folder(uri).read(name).decode())
    except (FileNotFoundError, NotADirectoryError):
        raise TextmillError(f"there is no {name} in {uri}; check the path, or train one with `textmill tokenizer`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise TextmillError(f"{uri}/{name} cannot be read ({error}); copy it again, or train it again") from None
    except TokenizerError as error:
        raise TextmillError(f"{uri}: {error}") from None
