"""Measurements of a tokenizer: what a text costs in it, by language, source and script, and what its vocabulary is spent on.

All are counts over texts that were given, in plain values; nothing is estimated.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from textmill.tokenizer.bpe import END_OF_TEXT, TokenizerError, tokenizer_json
from textmill.tokenizer.encoder import Encoder, compression

SIZES = (4096, 8192, 16384, 32768, 65536)
BLOCKS = (2048, 4096, 8192)
LONGEST = 20

# Small texts that show what numbers, code and white space cost.
PROBES = {
    "numbers of 1 to 8 digits": " ".join(str(int("123456789"[:digits])) for digits in range(1, 9)),
    "dates and prices": "2024-02-29 31/12/1999 12:05:59 $1,299.99 3.14159 0x1F",
    "16 spaces of indentation": "\n" + " " * 16 + "x",
    "4 tabs of indentation": "\n\t\t\t\tx",
    "Python": "def mean(values: list[float]) -> float:\n    if not values:\n        raise ValueError(\"empty\")\n"
              "    return sum(values) / len(values)\n",
    "C": "for (int i = 0; i < n; ++i) {\n\tif (a[i] != b[i]) return -1;\n}\n",
    "JSON": '{"name": "mill", "tags": ["a", "b"], "size": {"x": 10, "y": -2.5}, "ok": true}',
    "HTML": '<p class="note">See <a href="https://example.org/a?b=1">the page</a>.</p>',
    "LaTeX": r"\int_0^\infty e^{-x^2}\,dx = \frac{\sqrt{\pi}}{2}",
    "emoji": "🙂 👍🏽 ❤️ 👩‍👩‍👧‍👦 🏳️‍🌈",
}


def load_any(path: Path) -> str:
    """The text of `tokenizer.json` from such a file, a folder with one, or a folder with GPT-2's two files.

    One without an end of text gets one, which no measurement meets. TokenizerError where it is none of these."""
    if path.is_dir() and not (path / "tokenizer.json").exists():
        for merges in ("vocab.bpe", "merges.txt"):
            if (path / merges).exists():
                lines = (path / merges).read_text("utf-8").splitlines()
                pairs = [(left, right) for left, _, right in (line.partition(" ") for line in lines)
                         if right and not left.startswith("#version")]
                return tokenizer_json(pairs, "gpt-2", [END_OF_TEXT])
        raise TokenizerError(f"{path}: has neither tokenizer.json nor GPT-2's merges (vocab.bpe, merges.txt); name another "
                             "folder")
    file = path / "tokenizer.json" if path.is_dir() else path
    try:
        text = file.read_text("utf-8")
        read = json.loads(text)
        added = read.setdefault("added_tokens", [])
        if any(token["content"] == END_OF_TEXT for token in added):
            return text
        end = max(max(read["model"]["vocab"].values()), *(token["id"] for token in added), 0) + 1
        added.append({"id": end, "content": END_OF_TEXT, "single_word": False, "lstrip": False, "rstrip": False,
                      "normalized": False, "special": True})
        return json.dumps(read)
    except FileNotFoundError:
        raise TokenizerError(f"{path}: there is no such file; give a tokenizer.json, a folder, or a name under "
                             "data/tokenizers") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TokenizerError(f"{file}: cannot be read as tokenizer.json ({error}); copy it again") from None


def by_group(encoder: Encoder, texts: pa.StringArray, encoded: pa.ListArray, groups: pa.StringArray) -> list[dict[str, Any]]:
    """What texts (`encoded`: their ids) cost in each group, the one with most bytes first.

    Of each: documents, bytes, tokens, words, bytes_per_token, tokens_per_word, fragments (share of tokens that are part of a
    character), single_bytes (share of tokens of one byte), words_in (block length → words that fit)."""
    rows = {row["language"]: row for row in compression(texts, groups, encoded).to_pylist()}
    lengths = np.array([len(token) for token in encoder.bytes])
    fragment = np.array([not _is_text(token) for token in encoder.bytes])
    ids = encoded.values.to_numpy()
    dictionary = groups.dictionary_encode()
    of_token = np.repeat(dictionary.indices.to_numpy(), np.diff(encoded.offsets.to_numpy()))
    for number, group in enumerate(dictionary.dictionary.to_pylist()):
        own = ids[of_token == number]
        row = rows[group]
        row["group"] = row.pop("language")
        row["fragments"] = float(fragment[own].mean()) if len(own) else None
        row["single_bytes"] = float((lengths[own] == 1).mean()) if len(own) else None
        per_word = row["tokens_per_word"]
        row["words_in"] = {str(block): block / per_word if per_word else None for block in BLOCKS}
    return sorted(rows.values(), key=lambda row: (-row["bytes"], str(row["group"])))


def premiums(encoder: Encoder, parallel: Mapping[str, pa.StringArray], reference: str = "en") -> dict[str, dict[str, float]]:
    """Of each language: mean tokens of a sentence, and the premium: its tokens over the reference's for the same sentences."""
    tokens = {language: len(encoder.encode(texts).values) for language, texts in parallel.items()}
    if reference not in tokens:
        raise TokenizerError(f"the parallel text has no {reference!r}; it has {', '.join(sorted(tokens))}")
    return {language: {"tokens": number / len(parallel[language]), "premium": number / tokens[reference]}
            for language, number in sorted(tokens.items())}


