"""Export to Hugging Face: a checkpoint as a folder that transformers opens, with weights, configuration and tokenizer.

Where transformers is installed the folder is opened once and must give, for a text, the ids that training would read and
the model's own logits, with no weight missing and none left over (transformers fills a missing weight with random numbers
and only warns).
"""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from textmill.model import ModelError
from textmill.model.architecture.decoder import Decoder
from textmill.model.data.tokenizer import document_ids, open_tokenizer
from textmill.model.export.tokenizer import chat_template_of, write_tokenizer
from textmill.model.training.checkpoint import load_model, save_tensors, trained

TEXT = "The river – naïve 水 🦊, 1234\n\n\t<|endoftext|> goes on."      # what tokenizers read differently
TOLERANCE = 1e-4        # largest difference of a logit in float32; measured differences are below 1e-5


def export(run: str | Path, to: str | Path) -> str:
    """Write the folder `to`, check it where transformers is there; the summary line."""
    (checkpoint, home), target = trained(Path(run)), Path(to)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ModelError(f"{to} is there already and not empty; name another folder with --to")
    model = load_model(checkpoint, torch.device("cpu")).eval()
    if problem := model.not_exportable():
        raise ModelError(f"{checkpoint} cannot be exported: {problem}")
    tokenizer, template = open_tokenizer(home, model.vocab_size), chat_template_of(home)
    target.mkdir(parents=True, exist_ok=True)
    save_tensors(target / "model.safetensors", model.published(), {"format": "pt"})
    (target / "config.json").write_text(json.dumps(model.config, indent=1, sort_keys=True) + "\n", "utf-8")
    end = model.end_of_text
    write_tokenizer(tokenizer, end, model.context_length, target, template)
    if find_spec("transformers") is None:
        return f"export: {target} written as {model.config['architectures'][0]}; not checked, transformers is not installed"
    difference = check(target, model, lambda text: document_ids(tokenizer, text, end))
    return f"export: {target} opens as {model.config['architectures'][0]}, its logits differ by at most {difference:.1e}"


@torch.no_grad()
def check(folder: Path, model: Decoder, read: Callable[[str], list[int]] | None = None) -> float:
    """The largest difference between the model's logits and those of the folder opened by transformers.

    Compared for random ids, so that all weights take part, and for TEXT, as the folder's tokenizer reads it (by default,
    where it has no chat template) and as `read` does: ModelError where these differ, or the logits do by more than TOLERANCE.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()      # for one small model; the summary line says how it ended

    loaded: Any = AutoModelForCausalLM.from_pretrained(str(folder), output_loading_info=True, local_files_only=True)
    theirs, info = loaded
    wrong = [*info["missing_keys"], *info["unexpected_keys"], *info["mismatched_keys"]]
    if wrong:
        raise ModelError(f"{folder} does not hold what transformers expects: {', '.join(map(str, wrong))}")
    inputs = [torch.randint(model.vocab_size, (1, min(64, model.context_length)), generator=torch.Generator().manual_seed(0))]
    if read is not None:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        switch = {"split_special_tokens": True} if tokenizer.chat_template else {}      # see export/tokenizer.py
        ids, expected = tokenizer(TEXT, **switch)["input_ids"], read(TEXT)
        if ids != expected:
            raise ModelError(f"{folder}: its tokenizer reads {TEXT!r} as {ids}, training as {expected}")
        inputs.append(torch.tensor([ids[:model.context_length]]))
    theirs.float()
    difference = max(float((theirs(tokens).logits - model.logits(tokens, model.cache(1, tokens.shape[1]))).abs().max())
                     for tokens in inputs)
    if not difference <= TOLERANCE:
        raise ModelError(f"{folder}: opened by transformers its logits differ by {difference:.1e}, more than {TOLERANCE:.0e}")
    return difference
