"""Text to ids and back with a trained tokenizer.

Every text is encoded as ordinary bytes: where a document says `<|endoftext|>` the ids spell those 13 characters, and no
special id ever comes out of text. That is a switch of the loaded object (`encode_special_tokens`), which
`tokenizer.json` cannot store: whoever loads the file with `tokenizers` or `transformers` directly has to set it
(`transformers`: `split_special_tokens=True`; docs/tokenizer.md).

Threads: `tokenizers` encodes a batch on as many threads as the machine has cores, decided once per process by the
environment variable RAYON_NUM_THREADS before the first batch, or on one thread where TOKENIZERS_PARALLELISM is
"false". The ids never depend on it. A program that runs several processes sets TOKENIZERS_PARALLELISM=false in each.
"""

import hashlib
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import Tokenizer

from textmill.tokenizer.bpe import END_OF_TEXT, LARGEST_UINT16_VOCABULARY, TokenizerError, token_bytes

# Words that scripts without spaces count by character; elsewhere a word is a run of letters, marks and digits.
_CHARACTER_IS_WORD = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])"


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
    `special` the id of every special token; `sha256` that of its file."""

    def __init__(self, tokenizer_json: str):
        """From the text of a `tokenizer.json`; TokenizerError where it is not a byte-level BPE with an end of text."""
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
        encoded = self._tokenizer.encode_batch_fast(pc.fill_null(texts, "").to_pylist(), add_special_tokens=False)
        ids = [one.ids for one in encoded]
        offsets = np.zeros(len(ids) + 1, np.int32)
        np.cumsum([len(one) for one in ids], out=offsets[1:])
        values = np.fromiter(chain.from_iterable(ids), self.dtype, count=offsets[-1])
        return pa.ListArray.from_arrays(
            pa.array(offsets), pa.array(values), mask=texts.is_null() if texts.null_count else None)

    def decode(self, ids: Iterable[int]) -> bytes:
        """The bytes that `ids` stand for; special tokens stand for none."""
        return b"".join([self.bytes[one] for one in ids])


def compression(texts: pa.StringArray, languages: Sequence[str] | pa.StringArray, tokens: pa.ListArray) -> pa.Table:
    """Compression by language, in alphabetical order.

    Columns: documents, bytes (of UTF-8), tokens, words, bytes_per_token, tokens_per_word (null where there is no word). Counts
    of several batches add up by column; the ratios do not."""
    spaced = pc.replace_substring_regex(texts, _CHARACTER_IS_WORD, r" \1 ")
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
