"""The words for a trained model."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from textmill.cli.options import DATA, DEVICE, MIXTURE, PATH, data_folder, of_mixture, with_options

if TYPE_CHECKING:
    from textmill.model.evaluation.documents import Documents

TRAINED = click.option("--run", type=PATH, help="a folder of checkpoints, or one of them  "
                       "[default: data/checkpoints/NAME of the mixture]")


class Number(click.ParamType):
    """A number as people write it, such as 300B; the strict settings say what is wrong with it."""

    name = "number"


NUMBER = Number()


@click.command("export", short_help="writes it for transformers or llama.cpp")
@with_options(TRAINED, DATA, MIXTURE)
@click.option("--format", "format_", type=click.Choice(["hugging-face", "gguf"]), default="hugging-face", show_default=True,
              help="a folder for transformers, or a file for llama.cpp")
@click.option("--to", type=PATH, required=True, help="the folder, empty or not there yet, or the file")
def export(run: str | None, format_: str, to: str, **given: Any) -> str:
    """Write the trained model as a folder that Hugging Face transformers opens, or as a GGUF file that llama.cpp opens.

    GGUF is written by the package gguf, in float32, with the tokenizer and its chat template."""
    run = run or of_mixture("checkpoints", given)
    if format_ == "gguf":
        from textmill.model.export.gguf import export_gguf

        return export_gguf(run, to)
    from textmill.model.export.hugging_face import export

    return export(run, to)


@click.command("estimate", short_help="parameters, FLOPs, memory, hours and money of training")
@click.option("--shape", default="124m", show_default=True, metavar="NAME", help="ci, 10m, 40m, 124m or 350m")
@click.option("--architecture", default="qwen3", show_default=True, metavar="NAME", help="as in settings.yaml")
@click.option("--layers", type=NUMBER, help="instead of the shape's; so the next six")
@click.option("--width", type=NUMBER, help="of the stream; heads and MLP follow it unless they are given")
@click.option("--heads", type=NUMBER, help="of queries")
@click.option("--head-width", type=NUMBER, help="of each")
@click.option("--kv-heads", type=NUMBER, help="of keys and values")
@click.option("--mlp", type=NUMBER, help="inner width")
@click.option("--tied/--untied", default=None, help="whether the output is the embedding")
@click.option("--window", type=NUMBER, help="of sliding attention, in tokens")
@click.option("--experts", type=NUMBER, help="of qwen3-moe, in each layer  [default: 8]")
@click.option("--experts-per-token", type=NUMBER, help="how many of them a token goes through  [default: 2]")
@click.option("--shared-expert/--no-shared-expert", default=None, help="one more for every token")
@click.option("--vocabulary", type=NUMBER, default="32768", show_default=True, help="ids of the tokenizer")
@click.option("--block", type=NUMBER, default="2048", show_default=True, help="tokens that attend to each other at most")
@click.option("--batch", type=NUMBER, default="8", show_default=True, help="blocks at a time on a card")
@click.option("--optimizer", default="muon", show_default=True, metavar="NAME", help="muon or adamw")
@click.option("--tokens", type=NUMBER, help="to train on, such as 10B  [default: by the next]")
@click.option("--tokens-per-parameter", type=NUMBER, default="20", show_default=True, help="where --tokens is not given")
@click.option("--accelerator", multiple=True, metavar="NAME", help="only this card; may be repeated  [default: all known]")
@click.option("--cards", type=NUMBER, default="1", show_default=True, help="how many work together")
@click.option("--utilisation", type=NUMBER, default="0.4", show_default=True, help="useful share of the peak rate (MFU)")
@click.option("--price", type=NUMBER, help="dollars for a card's hour  [default: examples, with their date]")
def estimate(**given: Any) -> Iterable[str]:
    """Estimate what training a model takes: parameters, FLOPs, memory by part, and hours and money on known cards.

    Numbers may be written as 300B, 1.5T or 32k. FLOPs of a token are 6 for each parameter that it is multiplied with (not
    the embedding's rows) and 12 x layers x width of the heads x block for attention, as nanoGPT and PaLM count them."""
    from textmill.base.strict import parse
    from textmill.model.training.estimate import Estimate, EstimateSettings

    wanted = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items() if value is not None}
    return Estimate(parse(EstimateSettings, wanted, "estimate")).lines()


BLOCKS = click.option("--blocks", type=PATH, help="a folder of packed blocks  [default: data/blocks/NAME of the mixture]")
LIMIT = click.option("--validation-blocks", type=click.IntRange(min=1), metavar="N",
                     help="held-out blocks to look at  [default: all]")


