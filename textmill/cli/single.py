"""The words that do one thing, on files of one's own."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from textmill.cli.options import CONFIG, DATA, FILE, MIXTURE, PATH, SET, WORKERS, data_folder, of_mixture, with_options


@click.command("dedup-only", short_help="removes the copies from files of rows")
@click.argument("inputs", nargs=-1, required=True, metavar="FILE|FOLDER|-…")
@click.option("--to", required=True, metavar="FILE|FOLDER|-", help="where the rows that stay go: a file for one file (packed "
              "where its name ends in .gz or .zst), else a folder")
@click.option("--against", multiple=True, metavar="FILE|FOLDER",
              help="rows like one of these go too; they are not written; may be repeated")
@click.option("--index", type=PATH, metavar="FOLDER", help="keep what is known of --against here, for the next time")
@click.option("--text-column", multiple=True, metavar="COLUMN",
              help="where the text is, or a path such as meta.text; several are compared together  [default: the usual ones]")
@click.option("--threshold", type=float, metavar="SHARE", help="of shingles in common, from which on rows are near copies")
@click.option("--exact-only", is_flag=True, help="only equal texts are copies")
@click.option("--keep", type=click.Choice(["first", "longest", "newest", "oldest"]), default="first", show_default=True,
              help="which of several copies stays")
@click.option("--common", type=float, metavar="SHARE", help="text that more than this share of the rows have does not count")
@click.option("--removed", type=PATH, metavar="FILE", help="JSONL of what was removed: place, kind, and the row kept for it")
@click.option("--overwrite", is_flag=True, help="replace files that are there")
@with_options(CONFIG, SET, WORKERS)
def dedup_only(inputs: tuple[str, ...], to: str, against: tuple[str, ...], index: str | None, text_column: tuple[str, ...],
               threshold: float | None, exact_only: bool, keep: Any, common: float | None, removed: str | None, overwrite: bool,
               config: str, set: tuple[str, ...], workers: int | None) -> str | None:
    """Remove the copies from files of rows: .jsonl, .csv, .tsv (plain, .gz, .zst) and .parquet.

    All other rows are unchanged, byte for byte in text. Rows are compared over all the files; what is removed of which kind is
    said, and --removed writes it down."""
    from dataclasses import replace

    from textmill.base.strict import SettingsError, parse_changes
    from textmill.pipelines.engines.engine import BeamEngine, processors
    from textmill.pipelines.settings import read_settings
    from textmill.pipelines.standalone.dedup_rows.run import Request, deduplicate

    settings = read_settings(config, parse_changes(set)).dedup
    settings = replace(settings, order=(keep,) if keep == "first" else (keep, "first"), source_priority=(),
                       threshold=settings.threshold if threshold is None else threshold,
                       common=settings.common if common is None else common,
                       kinds=("exact",) if exact_only else settings.kinds)
    if problems := list(settings.problems()):
        raise SettingsError([f"--{problem}" for problem in problems])
    request = Request(inputs, to, against, index, text_column, removed, overwrite)
    said = deduplicate(request, settings, BeamEngine(workers=processors() if workers is None else workers))
    if to == "-":
        click.echo(said, err=True)
        return None
    return said


@click.command("train-tokenizer", short_help="text files to a folder with tokenizer.json")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE…")
@click.option("--to", type=FILE, required=True, metavar="FOLDER", help="where tokenizer.json goes")
@click.option("--vocab-size", type=int, default=8192, show_default=True, help="tokens in all")
@click.option("--pattern", default="gpt-4o", show_default=True, help="where text is cut: a name that llama.cpp knows")
@click.option("--special", multiple=True, metavar="TOKEN",
              help="a special token besides <|endoftext|>, instead of those for chat; may be repeated")
@click.option("--text-column", default="text", show_default=True, help="of .jsonl and .parquet")
@click.option("--language-column", default="language", show_default=True, help="of .jsonl and .parquet, where they have it")
@click.option("--exponent", type=float, default=1.0, show_default=True,
              help="each language's share of the text is raised to this power: 0 makes all alike")
@click.option("--parity", type=PATH, metavar="FILE", help="the same sentences in several languages, rows with `language` and "
              "`text`: weights are searched until none needs more than --premium times the tokens of --reference")
@click.option("--premium", type=float, default=1.5, show_default=True, help="with --parity")
@click.option("--reference", default="en", show_default=True, help="with --parity")
@click.option("--sample-bytes", type=int, default=4_000_000_000, show_default=True, help="learn from about so much")
@click.option("--max-pretoken-bytes", type=int, default=256, show_default=True, help="longest stretch without a cut")
def train_tokenizer(files: tuple[Path, ...], to: Path, vocab_size: int, pattern: str, special: tuple[str, ...],
                    text_column: str, language_column: str, exponent: float, parity: str | None, premium: float,
                    reference: str, sample_bytes: int, max_pretoken_bytes: int) -> str:
    """Train a byte-level BPE from text files: .txt or .jsonl (plain, .gz, .zst) or .parquet, in any order."""
    from textmill.tokenizer.settings import Balance, TokenizerSettings
    from textmill.tokenizer.special import END_OF_TEXT, SPECIAL_TOKENS
    from textmill.tokenizer.train_files import train_files

    tokens = [END_OF_TEXT, *special] if special else list(SPECIAL_TOKENS)
    balance = Balance(exponent, parity=parity, premium=premium, reference=reference)
    training = TokenizerSettings(vocab_size, pattern, tokens, max_pretoken_bytes, sample_bytes, balance=balance)
    return train_files(files, to, training, text_column, language_column)


@click.command("tokenizer-files", short_help="a tokenizer for transformers, tiktoken, llama.cpp")
@click.argument("tokenizer", metavar="NAME|FOLDER")
@DATA
@click.option("--to", type=FILE, required=True, metavar="FOLDER", help="where the files go")
def tokenizer_files(tokenizer: str, data: str, to: Path) -> str:
    """Write a tokenizer's files for other programs, all from its tokenizer.json.

    NAME is one under DATA/tokenizers; FOLDER has a tokenizer.json. Files that it came with are copied as they are; the others
    are written: tokenizer_config.json, chat_template.jinja, special_tokens_map.json, generation_config.json, ranks for
    tiktoken, and the vocabulary in GGUF where the package gguf is installed."""
    from textmill.base.blocks_format import CHAT_FILES, TOKENIZER_FILES
    from textmill.tokenizer.encoder import Encoder
    from textmill.tokenizer.files import export_files, write_files

    folder, name = Path(tokenizer), Path(tokenizer).resolve().name
    if (folder / TOKENIZER_FILES[0]).is_file():
        own = {file: (folder / file).read_bytes() for file in (*TOKENIZER_FILES, *CHAT_FILES) if (folder / file).is_file()}
    else:
        from textmill.pipelines.tokens.encode import tokenizer_files

        own = tokenizer_files(data_folder(data), tokenizer)
    text = own[TOKENIZER_FILES[0]].decode("utf-8", "replace")
    encoder, files = Encoder(text), export_files(text, name, own)
    write_files(to, files)
    missing = "" if f"{name}.gguf" in files else "; no GGUF, as the package gguf is not installed (pip install gguf)"
    return (f"tokenizer-files: {encoder.vocab_size:,} tokens, {len(encoder.special)} of them special, in {to}: "
            f"{', '.join(files)}{missing}")


@click.command("blocks-to", short_help="blocks for Megatron, nanoGPT, MosaicML, or JSONL")
@click.argument("format_", metavar="FORMAT", type=click.Choice(["megatron", "nanogpt", "mds", "jsonl"]))
@click.option("--blocks", type=PATH, metavar="FOLDER", help="a folder blocks/NAME  [default: the mixture's]")
@with_options(DATA, MIXTURE)
@click.option("--to", type=FILE, required=True, metavar="FOLDER", help="where the files go: a folder that is empty or new")
def blocks_to(format_: str, blocks: str | None, to: Path, **given: Any) -> str:
    """Write packed blocks for another trainer, with the tokenizer's files, in training order.

    megatron: train.bin, train.idx and so on, as megatron-core's indexed dataset; nanogpt: train.bin and val.bin; mds: folders
    of MosaicML streaming shards, by the package mosaicml-streaming; jsonl: a line for each stretch of a document. All but mds
    leave padding out and put end-of-text where a document was cut."""
    from textmill.model.export.other_trainers import convert

    return convert(Path(blocks or of_mixture("blocks", given)), format_, to)


@click.command("dialogues", short_help="mines dialogues from curated web text")
@DATA
@click.option("--to", type=FILE, required=True, metavar="FOLDER",
              help="where dialogues.jsonl goes, such as raw/mined of another data folder")
@click.option("--show", type=click.IntRange(min=0), default=3, show_default=True, help="how many to print")
def dialogues(data: str, to: Path, show: int) -> Iterable[str]:
    """Mine passages in which two speakers take turns from DATA/curated, and write them as rows of `messages`.

    Six paragraphs or more, each with a prefix such as "Gopher: ", "Dr Smith - " or "Q. ", even and odd ones with the same
    (Rae et al. 2021). Each row names the page and the place it is from; extract reads the file as it stands."""
    from textmill.pipelines.standalone.mined_dialogues import mine

    return mine(data_folder(data), to, show)


DEDUP_ONLY, TRAIN_TOKENIZER, TOKENIZER_FILES = dedup_only, train_tokenizer, tokenizer_files
BLOCKS_TO, DIALOGUES = blocks_to, dialogues
