"""Every byte back, and the same ids by every road: the tokenizer on millions of random strings and on all development texts.

    python -m benchmarks.tokenizer_exactness --shared ../shared/data

writes benchmarks/results/tokenizer-exactness.md. Random strings are of bytes (decoded with U+FFFD), of characters of all planes
and of pieces that patterns tell apart. Splits are compared with tiktoken's published o200k pattern in the `regex` library,
where random strings have no character that two versions of Unicode class otherwise: `regex` may have a later one than
`tokenizers` has.
"""

import argparse
import itertools
import random
import sys
import time
import unicodedata
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import regex

from benchmarks.good_texts import json_lines
from benchmarks.tokenizer_speed import texts_of
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.patterns import PATTERNS, cut
from textmill.tokenizer.settings import TokenizerSettings
from textmill.tokenizer.training import train

RESULTS = Path(__file__).parents[1] / "benchmarks/results"
PIECES = [*" \t\n\r\v\f'!/.<|>\0\u200b\u200d\x85\xa0\u2028\u3000", *"aBsSdDlLrReEvV1270",
          *"ſİéǅʰ漢カ한ไ²Ⅷ٣𝟜🙂ع", "e\u0301", "ก็", "हि", "न्", "မြ", "عَ", "👩\u200d👧",
          "<|endoftext|>", "<|user|>", "    ", "\n\n"]


def random_texts(number: int, seed: int) -> Iterator[str]:
    at_random = random.Random(seed)
    for _ in range(number):
        kind = at_random.randrange(3)
        length = at_random.randrange(40)
        if kind == 0:
            yield at_random.randbytes(length).decode("utf-8", "replace")
        elif kind == 1:
            codes = (at_random.randrange(0x110000) for _ in range(length))
            yield "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)
        else:
            yield "".join(at_random.choices(PIECES, k=length))


def batches(texts: Iterator[str], most: int = 8 << 20) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= most or len(batch) >= 100_000:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def all_texts(shared: Path) -> Iterator[str]:
    yield from texts_of(shared, [])
    for row in json_lines(shared / "langid.jsonl.zst"):
        yield row["text"]


def compared(texts: Iterator[str], fast: Encoder, slow: Encoder) -> tuple[int, int, int, int]:
    """Texts, their bytes, those whose ids differ between the libraries, those that do not come back."""
    number = size = other = lost = 0
    for batch in batches(texts):
        array = pa.array(batch)
        first, second = fast.encode(array), slow.encode(array)
        number, size = number + len(batch), size + sum(len(text.encode()) for text in batch)
        if not first.equals(second):
            other += sum(a != b for a, b in zip(first.to_pylist(), second.to_pylist(), strict=True))
        if fast.decode(first.values.to_pylist()) != "".join(batch).encode():
            lost += sum(fast.decode(ids) != text.encode() for ids, text in zip(first.to_pylist(), batch, strict=True))
    return number, size, other, lost


def without(texts: Iterator[str], characters: set[str]) -> Iterator[str]:
    """The texts without some characters."""
    for text in texts:
        yield "".join(character for character in text if character not in characters)


def moved() -> set[str]:
    """Characters whose category is another in the Unicode of `regex` than in that of Python: new, or since reclassified."""
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    text = "".join(every)
    by_regex = {character: category for category in {unicodedata.category(character) for character in every}
                for character in regex.findall(rf"\p{{{category}}}", text)}
    return {character for character in every if by_regex.get(character) != unicodedata.category(character)}


def cuts(texts: list[str]) -> list[list[str]]:
    return [[piece for piece in pieces if piece] for pieces in cut(pa.array(texts), "gpt-4o").to_pylist()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--number", type=int, default=1_000_000)
    parser.add_argument("--patterns", nargs="*", default=["gpt-4o", "qwen2"])
    given = parser.parse_args()
    lines = ["| pattern | texts | bytes | other ids than `tokenizers` | not byte for byte |", "|---|---:|---:|---:|---:|"]
    sample = [text for number, text in enumerate(all_texts(given.shared)) if number % 10 == 0]
    for pattern in given.patterns:
        tokenizer = train([sample], TokenizerSettings(16384, pattern))
        fast, slow = Encoder(tokenizer), Encoder(tokenizer, fast=False)
        for what, texts in (("random", random_texts(given.number, 7)), ("development data", all_texts(given.shared))):
            start = time.monotonic()
            number, size, other, lost = compared(texts, fast, slow)
            lines.append(f"| {pattern} | {number:,} {what} | {size:,} | {other} | {lost} |")
            print(lines[-1], f"{time.monotonic() - start:.0f} s", file=sys.stderr)
    published = regex.compile(PATTERNS["gpt-4o"])
    size = differing = pieces = 0
    for batch in batches(itertools.chain(without(random_texts(300_000, 9), moved()), all_texts(given.shared))):
        batch = [text for text in batch if "\0" not in text]
        expected = [published.findall(text) for text in batch]
        size, pieces = size + sum(len(text.encode()) for text in batch), pieces + sum(map(len, expected))
        differing += sum(one != other for one, other in zip(expected, cuts(batch), strict=True))
        if size > 100e6:
            break
    lines += ["", f"Cuts of `gpt-4o` in training beside the published pattern: {pieces:,} pre-tokens of {size / 1e6:.0f} MB "
              f"in all scripts, {differing} texts cut elsewhere. Unicode {unicodedata.unidata_version}; {date.today()}."]
    (RESULTS / "tokenizer-exactness.md").write_text("\n".join(lines) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
