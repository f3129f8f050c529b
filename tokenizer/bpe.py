"""Byte-level BPE vocabularies, and the `tokenizer.json` they are stored in.

Ids 0 to 255 are the bytes 0x00 to 0xFF in order, then come the merges in the order learned, then the special tokens.
Hugging Face `tokenizers` and `transformers` load the file unchanged. There is no normalizer and no unknown token, so
decoding returns any text byte for byte.

Inside `tokenizer.json` a byte is written as a printable character (`character_of_byte`, the table GPT-2 introduced);
a token's entry in the vocabulary is the string of its bytes' characters.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textmill.base.errors import TextmillError
from textmill.tokenizer.patterns import PATTERNS
from textmill.tokenizer.special import END_OF_TEXT as END_OF_TEXT
from textmill.tokenizer.special import added_token_problems, learned_token_problems

LARGEST_UINT16_VOCABULARY = 1 << 16


class TokenizerError(TextmillError):
    """A tokenizer, its settings or its input is not as it must be; the message says what to do."""


def _characters() -> list[str]:
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    spare = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


character_of_byte: list[str] = _characters()
_byte_of_character = {character: byte for byte, character in enumerate(character_of_byte)}


def tokenizer_json(merges: Sequence[tuple[str, str]], pattern: str, special_tokens: Sequence[str]) -> str:
    """The text of `tokenizer.json`: the 256 bytes, then the merges, then the special tokens.

    `merges`: pairs of vocabulary strings, in the order learned. Two merges may yield one token; it has the id of the first.
    TokenizerError where a special token is a learned one too."""
    vocabulary = {character: byte for byte, character in enumerate(character_of_byte)}
    for left, right in merges:
        vocabulary.setdefault(left + right, len(vocabulary))
    if problems := list(learned_token_problems(special_tokens, vocabulary, character_of_byte)):
        raise TokenizerError("\n".join(problems))
    cut = {"type": "Split", "pattern": {"Regex": PATTERNS[pattern]}, "behavior": "Isolated", "invert": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    written = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": len(vocabulary) + n, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
            for n, token in enumerate(special_tokens)
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [cut, byte_level]},
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": vocabulary, "merges": [list(merge) for merge in merges],
        },
    }
    return json.dumps(written, ensure_ascii=False, indent=1) + "\n"


def token_bytes(path_or_json: str | Path) -> list[bytes]:
    """The raw bytes of every id of a byte-level BPE, in id order; b"" for a special token, which stands for no text.

    Takes the path of a `tokenizer.json` or its text. These, not `decode()`, give the bytes behind a token: one that
    ends inside a character decodes to U+FFFD. Raises TokenizerError where the file is no byte-level BPE, or where ids and
    contents of its added tokens disagree with its vocabulary.
    """
    read = read_bpe(path_or_json)
    try:
        added = {token["id"]: token for token in read.get("added_tokens", [])}
        contents = {number: str(token["content"]) for number, token in added.items()}
        ids: dict[int, str] = {**{number: token for token, number in read["model"]["vocab"].items()}, **contents}
        gaps = sorted(ids) != list(range(len(ids)))
        problems = list(added_token_problems(list(added.values()), read["model"]["vocab"], character_of_byte))
    except (KeyError, TypeError, AttributeError) as error:
        raise TokenizerError(f"this tokenizer.json has no vocabulary that can be read ({error!r}); copy it again, or train "
                             "one") from None
    if gaps:
        raise TokenizerError("the ids of this tokenizer have gaps; it was damaged or made by something else")
    if problems:
        raise TokenizerError("\n".join(f"this tokenizer.json disagrees with itself: {problem}" for problem in problems))
    try:
        return [bytes(_byte_of_character[c] for c in ids[number]) if number not in added else
                b"" if added[number].get("special", True) else ids[number].encode()
                for number in range(len(ids))]
    except KeyError as error:
        raise TokenizerError(f"a token contains the character {error}: this is not a byte-level BPE") from None


def read_bpe(path_or_json: str | Path) -> dict[str, Any]:
    """A `tokenizer.json`, by its path or its text, as what it holds. TokenizerError where it is none of a BPE."""
    given = str(path_or_json)
    try:
        read = json.loads(given if given.lstrip().startswith("{") else Path(given).read_text("utf-8"))
    except FileNotFoundError:
        raise TokenizerError(f"{given}: there is no such file; give the path of a tokenizer.json") from None
    except (OSError, ValueError, RecursionError) as error:
        what = "the tokenizer's file" if given.lstrip().startswith("{") else given
        raise TokenizerError(f"{what} cannot be read as tokenizer.json ({error}); copy it again, or train one") from None
    model = read.get("model") if isinstance(read, dict) else None
    if not isinstance(model, dict) or model.get("type") != "BPE":
        raise TokenizerError("this tokenizer.json has no BPE; train one (`textmill tokenizer`, `textmill train-tokenizer`)")
    return read


def pattern_name(tokenizer_json: str) -> str | None:
    """llama.cpp's name of the pattern by which this tokenizer cuts text; None where it has none."""
    cut = read_bpe(tokenizer_json).get("pre_tokenizer") or {}
    steps = cut.get("pretokenizers", [cut])
    expressions = [step["pattern"].get("Regex") for step in steps if step.get("type") == "Split"]
    if not expressions and [step.get("type") for step in steps] == ["ByteLevel"] and steps[0].get("use_regex", True):
        return "gpt-2"
    return next((name for name, pattern in PATTERNS.items() if expressions == [pattern]), None)
