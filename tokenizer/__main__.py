"""Train a tokenizer from text files, without the rest of the mill."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa

from textmill.tokenizer.bpe import END_OF_TEXT, PATTERNS, TokenizerError
from textmill.tokenizer.encoder import Encoder, compression
from textmill.tokenizer.texts import kind, read_texts
from textmill.tokenizer.training import TokenizerSettings, chosen, train, write_tokenizer


def main(argv: Sequence[str] | None = None) -> int | str:
    """Exit status: 0, or a sentence for stderr and exit 1."""
    args = _arguments(argv)
    training = TokenizerSettings(args.vocab_size, args.pattern, [END_OF_TEXT, *args.special], args.max_pretoken_bytes,
                        args.sample_bytes)
    try:
        if problems := list(training.problems()):
            raise TokenizerError("\n".join(problems))
        print(train_files(args.files, args.to, training, args.text_column))
    except (TokenizerError, OSError) as error:
        return f"tokenizer: {error}"
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tokenizer", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="train")
    add = commands.add_parser("train", help="text files to a folder with tokenizer.json", allow_abbrev=False).add_argument
    default = TokenizerSettings()
    add("files", nargs="+", type=Path, metavar="FILE", help=".txt or .jsonl (plain, .gz, .zst) or .parquet")
    add("--to", type=Path, required=True, metavar="FOLDER", help="where tokenizer.json goes")
    add("--vocab-size", type=int, default=default.vocab_size, help="tokens in all (default: %(default)s)")
    add("--pattern", choices=PATTERNS, default=default.pattern, help="where text is cut (default: %(default)s)")
    add("--special", nargs="*", default=[], metavar="TOKEN", help=f"special tokens besides {END_OF_TEXT}")
    add("--text-column", default="text", help="of .jsonl and .parquet (default: %(default)s)")
    add("--sample-bytes", type=int, default=default.sample_bytes, help="learn from about so much (default: %(default)s)")
    add("--max-pretoken-bytes", type=int, default=default.max_pretoken_bytes,
        help="longest stretch without a cut (default: %(default)s)")
    return parser.parse_args(argv)


def train_files(files: Sequence[Path], folder: Path, training: TokenizerSettings, column: str) -> str:
    """Train on `files`, write `folder`, and say in a line how large it is and how well it compresses.

    The files are read twice: once to count their bytes, then to learn from the texts that `chosen` takes by the hash
    of the text. So their order does not matter, and memory does not grow with them.
    """
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
    write_tokenizer(folder, text, training)
    measured = compression(first, ["und"] * len(first), encoder.encode(first)).to_pylist()[0]
    return (f"{folder / 'tokenizer.json'}: {encoder.vocab_size:,} tokens from {found * share / 1e6:,.1f} of "
            f"{found / 1e6:,.1f} MB of text; {measured['bytes_per_token']:.2f} bytes per token on its first texts")


def _sample(files: Sequence[Path], column: str, share: float) -> Iterator[list[str]]:
    for path in files:
        for batch in read_texts(path, column):
            yield [text for text in batch
                   if share == 1 or chosen(blake2b(text.encode(), digest_size=16).hexdigest(), share)]


if __name__ == "__main__":
    sys.exit(main())
