"""Tokenizer training: a byte-level BPE of the curated text, as a named input of later stages.

Trained only on request and never automatically again: `tokenize` uses the one that is there, and says when the text it was
trained on has changed since. What it was trained on, and what balancing languages cost, is recorded beside it in
`training.json`.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.output import Files, Output
from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.parts import Counts, Part, read_counts
from textmill.pipelines.contract.run import bring_up_to_date, put_by_hand
from textmill.pipelines.contract.stage import RunContext, Stage, manifest_of
from textmill.pipelines.contract.task import Task, fingerprint
from textmill.pipelines.curate.stage import CURATE
from textmill.pipelines.tokens.count import COUNT
from textmill.pipelines.tokens.settings import TokenizerName
from textmill.tokenizer.files import standard_files
from textmill.tokenizer.pretokens import merged
from textmill.tokenizer.settings import TokenizerSettings
from textmill.tokenizer.training import fairness, train_balanced

TRAINING_FILE = "training.json"


class TrainTokenizer(Stage[TokenizerSettings, None, tuple[Part, ...]]):
    """One task, done here and not by a worker; before it, the workers count the pre-tokens of all parts."""

    name, version, unit = "tokenizer", 2, "texts"
    uses_workers = False
    reads = (CURATE,)

    def dataset(self, config: Configuration) -> str:
        return f"tokenizers/{config[TokenizerName].name}"

    def settings(self, config: Configuration) -> TokenizerSettings:
        return config[TokenizerSettings]

    def output_format(self, tools: None, settings: TokenizerSettings) -> Files:
        return Files()

    def named_inputs(self, context: RunContext) -> dict[str, str]:
        parity = context.config[TokenizerSettings].balance.parity
        if parity is None:
            return {}
        try:
            return {"parity": hashlib.sha256(Path(parity).read_bytes()).hexdigest()}
        except OSError as error:
            raise StageError(f"balance.parity: {parity} cannot be read ({error.strerror}); check the path") from None

    def prepare(self, context: RunContext) -> tuple[Part, ...]:
        """The parts of counts, made where they are not there. Refuses to write over a tokenizer that somebody put there."""
        dataset = context.data / self.dataset(context.config)
        if put_by_hand(dataset):
            raise StageError(f"{dataset.uri} has a tokenizer that was put there by hand; move it away, or give the new one "
                             "another name (--tokenizer, or in the recipe)")
        if not read_counts(context.data / CURATE.dataset(context.config)).get("bytes"):
            raise StageError("no text was curated, so there is nothing to train a tokenizer on")
        bring_up_to_date(COUNT, context, current={CURATE.name})
        return manifest_of(COUNT, context).parts

    def tasks(self, context: RunContext, prepared: tuple[Part, ...]) -> list[Task]:
        """One task: what it is made from is the text, of which the counts are a function."""
        parts = manifest_of(CURATE, context).parts
        return [Task("tokenizer", fingerprint(self.base(context), *(part.sha256 for part in parts)),
                     payload=(COUNT.dataset(context.config), prepared))]

    def input_digest(self, context: RunContext) -> str:
        """Without the counts, which cost a pass over the text."""
        return fingerprint(*((task.key, task.fingerprint) for task in self.tasks(context, ())))

    def work(self, tools: None, settings: TokenizerSettings, task: Task, batches: Iterator[tuple[pa.RecordBatch, ...]],
             output: Output) -> Counts:
        dataset, parts = task.payload
        counted = read_counts(output.data / dataset)
        pieces = merged([read_batches(output.data / dataset, part) for part in parts])
        sizes = {language: of["bytes"] for language, of in counted["language"].items()}
        trained = train_balanced(pieces, sizes, settings)
        sources = {name: of["bytes"] for name, of in counted["source"].items()}
        record = trained.record | {"texts": counted["kept"], "source": sources}
        output.write_file(TRAINING_FILE, (json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())
        for name, content in standard_files(trained.json).items():
            output.write_file(name, content)
        return {name: counted[name] for name in ("read", "kept", "bytes", "rejected")} | {"tokens": settings.vocab_size}

    def summary(self, counts: Counts) -> str:
        sample = f"{counts['kept']:,} of {counts['read']:,} texts, {counts['bytes'] / 1e6:.1f} MB"
        return f"{counts['tokens']:,} tokens learned from {sample}"

    def remarks(self, context: RunContext) -> list[str]:
        """What balancing languages reached, and what it cost."""
        record = json.loads((context.data / self.dataset(context.config)).read(TRAINING_FILE))
        clause = fairness(record, self.settings(context.config).balance)
        return [clause] if clause else []


TOKENIZER = TrainTokenizer()
