"""Tokenizer training from text files, without the rest of the mill."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa

from textmill.tokenizer.balance import sample_shares
from textmill.tokenizer.bpe import TokenizerError
from textmill.tokenizer.encoder import Encoder, compression
from textmill.tokenizer.pretokens import count_pretokens
from textmill.tokenizer.settings import TokenizerSettings
from textmill.tokenizer.texts import Texts, kind, read_texts
from textmill.tokenizer.training import chosen, fairness, train_balanced, write_tokenizer


def train_files(files: Sequence[Path], folder: Path, training: TokenizerSettings, column: str, language: str) -> str:
    """Train on `files` and write `folder`; the summary line, with size and compression.

    The files are read twice: once to count their bytes, then to count the pre-tokens of the texts that `chosen` takes by
    the hash of the text. So their order does not matter, and memory does not grow with them.
    """
    if problems := [*training.problems(), *training.balance.problems()]:
        raise TokenizerError("\n".join(problems))
    for path in files:
        kind(path)
        if not path.is_file():
            raise TokenizerError(f"{path}: there is no such file; check the path")
    sizes: dict[str, int] = {}
    for batch in _batches(files, column, language):
        for text, of in zip(batch.texts, batch.languages, strict=True):
            sizes[of or ""] = sizes.get(of or "", 0) + len(text.encode())
    if not sum(sizes.values()):
        raise TokenizerError("the files hold no text; check them and --text-column")
    shares = sample_shares(sizes, training.balance, training.sample_bytes)
    taken = {name: round(shares[name] * size) for name, size in sizes.items()}
    counts = count_pretokens(
        ((pa.array(batch.texts, pa.string()), pa.array(batch.languages, pa.string()))
         for batch in _sample(files, column, language, shares)), training.pattern, training.max_pretoken_bytes)
    if not len(counts):
        raise TokenizerError("--sample-bytes is so small that it takes no text; raise it")
    trained = train_balanced([counts], taken, training)
    encoder = Encoder(trained.json)
    first = pa.array(next(batch.texts for batch in _sample(files, column, language, shares) if batch.texts), pa.string())
    write_tokenizer(folder, trained.json)
    measured = compression(first, ["und"] * len(first), encoder.encode(first)).to_pylist()[0]
    clause = fairness(trained.record, training.balance)
    return (f"{folder / 'tokenizer.json'}: {encoder.vocab_size:,} tokens from {sum(taken.values()) / 1e6:,.1f} of "
            f"{sum(sizes.values()) / 1e6:,.1f} MB of text; {measured['bytes_per_token']:.2f} bytes per token on its first "
            f"texts{clause and f'; {clause}'}")


def _batches(files: Sequence[Path], column: str, language: str) -> Iterator[Texts]:
    for path in files:
        yield from read_texts(path, column, language)


def _sample(files: Sequence[Path], column: str, language: str, shares: Mapping[str, float]) -> Iterator[Texts]:
    for batch in _batches(files, column, language):
        rows = [(text, of) for text, of in zip(batch.texts, batch.languages, strict=True)
                if (share := shares[of or ""]) == 1 or chosen(blake2b(text.encode(), digest_size=16).hexdigest(), share)]
        yield Texts([text for text, _ in rows], [of for _, of in rows])