def curve(tokenizer: str, texts: pa.StringArray, sizes: Sequence[int] = SIZES) -> dict[str, float]:
    """Bytes per token with the first merges only, for each size of vocabulary that the tokenizer reaches.

    The merges of a smaller vocabulary are the first ones of a larger: so this is what training with that size gives."""
    read = json.loads(tokenizer)
    merges, others = read["model"]["merges"], len(read["added_tokens"])
    content = int(pc.sum(pc.binary_length(texts)).as_py() or 0)
    reached = [size for size in sizes if size <= 256 + len(merges) + others]
    whole = 256 + len(merges) + others
    found = {}
    for size in sorted({*reached, whole}):
        kept = merges[:max(0, size - 256 - others)]
        vocabulary = [token for token, _ in sorted(read["model"]["vocab"].items(), key=lambda item: item[1])]
        spelled = {left + right for left, right in ((merge if isinstance(merge, list) else merge.split(" ")) for merge in kept)}
        tokens = [token for token in vocabulary if len(token) == 1 or token in spelled]
        smaller = read | {"model": read["model"] | {"vocab": {token: id for id, token in enumerate(tokens)}, "merges": kept},
                          "added_tokens": [token | {"id": len(tokens) + n} for n, token in enumerate(read["added_tokens"])]}
        found[str(size)] = content / max(1, len(Encoder(json.dumps(smaller)).encode(texts).values))
    return found


def emitted(encoder: Encoder, encoded: pa.ListArray) -> npt.NDArray[np.int64]:
    """How often each id occurs."""
    return np.bincount(encoded.values.to_numpy(), minlength=encoder.vocab_size)


def vocabulary(encoder: Encoder, counts: npt.NDArray[np.int64]) -> dict[str, Any]:
    """What the vocabulary holds: tokens never or hardly emitted, the longest, fragments of characters, repetitions of one.

    `counts` from `emitted`; "hardly" is less than once in ten million tokens, or once in all."""
    ordinary = np.array([bool(token) for token in encoder.bytes])
    learned = ordinary & np.array([len(token) > 1 for token in encoder.bytes])
    hardly = max(1, int(counts.sum() // 10_000_000))
    never, seldom = learned & (counts == 0), learned & (counts > 0) & (counts <= hardly)
    texts = [token.decode("utf-8", "replace") for token in encoder.bytes]
    longest = sorted(np.flatnonzero(learned).tolist(), key=lambda id: (-len(texts[id]), id))[:LONGEST]
    fragments = [id for id in np.flatnonzero(learned).tolist() if not _is_text(encoder.bytes[id])]
    repeated = [id for id in np.flatnonzero(learned).tolist() if len(texts[id]) > 3 and len(set(texts[id])) == 1]
    return {
        "tokens": encoder.vocab_size, "special": int((~ordinary).sum()), "never": int(never.sum()),
        "hardly": int(seldom.sum()), "hardly_is": hardly,
        "never_examples": [texts[id] for id in np.flatnonzero(never)[-LONGEST:].tolist()],
        "longest": [{"text": texts[id], "count": int(counts[id])} for id in longest], "fragments": len(fragments),
        "repeated": [texts[id] for id in sorted(repeated, key=lambda id: -len(texts[id]))[:LONGEST]],
        "begin_with_space": sum(texts[id].startswith(" ") for id in np.flatnonzero(learned).tolist()),
        "digits": sum(texts[id].strip().isdecimal() for id in np.flatnonzero(learned).tolist())}


def probes(encoder: Encoder) -> dict[str, dict[str, Any]]:
    """Bytes and tokens of each probe, and the tokens as text."""
    ids = encoder.encode(pa.array(list(PROBES.values()))).to_pylist()
    spelled = [token.decode("utf-8", "replace") for token in encoder.bytes]
    return {name: {"bytes": len(text.encode()), "tokens": len(of), "cut": [spelled[id] for id in of]}
            for (name, text), of in zip(PROBES.items(), ids, strict=True)}


def embedding_share(vocab_size: int, width: int, tied: bool, other_parameters: int) -> float:
    """The share of a model's parameters in embedding and output matrix."""
    embedding = vocab_size * width * (1 if tied else 2)
    return embedding / (embedding + other_parameters)


def _is_text(token: bytes) -> bool:
    try:
        token.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
