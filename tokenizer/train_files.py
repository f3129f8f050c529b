"""TokenizerSettings from text files, without the rest of the mill."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa

from textmill.tokenizer.bpe import TokenizerError
from textmill.tokenizer.encoder import Encoder, compression
from textmill.tokenizer.settings import TokenizerSettings
from textmill.tokenizer.texts import kind, read_texts
from textmill.tokenizer.training import chosen, train, write_tokenizer


def train_files(files: Sequence[Path], folder: Path, training: TokenizerSettings, column: str) -> str:
    """Train on `files` and write `folder`; the summary line, with size and compression.

    The files are read twice: once to count their bytes, then to learn from the texts that `chosen` takes by the hash
    of the text. So their order does not matter, and memory does not grow with them.
    """
    if problems := list(training.problems()):
        raise TokenizerError("\n".join(problems))
    for path in files:
        kind(path)
        if not path.is_file():
            raise TokenizerError(f"{path}: there is no such file; check the path")
    found = sum(len(text.encode()) for path in files for batch in read_texts(path, column) for text in batch)
    if not found:
        raise TokenizerError("the files hold no text; check them and --text-column")
    share = min(1.0, training.sample_bytes / found)
    text = train(_sample(files, column, share), training)
    encoder = Encoder(text)
    first = pa.array(next((batch for batch in _sample(files, column, share) if batch), []), pa.string())
    if not len(first):
        raise TokenizerError("--sample-bytes is so small that it takes no text; raise it")
    write_tokenizer(folder, text)
    measured = compression(first, ["und"] * len(first), encoder.encode(first)).to_pylist()[0]
    return (f"{folder / 'tokenizer.json'}: {encoder.vocab_size:,} tokens from {found * share / 1e6:,.1f} of "
            f"{found / 1e6:,.1f} MB of text; {measured['bytes_per_token']:.2f} bytes per token on its first texts")


def _sample(files: Sequence[Path], column: str, share: float) -> Iterator[list[str]]:
    for path in files:
        for batch in read_texts(path, column):
            yield [text for text in batch
                   if share == 1 or chosen(blake2b(text.encode(), digest_size=16).hexdigest(), share)]