@click.command("evaluate", short_help="bits per byte by entry, source, language; multiple choice")
@with_options(TRAINED, BLOCKS, DATA, MIXTURE, LIMIT)
@click.option("--tasks", type=PATH, multiple=True, metavar="FILE",
              help="JSONL of question, choices, answer, instead of blocks; may be repeated")
@click.option("--calibration", is_flag=True, help="with --tasks: how far confidence says what is right")
@click.option("--abstain", type=click.FloatRange(0, 1), metavar="P", help="with --calibration: below this confidence")
@DEVICE
def evaluate(run: str | None, blocks: str | None, validation_blocks: int | None, tasks: tuple[str, ...], calibration: bool,
             abstain: float | None, device: str, **given: Any) -> Iterable[str]:
    """Evaluate a trained model on held-out documents: bits per byte overall, and by entry, length, source and language.

    Each figure has a 95 % interval by bootstrap over documents. With --tasks: multiple choice, and cloze where a question
    has a blank (___), by log-probability per byte."""
    from textmill.model.device import choose_device

    run = run or of_mixture("checkpoints", given)
    if tasks:
        from textmill.model.evaluation import tasks as choices
        from textmill.model.generation.language_model import LanguageModel

        items = {path: choices.read_items(path) for path in tasks}
        model = LanguageModel.load(run, choose_device(device))
        if calibration:
            from textmill.model.evaluation.calibration import judgements
            from textmill.model.evaluation.calibration import lines as calibrated

            return [line for each in items.values() for line in calibrated(list(judgements(model, each)), abstain)]
        return [choices.line(path, choices.score(model, each)) for path, each in items.items()]
    from textmill.model.evaluation.figures import lines, tables

    documents, shares, facts = losses(run, blocks or of_mixture("blocks", given), validation_blocks, device, given["data"])
    return lines(tables(documents, shares, labels_of(documents.ids, facts)))


@click.command("worst", short_help="held-out documents that a model predicts worst")
@with_options(TRAINED, BLOCKS, DATA, MIXTURE, LIMIT)
@click.option("--count", type=click.IntRange(min=1), default=20, show_default=True, help="how many to list")
@click.option("--least-bytes", type=click.IntRange(min=1), default=200, show_default=True,
              help="shorter documents are left out: a few bytes say little")
@DEVICE
def worst(run: str | None, blocks: str | None, validation_blocks: int | None, count: int, least_bytes: int, device: str,
          **given: Any) -> Iterable[str]:
    """List the held-out documents with the most bits per byte, and their addresses where the data folder has them."""
    import numpy as np

    run, folder = run or of_mixture("checkpoints", given), blocks or of_mixture("blocks", given)
    documents, _, facts = losses(run, folder, validation_blocks, device, given["data"])
    rows = np.flatnonzero(documents.bytes >= least_bytes)
    rows = rows[np.argsort(-documents.bits_per_byte[rows], kind="stable")][:count]
    if not len(rows):
        return [f"no held-out document has {least_bytes:,} bytes to predict; give a smaller --least-bytes"]
    return [f"{documents.bits_per_byte[row]:8.4f} bits per byte, {documents.bytes[row]:>9,} bytes  {documents.ids[row]}  "
            f"{documents.entries[row]}" + (f"  {facts[id_].url}" if (id_ := documents.ids[row]) in facts else "")
            for row in rows]


def losses(run: str, blocks: str, limit: int | None, device: str,
           data: str) -> "tuple[Documents, dict[str, float], dict[str, Any]]":
    """What held-out documents cost a model, the recipe's shares, and what the data folder knows of the documents."""
    from textmill.model.data.blocks import PackedMixture
    from textmill.model.device import choose_device
    from textmill.model.evaluation.documents import documents_of, open_for

    mixture = PackedMixture(blocks)
    model, sizes = open_for(run, mixture, choose_device(device))
    documents = documents_of(model, mixture.validation, sizes, limit=limit)
    return documents, mixture.validation.shares, facts_in(data, documents.ids)


def facts_in(data: str, ids: Iterable[str]) -> dict[str, Any]:
    """Source, language and address of documents, where there is a data folder and the packages to read it; else none."""
    try:
        from textmill.pipelines.ledger.facts import facts_of
    except ModuleNotFoundError:         # blocks were copied to where only the model's packages are
        return {}
    return dict(facts_of(data_folder(data), set(ids)))


def labels_of(ids: Sequence[str], facts: Mapping[str, Any]) -> dict[str, list[str]]:
    """Source and language of each document; nothing where no document is known."""
    if not any(id_ in facts for id_ in ids):
        return {}
    return {name: [getattr(facts[id_], name) or "unknown" if id_ in facts else "unknown" for id_ in ids]
            for name in ("source", "language")}


EXPORT, ESTIMATE, EVALUATE, WORST = export, estimate, evaluate, worst
