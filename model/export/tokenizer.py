"""The tokenizer of an exported folder: what it gives by default is what training read.

Training began every document with end-of-text. A model that is fed less gives other chances of the next token (a total
variation of 0.31 was measured), and harnesses feed what the tokenizer gives. So the exported one begins every text with
end-of-text, in tokenizer.json (read by `tokenizers` and every version of transformers) and as `add_bos_token`, and knows
the context's length. Without a chat template it reads special tokens in a text as plain bytes; with one it cannot:
transformers has one switch for a text and for a rendered conversation, in which the special tokens are meant.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, processors

from textmill.base.blocks_format import CHAT_FILES, TOKENIZER_FILES
from textmill.model import ModelError
from textmill.tokenizer.bpe import TokenizerError
from textmill.tokenizer.files import generation_config, special_tokens_map, template_in, tokenizer_config


def chat_template_of(run: Path) -> str | None:
    """The chat template of the tokenizer in a run's folder. ModelError where it breaks."""
    files = {name: (run / name).read_bytes() for name in (TOKENIZER_FILES[1], CHAT_FILES[0]) if (run / name).is_file()}
    try:
        return template_in({TOKENIZER_FILES[1]: b"{}"} | files)
    except TokenizerError as error:
        raise ModelError(f"{run}: {error}") from None


def write_tokenizer(tokenizer: Tokenizer, end_of_text: int, context_length: int, folder: Path,
                    template: str | None = None) -> None:
    """Write the tokenizer's files and generation_config.json into `folder`.

    ModelError where no token has the id `end_of_text`."""
    end = tokenizer.id_to_token(end_of_text)
    if end is None:
        raise ModelError(f"the tokenizer has no token of id {end_of_text}, which ends the model's documents; copy the "
                         "tokenizer.json of its blocks into the run's folder")
    exported = Tokenizer.from_str(tokenizer.to_str())
    exported.post_processor = processors.TemplateProcessing(
        single=[end, "$A"], pair=[end, "$A", f"{end}:1", "$B:1"], special_tokens=[(end, end_of_text)])
    special = {token.content: number for number, token in exported.get_added_tokens_decoder().items()
               if token.special or number == end_of_text}
    config = tokenizer_config(list(special), template, end, context_length, begins=True)
    files: dict[str, Mapping[str, Any]] = {
        "tokenizer_config.json": config if template is not None else config | {"split_special_tokens": True},
        "special_tokens_map.json": special_tokens_map(list(special), end),
        "generation_config.json": generation_config(special, end) | {"do_sample": True},
    }
    texts = {name: json.dumps(values, ensure_ascii=False, indent=1) + "\n" for name, values in files.items()}
    if template is not None:
        texts["chat_template.jinja"] = template
    for name, text in (texts | {"tokenizer.json": exported.to_str(pretty=True) + "\n"}).items():
        (folder / name).write_text(text, "utf-8", newline="\n")
