"""Tokenizer files for other programs, all from one `tokenizer.json`: transformers, tiktoken, llama.cpp.

Guarantees: every file gives the ids, the special tokens and the chat template of that one; nothing is prepended to a text;
the same `tokenizer.json` gives the same bytes, and nothing is fetched.
"""

import base64
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from textmill.tokenizer.bpe import TokenizerError, pattern_name, read_bpe, token_bytes
from textmill.tokenizer.chat import chat_template, check_configuration
from textmill.tokenizer.patterns import PATTERNS
from textmill.tokenizer.special import END_OF_TEXT, END_OF_TURN, PAD

CONTEXT = 8192      # the longest block, for a tokenizer that no model belongs to yet: transformers warns about longer texts


def standard_files(tokenizer_json: str) -> dict[str, bytes]:
    """The files that go wherever the tokenizer goes, `tokenizer.json` last: its presence means that all are there."""
    ids = special_ids(tokenizer_json)
    template = chat_template(ids)
    files = {
        "tokenizer_config.json": _json(tokenizer_config(list(ids), template)),
        "special_tokens_map.json": _json(special_tokens_map(list(ids))),
        "generation_config.json": _json(generation_config(ids)),
    }
    if template is not None:
        files["chat_template.jinja"] = template.encode()
    return files | {"tokenizer.json": tokenizer_json.encode()}


def export_files(tokenizer_json: str, name: str, own: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """`standard_files`, the ranks for tiktoken, and where the package gguf is installed the metadata for llama.cpp.

    `own`: files that the tokenizer came with, which are taken as they are, its chat template or having none included."""
    files = standard_files(tokenizer_json)
    if own and "tokenizer_config.json" in own:
        files.pop("chat_template.jinja", None)
    files |= dict(own or {})
    files[f"{name}.tiktoken"] = tiktoken_ranks(tokenizer_json)
    if find_spec("gguf") is not None:
        files[f"{name}.gguf"] = gguf_metadata(tokenizer_json, name, template_in(files))
    return files


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder in their order, each atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        unfinished = folder / f".{name}.{os.getpid()}"
        unfinished.write_bytes(content)
        unfinished.replace(folder / name)


def template_in(files: Mapping[str, bytes]) -> str | None:
    """The chat template among a tokenizer's files: the file of its own, else the one in `tokenizer_config.json`."""
    check_configuration(files["tokenizer_config.json"], files.get("chat_template.jinja"))
    if "chat_template.jinja" in files:
        return files["chat_template.jinja"].decode("utf-8", "replace")
    template = json.loads(files["tokenizer_config.json"]).get("chat_template")
    if isinstance(template, list):      # several, by name
        template = next((each["template"] for each in template if each.get("name") == "default"), None)
    return template if isinstance(template, str) else None


def special_ids(tokenizer_json: str) -> dict[str, int]:
    """The special tokens of a `tokenizer.json` and their ids, in their order.

    TokenizerError where it is no byte-level BPE, or has no end of text."""
    token_bytes(tokenizer_json)
    added = sorted(read_bpe(tokenizer_json).get("added_tokens", []), key=lambda token: token["id"])
    ids = {token["content"]: token["id"] for token in added if token.get("special", True)}
    if END_OF_TEXT not in ids:
        raise TokenizerError(f"this tokenizer has no special token {END_OF_TEXT}; add it to special_tokens and train again")
    return ids


def special_tokens_map(special: Sequence[str], end: str = END_OF_TEXT) -> dict[str, Any]:
    """Which special token has which part. `end` begins and ends a document, so it is both bos and eos, as in GPT-2.

    Padding is `<|pad|>`, and `end` in a tokenizer that has none, as in blocks."""
    pad = PAD if PAD in special else end
    return {"bos_token": end, "eos_token": end, "pad_token": pad,
            "additional_special_tokens": [token for token in special if token not in (end, pad)]}


def tokenizer_config(special: Sequence[str], template: str | None, end: str = END_OF_TEXT,
                     context: int = CONTEXT, begins: bool = False) -> dict[str, Any]:
    """What `tokenizer_config.json` holds. `begins`: whether every text begins with `end`."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast", **special_tokens_map(special, end),
        "add_bos_token": begins, "add_eos_token": False, "add_prefix_space": False, "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],       # the class's own default has ids of sentence pairs too
        "model_max_length": context, **({} if template is None else {"chat_template": template}),
    }


def generation_config(ids: Mapping[str, int], end: str = END_OF_TEXT) -> dict[str, Any]:
    """What `generation_config.json` holds of a tokenizer: a model stops at the end of its turn as at the end of the text."""
    stops = [ids[END_OF_TURN], ids[end]] if END_OF_TURN in ids else ids[end]
    return {"bos_token_id": ids[end], "eos_token_id": stops, "pad_token_id": ids.get(PAD, ids[end])}


def tiktoken_ranks(tokenizer_json: str) -> bytes:
    """The ranks that `tiktoken.load.load_tiktoken_bpe` reads: of every ordinary token its bytes in base64, and its id."""
    return b"".join(b"%s %d\n" % (base64.b64encode(token), number)
                    for number, token in enumerate(token_bytes(tokenizer_json)) if token)


def gguf_metadata(tokenizer_json: str, name: str, template: str | None) -> bytes:
    """A GGUF file of the vocabulary alone, which llama.cpp opens with `vocab_only`. It needs the package gguf.

    TokenizerError where llama.cpp has no name for the pattern."""
    from gguf import GGUFWriter

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vocabulary.gguf"
        writer = GGUFWriter(path, "qwen3")
        writer.add_name(name)
        add_vocabulary(writer, tokenizer_json, template)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.close()
        return path.read_bytes()


def add_vocabulary(writer: Any, tokenizer_json: str, template: str | None, begins: bool = False) -> None:
    """Add the tokenizer to a GGUF writer. `begins`: whether every text begins with the end of text.

    TokenizerError where llama.cpp has no name for the pattern."""
    from gguf import TokenType

    if (pattern := pattern_name(tokenizer_json)) is None:
        raise TokenizerError(f"llama.cpp has no name for the pattern of this tokenizer; it knows {', '.join(PATTERNS)}")
    read, ids = read_bpe(tokenizer_json), special_ids(tokenizer_json)
    contents = {number: token for token, number in read["model"]["vocab"].items()}
    types = dict.fromkeys(contents, TokenType.NORMAL)
    for token in read.get("added_tokens", []):
        contents[token["id"]] = token["content"]
        types[token["id"]] = TokenType.CONTROL if token["content"] in ids else TokenType.USER_DEFINED
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in read["model"]["merges"]]
    settings = generation_config(ids)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pattern)
    writer.add_token_list([contents[number] for number in range(len(contents))])
    writer.add_token_types([types[number] for number in range(len(contents))])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(settings["bos_token_id"])
    writer.add_eos_token_id(ids[END_OF_TEXT])
    writer.add_pad_token_id(settings["pad_token_id"])
    if END_OF_TURN in ids:
        writer.add_eot_token_id(ids[END_OF_TURN])
    writer.add_add_bos_token(begins)
    writer.add_add_eos_token(False)
    if template is not None:
        writer.add_chat_template(template)


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, ensure_ascii=False, indent=1) + "\n").encode()
