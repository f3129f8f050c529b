"""The words that do one thing and need no data folder."""

from pathlib import Path

import click

from textmill.cli.options import CONFIG, RULES, SET, SHIPPED, WORKERS, with_options

FILE = click.Path(path_type=Path)


@click.command("dedup-only", short_help="removes the copies from one file of texts")
@click.argument("input", type=FILE)
@click.option("--to", type=FILE, required=True, help="the file to write: .jsonl or .parquet, as the input")
@with_options(CONFIG, RULES, SET, WORKERS)
def dedup_only(input: Path, to: Path, config: str, rules: str, set: tuple[str, ...], workers: int | None) -> str:
    """Remove the copies from INPUT, a .jsonl (.gz, .zst) or .parquet with a column of text; all other rows are unchanged."""
    from textmill.base.strict import parse_changes
    from textmill.pipelines.engines.engine import BeamEngine, processors
    from textmill.pipelines.settings import read_config
    from textmill.pipelines.standalone.dedup_file import deduplicate

    read = read_config(config, rules, str(SHIPPED / "mixtures/demo.yaml"), None,           # no mixture is used
                       parse_changes(set))
    return deduplicate(input, to, read, BeamEngine(workers=processors() if workers is None else workers))


@click.command("train-tokenizer", short_help="text files to a folder with tokenizer.json")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE…")
@click.option("--to", type=FILE, required=True, metavar="FOLDER", help="where tokenizer.json goes")
@click.option("--vocab-size", type=int, default=8192, show_default=True, help="tokens in all")
@click.option("--pattern", default="qwen2", show_default=True, help="where text is cut: a name that llama.cpp knows")
@click.option("--special", multiple=True, metavar="TOKEN", help="a special token besides <|endoftext|>; may be repeated")
@click.option("--text-column", default="text", show_default=True, help="of .jsonl and .parquet")
@click.option("--sample-bytes", type=int, default=256_000_000, show_default=True, help="learn from about so much")
@click.option("--max-pretoken-bytes", type=int, default=256, show_default=True, help="longest stretch without a cut")
def train_tokenizer(files: tuple[Path, ...], to: Path, vocab_size: int, pattern: str, special: tuple[str, ...],
                    text_column: str, sample_bytes: int, max_pretoken_bytes: int) -> str:
    """Train a byte-level BPE from text files: .txt or .jsonl (plain, .gz, .zst) or .parquet, in any order."""
    from textmill.tokenizer.bpe import END_OF_TEXT
    from textmill.tokenizer.train_files import train_files
    from textmill.tokenizer.training import TokenizerSettings

    training = TokenizerSettings(vocab_size, pattern, [END_OF_TEXT, *special], max_pretoken_bytes, sample_bytes)
    return train_files(files, to, training, text_column)


DEDUP_ONLY, TRAIN_TOKENIZER = dedup_only, train_tokenizer
