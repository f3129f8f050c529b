"""Text to ids and back with a trained tokenizer.

Every text is encoded as ordinary bytes: where a document says `<|endoftext|>` the ids spell those 13 characters, and no
special id ever comes out of text. That is a switch of the loaded object (`encode_special_tokens`), which
`tokenizer.json` cannot store: whoever loads the file with `tokenizers` or `transformers` directly has to set it
(`transformers`: `split_special_tokens=True`; docs/tokenizer.md).

Two libraries encode. `gigatoken`, where it is installed and gives the ids of Hugging Face's `tokenizers` on trial texts
with this very tokenizer (it knows the common patterns only), is some fifty times as fast and linear in every text. Else,
and for texts with characters so new that the libraries' tables of Unicode may differ, it is `tokenizers`. The ids are
those of `tokenizers` in either case.

Threads: both encode a batch on as many threads as the machine has cores, or on one where the environment variable
TOKENIZERS_PARALLELISM is "false". The ids never depend on it. A program that runs several processes sets that in each.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import Tokenizer

from textmill.tokenizer.bpe import (
    END_OF_TEXT,
    LARGEST_UINT16_VOCABULARY,
    TokenizerError,
    character_of_byte,
    pattern_name,
    token_bytes,
)
from textmill.tokenizer.newer import with_newer_characters
from textmill.tokenizer.patterns import PATTERNS, cut
from textmill.tokenizer.trial import TRIAL_TEXTS

Ids = tuple[npt.NDArray[np.int64], npt.NDArray[Any]]        # offsets of the texts, ids of all of them

# Words that scripts without spaces count by character; elsewhere a word is a run of letters, marks and digits.
_CHARACTER_IS_WORD = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"


def read_tokenizer(tokenizer_json: str) -> Tokenizer:
    """Any tokenizer of Hugging Face's from the text of its file, taking every text as ordinary text; TokenizerError."""
    try:
        tokenizer = Tokenizer.from_str(tokenizer_json)
    except BaseException as error:      # the library raises bare Exception, and panics past it
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise TokenizerError(f"tokenizer.json cannot be read ({' '.join(str(error).split())}); copy it again, or train it "
                             "again") from None
    tokenizer.encode_special_tokens = True
    return tokenizer


