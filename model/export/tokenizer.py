"""The tokenizer of an exported folder: what it gives by default is what training read.

Training began every document with end-of-text. A model that is fed less gives other chances of the next token (a total
variation of 0.31 was measured), and harnesses feed what the tokenizer gives. So the exported one begins every text with
end-of-text, in tokenizer.json (read by `tokenizers` and every version of transformers) and as `add_bos_token`; it reads
special tokens in a text as plain bytes, pads with end-of-text as blocks do, and knows the context's length.
"""

import json
from pathlib import Path

from tokenizers import Tokenizer, processors

from textmill.base.blocks_format import TOKENIZER_FILES
from textmill.model import ModelError


def write_tokenizer(tokenizer: Tokenizer, end_of_text: int, context_length: int, folder: Path) -> None:
    """Write tokenizer.json and tokenizer_config.json into `folder`. ModelError where no token has the id `end_of_text`."""
    end = tokenizer.id_to_token(end_of_text)
    if end is None:
        raise ModelError(f"the tokenizer has no token of id {end_of_text}, which ends the model's documents; copy the "
                         "tokenizer.json of its blocks into the run's folder")
    exported = Tokenizer.from_str(tokenizer.to_str())
    exported.post_processor = processors.TemplateProcessing(
        single=[end, "$A"], pair=[end, "$A", f"{end}:1", "$B:1"], special_tokens=[(end, end_of_text)])
    special = [token.content for number, token in exported.get_added_tokens_decoder().items()
               if token.special and number != end_of_text]
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": end, "eos_token": end, "pad_token": end, "additional_special_tokens": special,
        "add_bos_token": True, "add_eos_token": False, "add_prefix_space": False,
        "split_special_tokens": True, "clean_up_tokenization_spaces": False, "model_max_length": context_length,
    }
    for name, content in zip(TOKENIZER_FILES, (exported.to_str(pretty=True), json.dumps(config, ensure_ascii=False, indent=1)),
                             strict=True):
        (folder / name).write_text(content + "\n", "utf-8")
