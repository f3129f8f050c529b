"""Tokenizer: trains a byte-level BPE on the curated text, as a named input of what follows.

Made only on request and never retrained by itself: `tokenize` uses the one that is there, and says when the text it was
trained on has changed since. Where there is more text than `sample_bytes`, texts are chosen by the hash of their ids.
"""

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.parts import Counts, Part, Receipt, read_batches
from textmill.pipelines.contract.stage import RunContext, Stage, Task, fingerprint, manifest_of
from textmill.pipelines.contract.storage import StageError
from textmill.pipelines.curate.stage import CURATE
from textmill.tokenizer.bpe import TokenizerError, tokenizer_config_json
from textmill.tokenizer.training import Training, chosen, train

if TYPE_CHECKING:
    from textmill.pipelines.settings import Config


class TokenizerStage(Stage):
    """One task, done here and not by Beam: the trainer is one process with threads, its input a bounded sample."""

    name, version, unit = "tokenizer", 1, "texts"
    uses_workers = False
    reads = (CURATE,)
    libraries = ("tokenizers",)

    def dataset(self, config: "Config") -> str:
        return f"tokenizers/{config.tokenizer}"

    def settings(self, config: "Config") -> Training:
        return config.settings.tokenizer

    def tasks(self, context: RunContext) -> list[Task]:
        parts = manifest_of(CURATE, context).parts
        return [Task("tokenizer", fingerprint(self.base(context), *(part.sha256 for part in parts)), payload=parts)]

    def make(self, context: RunContext, tasks: list[Task]) -> None:
        (task,), training = tasks, self.settings(context.config)
        curated, dataset = context.data / CURATE.dataset(context.config), context.data / self.dataset(context.config)
        total = sum(pc.sum(pc.binary_length(batch["text"])).as_py() or 0 for batch in texts(curated, task.payload))
        if not total:
            raise StageError("no text was curated, so there is nothing to train a tokenizer on")
        share = min(1.0, training.sample_bytes / total)
        counts: Counts = {"read": 0, "kept": 0, "rejected": {"beyond_sample_bytes": 0}, "bytes": 0}

        def sample() -> Iterator[list[str]]:
            for batch in texts(curated, task.payload):
                taken = batch if share == 1 else batch.filter(pa.array([chosen(i, share) for i in batch["id"].to_pylist()]))
                counts["read"] += batch.num_rows
                counts["kept"] += taken.num_rows
                counts["bytes"] += pc.sum(pc.binary_length(taken["text"])).as_py() or 0
                yield taken["text"].to_pylist()

        try:
            trained = train(sample(), training)
        except TokenizerError as error:
            raise StageError(str(error)) from None
        counts["rejected"]["beyond_sample_bytes"] = counts["read"] - counts["kept"]
        counts["tokens"] = training.vocab_size
        parts = []
        files = {"tokenizer_config.json": tokenizer_config_json(training.special_tokens), "tokenizer.json": trained}
        for name, text in files.items():
            data = text.encode()
            dataset.write(name, data)
            parts.append(Part("tokenizer", name, 0, len(data), hashlib.sha256(data).hexdigest()))
        dataset.write(task.receipt, Receipt(task.key, task.fingerprint, tuple(parts), None, counts).to_json())

    def summary(self, counts: Counts) -> str:
        chosen_texts = f"{counts['kept']:,} of {counts['read']:,} texts, {counts['bytes'] / 1e6:.1f} MB"
        return f"{counts['tokens']:,} tokens learned from {chosen_texts}"


def texts(curated: Any, parts: tuple[Part, ...]) -> Iterator[pa.RecordBatch]:
    for part in parts:
        yield from read_batches(curated, part, ["id", "text"])


TOKENIZER = TokenizerStage()