class Encoder:
    """A loaded tokenizer.

    `dtype` is that of its ids, uint16 up to 65,536 of them, else uint32; `end_of_text` is the id that separates documents;
    `special` the id of every special token; `sha256` that of its file; `library` the one that encodes."""

    def __init__(self, tokenizer_json: str, fast: bool = True):
        """From the text of a `tokenizer.json`; TokenizerError where it is not a byte-level BPE with an end of text.

        `fast=False` encodes with `tokenizers` even where the faster library is there."""
        self.sha256 = hashlib.sha256(tokenizer_json.encode()).hexdigest()
        self.bytes = token_bytes(tokenizer_json)
        self._tokenizer = read_tokenizer(tokenizer_json)
        end = self._tokenizer.token_to_id(END_OF_TEXT)
        if end is None:
            raise TokenizerError(f"this tokenizer has no {END_OF_TEXT}; add it to special_tokens and train again")
        self.end_of_text: int = end
        self.special: dict[str, int] = {token.content: number for number, token in
                                        self._tokenizer.get_added_tokens_decoder().items() if token.special}
        self.vocab_size = len(self.bytes)
        self.dtype = np.dtype(np.uint16 if self.vocab_size <= LARGEST_UINT16_VOCABULARY else np.uint32)
        self._pattern = pattern_name(tokenizer_json)
        self._fast = _gigatoken(tokenizer_json, self._pattern) if fast else None
        if self._fast is not None and not self._agree():
            self._fast = None
        self.library = "tokenizers" if self._fast is None else "gigatoken"

    @classmethod
    def load(cls, folder: str | Path) -> "Encoder":
        """From a folder that holds `tokenizer.json`."""
        path = Path(folder) / "tokenizer.json"
        try:
            return cls(path.read_text("utf-8"))
        except FileNotFoundError:
            raise TokenizerError(f"{path}: there is no such file; train one with `python -m tokenizer train`") from None
        except (OSError, UnicodeDecodeError) as error:
            raise TokenizerError(f"{path}: cannot be read ({error}); copy it again, or train one") from None

    def encode(self, texts: pa.StringArray | pa.LargeStringArray) -> pa.ListArray:
        """The ids of every text, list<uint16> or list<uint32> by `dtype`; a null is kept.

        Fewer than 2**31 ids in all: give texts of less than 2 GB at once.
        """
        filled = pc.fill_null(texts, "") if texts.null_count else texts
        offsets, ids = self._encode_slowly(filled) if self._fast is None else self._encode_by_both(filled)
        return pa.ListArray.from_arrays(
            pa.array(offsets.astype(np.int32)), pa.array(ids.astype(self.dtype, copy=False)),
            mask=texts.is_null() if texts.null_count else None)

    def _encode_by_both(self, texts: pa.StringArray) -> Ids:
        """By the fast library; texts with characters that it may take for others than `tokenizers` does by that one."""
        newer = with_newer_characters(texts)
        if not newer.any():
            return _encode_fast(self._fast, texts)
        lists = []
        for encode, mask in ((partial(_encode_fast, self._fast), ~newer), (self._encode_slowly, newer)):
            offsets, ids = encode(texts.filter(pa.array(mask)))
            lists.append(pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(ids, pa.uint32())))
        order = np.empty(len(texts), np.int64)
        order[np.r_[np.flatnonzero(~newer), np.flatnonzero(newer)]] = np.arange(len(texts))
        together = pa.concat_arrays(lists).take(pa.array(order))
        return together.offsets.to_numpy(), together.values.to_numpy()

    def check(self, texts: pa.StringArray | pa.LargeStringArray, encoded: pa.ListArray) -> None:
        """Compare one text of a batch with what Hugging Face's library gives; TokenizerError where the ids differ.

        For runs over much text: the trial texts are few. A text of more than 100 kB is not compared, as that takes long."""
        number = len(texts) // 2
        if self._fast is None or not len(texts) or not texts[number].is_valid or len(texts[number].as_py()) > 100_000:
            return
        _, ids = self._encode_slowly(texts.slice(number, 1))
        if ids.tolist() != encoded[number].as_py():
            raise TokenizerError(f"{self.library} and tokenizers give other ids for one text "
                                 f"({texts[number].as_py()[:40]!r} …): uninstall {self.library}, and report it")

    def _agree(self) -> bool:
        """Whether the fast library gives the ids of Hugging Face's on the trial texts that would be given to it."""
        texts = TRIAL_TEXTS.filter(pa.array(~with_newer_characters(TRIAL_TEXTS)))
        try:
            fast = _encode_fast(self._fast, texts)
        except Exception:   # whatever it is that it cannot do, the other can
            return False
        return all(np.array_equal(one, other) for one, other in zip(fast, self._encode_slowly(texts), strict=True))

    def _encode_slowly(self, texts: pa.StringArray) -> Ids:
        strings = texts.to_pylist()
        try:
            ids = [one.ids for one in self._tokenizer.encode_batch_fast(strings, add_special_tokens=False)]
        except BaseException as error:      # a very long run of spaces makes its regex engine panic
            if type(error).__name__ != "PanicException":
                raise
            ids = [self._encode_alone(text) for text in strings]
        offsets = np.zeros(len(ids) + 1, np.int64)
        np.cumsum([len(one) for one in ids], out=offsets[1:])
        return offsets, np.fromiter(chain.from_iterable(ids), np.uint32, count=offsets[-1])

    def _encode_alone(self, text: str) -> list[int]:
        """A text that may be one of those the library panics at: then it is cut here, and only merged there."""
        try:
            return list(self._tokenizer.encode(text, add_special_tokens=False).ids)
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
        if self._pattern is None:
            raise TokenizerError("a text is too much for this tokenizer's pattern (a very long run of spaces?); leave it out, "
                                 f"or train a tokenizer with one of the patterns {', '.join(PATTERNS)}")
        pretokens = cut(pa.array([text], pa.large_string()), self._pattern).values.to_pylist()
        spelled = ("".join(character_of_byte[byte] for byte in pretoken.encode()) for pretoken in pretokens)
        return [token.id for pretoken in spelled for token in self._tokenizer.model.tokenize(pretoken)]

    def decode(self, ids: Iterable[int]) -> bytes:
        """The bytes that `ids` stand for; special tokens stand for none."""
        return b"".join([self.bytes[one] for one in ids])


def _gigatoken(tokenizer_json: str, pattern: str | None) -> Any:
    """The tokenizer in gigatoken; None where that is not installed or cannot read it."""
    try:
        from gigatoken import Tokenizer as Gigatoken
    except ImportError:
        return None
    # It finds special tokens in ordinary text, and has no switch for that: so it is given none. Others must be found.
    plain = json.loads(tokenizer_json)
    if not all(token.get("special", True) for token in plain.get("added_tokens", [])):
        return None
    plain["added_tokens"] = []
    if pattern == "gpt-2":      # known to it in one spelling only
        plain["pre_tokenizer"] = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    try:
        return Gigatoken.from_json(json.dumps(plain))
    except Exception:       # a pattern it does not know, or a kind of file
        return None


def _encode_fast(tokenizer: Any, texts: pa.StringArray) -> Ids:
    import awkward
    if not len(texts):
        return np.zeros(1, np.int64), np.empty(0, np.uint32)
    parallel = os.environ.get("TOKENIZERS_PARALLELISM", "").lower() not in ("false", "0", "off", "no", "n", "f")
    encoded = tokenizer.encode_batch(awkward.from_arrow(texts.cast(pa.large_string())), parallel=parallel)
    lists = awkward.to_layout(encoded)
    return np.asarray(lists.offsets.data), np.asarray(lists.content.data)


def compression(texts: pa.StringArray, languages: Sequence[str] | pa.StringArray, tokens: pa.ListArray) -> pa.Table:
    """Compression by language, in alphabetical order.

    Columns: documents, bytes (of UTF-8), tokens, words, bytes_per_token, tokens_per_word (null where there is no word). Counts
    of several batches add up by column; the ratios do not."""
    unspaced = pc.fill_null(pc.match_substring_regex(texts, _CHARACTER_IS_WORD), False)
    spaced = texts
    if pc.any(unspaced).as_py():
        spaced = pc.replace_with_mask(texts, unspaced, pc.replace_substring_regex(
            texts.filter(unspaced), f"({_CHARACTER_IS_WORD})", r" \1 "))
    rows = pa.table({
        "language": pa.array(languages, pa.string()) if isinstance(languages, Sequence) else languages,
        "bytes": pc.cast(pc.binary_length(texts), pa.int64()),
        "tokens": pc.cast(pc.list_value_length(tokens), pa.int64()),
        "words": pc.cast(pc.count_substring_regex(spaced, r"[\p{L}\p{M}\p{N}]+"), pa.int64()),
    })
    sums = rows.group_by("language").aggregate([
        ("bytes", "count"), ("bytes", "sum"), ("tokens", "sum"), ("words", "sum")]).sort_by("language")
    counted = sums.rename_columns(["language", "documents", "bytes", "tokens", "words"])
    for name, over, under in (("bytes_per_token", "bytes", "tokens"), ("tokens_per_word", "tokens", "words")):
        divisor = pc.if_else(pc.equal(counted[under], 0), None, counted[under])
        counted = counted.append_column(name, pc.divide(pc.cast(counted[over], pa.float64()), divisor))
    return counted
